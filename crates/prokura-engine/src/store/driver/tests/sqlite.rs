//! Turns, groups, the write-ahead log and the file.

use super::*;
use std::pin::{Pin, pin};

async fn setup() -> Setup {
    Setup::sqlite().await.with_items().await
}

/// A member that put "first" down and waits for the flush, and the turn behind it.
async fn group(setup: &Setup, undo: Undo) -> (Pin<Box<impl Future<Output = Result<(), StoreError>>>>, Tx) {
    let mut first = setup.driver.begin(undo).await.unwrap();
    insert(&mut first, "first").await.unwrap();
    let mut second = Box::pin(setup.driver.begin(undo));
    assert!(is_pending(&mut second));
    let mut first = Box::pin(first.commit());
    assert!(is_pending(&mut first));
    (first, second.await.unwrap())
}

#[tokio::test]
async fn one_refuses_and_the_others_of_the_group_are_kept() {
    let setup = setup().await;
    let before = setup.driver.commits().await;
    let mut first = setup.driver.write().await.unwrap();
    let (mut second, mut third) = (Box::pin(setup.driver.write()), Box::pin(setup.driver.write()));
    assert!(is_pending(&mut second) && is_pending(&mut third));
    insert(&mut first, "first").await.unwrap();
    let mut first = Box::pin(first.commit());
    assert!(is_pending(&mut first), "somebody waits, so the flush is shared");

    let mut second = second.await.unwrap();
    insert(&mut second, "second").await.unwrap();
    assert_eq!(second.query("SELECT id FROM items", params![]).await.unwrap().len(), 2);
    drop(second);
    let mut third = third.await.unwrap();
    insert(&mut third, "third").await.unwrap();
    assert_eq!(setup.count().await, 0, "nobody was answered, so nothing is there yet");
    let (first, third) = tokio::join!(first, third.commit());
    first.unwrap();
    third.unwrap();
    assert_eq!(setup.count().await, 2);
    assert_eq!(setup.driver.commits().await - before, 1);
}

#[tokio::test]
async fn a_member_that_errs_in_its_savepoint_takes_nobody_with_it() {
    let setup = setup().await;
    let (first, mut second) = group(&setup, Undo::Alone).await;
    insert(&mut second, "second").await.unwrap();
    assert!(matches!(insert(&mut second, "first").await, Err(StoreError::Constraint)));
    assert!(second.commit().await.is_err());
    first.await.unwrap();
    assert_eq!(setup.count().await, 1);
}

#[tokio::test]
async fn a_decided_turn_that_is_given_up_after_a_change_sends_its_group_back() {
    let setup = setup().await;
    let (first, mut second) = group(&setup, Undo::WithGroup).await;
    insert(&mut second, "second").await.unwrap();
    drop(second);
    assert!(matches!(first.await, Err(StoreError::Conflict)), "whoever was acknowledged is on disk, and nobody was");
    assert_eq!(setup.count().await, 0);
    let mut again = setup.driver.write_decided().await.unwrap();
    insert(&mut again, "first").await.unwrap();
    again.commit().await.unwrap();
    assert_eq!(setup.count().await, 1);
}

#[tokio::test]
async fn a_decided_turn_that_is_given_up_before_any_change_takes_nobody_with_it() {
    let setup = setup().await;
    let (first, mut second) = group(&setup, Undo::WithGroup).await;
    assert_eq!(second.query("SELECT id FROM items", params![]).await.unwrap().len(), 1);
    drop(second);
    first.await.unwrap();
    assert_eq!(setup.count().await, 1);
}

