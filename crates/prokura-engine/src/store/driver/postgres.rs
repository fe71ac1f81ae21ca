//! PostgreSQL: a pool of connections, each with its prepared statements, and a deadline on everything.
//!
//! A connection whose state is not certain (a statement cut off, a deadline passed, a rollback that failed) is closed,
//! never given to somebody else.

mod fault;
mod listen;
mod tls;
mod wire;

pub(super) use wire::column;

use super::{Notification, Row, StoreError, Value, error::Reason, value::Cells};
use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures_util::{TryStreamExt, future::join};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::timeout,
};

use tls::Tls;
use tokio_postgres::{Config, Error, config::SslMode, error::SqlState};

/// How long to wait for a host to answer before the next one is tried.
const CONNECT: Duration = Duration::from_secs(5);

/// A dead peer is noticed after this much silence, and a few probes more.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Migrations may take their time.
const BATCH_DEADLINE: Duration = Duration::from_hours(1);

/// The pool. Clones share everything.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    config: Arc<Config>,
    tls: Tls,
    deadline: Duration,
    /// Listeners end when it says so, or goes away.
    closing: Arc<watch::Sender<bool>>,
}

impl Postgres {
    pub(super) fn open(url: &str, pool_size: usize, deadline: Duration) -> Result<Self, StoreError> {
        let (url, wanted) = tls::split(url)?;
        let tls = wanted.connector()?;
        // Its error may repeat parts of the URL, and the URL may hold a password.
        let mut config: Config =
            url.parse().map_err(|_| StoreError::misuse("the database URL is no PostgreSQL connection string"))?;
        if config.get_application_name().is_none() {
            config.application_name("prokura");
        }
        config
            .ssl_mode(wanted.ssl_mode())
            .connect_timeout(CONNECT)
            .tcp_user_timeout(deadline.max(CONNECT))
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(3);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
        // A server that lost us must not hold our locks for long. Longer than our deadline, so ours comes first.
        let settings = format!(
            "SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit}",
            limit = deadline.as_millis() + 1000
        );
        let prepare_session = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(pool_size.max(1))
            .wait_timeout(Some(deadline))
            .create_timeout(Some(deadline.max(CONNECT)))
            .recycle_timeout(Some(deadline))
            .post_create(prepare_session)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(StoreError::other)?;
        Ok(Self { pool, config: Arc::new(config), tls, deadline, closing: Arc::new(watch::Sender::new(false)) })
    }

    pub(super) async fn session(&self, is_transaction: bool) -> Result<Session, StoreError> {
        // The outer deadline covers the hook as well.
        let object = timeout(self.deadline + CONNECT, self.pool.get())
            .await
            .map_err(|_| StoreError::Timeout)?
            .map_err(|error| match error {
                PoolError::Timeout(_) => StoreError::Timeout,
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                    let is_refused = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
                    let error = fault::translate(error);
                    if is_refused && self.config.get_ssl_mode() == SslMode::Disable {
                        tracing::error!("PostgreSQL refused a connection that is not encrypted: see sslmode");
                    }
                    // Whatever keeps us from connecting is the operator's business, and may be over soon.
                    if let StoreError::Other(source) = error { StoreError::Unavailable(source) } else { error }
                }
                PoolError::Closed => StoreError::unavailable(Reason("the database is closed".to_owned())),
                PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(HookError::Message(_)) => {
                    StoreError::misuse("the pool of connections is set up wrongly")
                }
            })?;
        let state = if is_transaction { State::Announced } else { State::Autocommit };
        Ok(Session { object: Some(object), state, is_uncertain: false, has_failed: false, deadline: self.deadline })
    }

    pub(super) fn listen(&self, channel: &'static str) -> mpsc::Receiver<Notification> {
        listen::spawn(Arc::clone(&self.config), self.tls.clone(), self.closing.subscribe(), channel)
    }

    pub(super) fn close(&self) {
        self.pool.close();
        self.closing.send_replace(true);
    }
}

/// Where a session is with its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every statement stands for itself.
    Autocommit,
    /// `BEGIN` goes out with the first statement.
    Announced,
    /// There is something to commit or to undo.
    Open,
}

