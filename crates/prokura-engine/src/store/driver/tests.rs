//! What must hold on both databases.

use super::*;

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let driver =
        Driver::open(DatabaseConfig::Sqlite { path: dir.path().join("db"), read_connections: 2 }).await.unwrap();
    let mut tx = driver.write().await.unwrap();
    tx.batch("CREATE TABLE t (a TEXT PRIMARY KEY, b BIGINT)").await.unwrap();
    assert_eq!(tx.execute("INSERT INTO t (b, a) VALUES ($2, $1)", params!["x", 5_i64]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let mut reader = driver.read().await.unwrap();
    let row = reader.query_one("SELECT a, b FROM t WHERE a = $1", params!["x"]).await.unwrap().unwrap();
    assert_eq!((row.text(0).unwrap(), row.integer(1).unwrap()), ("x".to_owned(), 5));
    driver.migrate(prokura_domain::Timestamp::from_millis(5)).await.unwrap();
    driver.close().await.unwrap();
}
