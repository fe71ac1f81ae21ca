//! Moves the write-ahead log into the database file, out of the way of commits.
//!
//! Passive checkpoints run beside the writer. Under load they never catch up with it, so once the log is long the rest
//! is moved while holding the turn, and the log begins anew instead of growing without bound.

use super::turn::Writer;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

/// From how many pages on that are not in the database file yet (4 MB) they are moved there.
const BACKLOG_PAGES: i64 = 1_000;

/// From how many pages on (16 MB) the log begins anew.
const LOG_PAGES: i64 = 4_000;

/// After how much quiet the log is emptied.
const IDLE: Duration = Duration::from_secs(10);

/// The connection that makes checkpoints, and what wakes it.
pub(super) struct Checkpoints {
    connection: Arc<Mutex<Connection>>,
    nudge: Arc<Notify>,
}

/// The state of the log, in pages.
struct Log {
    is_busy: bool,
    pages: i64,
    moved: i64,
}

impl Checkpoints {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)), nudge: Arc::default() }
    }

    pub(super) fn nudge(&self) -> Arc<Notify> {
        Arc::clone(&self.nudge)
    }

    async fn run(&self, mode: Mode) -> rusqlite::Result<Log> {
        let connection = Arc::clone(&self.connection);
        let work = move || checkpoint(&connection.lock(), mode);
        spawn_blocking(work).await.unwrap_or(Err(rusqlite::Error::InvalidQuery))
    }

    /// Moves what has piled up. Begins the log anew when it has at least `limit` pages, and answers the next limit.
    async fn tidy(&self, writer: &Arc<tokio::sync::Mutex<Writer>>, limit: i64) -> rusqlite::Result<i64> {
        let mut log = self.run(Mode::Look).await?;
        if log.pages - log.moved >= BACKLOG_PAGES {
            log = self.run(Mode::Passive).await?;
        }
        if log.pages < limit {
            return Ok(limit);
        }
        let mut writer = Arc::clone(writer).lock_owned().await;
        let connection = Arc::clone(&self.connection);
        // A log only begins anew for a transaction that began after everything was moved.
        let work = move || {
            writer.end_group();
            checkpoint(&connection.lock(), Mode::Restart)
        };
        let log = spawn_blocking(work).await.unwrap_or(Err(rusqlite::Error::InvalidQuery))?;
        // A backup holds on to the log for a while: do not stop the writer again and again for nothing.
        Ok(if log.is_busy { log.pages + LOG_PAGES } else { LOG_PAGES })
    }

    /// Empties the log, unless somebody is at work.
    async fn empty(&self, writer: &Arc<tokio::sync::Mutex<Writer>>) -> rusqlite::Result<()> {
        let Ok(mut writer) = Arc::clone(writer).try_lock_owned() else { return Ok(()) };
        let connection = Arc::clone(&self.connection);
        let work = move || {
            writer.end_group();
            checkpoint(&connection.lock(), Mode::Truncate).map(drop)
        };
        spawn_blocking(work).await.unwrap_or(Err(rusqlite::Error::InvalidQuery))
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Look,
    Passive,
    Restart,
    Truncate,
}

/// Whether the log is worth a look, as the writer sees it: a glance at shared memory.
pub(super) fn is_due(connection: &Connection) -> bool {
    let log = checkpoint(connection, Mode::Look);
    log.is_ok_and(|log| log.pages - log.moved >= BACKLOG_PAGES || log.pages >= LOG_PAGES)
}

fn checkpoint(connection: &Connection, mode: Mode) -> rusqlite::Result<Log> {
    let sql = match mode {
        Mode::Look => "PRAGMA wal_checkpoint(NOOP)",
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
        Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    // A reader in the way is no error: the answer says how far it got, and the next nudge goes on.
    connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok(Log { is_busy: row.get(0)?, pages: row.get(1)?, moved: row.get(2)? }))
}

/// Works until the writer is closed or dropped.
pub(super) fn spawn(writer: &Arc<tokio::sync::Mutex<Writer>>, checkpoints: Checkpoints) {
    let writer: Weak<_> = Arc::downgrade(writer);
    tokio::spawn(async move {
        let mut limit = LOG_PAGES;
        let mut emptied_at = 0;
        loop {
            let nudged = timeout(IDLE, checkpoints.nudge.notified()).await.is_ok();
            let Some(writer) = writer.upgrade() else { return };
            let Some(commits) = writer.lock().await.commits_while_open() else { return };
            let outcome = if nudged {
                checkpoints.tidy(&writer, limit).await.map(|next| limit = next)
            } else if commits == emptied_at {
                Ok(())
            } else {
                checkpoints.empty(&writer).await.map(|()| emptied_at = commits)
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database");
            }
        }
    });
}
