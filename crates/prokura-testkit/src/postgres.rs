//! A PostgreSQL of the test process's own.

use prokura_engine::DatabaseConfig;

/// A fresh, empty database.
pub(crate) fn fresh_database() -> DatabaseConfig {
    unimplemented!("arrives with prokura-testdb")
}
