//! What must hold on both databases; beside it, what only one of them can do wrong.

mod migrations;
mod postgres;
mod sqlite;
mod tls;

use super::*;
use prokura_domain::{CustomerId, CustomerState, Timestamp};
use prokura_testdb::Postgres;
use std::{error::Error as _, sync::Arc};
use tempfile::TempDir;

/// An empty database and what keeps it there.
struct Setup {
    driver: Driver,
    config: DatabaseConfig,
    folder: Option<TempDir>,
    _database: Option<prokura_testdb::Database<'static>>,
}

impl Setup {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = DatabaseConfig::Sqlite { path: folder.path().join("prokura.db"), read_connections: 2 };
        let driver = Driver::open(config.clone()).await.unwrap();
        Self { driver, config, folder: Some(folder), _database: None }
    }

    async fn postgres() -> Self {
        Self::postgres_with(8, Duration::from_secs(20)).await
    }

    async fn postgres_with(pool_size: usize, statement_deadline: Duration) -> Self {
        let database = tokio::task::spawn_blocking(|| Postgres::shared().database()).await.unwrap();
        let config = DatabaseConfig::Postgres { url: database.url(), pool_size, statement_deadline };
        let driver = Driver::open(config.clone()).await.unwrap();
        Self { driver, config, folder: None, _database: Some(database) }
    }

    /// The table most tests work on.
    async fn with_items(self) -> Self {
        self.batch(
            "CREATE TABLE kinds (id TEXT PRIMARY KEY);
             INSERT INTO kinds (id) VALUES ('a');
             INSERT INTO kinds (id) VALUES ('b');
             CREATE TABLE items (
                 id TEXT PRIMARY KEY,
                 kind TEXT REFERENCES kinds (id),
                 n BIGINT NOT NULL CHECK (n >= 0)
             );",
        )
        .await;
        self
    }

    async fn batch(&self, sql: &'static str) {
        let mut tx = self.driver.write().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn count(&self) -> i64 {
        let mut reader = self.driver.read().await.unwrap();
        reader.query_one("SELECT COUNT(*) FROM items", params![]).await.unwrap().unwrap().get::<i64>(0).unwrap()
    }
}

async fn insert(tx: &mut Tx, id: &str) -> Result<u64, StoreError> {
    tx.execute("INSERT INTO items (id, kind, n) VALUES ($1, 'a', 0)", params![id]).await
}

/// Each function is two tests, one for each database.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Setup::sqlite().await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Setup::postgres().await).await;
            })+
        }
    };
}
use on_both;

on_both!(
    a_change_is_seen_once_it_is_committed_and_never_when_dropped,
    placeholders_are_bound_by_their_digit,
    a_wrong_number_of_parameters_is_refused,
    a_filter_without_a_value_lets_everything_pass,
    sums_counts_and_truths_are_whole_numbers,
    values_come_back_as_they_were,
    a_column_that_cannot_be_read_is_named,
    a_broken_constraint_undoes_the_transaction,
    a_text_with_nul_is_refused,
    changes_give_rows_back,
    no_update_is_lost_among_64_writers,
    what_a_decision_read_locked_holds_until_it_is_committed,
    a_waiter_that_goes_away_holds_nobody_up,
    a_reader_cut_off_harms_nobody,
    a_closed_database_says_so,
    a_sign_of_life_and_a_notification_work,
);

async fn a_change_is_seen_once_it_is_committed_and_never_when_dropped(setup: Setup) {
    let setup = setup.with_items().await;
    let mut tx = setup.driver.write().await.unwrap();
    assert_eq!(insert(&mut tx, "dropped").await.unwrap(), 1);
    assert!(tx.query_one("SELECT n FROM items", params![]).await.unwrap().is_some(), "it sees its own changes");
    assert_eq!(setup.count().await, 0, "nobody else does");
    drop(tx);
    let mut tx = setup.driver.write().await.unwrap();
    assert!(tx.query("SELECT n FROM items", params![]).await.unwrap().is_empty());
    insert(&mut tx, "kept").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(setup.count().await, 1);
    setup.driver.write().await.unwrap().commit().await.unwrap();
}

