//! `POST session-bridge/token`: a session of the shop's own pages becomes tokens of the same shopper.

use crate::{
    accent,
    authorize::BASE,
    call::{Call, Party, wrong_method},
    fault::SlasFault,
    session_token::{self, Kind},
    token::{answer, without_pages},
};
use axum::{Router, extract::State, response::Response, routing::post};
use prokura_domain::CustomerId;
use prokura_engine::{BridgeToTokens, Engine, Error, Refusal};
use prokura_http::Edge;
use prokura_jose::{Secret, SecretHash};

/// How guests are named where a login is asked for.
const GUESTS: [&str; 2] = ["guest", "sb-guest"];

pub(crate) fn routes() -> Router<Edge> {
    Router::new().route(&format!("{BASE}/session-bridge/token"), post(bridge).fallback(wrong_method))
}

async fn bridge(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = call.party(&edge).await?;
    let wanted = if party.is_private() { "client_credentials" } else { "session_bridge" };
    if call.asked.needed("grant_type")? != wanted {
        return Err(SlasFault::invalid_request(format!("Bad or missing request parameters. grant_type is {wanted}.")));
    }
    let site = call.channel(&edge, &party).await?;
    let (handle, customer) = session(&edge, &call).await?;
    let request = BridgeToTokens {
        client: party.client.id.clone(),
        handle,
        customer,
        code: code(&call, &party)?,
        manner: call.manner(Some(site))?,
    };
    let granted = edge.engine.bridge_to_tokens(&call.tenant, &request, &call.origin).await.map_err(refused)?;
    // The session is there already.
    answer(&edge, &call, &without_pages(party), &granted).await
}

/// A session that is over is no session: whoever shows one is not let in.
fn refused(error: Error) -> SlasFault {
    match error {
        Error::Refused(Refusal::InvalidToken) => SlasFault::unauthorized(),
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    }
}

/// A public client shows that it began what it ends.
fn code(call: &Call, party: &Party) -> Result<Option<(Secret, Secret)>, SlasFault> {
    if party.is_private() {
        return Ok(None);
    }
    let secret = |name| call.asked.needed(name).map(|value| Secret::from(value.to_owned()));
    Ok(Some((secret("code")?, secret("code_verifier")?)))
}

/// The session that was proven, and who the proof says is there. Exactly one proof counts.
async fn session(edge: &Edge, call: &Call) -> Result<(SecretHash, Option<CustomerId>), SlasFault> {
    let [guest, registered, raw] = ["dwsgst", "dwsrst", "dwsid"].map(|name| call.asked.one(name));
    let proof = match (guest?, registered?, raw?) {
        (Some(token), None, None) => {
            session_token::read(&call.tenant, token, Kind::Guest, edge.engine.now()).map(|handle| (handle, Kind::Guest))
        }
        (None, Some(token), None) => session_token::read(&call.tenant, token, Kind::Registered, edge.engine.now())
            .map(|handle| (handle, Kind::Registered)),
        // The bare id proves little: scripts of the shop can read it. Of guests it proves nothing any more.
        (None, None, Some(cookie)) => Ok((Engine::shop_handle(&Secret::from(cookie.to_owned())), Kind::Registered)),
        (None, None, None) => Err(SlasFault::missing("dwsgst, dwsrst or dwsid")),
        _ => Err(SlasFault::invalid_request(
            "Bad or missing request parameters. One of dwsgst, dwsrst and dwsid counts.",
        )),
    };
    let (handle, kind) = proof?;
    let pages = edge.engine.shop_pages(&call.tenant, &handle).await.map_err(refused)?;
    let is_guest = pages.customer.is_none();
    if is_guest != (kind == Kind::Guest) {
        return Err(SlasFault::unauthorized());
    }
    check_named(edge, call, pages.customer.as_ref()).await?;
    Ok((handle, pages.customer))
}

/// `login_id` and `hint` say who the client believes to be there; they must be right.
async fn check_named(edge: &Edge, call: &Call, customer: Option<&CustomerId>) -> Result<(), SlasFault> {
    let is_right = match (call.asked.one("hint")?, customer) {
        (Some("sb-guest"), Some(_)) | (Some("sb-user"), None) => false,
        (Some("sb-guest" | "sb-user") | None, _) => true,
        (Some(_), _) => {
            return Err(SlasFault::invalid_request("Bad or missing request parameters. hint is sb-guest or sb-user."));
        }
    };
    let login = call.asked.needed("login_id")?;
    let is_login = match customer {
        None => GUESTS.contains(&login),
        Some(customer) => {
            let person = edge.engine.customer(&call.tenant, customer).await?;
            let is_address = person.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(login));
            is_address || accent::customer_id(&call.tenant, customer) == login
        }
    };
    if is_right && is_login { Ok(()) } else { Err(SlasFault::unauthorized()) }
}
