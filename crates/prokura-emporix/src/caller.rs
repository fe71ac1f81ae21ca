//! Who calls: the tenant of the path, and the bearer with it. An extractor that let a request through is the proof
//! that tenant and token belong together; what the token is good for is asked for at this moment, not read from it.

use crate::fault::{E1, E2};
use axum::extract::{FromRequestParts, RawPathParams};
use http::{HeaderMap, request::Parts};
use prokura_domain::{CustomerId, LegalEntityId, Scopes, SessionId, Standing, Subject, TenantId};
use prokura_engine::{Actor, Bearer, Engine, Error, Origin, Refusal, Rights, Tenant, Unverified};
use prokura_http::{Edge, RequestOrigin, bearer_token};
use prokura_jose::{Rejection, VerifiedToken};
use std::sync::Arc;

/// The name under which a tenant has this dialect switched on.
pub(crate) const DIALECT: &str = "emporix";
/// Sent by the SDK with every call; must not contradict the path.
const TENANT_HEADER: &str = "emporix-tenant";

/// The tenant in the path, for calls without a bearer.
pub(crate) struct TenantPath {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) origin: Origin,
}

/// The tenant in the path, and a bearer token that holds for it now.
pub(crate) struct Caller {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) token: Arc<VerifiedToken>,
    pub(crate) origin: Origin,
}

/// The tenant `name` means, if it speaks this dialect.
pub(crate) async fn tenant(edge: &Edge, name: &str) -> Result<Arc<Tenant>, E2> {
    let id: TenantId = name.parse().map_err(|_| E2::wrong_tenant())?;
    let tenant = edge.tenant(&id).await?;
    if tenant.speaks(DIALECT) { Ok(tenant) } else { Err(E2::wrong_tenant()) }
}

/// Where the request came from.
pub(crate) fn origin(parts: &Parts) -> Origin {
    RequestOrigin::of(parts)
}

/// Verifies a token as one of `tenant`. A node that does not know what was revoked lately refuses nobody and lets nobody
/// in (S-71).
pub(crate) fn verify(engine: &Engine, tenant: &Tenant, token: &str) -> Result<Arc<VerifiedToken>, E2> {
    match engine.verify(token) {
        Ok(token) if token.token.standing.tenant == tenant.id => Ok(token),
        Ok(_) => Err(E1::invalid_access_token().into()),
        Err(Unverified::Stale) => Err(Error::from(Unverified::Stale).into()),
        Err(Unverified::Rejected(Rejection::Expired | Rejection::Revoked)) => Err(E1::expired_access_token().into()),
        Err(Unverified::Rejected(
            Rejection::Malformed
            | Rejection::UnknownKey
            | Rejection::WrongType
            | Rejection::WrongIssuer
            | Rejection::WrongAudience
            | Rejection::Bound
            | Rejection::BadSignature
            | Rejection::BadClaims
            | Rejection::NotYetValid,
        )) => Err(E1::invalid_access_token().into()),
    }
}

/// Whether the header the SDK sends contradicts `tenant`.
pub(crate) fn check_tenant_header(headers: &HeaderMap, tenant: &Tenant) -> Result<(), E2> {
    let is_other = |value: &http::HeaderValue| value.as_bytes() != tenant.id.as_str().as_bytes();
    if headers.get_all(TENANT_HEADER).iter().any(is_other) { Err(E2::wrong_tenant()) } else { Ok(()) }
}

impl FromRequestParts<Edge> for TenantPath {
    type Rejection = E2;

    async fn from_request_parts(parts: &mut Parts, edge: &Edge) -> Result<Self, E2> {
        let params = RawPathParams::from_request_parts(parts, edge).await.map_err(|_| E2::wrong_tenant())?;
        let name = params.iter().find(|(name, _)| *name == "tenant").map_or("", |(_, value)| value);
        let tenant = tenant(edge, name).await?;
        check_tenant_header(&parts.headers, &tenant)?;
        Ok(Self { tenant, origin: origin(parts) })
    }
}

impl FromRequestParts<Edge> for Caller {
    type Rejection = E2;

    async fn from_request_parts(parts: &mut Parts, edge: &Edge) -> Result<Self, E2> {
        let TenantPath { tenant, origin } = TenantPath::from_request_parts(parts, edge).await?;
        let access_token = bearer_token(&parts.headers).map_err(|_| E1::invalid_access_token())?.to_owned();
        let token = verify(&edge.engine, &tenant, &access_token)?;
        edge.check_client(&tenant, &token.token.standing.client)?;
        Ok(Self { tenant, token, origin })
    }
}

impl Caller {
    /// What the token says.
    pub(crate) fn standing(&self) -> &Standing {
        &self.token.token.standing
    }

    /// The token, as verbs take it.
    pub(crate) fn bearer(&self) -> Bearer<'_> {
        Bearer { standing: self.standing() }
    }

    /// The customer; a guest's or a machine's token is as good as none where a customer is needed.
    pub(crate) fn customer(&self) -> Result<&CustomerId, E1> {
        self.standing().customer().ok_or_else(E1::invalid_access_token)
    }

    /// The session of a customer or a guest.
    pub(crate) fn session(&self) -> Result<&SessionId, E1> {
        self.standing().session.as_ref().ok_or_else(E1::invalid_access_token)
    }

    /// Whether the caller is a machine.
    pub(crate) fn is_service(&self) -> bool {
        self.standing().subject == Subject::Service
    }

    /// Whether the caller is a visitor.
    pub(crate) fn is_guest(&self) -> bool {
        self.standing().subject == Subject::Guest
    }

    /// What the caller may do now, whatever the token's dated copy says.
    pub(crate) async fn scopes(&self, engine: &Engine) -> Result<Scopes, Error> {
        engine.scopes_now(&self.tenant, self.standing()).await
    }

    /// Asks for one of `scopes`; the first one is named when there is none. Returns all the caller has.
    pub(crate) async fn require(&self, engine: &Engine, scopes: &[&'static str]) -> Result<Scopes, Error> {
        let own = self.scopes(engine).await?;
        if own.contains_any(scopes) {
            return Ok(own);
        }
        Err(Refusal::MissingScope(scopes.first().copied().unwrap_or_default()).into())
    }

    /// What a customer may do and see for the company they act for; `None` for guests and machines.
    pub(crate) async fn rights(&self, engine: &Engine) -> Result<Option<Arc<Rights>>, Error> {
        match self.standing().customer() {
            Some(customer) => engine.rights(&self.tenant, customer, self.standing().legal_entity()).await.map(Some),
            None => Ok(None),
        }
    }

    /// The company that counts for own lists: the chosen one, else the only one where the tenant has it so.
    pub(crate) async fn own_entity(&self, engine: &Engine) -> Result<Option<LegalEntityId>, Error> {
        if let Some(entity) = self.standing().legal_entity() {
            return Ok(Some(entity.clone()));
        }
        Ok(self.rights(engine).await?.and_then(|rights| rights.implicit_entity.clone()))
    }

    /// The caller, as the audit trail names them.
    pub(crate) fn actor(&self) -> Actor {
        match &self.standing().subject {
            Subject::Customer(customer) => Actor::Customer(customer.clone()),
            Subject::Guest => Actor::Guest,
            Subject::Service => Actor::Client(self.standing().client.clone()),
        }
    }
}
