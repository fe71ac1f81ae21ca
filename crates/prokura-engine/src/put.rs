//! Writing under a given id: makes the thing when it is not there, replaces it when it is.

/// Whether a write may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// It may not: a taken id is refused.
    Create,
    /// It may.
    Upsert {
        /// The version the caller has seen; `None` replaces whatever there is.
        version: Option<i64>,
    },
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The thing is new.
    Created,
    /// It was there before.
    Replaced,
}

impl PutMode {
    /// Whether the version the caller has seen, if any, is another one than `current`.
    pub(crate) fn is_stale(self, current: i64) -> bool {
        match self {
            Self::Create | Self::Upsert { version: None } => false,
            Self::Upsert { version: Some(seen) } => seen != current,
        }
    }

    /// What an insert that met a taken id comes to: a refusal, or another try that replaces.
    pub(crate) fn taken(self, what: &'static str) -> crate::Error {
        match self {
            Self::Create => crate::Refusal::AlreadyExists(what).into(),
            Self::Upsert { .. } => crate::StoreError::Conflict.into(),
        }
    }
}
