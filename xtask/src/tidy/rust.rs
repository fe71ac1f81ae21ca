//! Rules for Rust files: SQL and the system's clock only where they belong, no silenced lint or test, nothing left to do,
//! every module introduced, and no file so long that it must hold two ideas.

use super::Finding;
use super::lexer::{Source, read};

/// A file past this many lines holds a second idea.
const MAX_LINES: usize = 800;

/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Where SQL may stand, each with the reason.
const SQL_HOMES: &[(&str, &str)] = &[
    ("crates/prokura-engine/src/store.rs", "the store"),
    ("crates/prokura-engine/src/store/", "the store"),
    ("crates/prokura-demo/", "the sample shop keeps its goods in a database of its own"),
    ("bench/", "floors are bare programs, and a million customers do not go through verbs"),
    ("crates/prokura/tests/", "tests that tamper with the database behind the product's back"),
    ("crates/prokura-testkit/", "makes and drops the databases of the tests"),
    ("crates/prokura-testdb/", "makes and drops the databases of the tests"),
    ("xtask/src/tidy/", "this rule's own tests"),
];

/// Who may ask the system for the time of day, each with the reason.
const CLOCK_HOMES: &[(&str, &str)] = &[
    ("crates/prokura-domain/src/ports.rs", "the port"),
    ("crates/prokura-engine/src/ports.rs", "the port's real implementation"),
    ("crates/prokura-tower/src/clock.rs", "the same for services without an engine"),
    ("crates/prokura-demo/", "a program of its own that happens to share our process"),
];

const CLOCKS: &[&str] = &["SystemTime::now", "Timestamp::now", "Zoned::now", "Utc::now", "OffsetDateTime::now_utc"];

/// What may not stand in code, and what to do instead. Spaces do not matter.
const FORBIDDEN: &[(&str, &str)] = &[
    ("#[ignore", "an ignored test proves nothing: mend it or delete it"),
    ("todo!", "nothing is left to do in what is committed"),
    ("unimplemented!", "nothing is left to do in what is committed"),
    ("#[allow(", "say `#[expect(lint, reason = \"...\")]`, which ends when its reason does"),
    ("#![allow(", "say `#![expect(lint, reason = \"...\")]`, which ends when its reason does"),
];

/// A lint silenced under a condition.
const SILENCED_SOMETIMES: (&str, &str) = ("#[cfg_attr(", ",allow(");

/// Checks one Rust file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let source = read(text);
    let mut findings = Vec::new();
    findings.extend(introduction(path, text));
    findings.extend(length(path, text));
    findings.extend(sql(path, &source));
    findings.extend(clock(path, &source));
    findings.extend(forbidden(path, &source));
    findings
}

fn introduction(path: &str, text: &str) -> Option<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty());
    (!first.is_some_and(|line| line.starts_with("//! "))).then(|| {
        Finding::at(path, 1, "a module starts with `//!` and says what it is for and the rule that is easy to miss")
    })
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let excused = LONG_FILES.iter().any(|(file, _)| *file == path);
    (lines > MAX_LINES && !excused)
        .then(|| Finding::of(path, format!("{lines} lines: look for the second idea, or list the file with a reason")))
}

fn sql(path: &str, source: &Source) -> Vec<Finding> {
    if SQL_HOMES.iter().any(|(home, _)| path.starts_with(home)) {
        return Vec::new();
    }
    let spoken = source.literals.iter().filter(|literal| is_sql(&literal.text));
    spoken.map(|literal| Finding::at(path, literal.line, "SQL outside the engine's store")).collect()
}

/// Whether a literal is a statement. We write SQL's words in capitals, which keeps English out of this.
fn is_sql(literal: &str) -> bool {
    const STARTS: &[&str] =
        &["SELECT ", "WITH RECURSIVE ", "PRAGMA ", "BEGIN IMMEDIATE", "SAVEPOINT ", "CREATE DATABASE ", "VACUUM"];
    const INSIDE: &[&str] = &[
        "INSERT INTO ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "CREATE INDEX ",
        "CREATE UNIQUE INDEX ",
        "ALTER TABLE ",
        "DROP TABLE ",
        " FOR UPDATE",
        " ON CONFLICT ",
        " WHERE tenant_id = ",
    ];
    let words = literal.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ");
    STARTS.iter().any(|start| words.starts_with(start))
        || INSIDE.iter().any(|inside| words.contains(inside))
        || (words.starts_with("UPDATE ") && words.contains(" SET "))
        || (words.contains("SELECT ") && words.contains(" FROM "))
}

