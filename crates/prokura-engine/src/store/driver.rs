//! A thin driver over two databases: one SQL text, one row type, transactions that are undone when dropped.
//!
//! On SQLite a [`Tx`] is a turn at the only writer, so its holder awaits nothing but its own statements. On PostgreSQL
//! it is a connection in `READ COMMITTED`; what a decision reads, it reads locked ([`Tx::query_locked`]).

mod error;
mod postgres;
mod sqlite;
mod value;

pub use error::StoreError;
pub(crate) use value::{Column, FromColumn, Kind, Row, ToValue, Value, params, text_columns};

use sqlite::Undo;
use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::mpsc;

/// Which database, and how to use it.
#[derive(Clone)]
pub enum DatabaseConfig {
    /// An embedded database: one process, one file.
    Sqlite {
        /// The database file. Made when it is not there; its folder must be.
        path: PathBuf,
        /// How many connections read beside the one that writes; at least 1.
        read_connections: usize,
    },
    /// A server that any number of nodes share.
    Postgres {
        /// `postgresql://user:password@host1,host2/name?target_session_attrs=read-write`: one or several hosts, tried
        /// in their order. `sslmode` (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`) and `sslrootcert` (a file
        /// in PEM) say how the connection is encrypted and whom it believes.
        url: String,
        /// The most connections at a time; at least 1. One more listens to notifications.
        pool_size: usize,
        /// How long one statement may take, as may a wait for a connection.
        statement_deadline: Duration,
    },
}

/// The URL may hold a password.
impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { path, read_connections } => {
                f.debug_struct("Sqlite").field("path", path).field("read_connections", read_connections).finish()
            }
            Self::Postgres { url: _, pool_size, statement_deadline } => f
                .debug_struct("Postgres")
                .field("url", &"[redacted]")
                .field("pool_size", pool_size)
                .field("statement_deadline", statement_deadline)
                .finish(),
        }
    }
}

/// The kind of database behind a [`Driver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Embedded.
    Sqlite,
    /// A server.
    Postgres,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notification {
    /// A committed transaction sent this payload.
    Payload(String),
    /// The connection was made or made anew: anything may have been said before, so look into the tables.
    Gap,
}

/// A database. Clones share everything.
#[derive(Clone)]
pub(crate) struct Driver {
    database: Database,
}

#[derive(Clone)]
enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Driver {
    /// Opens the database. PostgreSQL is only contacted by the first statement.
    pub(crate) async fn open(config: DatabaseConfig) -> Result<Self, StoreError> {
        let database = match config {
            DatabaseConfig::Sqlite { path, read_connections } => {
                Database::Sqlite(sqlite::Sqlite::open(path, read_connections).await?)
            }
            DatabaseConfig::Postgres { url, pool_size, statement_deadline } => {
                Database::Postgres(postgres::Postgres::open(&url, pool_size, statement_deadline)?)
            }
        };
        Ok(Self { database })
    }

    /// Which kind of database it is.
    pub(crate) fn engine(&self) -> Engine {
        match self.database {
            Database::Sqlite(_) => Engine::Sqlite,
            Database::Postgres(_) => Engine::Postgres,
        }
    }

    /// A connection for questions only. Each query sees what was committed before it began.
    pub(crate) async fn read(&self) -> Result<Reader, StoreError> {
        let link = match &self.database {
            Database::Sqlite(sqlite) => Link::SqliteReader(sqlite.read().await?),
            Database::Postgres(postgres) => Link::Postgres(postgres.session(false).await?),
        };
        Ok(Reader { link })
    }

    /// Begins a transaction.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        self.begin(Undo::Alone).await
    }

    /// Begins a transaction of a verb that decides before it changes anything: should it be undone after a change all the
    /// same, those who share its flush meet [`StoreError::Conflict`] and try again. Cheaper than [`Self::write`] on SQLite,
    /// no different on PostgreSQL.
    pub(crate) async fn write_decided(&self) -> Result<Tx, StoreError> {
        self.begin(Undo::WithGroup).await
    }

    async fn begin(&self, undo: Undo) -> Result<Tx, StoreError> {
        let link = match &self.database {
            Database::Sqlite(sqlite) => Link::SqliteTurn(sqlite.write(undo).await?),
            Database::Postgres(postgres) => Link::Postgres(postgres.session(true).await?),
        };
        Ok(Tx { reader: Reader { link } })
    }

    /// Brings the schema up to date; see [`super::migrate`].
    pub(crate) async fn migrate(&self, now: prokura_domain::Timestamp) -> Result<(), StoreError> {
        super::migrate::migrate(self, super::migrate::MIGRATIONS, now).await
    }

    /// Asks the database for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.read().await?.query("SELECT 1", &[]).await.map(drop)
    }

    /// What transactions on any node [`Tx::notify`] on `channel`, beginning with a [`Notification::Gap`]. Reconnects by
    /// itself until the receiver or the driver is dropped. On SQLite there is no other node: the stream is empty.
    pub(crate) fn listen(&self, channel: &'static str) -> mpsc::Receiver<Notification> {
        match &self.database {
            Database::Sqlite(_) => mpsc::channel(1).1,
            Database::Postgres(postgres) => postgres.listen(channel),
        }
    }

    /// Waits for transactions at work, tidies up and closes. Whoever comes later gets [`StoreError::Unavailable`].
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.close().await,
            Database::Postgres(postgres) => {
                postgres.close();
                Ok(())
            }
        }
    }

    /// How many `COMMIT`s SQLite has run; fewer than transactions when they shared a flush.
    #[cfg(test)]
    pub(crate) async fn commits(&self) -> u64 {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.commits().await,
            Database::Postgres(_) => 0,
        }
    }
}

