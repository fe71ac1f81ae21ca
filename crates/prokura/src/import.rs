//! The importer: reads a folder of CSV or JSON Lines files, one per kind, names every row that does not fit with file,
//! line, column and what would be right, and takes the others in. Running it again changes nothing; stopped in the
//! middle, it goes on where rows are missing.

mod countries;
mod entities;
#[cfg(test)]
mod fuzz;
mod rows;
mod table;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use prokura_engine::{Engine, FieldFault, RowOutcome, Tenant};
use std::{collections::HashMap, fmt, hash::BuildHasher as _, hash::RandomState, io::IsTerminal as _, path::Path};
use table::{Record, Table};

/// Rows in one transaction.
const BATCH: usize = 500;
/// Faults that are kept for the report; further ones are only counted and shown as they come.
const MAX_KEPT_FAULTS: usize = 10_000;

/// Hears of each fault as it is found.
type OnFault = Box<dyn Fn(&RowFault) + Send + Sync>;

/// How an import behaves.
pub struct ImportOptions {
    has_progress: bool,
    on_fault: Option<OnFault>,
}

impl ImportOptions {
    /// Says nothing while it works.
    pub fn quiet() -> Self {
        Self { has_progress: false, on_fault: None }
    }

    /// Shows a bar on a terminal, and hands each fault over as it is found.
    pub fn interactive(on_fault: impl Fn(&RowFault) + Send + Sync + 'static) -> Self {
        Self { has_progress: std::io::stderr().is_terminal(), on_fault: Some(Box::new(on_fault)) }
    }
}

/// One thing wrong with one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The file's name.
    pub file: String,
    /// The line it begins in; the header is line 1.
    pub line: u64,
    /// The column; empty when the row as a whole is wrong.
    pub column: String,
    /// What would be right.
    pub reason: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, reason } = self;
        if column.is_empty() {
            write!(f, "{file}:{line}: {reason}")
        } else {
            write!(f, "{file}:{line}: {column}: {reason}")
        }
    }
}

/// What became of the rows of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// New ones.
    pub created: u64,
    /// Changed ones.
    pub updated: u64,
    /// Those that were there just so.
    pub unchanged: u64,
    /// Those that were left out.
    pub left_out: u64,
}

/// What became of everything.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    /// By kind, in the order they were read.
    pub kinds: Vec<(&'static str, Counts)>,
    /// What was wrong, the first ten thousand.
    pub faults: Vec<RowFault>,
}

impl ImportReport {
    /// How many rows were left out.
    pub fn left_out(&self) -> u64 {
        self.kinds.iter().map(|(_, counts)| counts.left_out).sum()
    }
}

/// Takes a folder in.
///
/// # Errors
/// A file that cannot be read or has the wrong header; a fault of the database. Bad rows are no errors, they are in the
/// report.
pub async fn run(
    engine: &Engine,
    tenant: &Tenant,
    folder: &Path,
    options: &ImportOptions,
) -> anyhow::Result<ImportReport> {
    let mut import = Import { engine, tenant, options, report: ImportReport::default(), hasher: RandomState::new() };
    let mut is_empty = true;
    for kind in rows::KINDS {
        if let Some(table) = Table::find(folder, kind.name, kind.columns, kind.optional)? {
            is_empty = false;
            import.kind(kind, &table).await.with_context(|| format!("{} is not in whole", table.file()))?;
        }
    }
    if is_empty {
        let names: Vec<&str> = rows::KINDS.iter().map(|kind| kind.name).collect();
        anyhow::bail!("{} has none of the files {} (.csv or .jsonl)", folder.display(), names.join(", "));
    }
    Ok(import.report)
}

struct Import<'a> {
    engine: &'a Engine,
    tenant: &'a Tenant,
    options: &'a ImportOptions,
    report: ImportReport,
    hasher: RandomState,
}

/// A kind of rows that is being read.
struct Reading<'t> {
    table: &'t Table,
    counts: Counts,
    bar: ProgressBar,
    /// Keys seen in this file, by hash, with their line: a million of them take some thirty megabytes.
    seen: HashMap<u64, u64>,
}

impl Import<'_> {
    async fn kind(&mut self, kind: &rows::Kind, table: &Table) -> anyhow::Result<()> {
        let mut reading =
            Reading { table, counts: Counts::default(), bar: self.bar(kind.name, table), seen: HashMap::new() };
        let first_fault = self.report.faults.len();
        if kind.name == "legal_entities" {
            self.legal_entities(&mut reading).await?;
        } else {
            let mut batch = Vec::with_capacity(BATCH);
            for record in table.records()? {
                let record = record?;
                reading.bar.set_position(record.position);
                reading.counts.read += 1;
                match self.read(kind, &mut reading, &record) {
                    Ok(row) => batch.push((record.line, row)),
                    Err(faults) => self.leave_out(&mut reading, record.line, faults),
                }
                if batch.len() == BATCH {
                    self.take_in(&mut reading, &mut batch).await?;
                }
            }
            self.take_in(&mut reading, &mut batch).await?;
        }
        reading.bar.finish_and_clear();
        // What only the database could tell was found after its batch.
        if let Some(own) = self.report.faults.get_mut(first_fault..) {
            own.sort_by_key(|fault| fault.line);
        }
        self.report.kinds.push((kind.name, reading.counts));
        Ok(())
    }

    /// A row, when every field of it is right and its key is new in this file.
    fn read(
        &self,
        kind: &rows::Kind,
        reading: &mut Reading<'_>,
        record: &Record,
    ) -> Result<rows::Row, Vec<FieldFault>> {
        if let Some(fault) = &record.fault {
            return Err(vec![FieldFault { field: "", reason: fault.clone() }]);
        }
        let (key, row) = (kind.read)(record)?;
        let hash = self.hasher.hash_one(&key);
        match reading.seen.insert(hash, record.line) {
            Some(line) => {
                reading.seen.insert(hash, line);
                Err(vec![FieldFault {
                    field: kind.key,
                    reason: format!("stands in line {line} already: keep one of the two"),
                }])
            }
            None => Ok(row),
        }
    }

    async fn take_in(&mut self, reading: &mut Reading<'_>, batch: &mut Vec<(u64, rows::Row)>) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let (lines, rows): (Vec<u64>, Vec<rows::Row>) = std::mem::take(batch).into_iter().unzip();
        let outcomes = rows::take_in(self.engine, self.tenant, rows).await?;
        for (line, outcome) in lines.into_iter().zip(outcomes) {
            match outcome {
                RowOutcome::Created => reading.counts.created += 1,
                RowOutcome::Updated => reading.counts.updated += 1,
                RowOutcome::Unchanged => reading.counts.unchanged += 1,
                RowOutcome::Refused(faults) => self.leave_out(reading, line, faults),
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, reading: &mut Reading<'_>, line: u64, faults: Vec<FieldFault>) {
        reading.counts.left_out += 1;
        for fault in faults {
            let fault = RowFault {
                file: reading.table.file().to_owned(),
                line,
                column: fault.field.to_owned(),
                reason: fault.reason,
            };
            if let Some(on_fault) = &self.options.on_fault {
                reading.bar.suspend(|| on_fault(&fault));
            }
            if self.report.faults.len() < MAX_KEPT_FAULTS {
                self.report.faults.push(fault);
            }
        }
    }

    fn bar(&self, name: &'static str, table: &Table) -> ProgressBar {
        if !self.options.has_progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{prefix:20} {bar:40} {percent:>3}%  {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(table.bytes()).with_style(style).with_prefix(name)
    }
}
