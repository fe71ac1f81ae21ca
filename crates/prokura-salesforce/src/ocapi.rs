//! The session calls of OCAPI Shop: `POST …/sessions` and `…/customers/auth`, below `/s/{site}/dw/shop/{version}` and, on a
//! site's own host, below `/dw/shop/{version}`.

pub(crate) mod cookies;
mod fault;
mod trusted_system;

use crate::{
    accent::{self, shopper_id},
    authorize::credentials,
    call::basic,
    settings::{ClientSettings, DIALECT, manner},
};
use axum::{
    Router,
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, RawPathParams, Request, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use cookies::SESSION;
use fault::OcapiFault;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prokura_domain::{ClientId, SessionId, SiteId};
use prokura_engine::{BeginGuest, Error, Granted, Origin, Refusal, ShopLogIn, Tenant, Unverified, VisitorWish, Wishes};
use prokura_http::{Edge, Params, RequestOrigin, bearer_token, cookie as cookie_of};
use prokura_jose::{Secret, VerifiedToken};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where the client says who it is.
const CLIENT_HEADER: &str = "x-dw-client-id";
const CLIENT_PARAMETER: &str = "client_id";

pub(crate) fn routes() -> Router<Edge> {
    let mut router = Router::new();
    for base in ["/s/{site}/dw/shop/{version}", "/dw/shop/{version}"] {
        router = router
            .route(&format!("{base}/sessions"), post(open).fallback(wrong_method))
            .route(&format!("{base}/customers/auth"), post(authenticate).delete(forget).fallback(wrong_method))
            .route(
                &format!("{base}/customers/auth/trustedsystem"),
                post(trusted_system::log_in).fallback(wrong_method),
            );
    }
    router.route("/dw/shop/versions", get(versions))
}

/// What a probe of the original's clients asks first.
async fn versions() -> Response {
    axum::Json(json!({ "_v": "24.5", "versions": ["22.8", "23.1", "24.5"] })).into_response()
}

async fn wrong_method() -> OcapiFault {
    OcapiFault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowedException",
        "The resource does not have this method.",
    )
}

/// A call of a site.
struct Call {
    site: Option<SiteId>,
    version: String,
    headers: HeaderMap,
    query: Params,
    origin: Origin,
    body: Bytes,
}

impl FromRequest<Edge> for Call {
    type Rejection = OcapiFault;

    async fn from_request(request: Request, edge: &Edge) -> Result<Self, OcapiFault> {
        let (mut parts, body) = request.into_parts();
        let unknown =
            || OcapiFault::new(StatusCode::NOT_FOUND, "ResourcePathNotFoundException", "There is no such resource.");
        let path = RawPathParams::from_request_parts(&mut parts, edge).await.map_err(|_| unknown())?;
        let text = |wanted: &str| path.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
        let version = text("version").filter(|version| is_version(version)).ok_or_else(unknown)?;
        let site = match text("site") {
            None => None,
            Some(site) => Some(site.parse().map_err(|_| unknown().of_version(&version))?),
        };
        let query = Params::parse(parts.uri.query().unwrap_or_default());
        let headers = parts.headers.clone();
        let origin = RequestOrigin::of(&parts);
        let body = Bytes::from_request(Request::from_parts(parts, body), edge)
            .await
            .map_err(|_| OcapiFault::bad_request("The body is too long.").of_version(&version))?;
        Ok(Self { site, version, headers, query, origin, body })
    }
}

/// `v22_8`
fn is_version(text: &str) -> bool {
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|text| text.split_once('_'))
        .is_some_and(|(year, month)| year.len() == 2 && digits(year, 2) && digits(month, 2))
}

impl Call {
    /// The client that is named, with its tenant; `None` when none is.
    async fn client(&self, edge: &Edge) -> Result<Option<(Arc<Tenant>, ClientId)>, OcapiFault> {
        let header = self.headers.get(CLIENT_HEADER).and_then(|value| value.to_str().ok());
        let parameter =
            self.query.one(CLIENT_PARAMETER).map_err(|_| OcapiFault::bad_request("client_id came twice."))?;
        let Some(name) = header.or(parameter) else { return Ok(None) };
        let id: ClientId = name.parse().map_err(|_| OcapiFault::unknown_client())?;
        let tenant = edge.engine.tenant_of_client(name).await.map_err(|error| match error {
            Error::Refused(_) => OcapiFault::unknown_client(),
            fault @ Error::Fault(_) => fault.into(),
        })?;
        if !tenant.speaks(DIALECT) {
            return Err(OcapiFault::unknown_client());
        }
        edge.limiter.tenant(&tenant.id).map_err(Error::from)?;
        edge.check_client(&tenant, &id)?;
        self.check_site(edge, &tenant, &id).await?;
        Ok(Some((tenant, id)))
    }