/// Writes a consistent copy of the whole database to `path`, where nothing may be yet; beside running nodes as well.
pub(crate) async fn copy(database: &DatabaseConfig, path: &Path) -> Result<(), StoreError> {
    match database {
        DatabaseConfig::Sqlite { path: source, .. } => sqlite::copy(source.clone(), path.to_owned()).await,
        DatabaseConfig::Postgres { .. } => {
            Err(StoreError::misuse("PostgreSQL is backed up with its own tools: use pg_dump or pg_basebackup"))
        }
    }
}

/// A connection that asks questions.
pub(crate) struct Reader {
    link: Link,
}

enum Link {
    SqliteReader(sqlite::Reader),
    SqliteTurn(sqlite::Turn),
    Postgres(postgres::Session),
}

impl Reader {
    /// Every row of the answer. In a [`Tx`] this may also be a change with `RETURNING`.
    pub(crate) async fn query(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        match &mut self.link {
            Link::SqliteReader(reader) => reader.query(sql, params),
            Link::SqliteTurn(turn) => turn.query(sql, params),
            Link::Postgres(session) => session.query(sql, sql, params).await,
        }
    }

    /// The first row of the answer.
    pub(crate) async fn query_one(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }
}

/// A transaction. Dropping it undoes it; after an error nothing but dropping is left, on both databases.
pub(crate) struct Tx {
    reader: Reader,
}

impl Tx {
    /// Runs a change and counts the rows it touched.
    pub(crate) async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        match &mut self.reader.link {
            Link::SqliteReader(_) => Err(StoreError::misuse("a reader changes nothing")),
            Link::SqliteTurn(turn) => turn.execute(sql, params),
            Link::Postgres(session) => session.execute(sql, params).await,
        }
    }

    /// A query whose rows nobody changes until this transaction ends: for what a decision depends on.
    ///
    /// The statement must name tables plainly: no outer join that makes rows up, no grouping, nothing after `LIMIT`.
    pub(crate) async fn query_locked(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.query_with(sql, " FOR SHARE", params).await
    }

    /// A query whose rows nobody changes or locks until this transaction ends: for what it is about to change itself.
    pub(crate) async fn query_for_update(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.query_with(sql, " FOR UPDATE", params).await
    }

    /// SQLite has one writer, so there is nobody to lock out.
    async fn query_with(
        &mut self,
        sql: &'static str,
        suffix: &str,
        params: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        match &mut self.reader.link {
            Link::Postgres(session) => session.query(sql, &[sql, suffix].concat(), params).await,
            Link::SqliteReader(_) | Link::SqliteTurn(_) => self.reader.query(sql, params).await,
        }
    }

    /// Tells the listeners of `channel` on every node, once this is committed. Payloads are shorter than 8,000 bytes.
    pub(crate) async fn notify(&mut self, channel: &'static str, payload: &str) -> Result<(), StoreError> {
        match &mut self.reader.link {
            Link::SqliteReader(_) | Link::SqliteTurn(_) => Ok(()),
            Link::Postgres(session) => {
                const NOTIFY: &str = "SELECT pg_notify($1, $2)";
                session.query(NOTIFY, NOTIFY, params![channel, payload]).await.map(drop)
            }
        }
    }

    /// Runs several statements without parameters. They may take their time: this is for migrations.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match &mut self.reader.link {
            Link::SqliteReader(_) => Err(StoreError::misuse("a reader changes nothing")),
            Link::SqliteTurn(turn) => turn.batch(sql),
            Link::Postgres(session) => session.batch(sql).await,
        }
    }

    /// Makes it last. `Ok` means it is on disk; after [`StoreError::Timeout`] nobody knows.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.reader.link {
            Link::SqliteReader(_) => Err(StoreError::misuse("a reader has nothing to commit")),
            Link::SqliteTurn(turn) => turn.commit().await,
            Link::Postgres(session) => session.commit().await,
        }
    }
}

impl Deref for Tx {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

#[cfg(test)]
mod tests;
