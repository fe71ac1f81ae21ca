//! A call of SLAS: its organization, its parameters from query and body, and the client that makes it.

use crate::{
    fault::SlasFault,
    rates::Counted,
    settings::{ClientSettings, DIALECT, STAGES, accent, instance, manner},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, RawPathParams, Request},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use prokura_domain::{ClientId, ClientKind, SiteId, VisitorId};
use prokura_engine::{
    Client, ClientProof, Error, Manner, Origin, Refusal, Tenant, TokenAccent, Unverified, VisitorWish,
};
use prokura_http::{Edge, Params, RequestOrigin, bearer_token, is_form};
use prokura_jose::{Rejection, Secret, VerifiedToken};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The credentials of a client where `Authorization` is the shopper's.
const CLIENT_AUTH: &str = "x-slas-client-auth";
/// The longest visitor name a client may bring.
const MAX_USID: usize = 66;

/// Parameters, wherever they came: some clients send everything in the query of a POST.
pub(crate) struct Asked {
    query: Params,
    body: Params,
    json: Map<String, Value>,
}

impl Asked {
    /// The value of `name`; `None` when it is absent or empty.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, SlasFault> {
        let json = self.json(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (self.query.one(name)?, self.body.one(name)?.or(json)) {
            (Some(one), Some(other)) if one != other => Err(SlasFault::invalid_request(format!(
                "Bad or missing request parameters. {name} is another one in the query than in the body."
            ))),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// A member of a body that is JSON.
    pub(crate) fn json(&self, name: &str) -> Option<&Value> {
        self.json.get(name)
    }

    /// The same, for one that must be there.
    pub(crate) fn needed(&self, name: &str) -> Result<&str, SlasFault> {
        self.one(name)?.ok_or_else(|| SlasFault::missing(name))
    }
}

/// A call of one organization.
pub(crate) struct Call {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) asked: Asked,
    pub(crate) headers: HeaderMap,
    pub(crate) origin: Origin,
    counted: Counted,
}

/// A client that may make the call.
pub(crate) struct Party {
    pub(crate) client: Client,
    pub(crate) settings: ClientSettings,
}

/// Whether a client is registered for a scope.
pub(crate) fn has_scope(client: &Client, scope: &str) -> bool {
    client.scopes.split_ascii_whitespace().any(|registered| registered == scope)
}

impl Party {
    fn of(client: Client) -> Result<Self, SlasFault> {
        let settings = ClientSettings::of(&client)?;
        Ok(Self { client, settings })
    }

    pub(crate) fn is_private(&self) -> bool {
        self.client.kind == ClientKind::Confidential
    }
}

/// The tenant an organization stands for.
pub(crate) async fn tenant(edge: &Edge, organization: &str, counted: &Counted) -> Result<Arc<Tenant>, SlasFault> {
    let malformed = || SlasFault::invalid_request("Tenant Id Exception - Must be a well-formed tenantId");
    let name = instance(organization).ok_or_else(malformed)?;
    for stage in STAGES {
        match edge.engine.tenant_of_issuer(&format!("slas/{stage}/{name}")).await {
            Ok(tenant) if tenant.speaks(DIALECT) => {
                counted.tenant(&tenant.id);
                edge.limiter.tenant(&tenant.id).map_err(Error::from)?;
                return Ok(tenant);
            }
            Ok(_) | Err(Error::Refused(_)) => {}
            Err(fault @ Error::Fault(_)) => return Err(fault.into()),
        }
    }
    Err(Refusal::UnknownTenant.into())
}

/// How the dialect names the tenant.
pub(crate) fn names(tenant: &Tenant) -> Result<&TokenAccent, SlasFault> {
    accent(tenant).ok_or_else(|| Refusal::UnknownTenant.into())
}

impl FromRequest<Edge> for Call {
    type Rejection = SlasFault;

