//! What may be in the tree of packages: the licenses, bans and floors of `deny.toml`, decided from what cargo says
//! about the tree, so that they hold where cargo-deny is not installed and no network is. Advisories need cargo-deny and the network.

mod license;
mod version;

use super::Finding;
use super::compiled::Compiled;
use super::metadata::Metadata;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use version::Version;

/// The program that is shipped; what only tests use may come twice.
pub(super) const BINARY: &str = "prokura";

/// Crates that none of ours may name, whoever else uses them, each with the reason. S-45: private-key work of RSA must not
/// go through code open to the timing attack RUSTSEC-2023-0071.
const NOT_BY_US: &[(&str, &str)] = &[("rsa", "our RSA signing goes through aws-lc-rs (S-45)")];

/// The rules, as cargo-deny reads them too.
#[derive(Debug, Deserialize)]
pub(super) struct Policy {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

/// A package we do not want, or not every version of.
#[derive(Debug, Deserialize)]
#[serde(try_from = "WrittenBan")]
struct Ban {
    name: String,
    what: Unwanted,
    reason: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Unwanted {
    /// The whole crate.
    Everything,
    /// Every version under this one.
    Below(Version),
    /// More than one version in what we ship.
    SecondVersion,
}

/// A ban as cargo-deny reads it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenBan {
    /// A name, or `name:<version`; of the ranges that cargo-deny knows, we need no other.
    #[serde(rename = "crate")]
    package: String,
    reason: String,
    #[serde(default)]
    deny_multiple_versions: bool,
}

impl TryFrom<WrittenBan> for Ban {
    type Error = String;

    fn try_from(written: WrittenBan) -> Result<Self, String> {
        let (name, floor) = match written.package.split_once(":<") {
            Some((name, floor)) => (name, Some(Version::parse(floor).ok_or(format!("`{floor}` is not a version"))?)),
            None => (written.package.as_str(), None),
        };
        if name.contains([':', '@', '=', '<', '>']) {
            return Err(format!("`{}` is neither `name` nor `name:<version`", written.package));
        }
        let what = match (floor, written.deny_multiple_versions) {
            (None, false) => Unwanted::Everything,
            (Some(floor), false) => Unwanted::Below(floor),
            (None, true) => Unwanted::SecondVersion,
            (Some(_), true) => return Err(format!("`{}` says two things at once", written.package)),
        };
        Ok(Self { name: name.to_owned(), what, reason: written.reason })
    }
}

impl Policy {
    /// Reads `deny.toml`.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let file = root.join("deny.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).context("deny.toml is not what tidy expects")
    }
}

impl Ban {
    /// Whether this package must not be there at all.
    fn forbids(&self, package: &Compiled) -> bool {
        let unwanted = match &self.what {
            Unwanted::Everything => true,
            // A version that cannot be compared is not known to be new enough.
            Unwanted::Below(floor) => Version::parse(&package.version).is_none_or(|version| version < *floor),
            Unwanted::SecondVersion => false,
        };
        unwanted && self.name == package.name
    }
}

/// The packages a policy is about.
pub(super) struct Packages {
    /// All that `Cargo.lock` holds for the platforms we release for.
    pub(super) metadata: Metadata,
    /// What is compiled for our crates and their tests.
    pub(super) compiled: Vec<Compiled>,
    /// What is compiled for the program we ship.
    pub(super) shipped: Vec<Compiled>,
}

/// Checks all packages.
pub(super) fn check(packages: &Packages, policy: &Policy) -> Vec<Finding> {
    let mut findings = bans(&packages.compiled, &policy.bans);
    findings.extend(doubles(&packages.shipped, &policy.bans));
    findings.extend(not_by_us(&packages.metadata));
    findings.extend(licenses(&packages.metadata, &policy.licenses));
    findings.extend(sources(&packages.metadata));
    findings
}

/// Nothing banned is compiled for any of our crates, their tests included: two TLS providers in one test program panic at
/// run time.
fn bans(compiled: &[Compiled], bans: &Bans) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in compiled {
        for ban in bans.deny.iter().filter(|ban| ban.forbids(package)) {
            let place = format!("{} {}", package.name, package.version);
            let way = package.way.join(" -> ");
            findings.push(Finding::of(place, format!("banned: {}; it came by {way}", ban.reason)));
        }
    }
    findings
}

/// The crates that would be wrong twice are there once in what we ship.
fn doubles(shipped: &[Compiled], bans: &Bans) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in shipped {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let once = bans.deny.iter().filter(|ban| ban.what == Unwanted::SecondVersion);
    once.filter_map(|ban| {
        let versions = versions.get(ban.name.as_str()).filter(|versions| versions.len() > 1)?;
        Some(Finding::of(&ban.name, format!("is there more than once ({versions:?}): {}", ban.reason)))
    })
    .collect()
}

fn not_by_us(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in metadata.members() {
        for dependency in &member.dependencies {
            for (_, reason) in NOT_BY_US.iter().filter(|(name, _)| *name == dependency.name) {
                findings.push(Finding::of(&member.name, format!("may not use {}: {reason}", dependency.name)));
            }
        }
    }
    findings
}

fn licenses(metadata: &Metadata, licenses: &Licenses) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let wrong = match &package.license {
            None => "names no license".into(),
            Some(license) => match license::is_allowed(license, &licenses.allow) {
                Some(true) => continue,
                Some(false) => format!("has the license `{license}`, which deny.toml does not allow"),
                None => format!("has a license that cannot be read: `{license}`"),
            },
        };
        findings.push(Finding::of(format!("{} {}", package.name, package.version), wrong));
    }
    findings
}

/// Everything comes from the one registry that cargo has by itself, or is a folder of ours.
fn sources(metadata: &Metadata) -> Vec<Finding> {
    let foreign = metadata.packages.iter().filter(|package| match &package.source {
        Some(source) => !source.starts_with("registry+"),
        None => !metadata.workspace_members.contains(&package.id),
    });
    foreign
        .map(|package| Finding::of(format!("{} {}", package.name, package.version), "does not come from the registry"))
        .collect()
}

#[cfg(test)]
mod tests;
