//! Clients, sessions and families: their kinds and states.

use crate::word::words;

words!(
    /// Whether a client can keep a secret (RFC 6749 section 2.1).
    ClientKind {
        /// It cannot: a storefront in a browser.
        Public = "public",
        /// It can: a backend.
        Confidential = "confidential",
    }
);

words!(
    /// Whether a session still stands.
    SessionState {
        /// It does.
        Active = "active",
        /// Logged out, expired or ended by an operator.
        Ended = "ended",
    }
);

words!(
    /// Whether the tokens of a family may be used.
    FamilyState {
        /// They may.
        Active = "active",
        /// Revoked as one: logout, reuse of a rotated token, an operator.
        Revoked = "revoked",
    }
);
