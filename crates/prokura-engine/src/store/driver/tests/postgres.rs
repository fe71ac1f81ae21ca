//! Deadlines, conflicts, a server that goes away, and notifications.

use super::*;

#[tokio::test]
async fn one_of_two_that_wait_for_each_other_may_try_again() {
    let setup = Setup::postgres().await.with_items().await;
    setup.batch("INSERT INTO items VALUES ('x', 'a', 0); INSERT INTO items VALUES ('y', 'a', 0)").await;
    let sql = "UPDATE items SET n = n + 1 WHERE id = $1";
    let mut first = setup.driver.write().await.unwrap();
    let mut second = setup.driver.write().await.unwrap();
    first.execute(sql, params!["x"]).await.unwrap();
    second.execute(sql, params!["y"]).await.unwrap();
    let outcomes = tokio::join!(
        async {
            first.execute(sql, params!["y"]).await?;
            first.commit().await
        },
        async {
            second.execute(sql, params!["x"]).await?;
            second.commit().await
        },
    );
    assert!(
        matches!(outcomes, (Ok(()), Err(StoreError::Conflict)) | (Err(StoreError::Conflict), Ok(()))),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_statement_beyond_its_deadline_costs_its_connection_only() {
    let setup = Setup::postgres_with(1, Duration::from_millis(300)).await;
    let slow = "SELECT 1 FROM pg_sleep(60)";
    let mut reader = setup.driver.read().await.unwrap();
    assert!(matches!(reader.query(slow, params![]).await, Err(StoreError::Timeout)));
    drop(reader);
    setup.driver.ping().await.unwrap();
    let mut tx = setup.driver.write().await.unwrap();
    assert!(matches!(tx.query(slow, params![]).await, Err(StoreError::Timeout)));
    assert!(tx.commit().await.is_err());
    setup.driver.ping().await.unwrap();
}

#[tokio::test]
async fn waiting_for_a_lock_or_a_connection_has_an_end() {
    let setup = Setup::postgres_with(2, Duration::from_millis(300)).await.with_items().await;
    setup.batch("INSERT INTO items VALUES ('x', 'a', 0)").await;
    let sql = "UPDATE items SET n = n + 1 WHERE id = $1";
    let mut first = setup.driver.write().await.unwrap();
    first.execute(sql, params!["x"]).await.unwrap();
    let mut second = setup.driver.write().await.unwrap();
    assert!(matches!(setup.driver.write().await.err(), Some(StoreError::Timeout)), "both connections are in use");
    assert!(matches!(second.execute(sql, params!["x"]).await, Err(StoreError::Timeout)));
    drop(second);
    first.commit().await.unwrap();
    setup.driver.ping().await.unwrap();
}

#[tokio::test]
async fn who_comes_next_never_gets_an_open_transaction() {
    let setup = Setup::postgres_with(1, Duration::from_secs(20)).await.with_items().await;
    let mut tx = setup.driver.write().await.unwrap();
    insert(&mut tx, "undone").await.unwrap();
    drop(tx);
    assert_eq!(setup.count().await, 0);
    // Cut off in the midst of a statement.
    let mut tx = setup.driver.write().await.unwrap();
    insert(&mut tx, "undone").await.unwrap();
    {
        let mut slow = Box::pin(tx.query("SELECT 1 FROM pg_sleep(60)", params![]));
        assert!(is_pending(&mut slow));
    }
    drop(tx);
    assert_eq!(setup.count().await, 0);
    // Cut off in the midst of the commit: done or not done, but over.
    let mut tx = setup.driver.write().await.unwrap();
    insert(&mut tx, "perhaps").await.unwrap();
    let mut commit = Box::pin(tx.commit());
    assert!(is_pending(&mut commit));
    drop(commit);
    let mut tx = setup.driver.write().await.unwrap();
    insert(&mut tx, "kept").await.unwrap();
    tx.commit().await.unwrap();
    assert!((1..=2).contains(&setup.count().await));
}

#[tokio::test]
async fn a_schema_that_changed_under_a_statement_costs_one_more_try() {
    let setup = Setup::postgres_with(1, Duration::from_secs(20)).await.with_items().await;
    let sql = "SELECT * FROM items";
    setup.driver.read().await.unwrap().query(sql, params![]).await.unwrap();
    setup.batch("ALTER TABLE items ADD COLUMN more TEXT").await;
    let stale = setup.driver.read().await.unwrap().query(sql, params![]).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    setup.driver.read().await.unwrap().query(sql, params![]).await.unwrap();
}

async fn own_server() -> Arc<Postgres> {
    tokio::task::spawn_blocking(|| Arc::new(Postgres::start())).await.unwrap()
}

async fn control(server: &Arc<Postgres>, work: impl FnOnce(&Postgres) + Send + 'static) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || work(&server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_went_away_is_found_again() {
    let server = own_server().await;
    let database = server.database();
    let config =
        DatabaseConfig::Postgres { url: database.url(), pool_size: 3, statement_deadline: Duration::from_secs(5) };
    let driver = Driver::open(config).await.unwrap();
    let mut heard = driver.listen("prokura_test");
    assert_eq!(heard.recv().await, Some(Notification::Gap));
    let send = async |payload: &str| {
        let mut tx = driver.write().await?;
        tx.notify("prokura_test", payload).await?;
        tx.commit().await
    };
    send("one").await.unwrap();
    assert_eq!(heard.recv().await, Some(Notification::Payload("one".to_owned())));
    let mut undone = driver.write().await.unwrap();
    undone.notify("prokura_test", "undone").await.unwrap();
    drop(undone);
    send("two").await.unwrap();
    assert_eq!(heard.recv().await, Some(Notification::Payload("two".to_owned())));

    let mut open = driver.write().await.unwrap();
    open.query("SELECT 1", params![]).await.unwrap();
    control(&server, Postgres::stop).await;
    let error = open.query("SELECT 1", params![]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    drop(open);
    for _ in 0..3 {
        let error = driver.ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    control(&server, Postgres::resume).await;
    driver.ping().await.unwrap();
    assert_eq!(heard.recv().await, Some(Notification::Gap), "what was said meanwhile is lost");
    send("three").await.unwrap();
    assert_eq!(heard.recv().await, Some(Notification::Payload("three".to_owned())));
    driver.close().await.unwrap();
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn a_listener_too_slow_learns_that_it_missed_something() {
    let setup = Setup::postgres().await;
    let mut heard = setup.driver.listen("prokura_test");
    assert_eq!(heard.recv().await, Some(Notification::Gap));
    let mut tx = setup.driver.write().await.unwrap();
    for number in 0..3000 {
        tx.notify("prokura_test", &number.to_string()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut payloads = 0;
    while let Some(Notification::Payload(_)) = heard.recv().await {
        payloads += 1;
    }
    assert!(payloads < 3000, "then a gap");
}

#[tokio::test]
async fn of_several_hosts_the_one_that_answers_is_used() {
    let setup = Setup::postgres().await;
    let DatabaseConfig::Postgres { url, .. } = &setup.config else { panic!() };
    let url = url.replace('@', "@127.0.0.1:1,");
    let url = format!("{url}?target_session_attrs=read-write");
    let config = DatabaseConfig::Postgres { url, pool_size: 1, statement_deadline: Duration::from_secs(5) };
    Driver::open(config).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_or_a_wrong_address_is_told_apart() {
    let open = async |url: &str| {
        let config =
            DatabaseConfig::Postgres { url: url.to_owned(), pool_size: 1, statement_deadline: Duration::from_secs(2) };
        match Driver::open(config).await {
            Ok(driver) => driver.ping().await.unwrap_err(),
            Err(error) => error,
        }
    };
    let unreachable = open("postgresql://me:secret@127.0.0.1:1/prokura").await;
    assert!(matches!(unreachable, StoreError::Unavailable(_)), "{unreachable:?}");
    let wrong = open("postgresql://me:secret@127.0.0.1:port/prokura").await;
    assert!(matches!(wrong, StoreError::Other(_)), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("secret"));
    let setup = Setup::postgres().await;
    let DatabaseConfig::Postgres { url, .. } = &setup.config else { panic!() };
    let encrypted = open(&format!("{url}?sslmode=require")).await;
    assert!(matches!(encrypted, StoreError::Unavailable(_)), "{encrypted:?}");
}

#[tokio::test]
async fn errors_do_not_repeat_the_values_of_a_row() {
    let setup = Setup::postgres().await.with_items().await;
    let mut tx = setup.driver.write().await.unwrap();
    let sql = "SELECT CAST(id AS BIGINT) FROM (SELECT CAST($1 AS TEXT) AS id) AS texts";
    let error = tx.query(sql, params!["1"]).await;
    assert!(error.is_ok());
    let error = tx.execute("INSERT INTO nowhere VALUES ($1)", params!["ann@example.com"]).await.unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(cause.starts_with("42P01: "), "{cause}");
    assert!(!cause.contains("ann@"), "{cause}");
}

#[tokio::test]
async fn a_backup_is_left_to_the_tools_of_the_server() {
    let setup = Setup::postgres().await;
    let error = copy(&setup.config, Path::new("/tmp/backup")).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("pg_dump"));
}