    async fn needed_client(&self, edge: &Edge) -> Result<(Arc<Tenant>, ClientId), OcapiFault> {
        self.client(edge).await?.ok_or_else(OcapiFault::missing_client)
    }

    /// A client serves the sites it is registered for.
    async fn check_site(&self, edge: &Edge, tenant: &Tenant, client: &ClientId) -> Result<(), OcapiFault> {
        let Some(site) = &self.site else { return Ok(()) };
        let client = edge.engine.client(tenant, client).await.map_err(|_| OcapiFault::unknown_client())?;
        let settings = ClientSettings::of(&client).map_err(Error::from)?;
        let is_served = settings.channels.is_empty() || settings.channels.iter().any(|known| known == site.as_str());
        if client.is_active && is_served { Ok(()) } else { Err(OcapiFault::client_forbidden()) }
    }

    /// The shopper's bearer token, which must be of the site, and its tenant.
    async fn bearer(&self, edge: &Edge) -> Result<(Arc<Tenant>, Arc<VerifiedToken>), OcapiFault> {
        let (tenant, token) = self.any_bearer(edge).await?;
        // What an agent got is for a quarter of an hour and names them; pages and another token would do neither.
        if !token.token.actors.is_empty() {
            return Err(OcapiFault::client_forbidden());
        }
        if self.site.is_none() || self.site == token.token.standing.site {
            return Ok((tenant, token));
        }
        Err(OcapiFault::invalid_access_token(bearer_token(&self.headers).unwrap_or_default()))
    }

    /// The bearer token, whosever it is, and its tenant.
    async fn any_bearer(&self, edge: &Edge) -> Result<(Arc<Tenant>, Arc<VerifiedToken>), OcapiFault> {
        let text = bearer_token(&self.headers).map_err(|_| OcapiFault::invalid_access_token(""))?;
        let token = match edge.engine.verify(text) {
            Ok(token) => token,
            Err(Unverified::Rejected(rejection)) => return Err(OcapiFault::rejected(rejection, text)),
            Err(stale @ Unverified::Stale) => return Err(Error::from(stale).into()),
        };
        let tenant = edge.tenant(&token.token.standing.tenant).await?;
        if !tenant.speaks(DIALECT) {
            return Err(OcapiFault::invalid_access_token(text));
        }
        Ok((tenant, token))
    }
}

/// `POST …/sessions`: opens the shop's own pages for whoever has the token. The cookie that is shown stays where it is of
/// the same session; it proves nothing.
async fn open(State(edge): State<Edge>, call: Call) -> Result<Response, OcapiFault> {
    let version = call.version.clone();
    open_for(&edge, &call).await.map_err(|fault| fault.of_version(&version))
}

async fn open_for(edge: &Edge, call: &Call) -> Result<Response, OcapiFault> {
    let (tenant, token) = call.bearer(edge).await?;
    let standing = &token.token.standing;
    if let Some((other, client)) = call.client(edge).await?
        && (other.id != tenant.id || client != standing.client)
    {
        return Err(OcapiFault::client_forbidden());
    }
    let shown = cookie_of(&call.headers, SESSION).map(|value| Secret::from(value.to_owned()));
    let pages = edge.engine.bridge_to_pages(&tenant, standing, shown.as_ref(), &call.origin).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::set(response.headers_mut(), &tenant, &pages);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
    Ok(response)
}

/// `POST …/customers/auth`, by what the body says.
async fn authenticate(State(edge): State<Edge>, call: Call) -> Result<Response, OcapiFault> {
    let version = call.version.clone();
    authenticate_by(&edge, &call).await.map_err(|fault| fault.of_version(&version))
}

