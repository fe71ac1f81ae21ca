//! A PostgreSQL of the test process's own.

use prokura_engine::DatabaseConfig;
use prokura_testdb::Postgres;
use std::time::Duration;

/// A fresh, empty database. Nodes share it, so it stays until the server goes with the test process.
pub(crate) fn fresh_database() -> DatabaseConfig {
    let database = Postgres::shared().database();
    let url = database.url();
    std::mem::forget(database);
    DatabaseConfig::Postgres { url, pool_size: 8, statement_deadline: Duration::from_secs(10) }
}
