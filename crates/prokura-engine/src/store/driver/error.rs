//! What can break in the store. Refusals are no errors: an absent row is an `Option`, a lost race a count of zero.

use std::{error::Error, path::PathBuf, sync::Arc};

/// The reason behind a [`StoreError`], shared because one failed flush answers many transactions.
pub(crate) type Source = Arc<dyn Error + Send + Sync>;

/// Something in the database broke. Never the caller's fault towards a stranger: edges answer 503 or 500.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is gone, full or shutting down. Worth another try later.
    #[error("the database is not available")]
    Unavailable(#[source] Source),
    /// No answer within the deadline. Whether a commit took effect is unknown.
    #[error("the database did not answer in time")]
    Timeout,
    /// Another transaction was in the way (SQLSTATE 40001, 40P01). Nothing was done; run the whole verb again.
    #[error("another transaction was in the way")]
    Conflict,
    /// A unique, foreign key, check or not-null constraint refused the change. Nothing was done.
    #[error("a constraint of the database refused the change")]
    Constraint,
    /// A stored value is not what the program wrote or can read.
    #[error("the database holds something unreadable: {what}")]
    Corrupt {
        /// Which value, and why it cannot be read.
        what: String,
    },
    /// Another process works on the same SQLite file.
    #[error(
        "another process holds {path}: stop it, or use PostgreSQL if several nodes shall share one database",
        path = path.display()
    )]
    Locked {
        /// The lock file beside the database.
        path: PathBuf,
    },
    /// Anything else: a wrong statement, a wrong configuration.
    #[error("the database refused a statement or its configuration")]
    Other(#[source] Source),
}

impl StoreError {
    /// [`StoreError::Unavailable`] because of `source`.
    pub(crate) fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(source))
    }

    /// [`StoreError::Other`] because of `source`.
    pub(crate) fn other(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Other(Arc::new(source))
    }

    /// [`StoreError::Other`] with a reason in words.
    pub(crate) fn misuse(reason: impl Into<String>) -> Self {
        Self::other(Reason(reason.into()))
    }
}

/// A reason in words, where no library gave one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Reason(pub(crate) String);
