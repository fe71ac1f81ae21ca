//! `trusted-agent/authorize` and `trusted-agent/token`: somebody of the shop's staff acts for a shopper. They log in on our
//! own pages, as a customer who has the right to it; the code those pages end with is their bearer.

use crate::{
    authorize::{BASE, VALUE, order},
    call::{Call, Party, has_scope, pair, wrong_method},
    fault::SlasFault,
    token::{answer, without_pages},
};
use aws_lc_rs::digest;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use prokura_domain::{Email, Scope};
use prokura_engine::{ActAsAgent, DirectWish, Error, RedeemCode, Refusal};
use prokura_http::{Edge, bearer_token};
use prokura_jose::Secret;

/// What client and agent must have.
const SCOPE: &str = "sfcc.ta_ext_on_behalf_of";
/// The credentials of a client where `Authorization` is the agent's.
const CLIENT_AUTH: &str = "_sfdc_client_auth";
/// A challenge as our own pages take it, in characters.
const CHALLENGE: usize = 43;

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/trusted-agent/authorize"), get(authorize).fallback(wrong_method))
        .route(&format!("{BASE}/trusted-agent/token"), post(token).fallback(wrong_method))
}

/// What ties a code to whoever began.
enum Proof<'a> {
    Challenge(&'a str),
    Nonce(&'a str),
}

/// Sends an agent to the login of our own pages. They prove themselves each time, whoever the browser is logged in as.
async fn authorize(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = call.announced(&edge).await?;
    check_client(&party)?;
    let shopper = shopper(&call)?;
    if call.asked.needed("response_type")? != "code" {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. response_type is code."));
    }
    let order = order(&edge, &call, &party).await?;
    if order.site.is_none() {
        return Err(SlasFault::missing("channel_id"));
    }
    let told = call.asked.one("state")?;
    let kind = if shopper.is_some() { "reg" } else { "gst" };
    let (state, proof) = match (order.code_challenge.as_deref(), told) {
        (Some(challenge), _) if challenge.len() != CHALLENGE => return Err(SlasFault::missing("code_challenge")),
        (Some(challenge), Some(state)) => (state.to_owned(), Proof::Challenge(challenge)),
        (Some(challenge), None) => (format!("taob.{kind}.{}", name_of(challenge)), Proof::Challenge(challenge)),
        // Our own pages take it from confidential clients alone that are registered for it, and with a nonce (S-07).
        (None, Some(state)) if party.client.registration.may_omit_pkce => (state.to_owned(), Proof::Nonce(state)),
        (None, _) => return Err(SlasFault::missing("code_challenge")),
    };
    let mut location = format!("{}/authorize?response_type=code", call.tenant.issuer);
    let named = [
        ("client_id", party.client.id.as_str()),
        ("redirect_uri", order.redirect_uri.as_str()),
        ("state", &state),
        ("prompt", "login"),
    ];
    let proof = match proof {
        Proof::Challenge(challenge) => [Some(("code_challenge", challenge)), Some(("code_challenge_method", "S256"))],
        Proof::Nonce(nonce) => [Some(("nonce", nonce)), None],
    };
    let locale = call.asked.one("ui_locales")?.or(call.asked.one("locale")?).map(|locale| ("ui_locales", locale));
    for (name, value) in named.into_iter().chain(proof.into_iter().flatten()).chain(locale) {
        location.extend(["&", name, "="]);
        location.extend(utf8_percent_encode(value, VALUE));
    }
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(&location).map_err(|_| SlasFault::missing("redirect_uri"))?;
    response.headers_mut().insert(header::LOCATION, value);
    Ok(response)
}

async fn token(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = client(&edge, &call).await?;
    check_client(&party)?;
    if call.asked.needed("grant_type")? != "client_credentials" {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. grant_type is client_credentials."));
    }
    let site = call.channel(&edge, &party).await?;
    let who = shopper(&call)?.map(Email::parse).transpose().map_err(|_| SlasFault::unauthorized())?;
    let code = bearer_token(&call.headers).map_err(|_| SlasFault::invalid_bearer())?;
    let mut manner = call.manner(None)?;
    // What an agent does says nothing about the shopper.
    manner.do_not_track = manner.do_not_track.or(Some(true));
    let request = ActAsAgent {
        code: RedeemCode {
            client: party.client.id.clone(),
            code: Secret::from(code.to_owned()),
            redirect_uri: call.asked.one("redirect_uri")?.map(str::to_owned),
            code_verifier: call.asked.one("code_verifier")?.map(|verifier| Secret::from(verifier.to_owned())),
            resources: Vec::new(),
            direct: DirectWish::default(),
            manner: manner.clone(),
        },
        permission: SCOPE.parse::<Scope>().map_err(|_| Refusal::InvalidScope)?,
        agent: call.asked.one("agent_id")?.map(str::to_owned),
        who,
        visitor: call.visitor_wish()?,
        site: Some(site),
        manner,
    };
    let granted = edge.engine.act_as_agent(&call.tenant, &request, &call.origin).await.map_err(refused)?;
    answer(&edge, &call, &without_pages(party), &granted).await
}

fn check_client(party: &Party) -> Result<(), SlasFault> {
    if has_scope(&party.client, SCOPE) { Ok(()) } else { Err(SlasFault::unauthorized()) }
}

/// The login of the shopper; `None` for a guest. Where they are known from must say the same.
fn shopper(call: &Call) -> Result<Option<&str>, SlasFault> {
    match (call.asked.needed("login_id")?, call.asked.needed("idp_origin")?) {
        ("guest", "slas") => Ok(None),
        (login, "ecom") if login != "guest" => Ok(Some(login)),
        _ => Err(SlasFault::invalid_request(
            "Bad or missing request parameters. idp_origin is slas for the login_id guest, and ecom for shoppers.",
        )),
    }
}

/// The client: a private one by the header of its own, as `Authorization` is the agent's.
async fn client(edge: &Edge, call: &Call) -> Result<Party, SlasFault> {
    let named = call.asked.one("client_id")?;
    let mut values = call.headers.get_all(CLIENT_AUTH).iter();
    let Some(value) = values.next() else {
        let party = call.named(edge, named).await?;
        return if party.is_private() { Err(SlasFault::basic_failed()) } else { Ok(party) };
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none()).ok_or_else(SlasFault::basic_failed)?;
    // Some clients put the word before it, some do not.
    let encoded = match text.split_once(' ') {
        Some((word, rest)) if word.eq_ignore_ascii_case("basic") => rest,
        Some(_) | None => text,
    };
    let (id, secret) = pair(encoded).ok_or_else(SlasFault::basic_failed)?;
    if named.is_some_and(|named| named != id) {
        return Err(SlasFault::basic_failed());
    }
    call.proven(edge, &id, secret).await
}

/// Whoever may not act hears one thing.
fn refused(error: Error) -> SlasFault {
    match error {
        Error::Refused(refusal @ Refusal::Throttled { .. }) => refusal.into(),
        Error::Refused(_) => SlasFault::unauthorized(),
        Error::Fault(_) => error.into(),
    }
}

/// A name in the form of a UUID. It is as new as the challenge, and nothing hangs on it: the verifier proves who began.
fn name_of(challenge: &str) -> String {
    let hash = digest::digest(&digest::SHA256, challenge.as_bytes());
    let mut text = String::with_capacity(36);
    for (index, byte) in hash.as_ref().iter().take(16).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = match index {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        text.extend([byte >> 4, byte & 15].iter().filter_map(|digit| char::from_digit(u32::from(*digit), 16)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_ends_with_a_uuid() {
        let name = name_of("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(name.len(), 36);
        assert!(name.parse::<prokura_domain::VisitorId>().is_ok());
        assert_eq!(&name[14..15], "4");
        assert_ne!(name, name_of("another"));
    }
}
