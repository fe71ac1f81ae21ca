//! What goes wrong, in two kinds that never mix: a refusal is an answer (we understood and said no), a fault is ours
//! (something broke).

use crate::store::StoreError;
use prokura_jose::Rejection;
use thiserror::Error;

/// A verb that did not succeed.
#[derive(Debug, Error)]
pub enum Error {
    /// We understood and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something broke on our side; the caller may try again.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Something broke on our side.
#[derive(Debug, Error)]
pub enum Fault {
    /// The database.
    #[error("the database did not answer as it should")]
    Store(#[from] StoreError),
    /// The operating system's randomness, a signature, or a sealed value.
    #[error("cryptography failed")]
    Crypto(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A background task or a hashing thread ended without an answer.
    #[error("a worker ended without an answer")]
    Worker,
    /// A partner's identity provider is away, or it or what we know of it is set up wrongly.
    #[error("a partner's identity provider did not do its part")]
    PartnerIdp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The keys a client publishes cannot be had now, so nobody can say whether it is who it says.
    #[error("the keys of a client are away")]
    ClientKeys(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was not heard from for longer than decisions may rest on what it last said (S-71).
    #[error("the database was not heard from for too long")]
    Stale,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Fault(Fault::Store(error))
    }
}

impl From<prokura_domain::EntropyUnavailable> for Error {
    fn from(error: prokura_domain::EntropyUnavailable) -> Self {
        Self::crypto(error)
    }
}

impl Error {
    /// A fault of cryptography.
    pub(crate) fn crypto(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Fault(Fault::Crypto(Box::new(error)))
    }

    /// Whether the transaction lost to another one and the verb should simply be run again.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Fault(Fault::Store(StoreError::Conflict)))
    }
}

/// Why an access token is not believed here and now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unverified {
    /// The token does not hold.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It may hold, but this node does not know what was revoked lately (S-71): nothing is said about the token, or
    /// clients would throw a good one away.
    #[error("the database was not heard from for too long")]
    Stale,
}

impl From<Unverified> for Error {
    fn from(unverified: Unverified) -> Self {
        match unverified {
            Unverified::Rejected(_) => Self::Refused(Refusal::InvalidToken),
            Unverified::Stale => Self::Fault(Fault::Stale),
        }
    }
}

/// One thing wrong with what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, as the engine names it.
    pub field: &'static str,
    /// What would be right.
    pub reason: String,
}

/// Why we say no. A variant exists because some caller branches on it; details go to the audit trail.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// No such tenant, or it is suspended.
    #[error("unknown tenant")]
    UnknownTenant,
    /// Unknown or disabled client, or wrong client credentials.
    #[error("invalid client")]
    InvalidClient,
    /// The client may not use this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// Unknown customer or wrong password: never say which.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// Right password, but the sign-up is not confirmed.
    #[error("the customer is not confirmed")]
    CustomerPending,
    /// Right password, but on hold.
    #[error("the customer is on hold")]
    CustomerOnHold,
    /// Right password, but switched off.
    #[error("the customer is inactive")]
    CustomerInactive,
    /// Too many attempts, or too many password checks at once.
    #[error("too many attempts")]
    Throttled {
        /// Seconds until another attempt makes sense.
        retry_after_seconds: u32,
    },
    /// A surer or newer proof of who this is is needed: a second factor, or the password once more.
    #[error("a surer or newer proof of who this is is needed")]
    ProofNeeded,
    /// Unknown, revoked or reused refresh token or code.
    #[error("invalid grant")]
    InvalidGrant,
    /// A refresh token past its end.
    #[error("expired grant")]
    ExpiredGrant,
    /// An access token that does not hold here and now.
    #[error("invalid access token")]
    InvalidToken,
    /// The proof of a key is missing, wrong, or was used before (RFC 9449).
    #[error("invalid proof of a key")]
    InvalidProof,
    /// The customer is not assigned to the legal entity, whatever the reason.
    #[error("not assigned to the legal entity")]
    NotAssigned,
    /// The client may have no token for this resource, or this token is for another one.
    #[error("not a resource of the client")]
    WrongTarget,
    /// The session may not change its company.
    #[error("the session is locked to its legal entity")]
    EntityLocked,
    /// A scope that cannot be granted.
    #[error("invalid scope")]
    InvalidScope,
    /// A right is missing.
    #[error("missing scope {0}")]
    MissingScope(&'static str),
    /// The caller may not do this, whatever the scopes.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// There is no such thing, or the caller may not know of it.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// There is such a thing already.
    #[error("{0} exists already")]
    AlreadyExists(&'static str),
    /// Somebody changed it meanwhile.
    #[error("changed meanwhile")]
    StaleVersion,
    /// Something else depends on it.
    #[error("in use: {0}")]
    InUse(&'static str),
    /// Something sent is wrong.
    #[error("invalid input")]
    Invalid(Vec<FieldFault>),
}

impl Refusal {
    /// One field is wrong, and `reason` says what would be right.
    pub fn invalid(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![FieldFault { field, reason: reason.to_string() }])
    }

    /// The word the audit trail keeps.
    pub fn word(&self) -> &'static str {
        match self {
            Self::UnknownTenant => "unknown_tenant",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidCredentials => "invalid_credentials",
            Self::CustomerPending => "customer_pending",
            Self::CustomerOnHold => "customer_on_hold",
            Self::CustomerInactive => "customer_inactive",
            Self::Throttled { .. } => "throttled",
            Self::ProofNeeded => "proof_needed",
            Self::InvalidGrant => "invalid_grant",
            Self::ExpiredGrant => "expired_grant",
            Self::InvalidToken => "invalid_token",
            Self::InvalidProof => "invalid_proof",
            Self::NotAssigned => "not_assigned",
            Self::WrongTarget => "wrong_target",
            Self::EntityLocked => "entity_locked",
            Self::InvalidScope => "invalid_scope",
            Self::MissingScope(_) => "missing_scope",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::AlreadyExists(_) => "already_exists",
            Self::StaleVersion => "stale_version",
            Self::InUse(_) => "in_use",
            Self::Invalid(_) => "invalid",
        }
    }
}
