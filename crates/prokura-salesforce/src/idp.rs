//! Logins that happen elsewhere than in the client's own form: on our pages, which are the identity provider a tenant
//! prefers, or at a partner's identity provider that the hint names. Both come back to the client's redirect URI with a code as
//! any other of the dialect.
//!
//! The way to a partner goes over an address of our own host, whichever host `authorize` was called at: there the browser gets
//! the cookie it has to bring back (S-95).

use crate::{
    authorize::{BASE, VALUE, order},
    call::{Call, Party, names, wrong_method},
    fault::SlasFault,
    settings::organization,
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use prokura_domain::{ClientId, PartnerIdpId};
use prokura_engine::{
    AuthorizationAnswer, DirectLogin, Error, Fault, PartnerReturn, Refusal, SystemEntropy, Tenant, Told,
};
use prokura_http::{Edge, cookie};
use prokura_jose::Secret;

/// The dialect of the pages, which a tenant may switch off.
const PAGES: &str = "oauth";
/// What a pushed request's reference begins with (RFC 9126 section 2.2).
const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";
/// How the visitor is called.
const VISITOR: &str = "usid";
/// The kind prefix of a browser's secret.
const BROWSER_PREFIX: &str = "pkr_lb_";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/idp/begin"), get(begin).fallback(wrong_method))
        .route(&format!("{BASE}/idp/callback"), get(callback).fallback(wrong_method))
}

/// Sends the browser to the login of our own pages.
pub(crate) async fn to_pages(edge: &Edge, call: &Call, party: &Party) -> Result<Response, SlasFault> {
    if !call.tenant.speaks(PAGES) {
        return Err(SlasFault::invalid_request("No identity provider is preferred; hint=guest is offered."));
    }
    let login = login(edge, call, party, None).await?;
    let pushed = edge.engine.push_direct_login(&call.tenant, &party.client, &login).await?;
    let reference = format!("{REQUEST_URI}{}", pushed.expose());
    let named = [("client_id", party.client.id.as_str()), ("request_uri", &reference)];
    see_other(&with_query(&format!("{}/authorize", call.tenant.issuer), &named))
}

/// Sends the browser to the login of a partner's identity provider.
pub(crate) async fn to_partner(edge: &Edge, call: &Call, party: &Party, hint: &str) -> Result<Response, SlasFault> {
    let unknown = || {
        let message = "The hint names no identity provider of this tenant; guest, sb-guest and sb-user are offered.";
        SlasFault::invalid_request(message)
    };
    let id: PartnerIdpId = hint.parse().map_err(|_| unknown())?;
    let idp = match edge.engine.partner_idp(&call.tenant, &id).await {
        Ok(idp) if idp.is_active => idp,
        Ok(_) | Err(Error::Refused(_)) => return Err(unknown()),
        Err(fault @ Error::Fault(_)) => return Err(fault.into()),
    };
    let address = address(edge, &call.tenant, "callback")?;
    if !idp.redirect_uris.contains(&address) {
        let message = format!("{address} is not registered as a redirect URI of the identity provider.");
        return Err(SlasFault::invalid_request(message));
    }
    let login = login(edge, call, party, Some(id)).await?;
    let pushed = edge.engine.push_direct_login(&call.tenant, &party.client, &login).await?;
    let named = [("client_id", party.client.id.as_str()), ("state", pushed.expose())];
    see_other(&with_query(&self::address(edge, &call.tenant, "begin")?, &named))
}

/// The first step on our own host: the browser gets what it is known by, and goes on to the provider.
async fn begin(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let client: ClientId = call.asked.needed("client_id")?.parse().map_err(|_| SlasFault::invalid_client_id())?;
    edge.check_client(&call.tenant, &client)?;
    let state = Secret::from(call.asked.needed("state")?.to_owned());
    let name = cookie_name(&edge, &call.tenant);
    let known = cookie(&call.headers, &name).map(|text| Secret::from(text.to_owned()));
    let browser = match &known {
        Some(browser) => browser.clone(),
        None => Secret::generate(&SystemEntropy::default(), BROWSER_PREFIX)
            .map_err(|error| Error::Fault(Fault::Crypto(Box::new(error))))?,
    };
    let callback = address(&edge, &call.tenant, "callback")?;
    let there = edge.engine.begin_partner_login(&call.tenant, &client, (&state, &browser), &callback).await;
    let mut response = see_other(&there.map_err(over)?)?;
    if known.is_none() {
        let secure = if is_https(&edge) { "; Secure" } else { "" };
        let line = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", browser.expose());
        if let Ok(value) = HeaderValue::from_str(&line) {
            response.headers_mut().insert(header::SET_COOKIE, value);
        }
    }
    Ok(response)
}

