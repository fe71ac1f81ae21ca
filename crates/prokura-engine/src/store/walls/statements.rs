//! What the store's own source files say: its methods, its SQL texts and its tables. A plain reading of text; good
//! enough for files written in one style, and it fails loudly when it finds nothing.

use super::Store;
use std::{fs, path::Path};

/// SQL texts that go beyond one tenant on purpose, by how they begin, and why.
const ACROSS_TENANTS: &[(&str, &str)] = &[
    ("DELETE FROM login_failures WHERE window_at < $1", "forgets by age"),
    ("DELETE FROM known_devices WHERE last_at < $1", "forgets by age"),
    ("DELETE FROM operator_roles WHERE operator_id = $1", "an operator goes from every tenant at once"),
    (
        "SELECT 1 FROM outbox WHERE state = 'waiting' AND lane = $2 AND due_at <= $1 AND",
        "whether a node has anything to do",
    ),
];

/// A source file of the store.
pub(super) struct Source {
    name: String,
    text: String,
}

/// A method others can call.
pub(super) struct Method<'a> {
    pub(super) name: &'a str,
    pub(super) takes_tenant: bool,
}

/// A table of the schema.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: Vec<&'static str>,
}

impl Table {
    /// The column that names the tenant.
    pub(super) fn tenant_key(&self) -> Option<&'static str> {
        match self.name {
            "tenants" => Some("id"),
            _ => self.columns.contains(&"tenant_id").then_some("tenant_id"),
        }
    }
}

/// The store's files, without their tests.
pub(super) fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut sources = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            // The driver knows no table, migrations are the schema's own business, and these are the tests.
            if ["driver", "migrate", "migrations", "walls", "tests"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
            sources.push(Source { name, text: code });
        }
    }
    assert!(sources.len() >= 10, "the store's files were not found");
    sources
}

impl Source {
    pub(super) fn methods(&self) -> impl Iterator<Item = Method<'_>> {
        const START: &str = "pub(crate) async fn ";
        self.text.match_indices(START).map(|(at, _)| {
            let rest = &self.text[at + START.len()..];
            let signature = rest.split('{').next().unwrap();
            let name = signature.split(['(', '<']).next().unwrap();
            Method { name, takes_tenant: signature.contains("tenant: &TenantId") }
        })
    }

    /// Every SQL text, with blanks and line ends as one blank.
    fn statements(&self) -> Vec<String> {
        let mut statements = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find(['"', '/', '\'']) {
            let (mark, tail) = rest[at..].split_at(1);
            rest = tail;
            if mark == "/" {
                if let Some(comment) = tail.strip_prefix('/') {
                    rest = comment.find('\n').map_or("", |end| &comment[end..]);
                }
            } else if mark == "'" {
                // A character that is a quote; everything else with an apostrophe is a lifetime or harmless.
                rest = tail.strip_prefix("\"'").unwrap_or(tail);
            } else {
                let mut end = 0;
                let bytes = tail.as_bytes();
                while bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                let text = tail[..end].split_ascii_whitespace().collect::<Vec<_>>().join(" ").replace("\\\\", "\\");
                if ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|start| text.starts_with(start)) {
                    statements.push(text);
                }
                rest = &tail[end + 1..];
            }
        }
        statements
    }
}

/// The tables, read from the first migration.
pub(super) fn tables() -> Vec<Table> {
    let mut tables = Vec::new();
    for part in crate::store::SCHEMA.split("CREATE TABLE ").skip(1) {
        let (name, body) = part.split_once(" (").unwrap();
        let body = body.split("\n);").next().unwrap();
        let columns = body.lines().filter_map(|line| {
            let word = line.strip_prefix("    ")?.split(' ').next()?;
            word.starts_with(|first: char| first.is_ascii_lowercase()).then_some(word)
        });
        tables.push(Table { name, columns: columns.collect() });
    }
    assert!(tables.len() >= 20, "the schema was not understood");
    tables
}

/// Lets the database understand every statement, those behind an early return too.
pub(super) async fn prepare_all(store: &Store) {
    let is_sqlite = store.driver().engine() == super::super::driver::Engine::Sqlite;
    let mut number = 0;
    for source in sources() {
        for statement in source.statements() {
            number += 1;
            let sql = if is_sqlite {
                format!("EXPLAIN {statement}")
            } else {
                let types = types_of(&statement);
                format!("PREPARE wall_{number}{types} AS {statement}; DEALLOCATE wall_{number}")
            };
            // In a transaction of its own: after an error nothing else runs in it.
            let mut tx = store.write().await.unwrap();
            if let Err(error) = tx.batch(&sql).await {
                panic!("{}: {statement}: {error:?}", source.name);
            }
        }
    }
    assert!(number >= 80, "{number} statements are too few to be all");
}

/// Where an optional parameter is compared with a number.
const NUMBERS: &[&str] = &["version =", "is_primary =", "valid_from <="];

/// The types of the parameters, as far as PostgreSQL does not find them itself: of one that is first asked whether it is
/// there at all, it does not know. The store sends types with its values.
fn types_of(statement: &str) -> String {
    let count = (1..30).take_while(|number| statement.contains(&format!("${number}"))).count();
    let types = (1..=count).map(|number| {
        if !statement.contains(&format!("${number} IS NULL")) {
            "unknown"
        } else if NUMBERS.iter().any(|column| statement.contains(&format!("{column} ${number}"))) {
            "bigint"
        } else {
            "text"
        }
    });
    if count == 0 { String::new() } else { format!(" ({})", types.collect::<Vec<_>>().join(", ")) }
}

#[test]
fn s72_every_statement_names_the_tenant() {
    let tables: Vec<&str> = tables()
        .iter()
        .filter(|table| table.name != "tenants" && table.tenant_key().is_some())
        .map(|t| t.name)
        .collect();
    let mut exceptions = Vec::new();
    for source in sources() {
        for statement in source.statements() {
            let words: Vec<&str> = statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
            let touches = words
                .windows(2)
                .any(|pair| ["FROM", "JOIN", "INTO", "UPDATE"].contains(&pair[0]) && tables.contains(&pair[1]));
            if !touches || words.contains(&"tenant_id") {
                continue;
            }
            let exception = ACROSS_TENANTS.iter().find(|(start, _)| statement.starts_with(start));
            assert!(exception.is_some(), "{}: no tenant_id in: {statement}", source.name);
            exceptions.push(statement);
        }
    }
    assert_eq!(exceptions.len(), ACROSS_TENANTS.len(), "an exception nobody needs any more: {exceptions:?}");
}
