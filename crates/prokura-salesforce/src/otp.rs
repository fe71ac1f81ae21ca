//! `POST otp/request` and `POST otp/verify`: a code by which somebody shows that they read what is sent to their address.
//! What follows from it is the shop's business; nobody is logged in by it.

use crate::{
    authorize::BASE,
    call::{Call, has_scope, wrong_method},
    fault::SlasFault,
    passwordless::{of_code, shown_code, wanted_code},
};
use axum::{Router, extract::State, routing::post};
use http::StatusCode;
use prokura_engine::CodePurpose;
use prokura_http::Edge;

/// What a client must be registered for.
const SCOPE: &str = "sfcc.pwdless_login";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/otp/request"), post(request).fallback(wrong_method))
        .route(&format!("{BASE}/otp/verify"), post(verify).fallback(wrong_method))
}

async fn request(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.bearers_party(&edge).await?;
    if !has_scope(&party.client, SCOPE) {
        return Err(SlasFault::unauthorized());
    }
    let request = wanted_code(&edge, &call, &party, CodePurpose::Proof).await?;
    edge.engine.ask_for_code(&call.tenant, &request, &call.origin).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn verify(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.party(&edge).await?;
    call.channel(&edge, &party).await?;
    call.asked.needed("user_id")?;
    let shown = shown_code(&call, &party, CodePurpose::Proof, ("pwd_action_token", "user_id"))?;
    edge.engine.prove_address_by_code(&call.tenant, &shown, &call.origin).await.map_err(of_code)?;
    Ok(StatusCode::NO_CONTENT)
}
