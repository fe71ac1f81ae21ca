//! Which packages are really compiled, and by which way each came in. `cargo tree` is asked, because `Cargo.lock` and
//! `cargo metadata` also list what a feature that nobody enables would bring: rustls names `ring` so, and never gets it.

use super::metadata::PLATFORMS;
use crate::process::{cargo, output};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// A compiled version of a package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compiled {
    pub(super) name: String,
    pub(super) version: String,
    /// The names from a crate of ours to this package, both included.
    pub(super) way: Vec<String>,
}

/// Everything that is compiled for our crates and their tests.
pub(super) fn for_everything(root: &Path) -> Result<Vec<Compiled>> {
    load(root, &["--workspace", "--edges", "normal,build,dev"])
}

/// Everything that is compiled for the one program we ship.
pub(super) fn for_program(root: &Path, program: &str) -> Result<Vec<Compiled>> {
    load(root, &["--package", program, "--edges", "normal,build"])
}

fn load(root: &Path, scope: &[&str]) -> Result<Vec<Compiled>> {
    let mut command = cargo(root);
    command.args(["tree", "--locked", "--prefix", "depth", "--format", " {p}"]).args(scope);
    for platform in PLATFORMS {
        command.args(["--target", platform]);
    }
    read(&output(&mut command)?)
}

/// Reads lines of `DEPTH NAME vVERSION …`; a package counts once, with the first way to it.
fn read(tree: &str) -> Result<Vec<Compiled>> {
    let mut way: Vec<String> = Vec::new();
    let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let (Some(Ok(depth)), Some(name), Some(Some(version))) =
            (words.next().map(str::parse::<usize>), words.next(), words.next().map(|word| word.strip_prefix('v')))
        else {
            return Err(anyhow::anyhow!("`{line}`")).context("cannot read what cargo tree says");
        };
        way.truncate(depth);
        way.push(name.to_owned());
        found.entry((name.to_owned(), version.to_owned())).or_insert_with(|| way.clone());
    }
    Ok(found.into_iter().map(|((name, version), way)| Compiled { name, version, way }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_read_once_with_the_way_to_it() {
        let tree = "0 prokura v0.1.0 (/somewhere)\n1 a v1.0.0\n2 b v2.0.0 (proc-macro)\n1 c v3.0.0\n2 b v2.0.0 (*)\n2 b v1.0.0\n\n0 xtask v0.1.0\n1 a v1.0.0 (*)\n";
        let found = read(tree).unwrap();
        let shown: Vec<String> =
            found.iter().map(|c| format!("{} {}: {}", c.name, c.version, c.way.join(" "))).collect();
        assert_eq!(
            shown,
            [
                "a 1.0.0: prokura a",
                "b 1.0.0: prokura c b",
                "b 2.0.0: prokura a b",
                "c 3.0.0: prokura c",
                "prokura 0.1.0: prokura",
                "xtask 0.1.0: xtask"
            ]
        );
    }

    #[test]
    fn a_tree_that_cannot_be_read_is_an_error_and_not_an_empty_tree() {
        assert!(read("├── a v1.0.0").is_err());
        assert!(read("0 a 1.0.0").is_err());
    }
}
