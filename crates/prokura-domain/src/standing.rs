//! Who is here, for whom, and by what right: the one value every door yields and every service is told.

use crate::{
    AssignmentId, ClientId, CustomerId, FamilyId, GrantId, LegalEntityId, Scopes, SegmentId, SessionId, SiteId,
    TenantId, Timestamp, VisitorId,
};

/// The most segments a token carries; a call answers for more.
pub const MAX_TOKEN_SEGMENTS: usize = 32;

/// The authentication context of a customer who proved who they are by one factor (`acr`, OpenID Connect Core section 2).
pub const ACR_SINGLE: &str = "urn:prokura:acr:1fa";

/// The authentication context of a customer who proved it by two factors, or by a passkey, which counts as two.
pub const ACR_MULTI: &str = "urn:prokura:acr:2fa";

/// Who is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nobody known: a visitor before login.
    Guest,
    /// A logged-in customer.
    Customer(CustomerId),
    /// A machine that acts for itself (client credentials).
    Service,
}

/// The legal entity a family has chosen, and the right it does so by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingFor {
    /// The company.
    pub legal_entity: LegalEntityId,
    /// The contact assignment that allows it.
    pub assignment: AssignmentId,
    /// The very granting of that assignment; what a revocation names.
    pub grant: GrantId,
}

/// Who is here, for whom, and by what right. Tokens and cookies are dated copies or handles of it.
#[expect(clippy::struct_excessive_bools, reason = "facts about a standing that do not exclude each other")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The tenant.
    pub tenant: TenantId,
    /// The storefront it began at, when one was named.
    pub site: Option<SiteId>,
    /// The application the token was issued to.
    pub client: ClientId,
    /// Who is here.
    pub subject: Subject,
    /// For whom; `None` as a private person, as a guest and as a service.
    pub acting_for: Option<ActingFor>,
    /// What it may be used for. A dated copy for customers: groups may change after issue.
    pub scopes: Scopes,
    /// Whether the customer or the client asked for fewer scopes than the customer has: then no later right is added.
    pub is_scope_limited: bool,
    /// Segments of (customer, entity), at most [`MAX_TOKEN_SEGMENTS`]; a dated copy as well.
    pub segments: Vec<SegmentId>,
    /// Whether there are more segments than fit.
    pub has_more_segments: bool,
    /// The session; `None` for a service.
    pub session: Option<SessionId>,
    /// Who came, known or not, where the client keeps a name for that over several sessions.
    pub visitor: Option<VisitorId>,
    /// The token family; `None` for a service.
    pub family: Option<FamilyId>,
    /// Counts every change of customer or entity in the family.
    pub epoch: u32,
    /// When the customer proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// Whether they proved it by two factors, or by one that counts as two.
    pub is_multi_factor: bool,
    /// Whether the session may never change its company (punch-out, login token; S-34).
    pub is_entity_locked: bool,
}

impl Standing {
    /// A name for who came that outlives their login: what a guest began is found by it after they logged in.
    pub fn visitor(&self) -> Option<&str> {
        self.visitor.as_ref().map(VisitorId::as_str).or(self.session.as_ref().map(SessionId::as_str))
    }

    /// The customer, when there is one.
    pub fn customer(&self) -> Option<&CustomerId> {
        match &self.subject {
            Subject::Customer(customer) => Some(customer),
            Subject::Guest | Subject::Service => None,
        }
    }

    /// How surely the customer proved who they are, as a word for tokens; `None` when there is no customer.
    pub fn acr(&self) -> Option<&'static str> {
        self.customer().map(|_| if self.is_multi_factor { ACR_MULTI } else { ACR_SINGLE })
    }

    /// Whether the customer proved who they are as surely and as lately as somebody asks (RFC 9470): by two factors, and
    /// at most so many seconds before `now`. A login nobody knows the time of is no login.
    pub fn has_proven(&self, is_multi_factor: bool, max_age_seconds: Option<u32>, now: Timestamp) -> bool {
        let is_young = max_age_seconds.is_none_or(|seconds| {
            self.authenticated_at.is_some_and(|at| now.millis_since(at) <= i64::from(seconds) * 1000)
        });
        (self.is_multi_factor || !is_multi_factor) && is_young
    }

    /// The chosen legal entity, when there is one.
    pub fn legal_entity(&self) -> Option<&LegalEntityId> {
        self.acting_for.as_ref().map(|acting_for| &acting_for.legal_entity)
    }
}
