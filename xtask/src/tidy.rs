//! `cargo xtask tidy`: the rules of the source tree that no compiler knows, each a function from text to findings. A test
//! here runs them all on the real tree, so that `cargo test` is enough to break on them.

mod arrows;
mod compiled;
mod lexer;
mod metadata;
mod policy;
mod rust;
mod text;
mod tree;

use anyhow::Result;
use std::fmt;
use std::path::{Path, PathBuf};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    place: String,
    line: Option<usize>,
    message: String,
}

impl Finding {
    /// A finding about a whole file, crate or package.
    fn of(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), line: None, message: message.into() }
    }

    /// A finding at a line, counted from one.
    fn at(place: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { place: place.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// Checks the whole tree.
///
/// # Errors
/// When the tree cannot be read, or cargo cannot describe it (a `Cargo.lock` that is out of date included).
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree::text_files(root)? {
        findings.extend(text::check(&file.path, &file.text));
        if Path::new(&file.path).extension().is_some_and(|extension| extension == "rs") {
            findings.extend(rust::check(&file.path, &file.text));
        }
    }
    let metadata = metadata::Metadata::load(root)?;
    findings.extend(arrows::check(&metadata));
    let packages = policy::Packages {
        metadata,
        compiled: compiled::for_everything(root)?,
        shipped: compiled::for_program(root, policy::BINARY)?,
    };
    findings.extend(policy::check(&packages, &policy::Policy::load(root)?));
    findings.sort();
    Ok(findings)
}

/// Says what was found on standard error; `true` when there was nothing to say.
pub(crate) fn report(findings: &[Finding]) -> bool {
    for finding in findings {
        eprintln!("{finding}");
    }
    eprintln!("xtask: tidy found {}", if findings.is_empty() { "nothing".into() } else { findings.len().to_string() });
    findings.is_empty()
}

/// Where cargo puts what it builds.
///
/// # Errors
/// When cargo cannot describe the workspace.
pub(crate) fn target_directory(root: &Path) -> Result<PathBuf> {
    Ok(metadata::Metadata::load(root)?.target_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_keeps_its_rules() {
        let findings = check(&crate::process::root()).unwrap();
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
    }
}