fn clock(path: &str, source: &Source) -> Vec<Finding> {
    if CLOCK_HOMES.iter().any(|(home, _)| path.starts_with(home)) {
        return Vec::new();
    }
    lines_with(source, CLOCKS)
        .map(|(line, clock)| Finding::at(path, line, format!("`{clock}`: time comes from the engine's Clock")))
        .collect()
}

fn forbidden(path: &str, source: &Source) -> Vec<Finding> {
    let dense: String = source.code.chars().filter(|c| !matches!(c, ' ' | '\t')).collect();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(dense.lines()) {
        for (needle, instead) in FORBIDDEN.iter().filter(|(needle, _)| contains_whole(line, needle)) {
            findings.push(Finding::at(path, number, format!("`{needle}`: {instead}")));
        }
        if line.contains(SILENCED_SOMETIMES.0) && line.contains(SILENCED_SOMETIMES.1) {
            findings.push(Finding::at(path, number, "say `expect` with a reason in `cfg_attr`, not `allow`"));
        }
    }
    findings
}

fn lines_with<'a>(source: &'a Source, needles: &'a [&'a str]) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = (1..).zip(source.code.lines());
    lines.flat_map(move |(number, line)| {
        needles.iter().filter(move |needle| contains_whole(line, needle)).map(move |needle| (number, *needle))
    })
}

/// Whether the needle stands there and is not the end of a longer word.
fn contains_whole(line: &str, needle: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(needle).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !(needle.starts_with(is_word) && before.is_some_and(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/prokura-web/src/token.rs";

    fn check_body(path: &str, body: &str) -> Vec<String> {
        check(path, &format!("//! A module.\n{body}\n")).iter().map(ToString::to_string).collect()
    }

    fn finds(body: &str, line: usize) {
        let found = check_body(PATH, body);
        assert!(found.len() == 1 && found.iter().all(|f| f.contains(&format!("{PATH}:{line}: "))), "{body}: {found:?}");
    }

    fn passes(body: &str) {
        assert_eq!(check_body(PATH, body), Vec::<String>::new(), "{body}");
    }

    #[test]
    fn sql_outside_the_store_is_found() {
        finds(r#"let s = "SELECT 1";"#, 2);
        finds("let s = \"\n  UPDATE families\n     SET epoch = 1\";", 2);
        finds("\nf(r#\"INSERT INTO customers (id) VALUES ($1)\"#);", 3);
        finds(r#"let s = "x IN (SELECT id FROM tenants)";"#, 2);
        finds(r#"format!("{base} WHERE tenant_id = $1")"#, 2);
    }

    #[test]
    fn sql_in_the_store_and_english_anywhere_are_not() {
        assert_eq!(check_body("crates/prokura-engine/src/store/keys.rs", r#"f("SELECT 1")"#), Vec::<String>::new());
        passes(r#"f("select a company from the list, or update your settings")"#);
        passes(r"// SELECT id FROM customers");
        assert_eq!(check_body("crates/prokura-engine/src/storefront.rs", r#"f("SELECT 1")"#).len(), 1);
    }

    #[test]
    fn the_clock_of_the_system_is_found_outside_the_ports() {
        finds("let now = std::time::SystemTime::now();", 2);
        finds("let now = jiff::Timestamp::now();", 2);
        assert_eq!(check_body("crates/prokura-engine/src/ports.rs", "SystemTime::now()"), Vec::<String>::new());
        passes("// never SystemTime::now()\nlet started = Instant::now(); let x = MyTimestamp::now();");
    }

    #[test]
    fn silenced_lints_and_tests_and_loose_ends_are_found() {
        finds("#[ignore]\nfn a() {}", 2);
        finds("#[ignore = \"slow\"]\nfn a() {}", 2);
        finds("fn a() { todo!() }", 2);
        finds("fn a() { unimplemented!(\"later\") }", 2);
        finds("#[allow(dead_code)]\nfn a() {}", 2);
        finds("#[cfg_attr(test, allow(dead_code))]\nfn a() {}", 2);
        finds("# ! [ allow (dead_code)]", 2);
        passes("#[expect(dead_code, reason = \"read by the tests only\")]\nfn a() { is_todo!(); f(\"todo!\") }");
    }

    #[test]
    fn a_module_without_introduction_is_found() {
        assert_eq!(check(PATH, "use a::b;\n").len(), 1);
        assert_eq!(check(PATH, "// A comment.\n//! Too late.\n").len(), 1);
        assert_eq!(check(PATH, "").len(), 1);
        assert_eq!(check(PATH, "//! A module.\n").len(), 0);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert_eq!(check_body(PATH, &"\n".repeat(MAX_LINES - 2)).len(), 0);
        assert_eq!(check_body(PATH, &"\n".repeat(MAX_LINES)).len(), 1);
    }
}
