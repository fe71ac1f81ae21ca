//! How surely somebody proved who they are: what a session remembers of it, and for how long it is enough to change
//! what they prove it with.

use crate::store::CookieRow;
use prokura_domain::Timestamp;

/// For how long after a login its owner may change how they log in, in seconds.
const FRESH_SECONDS: i64 = 600;

/// The word for two factors (RFC 8176).
const MULTI: &str = "mfa";

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    /// By a password.
    Password,
    /// By a password and a code.
    PasswordAndCode,
    /// By a passkey that verified them.
    Passkey,
    /// By a code they were sent.
    OneTimeCode,
}

impl Proven {
    /// Authentication method references (RFC 8176), blank separated.
    pub(crate) const fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::PasswordAndCode => "pwd otp mfa",
            Self::Passkey => "pop user mfa",
            Self::OneTimeCode => "otp",
        }
    }
}

/// Whether references say that two factors were proven.
pub(crate) fn is_multi_factor(amr: Option<&str>) -> bool {
    amr.is_some_and(|amr| amr.split_ascii_whitespace().any(|word| word == MULTI))
}

/// Whether a login is new enough to change how somebody logs in.
pub(crate) fn is_fresh(authenticated_at: Option<Timestamp>, now: Timestamp) -> bool {
    authenticated_at.is_some_and(|at| now.millis_since(at) <= FRESH_SECONDS * 1000)
}

impl CookieRow {
    /// Whether its owner may change how they log in. Who has a second factor must have proven it, too.
    pub(crate) fn may_change_proofs(&self, has_second_factor: bool, now: Timestamp) -> bool {
        is_fresh(self.authenticated_at, now) && (self.is_multi_factor || !has_second_factor)
    }
}