    async fn from_request(request: Request, edge: &Edge) -> Result<Self, SlasFault> {
        let (mut parts, body) = request.into_parts();
        let path = RawPathParams::from_request_parts(&mut parts, edge).await;
        let path = path.map_err(|_| Refusal::UnknownTenant)?;
        let organization = path.iter().find(|(name, _)| *name == "organization").map_or("", |(_, value)| value);
        let counted = parts.extensions.get::<Counted>().cloned().unwrap_or_default();
        let tenant = tenant(edge, organization, &counted).await?;
        let origin = RequestOrigin::of(&parts);
        let query = Params::parse(parts.uri.query().unwrap_or_default());
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), edge)
            .await
            .map_err(|_| SlasFault::invalid_request("Bad or missing request parameters. The body is too long."))?;
        let form = if is_form(&headers) {
            let text = std::str::from_utf8(&body)
                .map_err(|_| SlasFault::invalid_request("Bad or missing request parameters. The body is no UTF-8."))?;
            Params::parse(text)
        } else {
            Params::parse("")
        };
        let json = if is_json(&headers) {
            serde_json::from_slice(&body).map_err(|_| {
                SlasFault::invalid_request("Bad or missing request parameters. The body is no JSON object.")
            })?
        } else {
            Map::new()
        };
        Ok(Self { tenant, asked: Asked { query, body: form, json }, headers, origin, counted })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// User and password of an `Authorization` header, split at the first colon; `None` when there is none, or an empty one as
/// storefronts of the original send it.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, SlasFault> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next().filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none()).ok_or_else(SlasFault::basic_failed)?;
    let Some((scheme, rest)) = text.split_once(' ') else { return Err(SlasFault::basic_failed()) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    pair(rest).map(Some).ok_or_else(SlasFault::basic_failed)
}

/// What stands behind base64: a name and a secret.
pub(crate) fn pair(encoded: &str) -> Option<(String, Secret)> {
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((name.to_owned(), Secret::from(secret.to_owned())))
}

impl Call {
    /// The client of a call that asks for tokens: a private one by its secret, a public one by its name. A private client
    /// without its secret is nobody.
    pub(crate) async fn party(&self, edge: &Edge) -> Result<Party, SlasFault> {
        let named = self.asked.one("client_id")?;
        let Some((id, secret)) = basic(&self.headers)? else {
            let party = self.named(edge, named).await?;
            return if party.is_private() { Err(SlasFault::unauthorized()) } else { Ok(party) };
        };
        if named.is_some_and(|named| named != id) {
            return Err(SlasFault::basic_failed());
        }
        self.proven(edge, &id, secret).await
    }

    /// The client of a call that only private ones may make.
    pub(crate) async fn private_party(&self, edge: &Edge) -> Result<Party, SlasFault> {
        let party = self.party(edge).await?;
        if party.is_private() { Ok(party) } else { Err(SlasFault::basic_failed()) }
    }

    /// The client of a call whose `Authorization` is the shopper's, or nobody's. Whether a private one must prove itself
    /// there is its own setting.
    pub(crate) async fn announced(&self, edge: &Edge) -> Result<Party, SlasFault> {
        let party = self.named(edge, self.asked.one("client_id")?).await?;
        if !party.settings.strict_client_auth || !party.is_private() {
            return Ok(party);
        }
        let value = self.headers.get(CLIENT_AUTH).and_then(|value| value.to_str().ok());
        let (id, secret) = value.and_then(pair).ok_or_else(SlasFault::basic_failed)?;
        if id != party.client.id.as_str() {
            return Err(SlasFault::basic_failed());
        }
        self.proven(edge, &id, secret).await
    }

    /// The client of a call whose bearer token is the proof; the client is named beside it.
    pub(crate) async fn bearers_party(&self, edge: &Edge) -> Result<Party, SlasFault> {
        let bearer = self.bearer(edge)?;
        let party = self.named(edge, self.asked.one("client_id")?).await?;
        if bearer.token.standing.client == party.client.id { Ok(party) } else { Err(SlasFault::unauthorized()) }
    }

    /// The private client with this id and secret.
    pub(crate) async fn proven(&self, edge: &Edge, id: &str, secret: Secret) -> Result<Party, SlasFault> {
        let id: ClientId = id.parse().map_err(|_| SlasFault::basic_failed())?;
        self.counted.client(&id);
        edge.check_client(&self.tenant, &id)?;
        let proof = ClientProof::Basic(secret);
        match edge.engine.prove_client(&self.tenant, &id, &proof, &self.origin).await {
            Ok(client) => Party::of(client),
            Err(Error::Refused(Refusal::InvalidClient)) => Err(SlasFault::basic_failed()),
            Err(error) => Err(error.into()),
        }
    }

