//! What the revocation feed says. Entries name things that are never used again, so no entry depends on two machines
//! agreeing about the time.

use crate::{TenantId, Timestamp, word::words};

words!(
    /// What an entry of the revocation feed is about.
    RevocationKind {
        /// One access token; the value is its `jti`.
        Token = "token",
        /// Every token of a family; the value is the family's id.
        Family = "family",
        /// Tokens of a family up to an epoch; the value is `{family}/{epoch}`: that epoch and all before it are over.
        Epoch = "epoch",
        /// Every token of a session; the value is the session's id.
        Session = "session",
        /// Every token that acts by one granting of a contact assignment; the value is the grant's id.
        Grant = "grant",
        /// Every token for a disabled legal entity, until lifted; the value is its id.
        LegalEntity = "legal_entity",
        /// Every token of a disabled client, until lifted; the value is its id.
        Client = "client",
        /// Every token of a suspended tenant, until lifted; the value is the tenant's id.
        Tenant = "tenant",
        /// Not a revocation: groups or segments of a customer changed, so dated copies of scopes and segments are
        /// stale. The value is the customer's id, or `*` for everybody of the tenant.
        Rights = "rights",
        /// Not a revocation: the signing keys of the tenant changed. The value is the tenant's id.
        Keys = "keys",
    }
);

/// One entry of the revocation feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Time-ordered id of the entry; a reader drops what it has seen.
    pub id: String,
    /// Whose.
    pub tenant: TenantId,
    /// What about.
    pub kind: RevocationKind,
    /// Which one; see [`RevocationKind`].
    pub value: String,
    /// Whether it takes an earlier entry of the same kind and value back.
    pub is_lifted: bool,
    /// When the entry was written.
    pub at: Timestamp,
    /// From when on it holds; later than `at` where a dialect grants a grace.
    pub effective_at: Timestamp,
    /// When the last token it could concern has expired, and the entry may be forgotten.
    pub expires_at: Timestamp,
}
