//! Turns at the writer, and the group that shares one flush.
//!
//! Who gets the turn opens the group's transaction, or works on in the open one, behind a savepoint from its first change
//! on. Who commits joins the group, lets everybody else who is ready to work join as well, and queues again; whoever
//! comes first runs `COMMIT` for all. There is no count of waiters: one that goes away would leave the others hanging.

use super::{Reason, StoreError, Value, WAIT, checkpoint, closed, translate};
use crate::store::driver::Row;
use rusqlite::Connection;
use std::{
    fs::File,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify, OwnedMutexGuard},
    task::{spawn_blocking, yield_now},
    time::timeout,
};

/// How often a group that still grows is given the time to: each time, everybody who is ready gets as far as they can.
const GROWING_ROUNDS: u32 = 4;

/// How often closing asks for an empty log, and how long it waits in between: half a second in all.
const EMPTYING_TRIES: u32 = 50;
const EMPTYING_PAUSE: Duration = Duration::from_millis(10);

/// The connection that writes, and the group it works for.
pub(super) struct Writer {
    /// `None` once closed.
    connection: Option<Connection>,
    /// The open transaction, if there is one.
    group: Option<Arc<Group>>,
    /// How many `COMMIT`s there were.
    commits: u64,
    nudge: Arc<Notify>,
    /// Held until closed: keeps other processes away.
    lock: Option<File>,
}

/// What the members of a group wait for.
#[derive(Default)]
struct Group {
    /// How many have committed into it.
    members: AtomicU32,
    outcome: OnceLock<Result<(), StoreError>>,
    done: Notify,
}

impl Group {
    fn answer(&self, outcome: Result<(), StoreError>) {
        if self.outcome.set(outcome).is_ok() {
            self.done.notify_waiters();
        }
    }
}

impl Writer {
    pub(super) fn new(connection: Connection, nudge: Arc<Notify>, lock: File) -> Self {
        Self { connection: Some(connection), group: None, commits: 0, nudge, lock: Some(lock) }
    }

    /// How many `COMMIT`s there were; `None` once closed.
    pub(super) fn commits_while_open(&self) -> Option<u64> {
        self.connection.as_ref().map(|_| self.commits)
    }

    /// Ends the group, if one is open, and tells its members. Waits for the disk.
    pub(super) fn end_group(&mut self) {
        let Some(group) = self.group.take() else { return };
        let members = group.members.load(Ordering::Relaxed);
        let outcome = self.run("COMMIT");
        self.commits += 1;
        if outcome.is_err() {
            self.roll_back();
        }
        group.answer(outcome.map_err(|error| {
            let error = translate(&error);
            // One of several broke a deferred constraint. The others are innocent, and it will be alone next time.
            if members > 1 && matches!(error, StoreError::Constraint) { StoreError::Conflict } else { error }
        }));
        self.nudge_when_due();
    }

    /// Ends the group and closes the connection.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        self.end_group();
        let Some(connection) = self.connection.take() else { return Ok(()) };
        self.nudge.notify_one();
        let lock = self.lock.take();
        let outcome = empty_log(&connection)
            .and_then(|()| connection.close().map_err(|(_, error)| error))
            .map_err(|error| translate(&error));
        drop(lock);
        outcome
    }

    /// Begins a group, unless one is open. Answers whether one was.
    fn begin(&mut self) -> Result<bool, StoreError> {
        let is_nested = self.group.is_some();
        if self.connection.as_ref().ok_or_else(closed)?.is_autocommit() == is_nested {
            // Only after a `ROLLBACK` that failed as well, or an open group that SQLite gave up unasked.
            self.lose_group(&StoreError::unavailable(Reason("the transaction was given up".to_owned())));
            return Err(StoreError::Conflict);
        }
        if !is_nested {
            self.run("BEGIN IMMEDIATE").map_err(|error| translate(&error))?;
            self.group = Some(Arc::default());
        }
        Ok(is_nested)
    }

    /// After an error: SQLite gives up the whole transaction when, say, the disk is full, and the members with it.
    fn check_group(&mut self, error: &StoreError) {
        if self.connection.as_ref().is_none_or(Connection::is_autocommit) {
            self.lose_group(error);
        }
    }

    fn lose_group(&mut self, error: &StoreError) {
        self.roll_back();
        if let Some(group) = self.group.take() {
            group.answer(Err(error.clone()));
        }
    }

    fn roll_back(&self) {
        let Some(connection) = &self.connection else { return };
        if !connection.is_autocommit()
            && let Err(error) = self.run("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        run(self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?, sql)
    }

    /// Wakes who tidies the log once there is something to do.
    fn nudge_when_due(&self) {
        if self.connection.as_ref().is_some_and(checkpoint::is_due) {
            self.nudge.notify_one();
        }
    }
}

/// How a turn is undone when it is not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::driver) enum Undo {
    /// By itself, whoever else is in the group. The price is a copy of every page it changes.
    Alone,
    /// With the whole group, all of whom try again: for verbs that decide before they change anything.
    WithGroup,
}

/// A turn at the writer: one transaction.
pub(in crate::store::driver) struct Turn {
    /// `None` once committed.
    writer: Option<OwnedMutexGuard<Writer>>,
    undo: Undo,
    /// Whether others are in the group already.
    is_nested: bool,
    /// Whether something was changed; then, undone alone in a group, there is a savepoint.
    has_changed: bool,
    has_failed: bool,
}