#[tokio::test]
async fn whoever_is_ready_joins_the_group_before_it_is_flushed() {
    let setup = setup().await;
    let before = setup.driver.commits().await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let driver = setup.driver.clone();
            tokio::spawn(async move {
                let mut tx = driver.write().await.unwrap();
                insert(&mut tx, &format!("item {number}")).await.unwrap();
                tx.commit().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(setup.count().await, 20);
    assert!(setup.driver.commits().await - before <= 2, "they share a flush");
}

#[tokio::test]
async fn a_commit_whose_caller_went_away_is_finished() {
    let setup = setup().await;
    let mut first = setup.driver.write().await.unwrap();
    insert(&mut first, "first").await.unwrap();
    let mut second = Box::pin(setup.driver.write());
    assert!(is_pending(&mut second));
    let mut commit = Box::pin(first.commit());
    assert!(is_pending(&mut commit));
    drop(commit);
    // Who has the turn refuses, and nobody else waits.
    drop(second.await.unwrap());
    eventually(async || setup.count().await == 1).await;
}

#[tokio::test]
async fn a_group_does_not_hang_on_a_waiter_that_went_away() {
    let setup = setup().await;
    let mut first = setup.driver.write().await.unwrap();
    insert(&mut first, "first").await.unwrap();
    let mut second = Box::pin(setup.driver.write());
    assert!(is_pending(&mut second));
    let mut commit = Box::pin(first.commit());
    assert!(is_pending(&mut commit));
    drop(second);
    commit.await.unwrap();
    assert_eq!(setup.count().await, 1);
}

#[tokio::test]
async fn a_flush_that_fails_keeps_nothing_and_tells_every_member() {
    let setup = setup().await;
    setup.batch("CREATE TABLE parts (id TEXT, kind TEXT REFERENCES kinds (id) DEFERRABLE INITIALLY DEFERRED)").await;
    let (first, mut second) = group(&setup, Undo::Alone).await;
    second.execute("INSERT INTO parts VALUES ('x', 'nowhere')", params![]).await.unwrap();
    let (first, second) = tokio::join!(first, second.commit());
    assert!(matches!(first, Err(StoreError::Conflict)), "{first:?}");
    assert!(matches!(second, Err(StoreError::Conflict)), "{second:?}");
    assert_eq!(setup.count().await, 0);

    let mut alone = setup.driver.write().await.unwrap();
    alone.execute("INSERT INTO parts VALUES ('x', 'nowhere')", params![]).await.unwrap();
    assert!(matches!(alone.commit().await, Err(StoreError::Constraint)));
    let mut next = setup.driver.write().await.unwrap();
    insert(&mut next, "next").await.unwrap();
    next.commit().await.unwrap();
    assert_eq!(setup.count().await, 1);
}

#[tokio::test]
async fn a_full_disk_never_tells_a_member_what_is_not_so() {
    let setup = setup().await;
    let mut reader = setup.driver.read().await.unwrap();
    let pages = reader.query_one("PRAGMA page_count", params![]).await.unwrap().unwrap().get::<i64>(0).unwrap();
    drop(reader);
    let mut first = setup.driver.write().await.unwrap();
    first.batch(&format!("PRAGMA max_page_count = {}", pages + 20)).await.unwrap();
    insert(&mut first, "first").await.unwrap();
    let mut second = Box::pin(setup.driver.write());
    assert!(is_pending(&mut second));
    let mut first = Box::pin(first.commit());
    assert!(is_pending(&mut first));
    let mut second = second.await.unwrap();
    let error = insert(&mut second, &"x".repeat(1_000_000)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(second.commit().await.is_err());
    let is_kept = first.await.is_ok();
    assert_eq!(setup.count().await, i64::from(is_kept));
    let mut next = setup.driver.write().await.unwrap();
    insert(&mut next, "next").await.unwrap();
    next.commit().await.unwrap();
    assert_eq!(setup.count().await, 1 + i64::from(is_kept));
}

#[tokio::test]
async fn a_group_that_sqlite_gave_up_tells_its_members() {
    let setup = setup().await;
    let (first, mut second) = group(&setup, Undo::Alone).await;
    // Ends the whole transaction and errs, as an I/O error does.
    let sql = "INSERT OR ROLLBACK INTO items (id, kind, n) VALUES ('first', 'a', 0)";
    assert!(second.execute(sql, params![]).await.is_err());
    assert!(insert(&mut second, "outside of any transaction").await.is_err());
    drop(second);
    assert!(first.await.is_err());
    assert_eq!(setup.count().await, 0);
    let mut next = setup.driver.write().await.unwrap();
    insert(&mut next, "next").await.unwrap();
    next.commit().await.unwrap();
    assert_eq!(setup.count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_share_flushes() {
    let setup = Arc::new(setup().await);
    let before = setup.driver.commits().await;
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let setup = Arc::clone(&setup);
            tokio::spawn(async move {
                for round in 0..20 {
                    let mut tx = setup.driver.write().await.unwrap();
                    insert(&mut tx, &format!("{task}-{round}")).await.unwrap();
                    if round % 5 == 4 {
                        continue;
                    }
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(setup.count().await, 32 * 16);
    let commits = setup.driver.commits().await - before;
    assert!(commits < 32 * 16 / 4, "{commits} flushes");
}

/// Callers come and go at every point; what was answered is there, and the writer stays usable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_anywhere_break_nothing() {
    let setup = Arc::new(setup().await);
    let tasks: Vec<_> = (0..200)
        .map(|task| {
            let setup = Arc::clone(&setup);
            let work = async move {
                let mut tx = setup.driver.write().await.unwrap();
                insert(&mut tx, &format!("item-{task}")).await.unwrap();
                tx.commit().await.unwrap();
            };
            tokio::spawn(tokio::time::timeout(Duration::from_micros(task * 30), work))
        })
        .collect();
    let mut answered = 0;
    for task in tasks {
        answered += i64::from(task.await.unwrap().is_ok());
    }
    let mut last = setup.driver.write().await.unwrap();
    insert(&mut last, "last").await.unwrap();
    last.commit().await.unwrap();
    let count = setup.count().await;
    assert!(count > answered, "{answered} answered, {count} there");
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let setup = setup().await;
    let error = Driver::open(setup.config.clone()).await.err().unwrap();
    let StoreError::Locked { path } = &error else { panic!("{error:?}") };
    assert!(path.ends_with("prokura.db.lock"));
    setup.driver.close().await.unwrap();
    Driver::open(setup.config.clone()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_without_bound() {
    let setup = Arc::new(setup().await);
    let DatabaseConfig::Sqlite { path, .. } = &setup.config else { panic!() };
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    // 100 MB in all.
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let setup = Arc::clone(&setup);
            tokio::spawn(async move {
                let filler = "x".repeat(20_000);
                for round in 0..300 {
                    let mut tx = setup.driver.write().await.unwrap();
                    insert(&mut tx, &format!("{task}-{round}-{filler}")).await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let length = std::fs::metadata(&log).unwrap().len();
    assert!(length < 50_000_000, "{length} bytes");
    setup.driver.close().await.unwrap();
    assert!(std::fs::metadata(&log).map_or(0, |log| log.len()) == 0, "closing empties it");
}

#[tokio::test]
async fn a_backup_is_a_database_of_its_own() {
    let setup = setup().await;
    setup.batch("INSERT INTO items VALUES ('x', 'a', 1)").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let mut unfinished = setup.driver.write().await.unwrap();
    insert(&mut unfinished, "unfinished").await.unwrap();
    copy(&setup.config, &path).await.unwrap();
    assert!(matches!(copy(&setup.config, &path).await, Err(StoreError::Other(_))), "it overwrites nothing");
    for file in folder.path().read_dir().unwrap().chain(setup.folder.as_ref().unwrap().path().read_dir().unwrap()) {
        let file = file.unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
    drop(unfinished);
    let config = DatabaseConfig::Sqlite { path, read_connections: 1 };
    let backup = Setup { driver: Driver::open(config.clone()).await.unwrap(), config, ..setup };
    assert_eq!(backup.count().await, 1);
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let setup = setup().await;
    let mut reader = setup.driver.read().await.unwrap();
    assert!(reader.query("DELETE FROM kinds", params![]).await.is_err());
}

#[tokio::test]
async fn more_readers_than_connections_take_turns() {
    let setup = setup().await;
    let (first, second) = (setup.driver.read().await.unwrap(), setup.driver.read().await.unwrap());
    let mut third = pin!(setup.driver.read());
    assert!(is_pending(&mut third));
    drop(first);
    third.await.unwrap().query("SELECT id FROM items", params![]).await.unwrap();
    drop(second);
}

#[tokio::test]
async fn afolder_that_is_not_there_is_named() {
    let path = PathBuf::from("/nowhere/at/all/prokura.db");
    let error = Driver::open(DatabaseConfig::Sqlite { path, read_connections: 1 }).await.err().unwrap();
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("/nowhere/at/all/prokura.db.lock"), "{cause}");
}
