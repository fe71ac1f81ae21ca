//! What cargo says about the workspace: its crates, what they name in their manifests, and the
//! packages that `Cargo.lock` holds for them. Only the platforms we release for are asked about, so that no package of another one has to be fetched.

use crate::process::{cargo, output};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What we release for.
pub(super) const PLATFORMS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// The part of `cargo metadata` that the rules need.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    pub(super) workspace_members: Vec<String>,
    pub(super) target_directory: PathBuf,
}

/// One version of one crate, ours or another's.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// Where it comes from; none for a folder of ours.
    pub(super) source: Option<String>,
    pub(super) dependencies: Vec<Dependency>,
}

/// A line in a manifest.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a dependency is for. Cargo writes `null` for what a program is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<String>")]
pub(super) enum Kind {
    /// Compiled into the program, or run while it is built.
    Shipped,
    /// For tests only.
    Tests,
}

impl From<Option<String>> for Kind {
    fn from(kind: Option<String>) -> Self {
        if kind.as_deref() == Some("dev") { Self::Tests } else { Self::Shipped }
    }
}

impl Metadata {
    /// Asks cargo; a `Cargo.lock` that does not fit the manifests is an error.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut command = cargo(root);
        command.args(["metadata", "--locked", "--format-version", "1"]);
        for platform in PLATFORMS {
            command.args(["--filter-platform", platform]);
        }
        serde_json::from_str(&output(&mut command)?).context("cannot read what cargo says about the workspace")
    }

    /// Our own crates.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}