async fn authenticate_by(edge: &Edge, call: &Call) -> Result<Response, OcapiFault> {
    let body: Value =
        serde_json::from_slice(&call.body).map_err(|_| OcapiFault::bad_request("The body is no JSON."))?;
    let (tenant, granted) = match body.get("type").and_then(Value::as_str) {
        Some("guest") => {
            let (tenant, client) = call.needed_client(edge).await?;
            let request = BeginGuest {
                client,
                wishes: Wishes { site: call.site.clone(), ..Wishes::default() },
                visitor: VisitorWish::New,
                manner: manner(&tenant, None),
            };
            let granted = edge.engine.begin_guest(&tenant, &request, &call.origin).await?;
            (tenant, granted)
        }
        Some("credentials") => log_in(edge, call).await?,
        Some("session") => {
            let (tenant, client) = call.needed_client(edge).await?;
            let cookie = cookie_of(&call.headers, SESSION).ok_or_else(OcapiFault::authentication_failed)?;
            let cookie = Secret::from(cookie.to_owned());
            let here = manner(&tenant, call.site.clone());
            let granted = edge.engine.token_of_pages(&tenant, &client, &cookie, &here, &call.origin).await;
            (tenant, granted.map_err(not_alive)?)
        }
        Some("refresh") => {
            let (tenant, token) = call.bearer(edge).await?;
            let standing = &token.token.standing;
            let granted = edge.engine.token_again(&tenant, standing, &manner(&tenant, None), &call.origin).await?;
            (tenant, granted)
        }
        Some(_) | None => {
            return Err(OcapiFault::bad_request("The type is guest, credentials, session or refresh."));
        }
    };
    customer(edge, call, &tenant, &granted).await
}

/// The probe of whether a session lives says no in its own words.
fn not_alive(error: Error) -> OcapiFault {
    match error {
        Error::Refused(Refusal::InvalidToken | Refusal::InvalidGrant) => OcapiFault::authentication_failed(),
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    }
}

async fn log_in(edge: &Edge, call: &Call) -> Result<(Arc<Tenant>, Granted), OcapiFault> {
    let (tenant, client) = call.needed_client(edge).await?;
    let missing = || {
        OcapiFault::new(
            StatusCode::BAD_REQUEST,
            "MissingAuthorizationHeaderException",
            "The Authorization header with login and password is missing.",
        )
    };
    let (login, password) = basic(&call.headers).ok().flatten().ok_or_else(missing)?;
    let shown = cookie_of(&call.headers, SESSION).map(|value| Secret::from(value.to_owned()));
    let request = ShopLogIn {
        client,
        cookie: shown,
        visitor: VisitorWish::New,
        log_in: credentials(&login, password).map_err(|_| OcapiFault::authentication_failed())?,
        site: call.site.clone(),
        manner: manner(&tenant, None),
    };
    let granted = edge.engine.log_in_for_tokens(&tenant, &request, &call.origin).await?;
    Ok((tenant, granted))
}

/// The token in a header, and the shopper it is of.
async fn customer(edge: &Edge, call: &Call, tenant: &Tenant, granted: &Granted) -> Result<Response, OcapiFault> {
    let standing = granted.standing();
    let client = edge.engine.client(tenant, &standing.client).await?;
    let person = match standing.customer() {
        Some(customer) => Some(edge.engine.customer(tenant, customer).await?),
        None => None,
    };
    let token = accent::sign(tenant, granted, &client.scopes, person.as_ref())
        .map_err(|_| OcapiFault::bad_request("The login is too long for a token."))?;
    let mut body = json!({
        "_v": call.version.trim_start_matches('v').replace('_', "."),
        "_type": "customer",
        "auth_type": if person.is_some() { "registered" } else { "guest" },
        "customer_id": shopper_id(tenant, standing),
        "visit_id": standing.session.as_ref().map(SessionId::as_str),
    });
    if let (Some(person), Some(members)) = (&person, body.as_object_mut()) {
        for (name, value) in [
            ("customer_no", json!(person.id.as_str())),
            ("login", json!(person.email)),
            ("email", json!(person.email)),
            ("first_name", json!(person.profile.given_name)),
            ("last_name", json!(person.profile.family_name)),
            ("preferred_locale", json!(person.profile.language)),
        ] {
            members.insert(name.to_owned(), value);
        }
    }
    let mut response = axum::Json(body).into_response();
    let value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| OcapiFault::bad_request("The token has no header's form."))?;
    response.headers_mut().insert(header::AUTHORIZATION, value);
    response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Authorization"));
    Ok(response)
}

/// `DELETE …/customers/auth`: the token is good for nothing from now on, and nothing beside it.
async fn forget(State(edge): State<Edge>, call: Call) -> Result<StatusCode, OcapiFault> {
    let version = call.version.clone();
    let end = async {
        let (tenant, token) = call.bearer(&edge).await?;
        edge.engine.log_out_bearer(&tenant, &token.token.standing, &call.origin).await?;
        Ok(StatusCode::NO_CONTENT)
    };
    end.await.map_err(|fault: OcapiFault| fault.of_version(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_year_and_a_number() {
        for (text, expected) in
            [("v22_8", true), ("v24_5", true), ("v24_12", true), ("22_8", false), ("v2_8", false), ("vx_1", false)]
        {
            assert_eq!(is_version(text), expected, "{text}");
        }
    }
}
