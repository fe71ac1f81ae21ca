//! `POST /customer/{tenant}/socialLogin`: an authorization code of an identity provider for our tokens. The storefront went
//! to the provider by itself, so what its request was bound to (`state`, `nonce`, PKCE) is the storefront's to know.

use crate::{
    caller::Caller,
    fault::{E1, E2},
    tokens::customer_token,
    wire,
};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use prokura_domain::PartnerIdpId;
use prokura_engine::{Error, PartnerIdp, RedeemPartnerCode, Refusal};
use prokura_http::{Edge, Params, bearer_token};
use prokura_jose::Secret;
use serde_json::{Map, Value, json};

/// The answer's idle time, in seconds; nobody acts on it.
const IDLE_SECONDS: u32 = 120;
/// What ends the name of a configuration in a `state`.
const END_OF_NAME: &str = "--";

pub(crate) fn routes() -> Router<Edge> {
    Router::new().route("/customer/{tenant}/socialLogin", post(log_in))
}

async fn log_in(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Response, E2> {
    if !caller.is_guest() {
        return Err(E1::invalid_access_token().into());
    }
    params.refuse_repeated()?;
    // The showcase sends its bearer once more. The header `session-id` needs no look: the bearer's session is kept.
    if params.one("anonymous_token")?.is_some_and(|token| bearer_token(&headers) != Ok(token)) {
        return Err(wrong(
            "anonymous_token",
            "invalid_value",
            "The parameter anonymous_token is not the bearer token.",
        ));
    }
    let secret = |name: &str| params.one(name).map(|value| value.map(|value| Secret::from(value.to_owned())));
    let Some(code) = secret("code")? else {
        return Err(wrong("code", "missing_value", "The parameter code is needed."));
    };
    let idp = configuration(&edge, &caller, &params).await?;
    let request = RedeemPartnerCode {
        code,
        redirect_uri: params.one("redirect_uri")?.map(str::to_owned),
        code_verifier: secret("code_verifier")?,
        nonce: params.one("nonce")?.map(str::to_owned),
    };
    let engine = &edge.engine;
    let login = engine.redeem_partner_code(&caller.tenant, caller.bearer(), &idp, &request, &caller.origin).await;
    let login = login.map_err(refused_code)?;
    let granted = &login.granted;
    let mut token = customer_token(engine, &caller.tenant, granted)?;
    token.remove("session_id");
    for name in ["expires_in", "expiresIn", "refresh_token_expires_in", "refreshTokenExpiresIn"] {
        spell(&mut token, name);
    }
    // One storefront reads this name and no other.
    let expires_in = token.get("expires_in").cloned().unwrap_or_default();
    token.insert("expired_in".to_owned(), expires_in);
    for (snake, camel, value) in [
        ("social_access_token", "socialAccessToken", &login.partner_access_token),
        ("social_id_token", "socialIdToken", &login.partner_id_token),
    ] {
        token.insert(snake.to_owned(), json!(value.expose()));
        token.insert(camel.to_owned(), json!(value.expose()));
    }
    token.insert("session_idle_time".to_owned(), json!(IDLE_SECONDS));
    token.insert("scope".to_owned(), json!(wire::scope_text(&granted.standing().scopes, &caller.tenant.id)));
    Ok(Json(token).into_response())
}

/// Seconds are text in this answer, and in no other.
fn spell(token: &mut Map<String, Value>, name: &str) {
    if let Some(seconds) = token.get_mut(name) {
        *seconds = json!(seconds.to_string());
    }
}

/// The identity provider the code is of: named by `config`, or by what `state` begins with, or the only one. A code never
/// goes to another one than it is of: that one could use it.
async fn configuration(edge: &Edge, caller: &Caller, params: &Params) -> Result<PartnerIdp, E2> {
    let by_state = params.one("state")?.and_then(|state| state.split_once(END_OF_NAME)).map(|(name, _)| name);
    let by_name = params.one("config")?;
    let unknown = |field| wrong(field, "invalid_value", "There is no such configuration.");
    let (field, name) = match (by_name, by_state) {
        (Some(name), Some(other)) if name != other => {
            return Err(wrong("state", "invalid_value", "The state is of another configuration."));
        }
        (Some(name), _) => ("config", Some(name)),
        (None, Some(name)) => ("state", Some(name)),
        (None, None) => ("config", None),
    };
    let id = name.map(str::parse::<PartnerIdpId>).transpose().map_err(|_| unknown(field))?;
    let found = edge.engine.storefront_partner_idp(&caller.tenant, id.as_ref()).await?;
    found.ok_or_else(|| match id {
        Some(_) => unknown(field),
        None => {
            wrong("config", "missing_value", "There is not exactly one configuration; name one by config or state.")
        }
    })
}

/// A code that is not taken is no refresh token.
fn refused_code(error: Error) -> E2 {
    match error {
        Error::Refused(Refusal::InvalidGrant) => E1::new(
            StatusCode::UNAUTHORIZED,
            "Invalid Authorization Code",
            "keymanagement.service.invalid_request-authorization_code_invalid",
        )
        .into(),
        Error::Refused(_) | Error::Fault(_) => error.into(),
    }
}

fn wrong(field: &str, kind: &str, message: &str) -> E2 {
    E2::bad_request(message).detail(field, kind, message)
}
