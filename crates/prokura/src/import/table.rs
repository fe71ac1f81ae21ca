//! A file of rows: CSV with a header, or JSON Lines with the same names. Read as a stream; nothing is kept.

use anyhow::{Context as _, bail};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

/// A file of one kind.
pub(super) struct Table {
    path: PathBuf,
    file: String,
    is_csv: bool,
    columns: &'static [&'static str],
    optional: &'static [&'static str],
}

/// One row, as text by column.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) line: u64,
    /// Bytes read so far.
    pub(super) position: u64,
    /// Why the row as a whole cannot be read.
    pub(super) fault: Option<String>,
    fields: HashMap<String, String>,
}

impl Record {
    /// A field without the blanks around it; `None` when it is absent or empty.
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.fields.get(column).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

impl Table {
    /// The file of `kind` in `folder`, when there is one. Two of them are too many.
    pub(super) fn find(
        folder: &Path,
        kind: &str,
        columns: &'static [&'static str],
        optional: &'static [&'static str],
    ) -> anyhow::Result<Option<Self>> {
        let csv = folder.join(format!("{kind}.csv"));
        let lines = folder.join(format!("{kind}.jsonl"));
        let (path, is_csv) = match (csv.exists(), lines.exists()) {
            (true, true) => bail!("{} has {kind}.csv and {kind}.jsonl: keep one", folder.display()),
            (true, false) => (csv, true),
            (false, true) => (lines, false),
            (false, false) => return Ok(None),
        };
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let table = Self { path, file, is_csv, columns, optional };
        if is_csv {
            table.check_header()?;
        }
        Ok(Some(table))
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn bytes(&self) -> u64 {
        self.path.metadata().map(|metadata| metadata.len()).unwrap_or_default()
    }

    fn reader(&self) -> anyhow::Result<csv::Reader<File>> {
        csv::ReaderBuilder::new()
            .flexible(true)
            .from_path(&self.path)
            .with_context(|| format!("{} cannot be read", self.path.display()))
    }

    fn check_header(&self) -> anyhow::Result<()> {
        let mut reader = self.reader()?;
        let header = reader.headers().with_context(|| format!("{}:1: the header cannot be read", self.file))?;
        let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        if let Some(missing) = self.columns.iter().find(|column| !names.contains(*column)) {
            bail!("{}:1: the column {missing} is missing; the header is {}", self.file, self.columns.join(","));
        }
        if let Some(unknown) = names.iter().find(|name| !self.columns.contains(name) && !self.optional.contains(name)) {
            bail!("{}:1: the column {unknown:?} is not known; the header is {}", self.file, self.columns.join(","));
        }
        Ok(())
    }

    /// The rows from the beginning.
    pub(super) fn records(&self) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Record>> + Send>> {
        if self.is_csv {
            let mut reader = self.reader()?;
            let header: Vec<String> =
                reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
            let file = self.file.clone();
            Ok(Box::new(reader.into_byte_records().map(move |row| {
                let row = row.with_context(|| format!("{file} cannot be read on"))?;
                Ok(from_csv(&header, &row))
            })))
        } else {
            let file = File::open(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))?;
            let (columns, optional, name) = (self.columns, self.optional, self.file.clone());
            let (mut line, mut position) = (0, 0);
            Ok(Box::new(BufReader::new(file).split(b'\n').filter_map(move |row| {
                line += 1;
                let row = match row.with_context(|| format!("{name} cannot be read on")) {
                    Ok(row) => row,
                    Err(error) => return Some(Err(error)),
                };
                position += row.len() as u64 + 1;
                let is_blank = row.iter().all(u8::is_ascii_whitespace);
                (!is_blank).then(|| Ok(Record { line, position, ..from_json(&row, columns, optional) }))
            })))
        }
    }
}

fn from_csv(header: &[String], row: &csv::ByteRecord) -> Record {
    let (line, position) = row.position().map_or((0, 0), |position| (position.line(), position.byte()));
    let mut record = Record { line, position, ..Record::default() };
    if row.len() != header.len() {
        record.fault = Some(format!("has {} fields, and the header has {}", row.len(), header.len()));
        return record;
    }
    for (name, field) in header.iter().zip(row) {
        match std::str::from_utf8(field) {
            Ok(text) => {
                record.fields.insert(name.clone(), text.to_owned());
            }
            Err(_) => record.fault = Some(format!("{name} is not UTF-8: save the file as UTF-8")),
        }
    }
    record
}

fn from_json(row: &[u8], columns: &[&str], optional: &[&str]) -> Record {
    let mut record = Record::default();
    let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(row) {
        Ok(object) => object,
        Err(error) => {
            record.fault = Some(format!("is not a JSON object in one line: {error}"));
            return record;
        }
    };
    for (name, value) in object {
        if !columns.contains(&name.as_str()) && !optional.contains(&name.as_str()) {
            record.fault = Some(format!("{name:?} is not known; the names are {}", columns.join(", ")));
        }
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Bool(_) | serde_json::Value::Number(_) => value.to_string(),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                record.fault = Some(format!("{name} must be a text, a number or true or false"));
                continue;
            }
        };
        record.fields.insert(name, text);
    }
    record
}