async fn placeholders_are_bound_by_their_digit(setup: Setup) {
    let setup = setup.with_items().await;
    let mut tx = setup.driver.write().await.unwrap();
    tx.execute("INSERT INTO items (n, kind, id) VALUES ($3, $1, $2)", params!["b", "x", 7_i64]).await.unwrap();
    let row = tx
        .query_one("SELECT id, kind, n FROM items WHERE n = $2 AND id = $1 AND n < $2 + 1", params!["x", 7_i64])
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.text(0).unwrap(), row.text(1).unwrap()), ("x".to_owned(), "b".to_owned()));
}

async fn a_wrong_number_of_parameters_is_refused(setup: Setup) {
    let setup = setup.with_items().await;
    let mut reader = setup.driver.read().await.unwrap();
    let sql = "SELECT id FROM items WHERE id = $1 AND kind = $2";
    assert!(matches!(reader.query(sql, params!["x"]).await, Err(StoreError::Other(_))));
    if setup.driver.engine() == Engine::Sqlite {
        // PostgreSQL lets a placeholder be declared and not used.
        assert!(matches!(reader.query(sql, params!["x", "a", "b"]).await, Err(StoreError::Other(_))));
    }
    assert!(reader.query(sql, params!["x", "a"]).await.unwrap().is_empty(), "the reader goes on");
}

async fn a_filter_without_a_value_lets_everything_pass(setup: Setup) {
    let setup = setup.with_items().await;
    setup.batch("INSERT INTO items VALUES ('x', 'a', 1); INSERT INTO items VALUES ('y', 'b', 2)").await;
    let sql = "SELECT id FROM items WHERE ($1 IS NULL OR kind = $1) AND ($2 IS NULL OR n >= $2) ORDER BY id LIMIT $3";
    let mut reader = setup.driver.read().await.unwrap();
    for (kind, at_least, expected) in
        [(None, None, "x y"), (Some("a"), None, "x"), (None, Some(2_i64), "y"), (Some("a"), Some(2), "")]
    {
        let rows = reader.query(sql, params![kind, at_least, 10_i64]).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(ids.join(" "), expected, "{kind:?} {at_least:?}");
    }
    let mut tx = setup.driver.write().await.unwrap();
    let none: Option<String> = None;
    tx.execute("UPDATE items SET kind = $1", params![none]).await.unwrap();
    let row = tx.query_one("SELECT kind FROM items", params![]).await.unwrap().unwrap();
    assert_eq!(row.get::<Option<String>>(0).unwrap(), None);
}

async fn sums_counts_and_truths_are_whole_numbers(setup: Setup) {
    let setup = setup.with_items().await;
    let sql = "SELECT COUNT(*), SUM(n), COALESCE(MAX(n), 0), EXISTS (SELECT 1 FROM items WHERE n > 0), 1 FROM items";
    let mut reader = setup.driver.read().await.unwrap();
    let row = reader.query_one(sql, params![]).await.unwrap().unwrap();
    assert_eq!(row.get::<Option<i64>>(1).unwrap(), None, "the sum of nothing");
    assert_eq!((row.get::<i64>(0).unwrap(), row.get::<i64>(2).unwrap(), row.get::<bool>(3).unwrap()), (0, 0, false));
    setup
        .batch(
            "INSERT INTO items VALUES ('x', 'a', 9007199254740993);
             INSERT INTO items VALUES ('y', 'b', 9000000000000000000);",
        )
        .await;
    let row = reader.query_one(sql, params![]).await.unwrap().unwrap();
    assert_eq!(row.get::<i64>(0).unwrap(), 2);
    assert_eq!(row.get::<i64>(1).unwrap(), 9_009_007_199_254_740_993);
    assert!(row.get::<bool>(3).unwrap());
    assert_eq!(row.get::<u32>(4).unwrap(), 1);
}

