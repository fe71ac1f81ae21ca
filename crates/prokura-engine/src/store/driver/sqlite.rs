//! SQLite: one connection that writes, a few that read, one that tidies the write-ahead log.
//!
//! Statements run where they are awaited, for they take microseconds; only what waits for the disk (`COMMIT`,
//! checkpoints, backups) goes to a blocking thread.

mod checkpoint;
mod turn;

pub(super) use turn::{Turn, Undo};

use super::{
    Row, StoreError, Value,
    error::Reason,
    value::{Cell, Cells},
};
use parking_lot::Mutex;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, config::DbConfig, types::ValueRef};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use turn::Writer;

/// The first SQLite whose write-ahead log cannot be reset under a reader.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a statement waits for a lock of a foreign tool on the file. Nobody in this process makes it wait.
const BUSY: Duration = Duration::from_secs(2);

/// How long to wait for a turn at the writer or for a reader.
const WAIT: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps; more than the store has.
const STATEMENTS: usize = 1024;

/// The database of this process. Clones share everything.
#[derive(Clone)]
pub(super) struct Sqlite {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Arc<tokio::sync::Mutex<Writer>>,
    readers: Arc<Readers>,
}

/// Connections that are not in use, and the permits to take one.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Sqlite {
    pub(super) async fn open(path: PathBuf, read_connections: usize) -> Result<Self, StoreError> {
        let (shared, checkpoints) = blocking(move || open(&path, read_connections)).await?;
        let shared = Arc::new(shared);
        checkpoint::spawn(&shared.writer, checkpoints);
        Ok(Self { shared })
    }

    pub(super) async fn read(&self) -> Result<Reader, StoreError> {
        let readers = Arc::clone(&self.shared.readers);
        let permit = timeout(WAIT, Arc::clone(&readers.permits).acquire_owned())
            .await
            .map_err(|_| StoreError::Timeout)?
            .map_err(|_| closed())?;
        let connection = readers.idle.lock().pop();
        if connection.is_none() {
            return Err(closed());
        }
        Ok(Reader { connection, readers, _permit: permit })
    }

    pub(super) async fn write(&self, undo: Undo) -> Result<Turn, StoreError> {
        Turn::begin(&self.shared.writer, undo).await
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        self.shared.readers.permits.close();
        self.shared.readers.idle.lock().clear();
        let mut writer = Arc::clone(&self.shared.writer).lock_owned().await;
        blocking(move || writer.close()).await
    }

    #[cfg(test)]
    pub(super) async fn commits(&self) -> u64 {
        self.shared.writer.lock().await.commits_while_open().unwrap_or_default()
    }
}

/// Copies the database at `source` into one file, whoever has it open and whatever they change meanwhile: a read
/// transaction of SQLite's own, for which no lock of ours is taken. The copy appears under its name only when it is
/// complete and on disk.
pub(super) async fn copy(source: PathBuf, path: PathBuf) -> Result<(), StoreError> {
    blocking(move || {
        let partial = with_suffix(&path, ".partial");
        copy_by_way_of(&partial, &source, &path).inspect_err(|_| {
            let _ = std::fs::remove_file(&partial);
        })
    })
    .await
}

fn copy_by_way_of(partial: &Path, source: &Path, path: &Path) -> Result<(), StoreError> {
    let fault = |error: std::io::Error| StoreError::unavailable(error);
    if path.exists() {
        return Err(StoreError::misuse(format!("{} exists already", path.display())));
    }
    // Opening it would say so as well, but in SQLite's words.
    if !source.exists() {
        return Err(StoreError::misuse(format!("there is no database at {}", source.display())));
    }
    if partial.exists() {
        std::fs::remove_file(partial).map_err(fault)?;
    }
    drop(private_file(partial)?);
    let connection = connect(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let name = partial.to_str().ok_or_else(|| StoreError::misuse("the path of a backup must be UTF-8"))?;
    connection.execute("VACUUM INTO $1", [name]).map_err(|error| translate(&error))?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(fault)?;
    std::fs::rename(partial, path).map_err(fault)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(fault)
}

/// One of the connections that read; it goes back when dropped.
pub(super) struct Reader {
    /// `None` only while being dropped.
    connection: Option<Connection>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn query(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection.as_ref().ok_or_else(closed)?;
        query(connection, sql, params).map_err(|error| translate(&error))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Before the permit goes back. Once closed, nobody comes for it.
        if let Some(connection) = self.connection.take()
            && !self.readers.permits.is_closed()
        {
            self.readers.idle.lock().push(connection);
        }
    }
}

/// Runs `work` where waiting for the disk holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(StoreError::unavailable)?
}

