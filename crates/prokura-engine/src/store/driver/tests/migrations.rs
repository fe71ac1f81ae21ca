//! Migrations, on both databases.

use super::*;
use crate::store::migrate::{Migration, migrate};

const FIRST: Migration = Migration {
    version: 1,
    name: "first",
    sql: "-- a comment; with a semicolon\nCREATE TABLE first (a TEXT);\nINSERT INTO first (a) VALUES ('a;b');\n",
};
const SECOND: Migration =
    Migration { version: 2, name: "second", sql: "ALTER TABLE first ADD COLUMN b BIGINT; UPDATE first SET b = 5" };
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

on_both!(
    migrations_are_applied_once_and_in_order,
    nodes_that_start_together_migrate_once,
    a_migration_that_fails_leaves_nothing_behind,
    a_migration_that_was_edited_is_refused,
    a_database_newer_than_the_program_is_refused,
    a_gap_in_the_numbers_is_refused,
    the_schema_of_this_program_applies,
);

async fn rows(setup: &Setup) -> Vec<(String, i64)> {
    let mut reader = setup.driver.read().await.unwrap();
    let rows = reader.query("SELECT a, b FROM first", params![]).await.unwrap();
    rows.iter().map(|row| (row.text(0).unwrap(), row.get::<i64>(1).unwrap())).collect()
}

fn reason(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Other(_)), "{error:?}");
    error.source().unwrap().to_string()
}

async fn migrations_are_applied_once_and_in_order(setup: Setup) {
    migrate(&setup.driver, &[FIRST], NOW).await.unwrap();
    migrate(&setup.driver, &[FIRST], NOW).await.unwrap();
    migrate(&setup.driver, &[FIRST, SECOND], NOW).await.unwrap();
    migrate(&setup.driver, &[FIRST, SECOND], NOW).await.unwrap();
    assert_eq!(rows(&setup).await, [("a;b".to_owned(), 5)]);
    let mut reader = setup.driver.read().await.unwrap();
    let sql = "SELECT version, name, applied_at FROM schema_migrations WHERE version > 0 ORDER BY version";
    let applied = reader.query(sql, params![]).await.unwrap();
    let applied: Vec<_> = applied.iter().map(|row| (row.get::<i64>(0).unwrap(), row.text(1).unwrap())).collect();
    assert_eq!(applied, [(1, "first".to_owned()), (2, "second".to_owned())]);
}

async fn nodes_that_start_together_migrate_once(setup: Setup) {
    let mut nodes = Vec::new();
    for _ in 0..8 {
        let driver = match setup.driver.engine() {
            Engine::Sqlite => setup.driver.clone(),
            Engine::Postgres => Driver::open(setup.config.clone()).await.unwrap(),
        };
        nodes.push(tokio::spawn(async move { migrate(&driver, &[FIRST, SECOND], NOW).await }));
    }
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    assert_eq!(rows(&setup).await, [("a;b".to_owned(), 5)]);
}

async fn a_migration_that_fails_leaves_nothing_behind(setup: Setup) {
    let broken = Migration { sql: "CREATE TABLE second (a TEXT); INSERT INTO nowhere VALUES (1)", ..SECOND };
    assert!(migrate(&setup.driver, &[FIRST, broken], NOW).await.is_err());
    let repaired = Migration { sql: "CREATE TABLE second (a TEXT)", ..SECOND };
    migrate(&setup.driver, &[FIRST, repaired], NOW).await.unwrap();
}

async fn a_migration_that_was_edited_is_refused(setup: Setup) {
    migrate(&setup.driver, &[FIRST], NOW).await.unwrap();
    let edited = Migration { sql: "CREATE TABLE first (a TEXT, c TEXT)", ..FIRST };
    let error = migrate(&setup.driver, &[edited, SECOND], NOW).await.unwrap_err();
    assert_eq!(reason(&error), "migration 1 (first) was applied with another text than this program has");
}

async fn a_database_newer_than_the_program_is_refused(setup: Setup) {
    migrate(&setup.driver, &[FIRST, SECOND], NOW).await.unwrap();
    let error = migrate(&setup.driver, &[FIRST], NOW).await.unwrap_err();
    assert_eq!(
        reason(&error),
        "the database is at version 2 (second), which is newer than this program: update the program"
    );
}

async fn a_gap_in_the_numbers_is_refused(setup: Setup) {
    let error = migrate(&setup.driver, &[SECOND], NOW).await.unwrap_err();
    assert_eq!(reason(&error), "migration 2 cannot follow version 0 of the database");
}

async fn the_schema_of_this_program_applies(setup: Setup) {
    setup.driver.migrate(NOW).await.unwrap();
    setup.driver.migrate(NOW).await.unwrap();
}
