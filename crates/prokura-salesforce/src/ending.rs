//! `GET logout`, `POST revoke`, `POST introspect`.

use crate::{
    accent::{self, blank_response},
    authorize::BASE,
    call::{Call, names, wrong_method},
    fault::SlasFault,
};
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use prokura_domain::ClientId;
use prokura_engine::{Error, Refusal};
use prokura_http::Edge;
use prokura_jose::Secret;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/logout"), get(log_out).fallback(wrong_method))
        .route(&format!("{BASE}/revoke"), post(revoke).fallback(wrong_method))
        .route(&format!("{BASE}/introspect"), post(introspect).fallback(wrong_method))
}

/// Ends the shopper's session: its tokens, and its session on the shop's own pages. Access and refresh token together
/// are the proof; clients send no secret here.
async fn log_out(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, SlasFault> {
    let bearer = call.late_bearer(&edge)?;
    let client: Option<ClientId> = call.asked.one("client_id")?.and_then(|id| id.parse().ok());
    let client = client.ok_or_else(SlasFault::invalid_client_id)?;
    let is_everywhere = match call.asked.one("hint")? {
        None => false,
        Some("all-sessions") => true,
        Some(_) => return Err(SlasFault::invalid_request("Bad or missing request parameters. hint is all-sessions.")),
    };
    let token = call.asked.one("refresh_token")?;
    if let (None, Some(bearer), false) = (token, &bearer, is_everywhere)
        && !bearer.token.actors.is_empty()
        && bearer.token.standing.client == client
    {
        // Who acts for a shopper has no refresh token; the session ends that they have, and none of the shopper's.
        edge.engine.log_out_bearer(&call.tenant, &bearer.token.standing, &call.origin).await?;
        return Ok(Json(blank_response("")));
    }
    let token = token.ok_or_else(|| SlasFault::invalid_request("Bad or missing refresh token."))?;
    let token = Secret::from(token.to_owned());
    let standing = bearer.as_ref().map(|bearer| &bearer.token.standing);
    let ended =
        edge.engine.log_out_shopper(&call.tenant, (&client, &token), standing, is_everywhere, &call.origin).await;
    match ended {
        Ok(()) => Ok(Json(blank_response(""))),
        Err(Error::Refused(Refusal::InvalidGrant)) => {
            Err(SlasFault::invalid_request("Bad or missing access token or refresh token"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn revoke(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, SlasFault> {
    let party = call.private_party(&edge).await?;
    let token = call.asked.needed("token")?;
    edge.engine.revoke(&call.tenant, &party.client, token, &call.origin).await?;
    Ok(Json(blank_response(token)))
}

async fn introspect(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, SlasFault> {
    let party = call.private_party(&edge).await?;
    let token = call.asked.needed("token")?;
    let found = edge.engine.introspect(&call.tenant, &party.client, token).await?;
    // What is another client's is nothing to this one.
    let Some(found) = found.filter(|found| found.standing.client == party.client.id) else {
        return Ok(Json(json!({ "active": false })));
    };
    let accent = names(&call.tenant)?;
    Ok(Json(json!({
        "active": true,
        "client_id": found.standing.client.as_str(),
        "exp": found.expires_at.seconds(),
        "iat": found.issued_at.map(prokura_domain::Timestamp::seconds),
        "iss": accent.issuer,
        "scope": party.client.scopes,
        "sub": accent::subject(&call.tenant, &found.standing)?,
        "token_type": if found.is_access_token { "access_token" } else { "refresh_token" },
    })))
}
