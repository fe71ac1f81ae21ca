//! Files nobody exported as described (S-133): every row is read, or left out with its line and a reason.

use super::{rows::KINDS, table::Table};
use prokura_fuzz::{examples, near};
use proptest::prelude::*;
use std::fs;

const FILES: &str = include_str!("fuzz/files.txt");

/// Reads `text` as a file of every kind, in both forms.
fn check(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        for ending in ["csv", "jsonl"] {
            let path = folder.path().join(format!("{}.{ending}", kind.name));
            fs::write(&path, text).unwrap();
            // An error here is about the header, and names it.
            let table = Table::find(folder.path(), kind.name, kind.columns, kind.optional);
            if let Ok(Some(table)) = &table {
                let mut before = (0, 0);
                for record in table.records().unwrap() {
                    let Ok(record) = record else { break };
                    assert!((record.line, record.position) > before, "{text:?}: rows go forward");
                    before = (record.line, record.position);
                    if record.fault.is_none()
                        && let Err(faults) = (kind.read)(&record)
                    {
                        assert!(!faults.is_empty(), "{text:?}: line {} is left out for a reason", record.line);
                        let mut secret = faults.iter().filter(|fault| fault.field.starts_with("password"));
                        assert!(secret.all(|fault| !fault.reason.contains("hunter2")), "{faults:?}");
                    }
                }
            }
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn s133_the_corpus_is_read_or_refused() {
    for text in examples(FILES) {
        check(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4 + 1, ..ProptestConfig::default() })]

    #[test]
    fn s133_every_row_is_read_or_left_out_for_a_reason(text in near(FILES)) {
        check(&text);
    }
}