async fn values_come_back_as_they_were(setup: Setup) {
    setup.batch("CREATE TABLE things (a TEXT, b BIGINT)").await;
    let long = "ß".repeat(100_000);
    for text in ["", " ", "'; DROP TABLE things; --", "🛒 日本", "$1 %s \\", long.as_str()] {
        for number in [0, -1, i64::MIN, i64::MAX] {
            let mut tx = setup.driver.write().await.unwrap();
            tx.execute("INSERT INTO things (a, b) VALUES ($1, $2)", params![text, number]).await.unwrap();
            let row = tx
                .query_one("SELECT a, b FROM things WHERE a = $1 AND b = $2", params![text, number])
                .await
                .unwrap()
                .unwrap();
            assert_eq!((row.text(0).unwrap().as_str(), row.get::<i64>(1).unwrap()), (text, number));
        }
    }
    let mut tx = setup.driver.write().await.unwrap();
    let customer: CustomerId = "C1".parse().unwrap();
    let scopes = prokura_domain::Scopes::parse("b a").unwrap();
    let at = Timestamp::from_millis(1_700_000_000_123);
    let row = tx
        .query_one(
            "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT),
                    CAST($6 AS BIGINT)",
            params![customer, Some(&CustomerState::OnHold), scopes, Some(at), true, 5_u32],
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.get::<CustomerId>(0).unwrap(), customer);
    assert_eq!(row.get::<CustomerState>(1).unwrap(), CustomerState::OnHold);
    assert_eq!(row.get::<prokura_domain::Scopes>(2).unwrap(), scopes);
    assert_eq!(row.get::<Option<Timestamp>>(3).unwrap(), Some(at));
    assert!(row.get::<bool>(4).unwrap());
    assert_eq!(row.get::<u32>(5).unwrap(), 5);
}

async fn a_column_that_cannot_be_read_is_named(setup: Setup) {
    let setup = setup.with_items().await;
    setup.batch("INSERT INTO items VALUES ('nonsense', NULL, 2)").await;
    let mut reader = setup.driver.read().await.unwrap();
    let row = reader.query_one("SELECT id, kind, n\n   FROM items", params![]).await.unwrap().unwrap();
    let check = |error: StoreError, expected: &str| {
        let StoreError::Corrupt { what } = error else { panic!("{error:?}") };
        assert_eq!(what, expected);
    };
    let place = |index: usize| format!("column {index} of \"SELECT id, kind, n FROM items\"");
    check(row.get::<i64>(0).unwrap_err(), &format!("{}: a text where a number must be", place(0)));
    check(row.text(1).unwrap_err(), &format!("{}: no value where a text must be", place(1)));
    check(row.text(2).unwrap_err(), &format!("{}: a number where a text must be", place(2)));
    check(row.get::<bool>(2).unwrap_err(), &format!("{}: 2 is neither 0 nor 1", place(2)));
    check(row.text(3).unwrap_err(), &format!("{}: there is no such column", place(3)));
    let state = row.get::<CustomerState>(0).unwrap_err().to_string();
    assert!(state.contains("column 0") && state.contains("on_hold"), "{state}");
    let row = reader.query_one("SELECT -n FROM items", params![]).await.unwrap().unwrap();
    assert!(row.get::<u32>(0).unwrap_err().to_string().contains("-2"));
}

