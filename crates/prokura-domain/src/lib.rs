//! The nouns of B2B identity and the rules they keep.
//!
//! Everything here is a value or a decision about values: no I/O, no clock, no randomness, no serialization. Whoever
//! needs the time or a secret receives it as an argument, so every rule can be tested as a table of cases.

mod access;
mod company;
mod customer;
mod id;
mod network;
mod policy;
mod ports;
mod revocation;
mod scope;
mod segment;
mod standing;
mod time;
mod word;

pub use access::{ClientKind, FamilyState, SessionState};
pub use company::{
    AssignmentKind, CompanyKind, ContactPropagation, GroupCode, HierarchyFault, LocationKind, MAX_HIERARCHY_DEPTH,
    MemberKind, check_hierarchy,
};
pub use customer::{CustomerKind, CustomerState, Email, InvalidEmail, PasswordFault, PasswordPolicy};
pub use id::{
    AddressId, AssignmentId, AuditEventId, AuthorizationId, ClientId, CustomerId, FamilyId, GrantId, GroupId,
    InvalidId, InvitationId, KeyId, LegalEntityId, LocationId, OperatorId, PartnerIdpId, SegmentId, SessionId, SiteId,
    TenantId, TokenId, VisitorId,
};
pub use network::{IpPrefix, is_public_address};
pub use policy::{DEFAULT_LEEWAY_SECONDS, MAX_LEEWAY_SECONDS, Redemption, RefreshPolicy, RefreshTokenState, Replay};
pub use ports::{Clock, Entropy, EntropyUnavailable};
pub use revocation::{Revocation, RevocationKind};
pub use scope::{InvalidScope, Scope, Scopes};
pub use segment::{SegmentItemKind, SegmentState, Validity};
pub use standing::{ACR_MULTI, ACR_SINGLE, ActingFor, MAX_TOKEN_SEGMENTS, Standing, Subject};
pub use time::Timestamp;
pub use word::UnknownWord;
