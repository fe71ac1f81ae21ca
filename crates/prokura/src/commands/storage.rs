//! `prokura migrate`, `backup` and `restore`: what concerns the database as a whole.

use super::answer;
use crate::{cli::Output, config::Config, node};
use anyhow::{Context as _, bail};
use prokura_engine::DatabaseConfig;
use serde_json::json;
use std::{fs, path::Path, process::ExitCode};

/// Brings the tables up to date. Opening the engine does it.
pub(super) async fn migrate(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let engine = node::open_engine(config).await?;
    let version = engine.schema_version().await?;
    engine.close().await?;
    answer(output, &format!("the tables are at version {version}"), &json!({ "schema_version": version }))?;
    Ok(ExitCode::SUCCESS)
}

/// Copies the embedded database while it may be in use by nobody else, and seals the copy with the master key.
pub(super) async fn backup(config: &Config, file: &Path, output: Output) -> anyhow::Result<ExitCode> {
    if file.exists() {
        bail!("{} exists already: name a new file", file.display());
    }
    let engine = node::open_engine(config).await?;
    let bytes = engine.backup(file).await?;
    engine.close().await?;
    answer(output, &format!("{bytes} bytes in {}", file.display()), &json!({ "file": file, "bytes": bytes }))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the place of the database. The database that was there is kept beside it.
pub(super) async fn restore(config: &Config, file: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let DatabaseConfig::Sqlite { path, .. } = config.database()? else {
        bail!("only the embedded database is restored here: PostgreSQL is restored with its own tools");
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let incoming = path.with_extension("restoring");
    prokura_engine::open_backup(&config.master_key()?, file, &incoming)
        .with_context(|| format!("{} cannot be opened into {}", file.display(), incoming.display()))?;
    // Whoever runs on the old file holds its lock; opening it here refuses then.
    if path.exists() {
        let engine = node::open_engine(config).await.context("the database in use cannot be put aside")?;
        engine.close().await?;
        let aside = path.with_extension("before-restore");
        fs::rename(&path, &aside).with_context(|| format!("{} cannot be put aside", path.display()))?;
    }
    for suffix in ["-wal", "-shm"] {
        let mut leftover = path.clone().into_os_string();
        leftover.push(suffix);
        let _ = fs::remove_file(leftover);
    }
    fs::rename(&incoming, &path)?;
    let engine = node::open_engine(config).await?;
    let ended = engine.begin_restored_epoch().await?;
    engine.close().await?;
    answer(
        output,
        &format!("restored; {ended} sessions from before it have ended, people log in again"),
        &json!({ "restored": file, "ended_sessions": ended }),
    )?;
    Ok(ExitCode::SUCCESS)
}
