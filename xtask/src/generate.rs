//! `cargo xtask generate`: the committed files that the program describes itself. Each is what `prokura generate NAME`
//! prints, so a file cannot say something the program does not do; with `--check` a difference is a failure.

use crate::process::{cargo, output, step};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// What `prokura generate` can print, and the file that keeps it.
const FILES: &[(&str, &str)] = &[
    ("openapi", "docs/openapi.json"),
    ("cli", "docs/cli.md"),
    ("config", "prokura.example.toml"),
    ("schema", "docs/schema.md"),
];

/// Writes the generated files, or with `check` compares them; `true` when nothing is left to do.
///
/// # Errors
/// When the program cannot print a file, or a file cannot be written.
pub(crate) fn run(root: &Path, check: bool) -> Result<bool> {
    let mut current = true;
    for (what, path) in FILES {
        let wanted = step(&format!("generate {what}"), || {
            let text = output(cargo(root).args(["run", "--quiet", "--package", "prokura", "--", "generate", what]))?;
            ensure!(!text.trim().is_empty(), "`prokura generate {what}` printed nothing");
            Ok(text)
        })?;
        let file = root.join(path);
        if check {
            if let Some(difference) = compare(&read(&file)?, &wanted) {
                eprintln!("xtask: {path} {difference}; run `cargo xtask generate`");
                current = false;
            }
        } else if write(&file, &wanted)? {
            eprintln!("xtask: wrote {path}");
        }
    }
    Ok(current)
}

/// A file that is not there differs like an empty one; any other trouble is told.
fn read(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Says where the committed text stops being the wanted one.
fn compare(committed: &str, wanted: &str) -> Option<String> {
    if committed == wanted {
        return None;
    }
    let mut lines = committed.split('\n').zip(wanted.split('\n')).enumerate();
    let place = lines.find(|(_, (old, new))| old != new);
    Some(match place {
        Some((at, (old, new))) => format!("differs from line {}: `{old}` should be `{new}`", at + 1),
        None => "differs in length".into(),
    })
}

/// Writes a file unless it holds the text already; `true` when it was written.
fn write(file: &Path, text: &str) -> Result<bool> {
    if read(file)? == text {
        return Ok(false);
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_told_with_its_first_wrong_line() {
        assert_eq!(compare("a\nb\n", "a\nb\n"), None);
        assert_eq!(compare("a\nb\nc\n", "a\nx\nc\n").unwrap(), "differs from line 2: `b` should be `x`");
        assert_eq!(compare("", "a\n").unwrap(), "differs from line 1: `` should be `a`");
    }

    #[test]
    fn a_file_is_written_once() {
        let file = std::env::temp_dir().join(format!("prokura-xtask-{}/made/file.json", std::process::id()));
        assert!(write(&file, "{}\n").unwrap());
        assert!(!write(&file, "{}\n").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}\n");
        fs::remove_dir_all(file.parent().unwrap().parent().unwrap()).unwrap();
    }
}