    /// The client of this id, which has proven nothing.
    pub(crate) async fn named(&self, edge: &Edge, id: Option<&str>) -> Result<Party, SlasFault> {
        let id: ClientId = id.and_then(|id| id.parse().ok()).ok_or_else(SlasFault::invalid_client_id)?;
        self.counted.client(&id);
        edge.check_client(&self.tenant, &id)?;
        match edge.engine.client(&self.tenant, &id).await {
            Ok(client) if client.is_active => Party::of(client),
            Ok(_) | Err(Error::Refused(Refusal::NotFound(_))) => Err(SlasFault::invalid_client_id()),
            Err(error) => Err(error.into()),
        }
    }

    /// The site, which the client must serve.
    pub(crate) async fn channel(&self, edge: &Edge, party: &Party) -> Result<SiteId, SlasFault> {
        let channel = self.optional_channel(edge, party).await?;
        channel.ok_or_else(|| SlasFault::missing("channel_id"))
    }

    /// The same; `None` when none is named and the client serves more than one.
    pub(crate) async fn optional_channel(&self, edge: &Edge, party: &Party) -> Result<Option<SiteId>, SlasFault> {
        let channels = &party.settings.channels;
        let named = match (self.asked.one("channel_id")?, channels.as_slice()) {
            (Some(named), _) => named,
            (None, [one]) => one,
            (None, _) => return Ok(None),
        };
        let channel: SiteId = named.parse().map_err(|_| SlasFault::invalid_channel())?;
        if !channels.is_empty() && !channels.iter().any(|known| known == named) {
            return Err(SlasFault::invalid_channel());
        }
        match edge.engine.site(&self.tenant, &channel).await {
            Ok(site) if site.is_active => Ok(Some(channel)),
            Ok(_) | Err(Error::Refused(_)) => Err(SlasFault::invalid_channel()),
            Err(fault @ Error::Fault(_)) => Err(fault.into()),
        }
    }

    /// The name the visitor says they have; what is none is an error, never a new visitor.
    pub(crate) fn visitor(&self) -> Result<Option<VisitorId>, SlasFault> {
        let bad = || SlasFault::invalid_request("Bad or missing request parameters. usid is a UUID.");
        match self.asked.one("usid")? {
            None => Ok(None),
            Some(usid) if usid.len() > MAX_USID => Err(bad()),
            Some(usid) => usid.parse().map(Some).map_err(|_| bad()),
        }
    }

    /// The same, as a wish: whoever has none gets one.
    pub(crate) fn visitor_wish(&self) -> Result<VisitorWish, SlasFault> {
        Ok(self.visitor()?.map_or(VisitorWish::New, VisitorWish::Keep))
    }

    /// How this dialect wants tokens of a site.
    pub(crate) fn manner(&self, site: Option<SiteId>) -> Result<Manner, SlasFault> {
        let do_not_track = match self.asked.one("dnt")? {
            None => None,
            Some("true" | "1") => Some(true),
            Some("false" | "0") => Some(false),
            Some(_) => {
                return Err(SlasFault::invalid_request("Bad or missing request parameters. dnt is true or false."));
            }
        };
        Ok(Manner { do_not_track, ..manner(&self.tenant, site) })
    }

    /// The bearer token of the call.
    pub(crate) fn bearer(&self, edge: &Edge) -> Result<Arc<VerifiedToken>, SlasFault> {
        let token = bearer_token(&self.headers).map_err(|_| SlasFault::invalid_bearer())?;
        match edge.engine.verify(token) {
            Ok(token) if token.token.standing.tenant == self.tenant.id => Ok(token),
            Ok(_) | Err(Unverified::Rejected(_)) => Err(SlasFault::invalid_bearer()),
            Err(stale @ Unverified::Stale) => Err(Error::from(stale).into()),
        }
    }

    /// The same where one that has just expired is as good as none: something else proves who calls.
    pub(crate) fn late_bearer(&self, edge: &Edge) -> Result<Option<Arc<VerifiedToken>>, SlasFault> {
        let token = bearer_token(&self.headers).map_err(|_| SlasFault::invalid_bearer())?;
        match edge.engine.verify(token) {
            Err(Unverified::Rejected(Rejection::Expired)) => Ok(None),
            _ => self.bearer(edge).map(Some),
        }
    }
}

/// 405 with what would be right.
pub(crate) async fn wrong_method() -> SlasFault {
    SlasFault::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "The resource does not have this method.")
}
