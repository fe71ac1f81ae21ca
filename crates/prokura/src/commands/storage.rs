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

/// Seals a copy of the embedded database with the master key. The engine is not opened: a node may have the file.
pub(super) async fn backup(config: &Config, file: &Path, output: Output) -> anyhow::Result<ExitCode> {
    if file.exists() {
        bail!("{} exists already: name a new file", file.display());
    }
    // A key made here and now would belong to no node.
    if config.master_key.value.expose().is_empty() && !config.master_key.file.exists() {
        bail!("there is no master key at {}: a backup is sealed with it", config.master_key.file.display());
    }
    let bytes = prokura_engine::back_up(&config.database()?, &config.master_key()?, file)
        .await
        .with_context(|| format!("{} cannot be written", file.display()))?;
    answer(output, &format!("{bytes} bytes in {}", file.display()), &json!({ "file": file, "bytes": bytes }))?;
    Ok(ExitCode::SUCCESS)
}

/// Begins the epoch after a restore that another tool has made, as `pg_restore`.
pub(super) async fn mark_restored(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let engine = node::open_engine(config).await?;
    let ended = engine.begin_restored_epoch().await?;
    engine.close().await?;
    answer(
        output,
        &format!("a new epoch has begun; {ended} sessions from before it have ended, people log in again"),
        &json!({ "ended_sessions": ended }),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the place of the database. The database that was there is kept beside it.
pub(super) async fn restore(config: &Config, file: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let DatabaseConfig::Sqlite { path, .. } = config.database()? else {
        bail!(
            "only the embedded database is restored here: restore PostgreSQL with its own tools, then run \
             `prokura restore --mark`"
        );
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
