//! The session engine: one file per verb, the audit trail, and the private store.

mod store;

pub use store::{DatabaseConfig, StoreError};