fn open(path: &Path, read_connections: usize) -> Result<(Shared, checkpoint::Checkpoints), StoreError> {
    let version = rusqlite::version_number();
    if version < OLDEST_SQLITE {
        let version = rusqlite::version();
        return Err(StoreError::misuse(format!("SQLite {version} is too old, 3.51.3 or newer is needed")));
    }
    let lock = lock(path)?;
    private_file(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(|error| translate(&error))?;
    if mode != "wal" {
        return Err(StoreError::misuse(format!("the file system of {} allows no write-ahead log", path.display())));
    }
    // Checkpoints are made beside the writer; see `checkpoint`. A log that one huge transaction blew up shrinks again.
    connection
        .execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864")
        .map_err(|error| translate(&error))?;

    let checkpointer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // It may hold the writer up, so it does not wait for a reader that stays.
    checkpointer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 20")
        .map_err(|error| translate(&error))?;
    let checkpoints = checkpoint::Checkpoints::new(checkpointer);

    let read_connections = read_connections.max(1);
    let idle = (0..read_connections)
        .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))
        .collect::<Result<Vec<_>, _>>()?;
    let readers = Arc::new(Readers { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(read_connections)) });
    let writer = Writer::new(connection, checkpoints.nudge(), lock);
    Ok((Shared { writer: Arc::new(tokio::sync::Mutex::new(writer)), readers }, checkpoints))
}

/// Takes the database for this process. The operating system lets go of it when the process ends, however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = with_suffix(path, ".lock");
    let file = private_file(&lock_path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: lock_path }),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &lock_path, &error)),
    }
}

/// Makes a file for our eyes only, unless it is there. SQLite gives the log beside a database the same permissions.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.create(true).truncate(false).write(true).open(path).map_err(|error| cannot("open", path, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::unavailable(Reason(format!("cannot {what} {}: {error}", path.display())))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens one more connection. Each is used by one thread at a time, so SQLite's own mutex is left out.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Without this a plan may depend on the values bound, and SQLite compiles the statement again for other ones:
        // that was a quarter of the CPU time of a refresh.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Negative: KiB. Reads past the cache go through the memory map.
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -16384;
             PRAGMA mmap_size = 268435456;",
        )?;
        Ok(connection)
    };
    open().map_err(|error| translate(&error))
}

fn closed() -> StoreError {
    StoreError::unavailable(Reason("the database is closed".to_owned()))
}

fn query(connection: &Connection, sql: &'static str, params: &[Value<'_>]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, sql, params)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|index| cell(index, row.get_ref(index)?)).collect::<rusqlite::Result<_>>()?;
        found.push(Row::new(sql, Cells::Sqlite(cells)));
    }
    Ok(found)
}

fn execute(connection: &Connection, sql: &'static str, params: &[Value<'_>]) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, sql, params)?;
    Ok(u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX))
}

fn cell(index: usize, value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    match value {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(number) => Ok(Cell::Integer(number)),
        ValueRef::Text(_) => Ok(Cell::Text(value.as_str()?.into())),
        ValueRef::Real(_) | ValueRef::Blob(_) => {
            Err(rusqlite::Error::InvalidColumnType(index, "neither TEXT nor BIGINT".to_owned(), value.data_type()))
        }
    }
}

/// Binds by the digit in the name of a placeholder: SQLite by itself numbers `$3 … $1` by first appearance.
fn bind(statement: &mut CachedStatement<'_>, sql: &str, params: &[Value<'_>]) -> rusqlite::Result<()> {
    let mut highest = 0;
    for index in 1..=statement.parameter_count() {
        let number = statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| params.get(number.checked_sub(1)?));
        let (Some(number), Some(value)) = (number, value) else {
            return Err(rusqlite::Error::InvalidParameterName(format!("parameter {index} of {sql}")));
        };
        highest = highest.max(number);
        match value {
            Value::Null(_) => statement.raw_bind_parameter(index, rusqlite::types::Null)?,
            Value::Integer(integer) => statement.raw_bind_parameter(index, integer)?,
            // PostgreSQL takes no such text, so it must not depend on the database whether we do.
            Value::Text(text) if text.as_bytes().contains(&0) => {
                return Err(rusqlite::Error::InvalidParameterName(format!("NUL in ${number} of {sql}")));
            }
            Value::Text(text) => statement.raw_bind_parameter(index, text.as_ref())?,
        }
    }
    if highest == params.len() { Ok(()) } else { Err(rusqlite::Error::InvalidParameterCount(params.len(), highest)) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most errors of SQLite are ours and mean the same to us")]
fn translate(error: &rusqlite::Error) -> StoreError {
    let reason = || Reason(error.to_string());
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::ConstraintViolation => {
                tracing::debug!(%error, "a constraint refused a change");
                StoreError::Constraint
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { what: error.to_string() },
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::PermissionDenied
            | ErrorCode::OperationInterrupted => StoreError::unavailable(reason()),
            _ => StoreError::other(reason()),
        },
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::Utf8Error(..) => {
            StoreError::Corrupt { what: error.to_string() }
        }
        _ => StoreError::other(reason()),
    }
}