impl Turn {
    pub(super) async fn begin(lease: &Arc<Mutex<Writer>>, undo: Undo) -> Result<Self, StoreError> {
        let mut writer = match Arc::clone(lease).try_lock_owned() {
            Ok(writer) => writer,
            Err(_) => timeout(WAIT, Arc::clone(lease).lock_owned()).await.map_err(|_| StoreError::Timeout)?,
        };
        let is_nested = writer.begin()?;
        Ok(Self { writer: Some(writer), undo, is_nested, has_changed: false, has_failed: false })
    }

    pub(in crate::store::driver) fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        if !sql.starts_with("SELECT") {
            self.before_change()?;
        }
        self.run(|connection| super::query(connection, sql, params))
    }

    pub(in crate::store::driver) fn execute(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        self.before_change()?;
        self.run(|connection| super::execute(connection, sql, params))
    }

    pub(in crate::store::driver) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.before_change()?;
        self.run(|connection| connection.execute_batch(sql))
    }

    /// Joins the group and waits until it is on disk. When the caller goes away meanwhile, it gets there all the same.
    pub(in crate::store::driver) async fn commit(mut self) -> Result<(), StoreError> {
        let has_savepoint = self.has_savepoint();
        self.run(|connection| if has_savepoint { run(connection, "RELEASE turn") } else { Ok(()) })?;
        let writer = self.writer.take().ok_or_else(closed)?;
        let group = Arc::clone(writer.group.as_ref().ok_or_else(closed)?);
        group.members.fetch_add(1, Ordering::Relaxed);
        let pending = Pending { lease: Arc::clone(OwnedMutexGuard::mutex(&writer)), group };
        drop(writer);
        finish(&pending.lease, &pending.group).await
    }

    fn has_savepoint(&self) -> bool {
        self.is_nested && self.has_changed && self.undo == Undo::Alone
    }

    fn before_change(&mut self) -> Result<(), StoreError> {
        if !self.has_changed && self.is_nested && self.undo == Undo::Alone {
            self.run(|connection| run(connection, "SAVEPOINT turn"))?;
        }
        self.has_changed = true;
        Ok(())
    }

    fn run<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let writer = self.writer.as_mut().ok_or_else(closed)?;
        if self.has_failed {
            return Err(StoreError::misuse("the transaction has failed before"));
        }
        work(writer.connection.as_ref().ok_or_else(closed)?).map_err(|error| {
            self.has_failed = true;
            let error = translate(&error);
            writer.check_group(&error);
            error
        })
    }
}

/// Undoes what was not committed.
impl Drop for Turn {
    fn drop(&mut self) {
        let (has_savepoint, has_changed) = (self.has_savepoint(), self.has_changed);
        let Some(writer) = &mut self.writer else { return };
        if writer.group.is_none() {
            return;
        }
        if !self.is_nested {
            writer.group = None;
            writer.roll_back();
        } else if has_savepoint {
            if let Err(error) = writer.run("ROLLBACK TO turn").and_then(|()| writer.run("RELEASE turn")) {
                writer.lose_group(&translate(&error));
            }
        } else if has_changed {
            writer.lose_group(&StoreError::Conflict);
        }
    }
}

/// A member whose caller may go away before the group has ended: then a task ends it.
struct Pending {
    lease: Arc<Mutex<Writer>>,
    group: Arc<Group>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.group.outcome.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            let (lease, group) = (Arc::clone(&self.lease), Arc::clone(&self.group));
            runtime.spawn(async move { finish(&lease, &group).await });
        }
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Waits until somebody has ended the group, or does it when the turn comes round first.
async fn finish(lease: &Arc<Mutex<Writer>>, group: &Arc<Group>) -> Result<(), StoreError> {
    let mut done = pin!(group.done.notified());
    done.as_mut().enable();
    // A flush costs more than a turn, so a group is as large as there are people at the door; nobody waits for a clock.
    let mut members = group.members.load(Ordering::Relaxed);
    for _ in 0..GROWING_ROUNDS {
        yield_now().await;
        let now = group.members.load(Ordering::Relaxed);
        if now == members || group.outcome.get().is_some() {
            break;
        }
        members = now;
    }
    if let Some(outcome) = group.outcome.get() {
        return outcome.clone();
    }
    let turn = if let Ok(writer) = Arc::clone(lease).try_lock_owned() {
        Some(writer)
    } else {
        tokio::select! {
            biased;
            () = done => None,
            writer = Arc::clone(lease).lock_owned() => Some(writer),
        }
    };
    // While its outcome is open, the writer's group is this one.
    if let Some(mut writer) = turn
        && group.outcome.get().is_none()
    {
        spawn_blocking(move || writer.end_group()).await.map_err(StoreError::unavailable)?;
    }
    group.outcome.get().cloned().unwrap_or_else(|| Err(closed()))
}

/// Moves the log into the database file and empties it. A checkpoint that is still being made elsewhere answers "busy" at
/// once, whatever patience the connection has, so this waits for it; what readers in use keep it from tidying away, the
/// next start does.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    for _ in 0..EMPTYING_TRIES {
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if !is_busy {
            break;
        }
        std::thread::sleep(EMPTYING_PAUSE);
    }
    Ok(())
}
