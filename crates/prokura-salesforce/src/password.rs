//! `POST password/reset` and `POST password/action`: a forgotten password, by a code. Nothing tells whether somebody has an
//! account, and a public client ends what it began, unless it says that another device will.

use crate::{
    authorize::{BASE, MAX_PASSWORD_BYTES, is_challenge},
    call::{Call, Party, wrong_method},
    fault::SlasFault,
    passwordless::{of_code, shown_code, too_many, wanted_code},
};
use axum::{Router, extract::State, routing::post};
use http::StatusCode;
use prokura_engine::{CodePurpose, Error, Refusal};
use prokura_http::Edge;
use prokura_jose::Secret;

/// Another device may end what this one begins.
const CROSS_DEVICE: &str = "cross_device";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/password/reset"), post(reset).fallback(wrong_method))
        .route(&format!("{BASE}/password/action"), post(action).fallback(wrong_method))
}

async fn reset(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.party(&edge).await?;
    let code_challenge = challenge(&call, &party)?;
    let mut request = wanted_code(&edge, &call, &party, CodePurpose::Password).await?;
    request.code_challenge = code_challenge;
    edge.engine.ask_for_code(&call.tenant, &request, &call.origin).await.map_err(too_many)?;
    Ok(StatusCode::OK)
}

/// What the end of an action is bound to.
pub(crate) fn challenge(call: &Call, party: &Party) -> Result<Option<String>, SlasFault> {
    match call.asked.one("hint")? {
        Some(CROSS_DEVICE) => return Ok(None),
        Some(_) => return Err(SlasFault::invalid_request("Bad or missing request parameters. hint is cross_device.")),
        None => {}
    }
    match call.asked.one("code_challenge")? {
        Some(challenge) if is_challenge(challenge) => Ok(Some(challenge.trim_end_matches('=').to_owned())),
        Some(_) => {
            let message = "Bad or missing request parameters. code_challenge is 43 to 128 characters of base64url.";
            Err(SlasFault::invalid_request(message))
        }
        None if party.is_private() => Ok(None),
        None => Err(SlasFault::missing("code_challenge")),
    }
}

async fn action(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.party(&edge).await?;
    call.asked.needed("channel_id")?;
    call.channel(&edge, &party).await?;
    if call.asked.one("hint")?.is_some_and(|hint| hint != CROSS_DEVICE) {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. hint is cross_device."));
    }
    let password = Secret::from(call.asked.needed("new_password")?.to_owned());
    if password.expose().len() > MAX_PASSWORD_BYTES {
        let message = "Bad or missing request parameters. new_password has at most 1024 bytes.";
        return Err(SlasFault::invalid_request(message));
    }
    let shown = shown_code(&call, &party, CodePurpose::Password, ("pwd_action_token", "user_id"))?;
    match edge.engine.reset_password_by_code(&call.tenant, &shown, &password, &call.origin).await {
        Ok(_) => Ok(StatusCode::OK),
        Err(Error::Refused(refusal @ Refusal::Invalid(_))) => Err(refusal.into()),
        Err(error) => Err(of_code(error)),
    }
}