/// The browser comes back, with a code or an error of the provider's.
async fn callback(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let state = Secret::from(call.asked.needed("state")?.to_owned());
    let browser = cookie(&call.headers, &cookie_name(&edge, &call.tenant)).map(|text| Secret::from(text.to_owned()));
    let browser = browser.ok_or_else(|| over(Refusal::InvalidGrant.into()))?;
    let outcome = match (call.asked.one("code")?, call.asked.one("error")?) {
        (Some(code), None) => Ok(Secret::from(code.to_owned())),
        (_, Some(error)) => Err(error),
        (None, None) => return Err(SlasFault::missing("code")),
    };
    let address = address(&edge, &call.tenant, "callback")?;
    let back = PartnerReturn {
        state: &state,
        browser: &browser,
        redirect_uri: &address,
        outcome,
        issuer: call.asked.one("iss")?,
    };
    let answer = edge.engine.finish_partner_login(&call.tenant, &back, &call.origin).await.map_err(over)?;
    see_other(&location(&answer))
}

/// Where the client's answer goes.
fn location(answer: &AuthorizationAnswer) -> String {
    let mut pairs: Vec<(&str, &str)> = match &answer.outcome {
        Ok(code) => vec![("code", code.expose())],
        Err(error) => vec![("error", error)],
    };
    pairs.extend(answer.state.as_deref().map(|state| ("state", state)));
    pairs.extend(answer.told.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())));
    with_query(&answer.redirect_uri, &pairs)
}

/// What is to be remembered until somebody has logged in.
async fn login(edge: &Edge, call: &Call, party: &Party, idp: Option<PartnerIdpId>) -> Result<DirectLogin, SlasFault> {
    let text = |name| call.asked.one(name).map(|text| text.map(str::to_owned));
    Ok(DirectLogin {
        order: order(edge, call, party).await?,
        idp,
        state: text("state")?,
        ui_locales: text("ui_locales")?.or(text("locale")?),
        told: Told {
            issuer: names(&call.tenant)?.issuer.clone(),
            visitor_as: VISITOR.to_owned(),
            scope: text("scope")?,
        },
    })
}

/// A login nobody knows any more, or that is not this browser's.
fn over(error: Error) -> SlasFault {
    match error {
        Error::Refused(Refusal::InvalidGrant) => {
            let message = "The login is unknown, over, or another browser's; begin again.";
            SlasFault::invalid_request(format!("Bad or missing request parameters. {message}"))
        }
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    }
}

/// An address of this file's own, on the host that the installation is known by.
fn address(edge: &Edge, tenant: &Tenant, step: &str) -> Result<String, SlasFault> {
    let organization = organization(&names(tenant)?.issuer);
    Ok(format!("{}{}/idp/{step}", edge.engine.public_url(), BASE.replace("{organization}", &organization)))
}

/// Over https the name has the prefix that lets nobody else set it; plain http is for loopback.
fn cookie_name(edge: &Edge, tenant: &Tenant) -> String {
    let prefix = if is_https(edge) { "__Host-" } else { "" };
    format!("{prefix}prokura-{}-login", tenant.id)
}

fn is_https(edge: &Edge) -> bool {
    edge.engine.public_url().starts_with("https:")
}

fn with_query(base: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = base.to_owned();
    for (name, value) in pairs {
        text.push(if text.contains('?') { '&' } else { '?' });
        text.extend([name, "="]);
        text.extend(utf8_percent_encode(value, VALUE));
    }
    text
}

/// `303` to an address that is known to be right; what it holds is nobody else's (S-09).
fn see_other(location: &str) -> Result<Response, SlasFault> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(location).map_err(|_| SlasFault::missing("redirect_uri"))?;
    response.headers_mut().insert(header::LOCATION, value);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
