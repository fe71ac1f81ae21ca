//! The text files of the working copy, found without git, so that an unpacked archive can be checked too.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// What was built, fetched or written while running; in a second working copy `.git` is a file.
const NOT_OURS: &[&str] = &[".git", "target", "node_modules", "__pycache__", "prokura-data"];

/// A larger file is data; rules about text do not apply.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// A text file of the project.
pub(super) struct TextFile {
    /// The path from the root, with slashes.
    pub(super) path: String,
    /// All of its text.
    pub(super) text: String,
}

/// All text files below the root, in the order of their paths; links and what is not UTF-8 are passed over.
pub(super) fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    collect(root, "", &mut files).context("cannot read the working copy")?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<TextFile>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type()?;
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if kind.is_file()
            && entry.metadata()?.len() <= MAX_BYTES
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            files.push(TextFile { path: format!("{prefix}{name}"), text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_copy_is_read_and_what_was_built_is_not() {
        let files = text_files(&crate::process::root()).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert!(paths.contains(&"xtask/src/tidy/tree.rs") && paths.contains(&".ci/run"), "{paths:?}");
        assert!(!paths.iter().any(|path| path.starts_with("target/") || path.starts_with(".git/")), "{paths:?}");
    }
}
