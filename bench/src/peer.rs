//! Another authorization server in the same run: node-oidc-provider, installed from npm into a folder of the target
//! directory.

use crate::{process::Process, rows::MANY};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{cell::RefCell, fs, path::PathBuf, process::Command};

const PACKAGE: &str = include_str!("../peer/package.json");
const PROGRAM: &str = include_str!("../peer/oidc_provider.mjs");

/// Starts it, and tells what it said: buyers with their cookies and tokens.
pub(crate) fn start() -> Result<(Value, Process)> {
    let home = home()?;
    let mut command = Command::new("node");
    command.arg(home.join("oidc_provider.mjs")).arg(MANY.to_string()).current_dir(&home);
    let said = RefCell::new(Value::Null);
    let process = Process::other(command, |line| {
        let value: Value = serde_json::from_str(line).ok()?;
        let address = value.get("address")?.as_str()?.parse().ok()?;
        said.replace(value);
        Some(address)
    })
    .context("node-oidc-provider")?;
    Ok((said.into_inner(), process))
}

fn home() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let home = program.parent().context("no folder")?.join("bench-peer");
    fs::create_dir_all(&home)?;
    fs::write(home.join("oidc_provider.mjs"), PROGRAM)?;
    let marker = home.join("installed");
    if fs::read_to_string(&marker).is_ok_and(|there| there == PACKAGE) {
        return Ok(home);
    }
    fs::write(home.join("package.json"), PACKAGE)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]).current_dir(&home);
    let status = npm.status().context("npm cannot be started: install Node.js")?;
    ensure!(status.success(), "npm could not install what the peer needs");
    fs::write(marker, PACKAGE)?;
    Ok(home)
}