async fn a_broken_constraint_undoes_the_transaction(setup: Setup) {
    let setup = setup.with_items().await;
    setup.batch("INSERT INTO items VALUES ('taken', 'a', 0)").await;
    for (reason, sql) in [
        ("unique", "INSERT INTO items (id, kind, n) VALUES ('taken', 'a', 0)"),
        ("foreign key", "INSERT INTO items (id, kind, n) VALUES ('x', 'nowhere', 0)"),
        ("check", "INSERT INTO items (id, kind, n) VALUES ('x', 'a', -1)"),
        ("not null", "INSERT INTO items (id, kind) VALUES ('x', 'a')"),
        ("still referred to", "DELETE FROM kinds WHERE id = 'a'"),
    ] {
        let mut tx = setup.driver.write().await.unwrap();
        insert(&mut tx, "before").await.unwrap();
        let error = tx.execute(sql, params![]).await.unwrap_err();
        assert!(matches!(error, StoreError::Constraint), "{reason}: {error:?}");
        assert!(matches!(insert(&mut tx, "after").await, Err(StoreError::Other(_))), "{reason}");
        assert!(matches!(tx.commit().await, Err(StoreError::Other(_))), "{reason}");
        assert_eq!(setup.count().await, 1, "{reason}");
    }
    let mut tx = setup.driver.write().await.unwrap();
    let sql = "INSERT INTO items (id, kind, n) VALUES ($1, 'a', 0) ON CONFLICT DO NOTHING";
    assert_eq!(tx.execute(sql, params!["taken"]).await.unwrap(), 0);
    assert_eq!(tx.execute(sql, params!["free"]).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn a_text_with_nul_is_refused(setup: Setup) {
    let setup = setup.with_items().await;
    let mut tx = setup.driver.write().await.unwrap();
    assert!(matches!(insert(&mut tx, "a\0b").await, Err(StoreError::Other(_))));
}

async fn changes_give_rows_back(setup: Setup) {
    let setup = setup.with_items().await;
    setup.batch("INSERT INTO items VALUES ('x', 'a', 1); INSERT INTO items VALUES ('y', 'a', 5)").await;
    let mut tx = setup.driver.write().await.unwrap();
    let sql = "UPDATE items SET n = n + $2 WHERE kind = $1 RETURNING id, n";
    let mut rows: Vec<_> = tx
        .query(sql, params!["a", 1_i64])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.text(0).unwrap(), row.get::<i64>(1).unwrap()))
        .collect();
    rows.sort();
    assert_eq!(rows, [("x".to_owned(), 2), ("y".to_owned(), 6)]);
    assert_eq!(tx.execute("UPDATE items SET n = 0 WHERE n > $1", params![2_i64]).await.unwrap(), 1);
    assert_eq!(tx.execute("DELETE FROM items", params![]).await.unwrap(), 2);
    assert_eq!(tx.execute("DELETE FROM items", params![]).await.unwrap(), 0);
    tx.commit().await.unwrap();
}

