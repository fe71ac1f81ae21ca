//! Brings the schema up to date: numbered files, forward only, the same text for both databases, but for a comment that
//! SQLite reads as `WITHOUT ROWID`.
//!
//! A migration that was applied is never edited: its checksum is compared at every start. Nodes that start together
//! take turns at a locked row, so each migration runs once.

use super::driver::{Driver, Engine, StoreError, Tx, params};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::Timestamp;
use std::borrow::Cow;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// Its number: 1 and counting, without gaps.
    pub(crate) version: u32,
    /// Its name, for people.
    pub(crate) name: &'static str,
    /// Its statements.
    pub(crate) sql: &'static str,
}

/// The schema of this program, in order.
pub(crate) const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "foundation", sql: include_str!("migrations/0001_foundation.sql") }];

/// Applies what is missing from `migrations`, each in a transaction of its own.
pub(crate) async fn migrate(driver: &Driver, migrations: &[Migration], now: Timestamp) -> Result<(), StoreError> {
    prepare(driver).await?;
    for migration in migrations {
        let mut tx = locked(driver).await?;
        let applied = applied(&mut tx, migrations).await?;
        if applied >= migration.version {
            continue;
        }
        if applied + 1 != migration.version {
            return Err(StoreError::misuse(format!(
                "migration {} cannot follow version {applied} of the database",
                migration.version
            )));
        }
        let sql = match driver.engine() {
            Engine::Sqlite => Cow::Owned(migration.sql.replace("/* on SQLite: WITHOUT ROWID */", " WITHOUT ROWID")),
            Engine::Postgres => Cow::Borrowed(migration.sql),
        };
        tx.batch(&sql).await?;
        tx.execute(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
            params![migration.version, migration.name, checksum(migration.sql), now],
        )
        .await?;
        tx.commit().await?;
        tracing::info!(version = migration.version, name = migration.name, "applied a migration");
    }
    applied(&mut locked(driver).await?, migrations).await.map(drop)
}

/// Makes the table and its version 0, the row everybody locks. Two nodes that make the same table at once: PostgreSQL
/// refuses one of them, and then it is there.
async fn prepare(driver: &Driver) -> Result<(), StoreError> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL
        );
        INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (0, 'lock', '', 0)
            ON CONFLICT DO NOTHING;";
    let mut attempts = 0;
    loop {
        let mut tx = driver.write().await?;
        match tx.batch(TABLE).await {
            Ok(()) => return tx.commit().await,
            Err(StoreError::Constraint | StoreError::Conflict | StoreError::Other(_)) if attempts < 3 => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn locked(driver: &Driver) -> Result<Tx, StoreError> {
    let mut tx = driver.write().await?;
    if driver.engine() == Engine::Postgres {
        // Another node may be at a long migration. `batch` waits longer than a statement may.
        tx.batch("UPDATE schema_migrations SET applied_at = applied_at WHERE version = 0").await?;
    }
    Ok(tx)
}

/// The version of the database, after a look at what it says about its past.
async fn applied(tx: &mut Tx, migrations: &[Migration]) -> Result<u32, StoreError> {
    let rows = tx
        .query("SELECT version, name, checksum FROM schema_migrations WHERE version > 0 ORDER BY version", params![])
        .await?;
    let mut version = 0;
    for row in rows {
        version = row.get(0)?;
        let name = row.text(1)?;
        let Some(known) = migrations.iter().find(|migration| migration.version == version) else {
            return Err(StoreError::misuse(format!(
                "the database is at version {version} ({name}), which is newer than this program: update the program"
            )));
        };
        if row.text(2)? != checksum(known.sql) {
            return Err(StoreError::misuse(format!(
                "migration {version} ({name}) was applied with another text than this program has"
            )));
        }
    }
    Ok(version)
}

fn checksum(sql: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, sql.as_bytes()))
}