/// A connection in use.
pub(super) struct Session {
    /// `None` once ended or closed.
    object: Option<Object>,
    state: State,
    /// A statement is under way; true after it was cut off.
    is_uncertain: bool,
    has_failed: bool,
    deadline: Duration,
}

impl Session {
    /// Runs `text`, which begins with `sql`.
    pub(super) async fn query(
        &mut self,
        sql: &'static str,
        text: &str,
        params: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let (rows, _) = self.run(text, params).await?;
        Ok(rows.into_iter().map(|row| Row::new(sql, Cells::Postgres(row))).collect())
    }

    pub(super) async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        self.run(sql, params).await.map(|(_, touched)| touched)
    }

    /// Several statements without parameters.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let begin = if self.state == State::Announced { "BEGIN;" } else { "" };
        let limit = BATCH_DEADLINE.as_millis();
        // Spelled out for the rest of the transaction: `SET LOCAL` ends with it.
        let text = format!("{begin} SET LOCAL statement_timeout = {limit}; {sql}");
        self.deadline = BATCH_DEADLINE;
        if self.state == State::Announced {
            self.state = State::Open;
        }
        self.watch(async |object| object.batch_execute(&text).await).await
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        if self.has_failed {
            return Err(failed_before());
        }
        if self.state != State::Open {
            return Ok(());
        }
        let outcome = self.watch(async |object| object.batch_execute("COMMIT").await).await;
        match outcome {
            Ok(()) => self.state = State::Autocommit,
            Err(_) => self.is_uncertain = true,
        }
        outcome
    }

    /// Runs one statement, after `BEGIN` when it is the first; both go out together.
    async fn run(&mut self, text: &str, params: &[Value<'_>]) -> Result<(Vec<tokio_postgres::Row>, u64), StoreError> {
        let begins = self.state == State::Announced;
        let types: Vec<_> = params.iter().map(wire::declared).collect();
        let statement = self.watch(async |object| object.prepare_typed_cached(text, &types).await).await?;
        if statement.params().len() != params.len() {
            self.has_failed = self.state != State::Autocommit;
            let (taken, given) = (statement.params().len(), params.len());
            return Err(StoreError::misuse(format!("the statement takes {taken} parameters, not {given}")));
        }
        if begins {
            self.state = State::Open;
        }
        self.watch(async |object| {
            let answer = async {
                let mut stream = std::pin::pin!(object.query_raw(&statement, params).await?);
                let mut rows = Vec::new();
                while let Some(row) = stream.try_next().await? {
                    rows.push(row);
                }
                Ok::<_, Error>((rows, stream.rows_affected().unwrap_or_default()))
            };
            if begins {
                let (begun, answer) = join(object.batch_execute("BEGIN"), answer).await;
                begun.and(answer)
            } else {
                answer.await
            }
        })
        .await
    }

    /// Awaits `work` for as long as one statement may take, and keeps book of what state the connection is in.
    async fn watch<T>(&mut self, work: impl AsyncFnOnce(&Object) -> Result<T, Error>) -> Result<T, StoreError> {
        if self.has_failed {
            return Err(failed_before());
        }
        let Some(object) = &self.object else { return Err(failed_before()) };
        self.is_uncertain = true;
        let outcome = timeout(self.deadline, work(object)).await;
        let error = match outcome {
            Ok(Ok(answer)) => {
                self.is_uncertain = false;
                return Ok(answer);
            }
            Ok(Err(error)) => {
                self.is_uncertain = fault::is_spoiling(&error);
                fault::translate(error)
            }
            Err(_) => StoreError::Timeout,
        };
        self.has_failed = self.state != State::Autocommit || self.is_uncertain;
        Err(error)
    }
}

fn failed_before() -> StoreError {
    StoreError::misuse("the transaction has failed before")
}

/// Undoes what was not committed. Who comes next gets a clean connection, or another.
impl Drop for Session {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.is_uncertain {
            drop(Object::take(object));
        } else if self.state == State::Open {
            let mut session = Session {
                object: Some(object),
                state: State::Autocommit,
                is_uncertain: true,
                has_failed: false,
                deadline: self.deadline,
            };
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    // When this fails, or the runtime ends before, the connection is closed.
                    let _ = session.watch(async |object| object.batch_execute("ROLLBACK").await).await;
                });
            }
        }
    }
}