async fn no_update_is_lost_among_64_writers(setup: Setup) {
    const EACH: i64 = 8;
    let setup = setup.with_items().await;
    setup.batch("INSERT INTO items VALUES ('counter', 'a', 0)").await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let driver = setup.driver.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < EACH {
                    let mut tx = driver.write().await.unwrap();
                    let row = tx.query_one("SELECT n FROM items WHERE id = $1", params!["counter"]).await.unwrap();
                    let n = row.unwrap().get::<i64>(0).unwrap();
                    let sql = "UPDATE items SET n = $3 WHERE id = $1 AND n = $2";
                    if tx.execute(sql, params!["counter", n, n + 1]).await.unwrap() == 1 {
                        tx.commit().await.unwrap();
                        done += 1;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut reader = setup.driver.read().await.unwrap();
    let row = reader.query_one("SELECT n FROM items", params![]).await.unwrap().unwrap();
    assert_eq!(row.get::<i64>(0).unwrap(), 64 * EACH);
}

/// Issuing against revoking: whoever comes first, no item is left under a kind that is gone.
async fn what_a_decision_read_locked_holds_until_it_is_committed(setup: Setup) {
    setup
        .batch("CREATE TABLE rights (id TEXT PRIMARY KEY, n BIGINT); CREATE TABLE tokens (id TEXT, of TEXT, n BIGINT)")
        .await;
    for round in 0..40 {
        let right = format!("right-{round}");
        let mut tx = setup.driver.write().await.unwrap();
        tx.execute("INSERT INTO rights (id, n) VALUES ($1, 1)", params![right]).await.unwrap();
        tx.commit().await.unwrap();
        let issue = async {
            let mut tx = setup.driver.write().await.unwrap();
            let sql = "SELECT n FROM rights WHERE id = $1 AND n = 1";
            let rows = match round % 2 {
                0 => tx.query_locked(sql, params![right]).await.unwrap(),
                _ => tx.query_for_update(sql, params![right]).await.unwrap(),
            };
            if rows.len() == 1 {
                tokio::task::yield_now().await;
                tx.execute("INSERT INTO tokens (id, of, n) VALUES ('t', $1, 1)", params![right]).await.unwrap();
                tx.commit().await.unwrap();
            }
        };
        let revoke = async {
            let mut tx = setup.driver.write().await.unwrap();
            tx.execute("UPDATE rights SET n = 0 WHERE id = $1", params![right]).await.unwrap();
            tx.execute("UPDATE tokens SET n = 0 WHERE of = $1", params![right]).await.unwrap();
            tx.commit().await.unwrap();
        };
        tokio::join!(issue, revoke);
    }
    let mut reader = setup.driver.read().await.unwrap();
    assert!(reader.query("SELECT id FROM tokens WHERE n = 1", params![]).await.unwrap().is_empty());
}

async fn a_waiter_that_goes_away_holds_nobody_up(setup: Setup) {
    let setup = setup.with_items().await;
    for round in 0..20 {
        let id = format!("item-{round}");
        let mut first = setup.driver.write().await.unwrap();
        insert(&mut first, &id).await.unwrap();
        let waiters: Vec<_> = (0..20)
            .map(|_| {
                let driver = setup.driver.clone();
                tokio::spawn(async move {
                    let mut tx = driver.write().await.unwrap();
                    let _ = tx.execute("UPDATE items SET n = n + 1 WHERE id = 'none'", params![]).await;
                    let _ = tx.commit().await;
                })
            })
            .collect();
        tokio::task::yield_now().await;
        for waiter in waiters.iter().skip(round % 3) {
            waiter.abort();
        }
        first.commit().await.unwrap();
    }
    assert_eq!(setup.count().await, 20);
}

async fn a_reader_cut_off_harms_nobody(setup: Setup) {
    let setup = setup.with_items().await;
    for _ in 0..50 {
        let driver = setup.driver.clone();
        let task = tokio::spawn(async move {
            let mut reader = driver.read().await.unwrap();
            loop {
                reader.query("SELECT id FROM items", params![]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        tokio::task::yield_now().await;
        task.abort();
    }
    assert_eq!(setup.count().await, 0);
}

async fn a_closed_database_says_so(setup: Setup) {
    let setup = setup.with_items().await;
    let mut tx = setup.driver.write().await.unwrap();
    insert(&mut tx, "kept").await.unwrap();
    tx.commit().await.unwrap();
    setup.driver.close().await.unwrap();
    assert!(matches!(setup.driver.write().await.err(), Some(StoreError::Unavailable(_))));
    assert!(matches!(setup.driver.read().await.err(), Some(StoreError::Unavailable(_))));
    let driver = Driver::open(setup.config.clone()).await.unwrap();
    let setup = Setup { driver, ..setup };
    assert_eq!(setup.count().await, 1);
}

async fn a_sign_of_life_and_a_notification_work(setup: Setup) {
    setup.driver.ping().await.unwrap();
    let mut tx = setup.driver.write().await.unwrap();
    tx.notify("prokura_test", "payload").await.unwrap();
    tx.commit().await.unwrap();
    let mut heard = setup.driver.listen("prokura_test");
    match setup.driver.engine() {
        Engine::Sqlite => assert_eq!(heard.recv().await, None),
        Engine::Postgres => assert_eq!(heard.recv().await, Some(Notification::Gap)),
    }
}

#[test]
fn errors_say_what_to_do_and_hide_passwords() {
    let locked = StoreError::Locked { path: "/data/prokura.db.lock".into() };
    assert_eq!(
        locked.to_string(),
        "another process holds /data/prokura.db.lock: stop it, or use PostgreSQL if several nodes shall share one \
         database"
    );
    let error = StoreError::misuse("the reason");
    assert!(!error.to_string().contains("the reason"), "the text does not repeat its source");
    assert_eq!(error.source().unwrap().to_string(), "the reason");
    let config = DatabaseConfig::Postgres {
        url: "postgresql://me:secret@db/prokura".to_owned(),
        pool_size: 1,
        statement_deadline: Duration::from_secs(1),
    };
    assert!(!format!("{config:?}").contains("secret"));
}

/// Polls once.
fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    futures_util::FutureExt::now_or_never(future).is_none()
}

/// Waits until `condition` holds, which it does after work of others; fails when it takes too long.
async fn eventually(mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect("it never came to pass");
}
