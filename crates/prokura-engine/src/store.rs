//! The store: what is kept in the database, one SQL text for both engines. Private to this crate.

#[expect(dead_code, reason = "the first verbs use only some of it")]
mod driver;
mod migrate;

pub use driver::{DatabaseConfig, StoreError};
