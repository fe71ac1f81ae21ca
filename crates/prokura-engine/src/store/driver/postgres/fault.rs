//! What an error of PostgreSQL means to us, by its SQLSTATE (PostgreSQL manual, appendix A).

use super::super::{StoreError, error::Reason};
use std::{error::Error as _, io};
use tokio_postgres::{Error, error::SqlState};

/// Translates. Details are left out: they repeat the values of the row, and those are personal data.
pub(super) fn translate(error: Error) -> StoreError {
    let Some(fault) = error.as_db_error() else {
        return if error.is_closed() || has_io_source(&error) {
            StoreError::unavailable(error)
        } else {
            StoreError::other(error)
        };
    };
    let code = fault.code();
    let reason = || Reason(format!("{}: {}", code.code(), fault.message()));
    if *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
        || *code == SqlState::LOCK_NOT_AVAILABLE
        || is_stale_statement(&error)
    {
        return StoreError::Conflict;
    }
    if *code == SqlState::QUERY_CANCELED {
        return StoreError::Timeout;
    }
    match code.code().get(..2) {
        Some("23") => {
            tracing::debug!(constraint = fault.constraint(), code = code.code(), "a constraint refused a change");
            StoreError::Constraint
        }
        Some("08" | "53" | "57" | "58") => StoreError::unavailable(reason()),
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            StoreError::unavailable(reason())
        }
        _ => StoreError::other(reason()),
    }
}

/// Whether the connection is of no use any more, though the server answered: it may be a standby by now, or its
/// prepared statements are stale.
pub(super) fn is_spoiling(error: &Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::READ_ONLY_SQL_TRANSACTION || is_stale_statement(error),
        None => true,
    }
}

/// The schema was migrated under a prepared statement, or a pooler in between forgot it.
fn is_stale_statement(error: &Error) -> bool {
    error.as_db_error().is_some_and(|fault| {
        *fault.code() == SqlState::INVALID_SQL_STATEMENT_NAME
            || (*fault.code() == SqlState::FEATURE_NOT_SUPPORTED && fault.message().contains("cached plan"))
    })
}

fn has_io_source(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}
