//! `GET authorize` and `POST login`: a code for a visitor, or for whoever has the password, in the query of a redirect; and
//! the way to a login elsewhere.

use crate::{
    call::{Call, Party, basic},
    fault::SlasFault,
    idp,
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prokura_domain::Email;
use prokura_engine::{CodeOrder, DirectCode, LogIn};
use prokura_http::Edge;

/// Where SLAS answers.
pub(crate) const BASE: &str = "/shopper/auth/v1/organizations/{organization}/oauth2";
/// The hint for our own pages, which no hint is, too; the dialect says so of shoppers who have their account here.
const PAGES: &str = "ecom";
/// What the original's SDK sends as hint of whoever gives it none.
const NO_HINT: &str = "undefined";
/// The longest values, in characters.
const MAX_STATE: usize = 512;
const MAX_REDIRECT_URI: usize = 256;
/// The most bytes of a password that are looked at (S-104).
pub(crate) const MAX_PASSWORD_BYTES: usize = 1_024;
/// What a value in a query may not hold.
pub(crate) const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/authorize"), get(authorize).fallback(crate::call::wrong_method))
        .route(&format!("{BASE}/session-bridge/authorize"), get(authorize_bridge).fallback(crate::call::wrong_method))
        .route(&format!("{BASE}/login"), post(log_in).fallback(crate::call::wrong_method))
}

async fn authorize(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    begin(&edge, &call, call.asked.one("hint")?).await
}

/// The same, whose code goes only with the proof of a session.
async fn authorize_bridge(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let hint = call.asked.one("hint")?.filter(|hint| hint.starts_with("sb-"));
    begin(&edge, &call, hint.or(Some("sb-guest"))).await
}

async fn begin(edge: &Edge, call: &Call, hint: Option<&str>) -> Result<Response, SlasFault> {
    let party = call.announced(edge).await?;
    if call.asked.needed("response_type")? != "code" {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. response_type is code."));
    }
    let is_bridge = match hint {
        Some("guest") => false,
        Some("sb-guest" | "sb-user") => true,
        None | Some(PAGES | NO_HINT) => return idp::to_pages(edge, call, &party).await,
        Some(hint) => return idp::to_partner(edge, call, &party, hint).await,
    };
    let order = order(edge, call, &party).await?;
    let code = edge.engine.offer_guest_code(&call.tenant, &order, is_bridge).await?;
    redirect(call, &order.redirect_uri, &code)
}

/// What a code is bound to, checked as far as it can be before anybody is asked anything.
pub(crate) async fn order(edge: &Edge, call: &Call, party: &Party) -> Result<CodeOrder, SlasFault> {
    let redirect_uri = call.asked.needed("redirect_uri")?;
    if redirect_uri.len() > MAX_REDIRECT_URI || !party.client.registration.allows_redirect(redirect_uri) {
        return Err(SlasFault::invalid_request("redirect_uri doesn't match the registered redirects"));
    }
    let challenge = call.asked.one("code_challenge")?;
    if challenge.is_none() && !party.is_private() {
        return Err(SlasFault::missing("code_challenge"));
    }
    if challenge.is_some_and(|challenge| !is_challenge(challenge)) {
        let message = "Bad or missing request parameters. code_challenge is 43 to 128 characters of base64url.";
        return Err(SlasFault::invalid_request(message));
    }
    if call.asked.one("state")?.is_some_and(|state| state.len() > MAX_STATE) {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. state has at most 512 characters."));
    }
    Ok(CodeOrder {
        client: party.client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        code_challenge: challenge.map(|challenge| challenge.trim_end_matches('=').to_owned()),
        visitor: call.visitor_wish()?,
        site: call.optional_channel(edge, party).await?,
    })
}

pub(crate) fn is_challenge(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
}

async fn log_in(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = call.announced(&edge).await?;
    if party.settings.login_ep_restrict {
        return Err(SlasFault::unauthorized());
    }
    let order = order(&edge, &call, &party).await?;
    if order.site.is_none() {
        return Err(SlasFault::missing("channel_id"));
    }
    let (login, password) = basic(&call.headers)?.ok_or_else(SlasFault::unauthorized)?;
    let request = credentials(&login, password)?;
    let code = edge.engine.log_in_for_code(&call.tenant, &request, &order, &call.origin).await;
    redirect(&call, &order.redirect_uri, &code.map_err(SlasFault::of_login)?)
}

/// Who somebody says they are; what cannot be right is as wrong as a wrong password.
pub(crate) fn credentials(login: &str, password: prokura_jose::Secret) -> Result<LogIn, SlasFault> {
    let email = Email::parse(login).map_err(|_| SlasFault::unauthorized())?;
    let length = password.expose().len();
    if length == 0 || length > MAX_PASSWORD_BYTES {
        return Err(SlasFault::unauthorized());
    }
    Ok(LogIn { email, password })
}

fn redirect(call: &Call, redirect_uri: &str, code: &DirectCode) -> Result<Response, SlasFault> {
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    let mut location = format!("{redirect_uri}{joint}usid={}&code={}", code.visitor, code.code.expose());
    for name in ["state", "scope"] {
        if let Some(value) = call.asked.one(name)? {
            location.extend(["&", name, "="]);
            location.extend(utf8_percent_encode(value, VALUE));
        }
    }
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(&location)
        .map_err(|_| SlasFault::invalid_request("redirect_uri doesn't match the registered redirects"))?;
    response.headers_mut().insert(header::LOCATION, value);
    Ok(response)
}
