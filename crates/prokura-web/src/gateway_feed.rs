//! What gateways on other machines are fed with: keys of all tenants, the revocation feed, and a fresh look at one
//! token. One secret opens all three.

use crate::Web;
use axum::{
    Json, Router,
    extract::{Query, State},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use prokura_domain::Timestamp;
use prokura_engine::Error;
use prokura_http::{Problem, bearer_token};
use prokura_jose::SecretHash;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .route("/gateway/v1/keys", get(keys))
        .route("/gateway/v1/revocations", get(revocations))
        .route("/gateway/v1/resolve", post(resolve))
}

fn check(web: &Web, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = || Problem::new(StatusCode::UNAUTHORIZED).detail("the gateway secret is missing or wrong");
    let secret = web.config.gateway_secret.as_ref().ok_or_else(refused)?;
    let presented = bearer_token(headers).map_err(|_| refused())?;
    if SecretHash::of(presented).matches(&SecretHash::of(secret.expose())) { Ok(()) } else { Err(refused()) }
}

fn fault(error: Error) -> Problem {
    match error {
        Error::Refused(refusal) => Problem::new(StatusCode::BAD_REQUEST).detail(refusal.to_string()),
        Error::Fault(fault) => Problem::fault(&fault),
    }
}

/// `GET /gateway/v1/keys`
async fn keys(State(web): State<Web>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    check(&web, &headers)?;
    web.edge.engine.load_tenants().await.map_err(fault)?;
    let tenants: Vec<Value> = web
        .edge
        .engine
        .loaded_tenants()
        .iter()
        .map(|tenant| {
            let keys: Vec<Value> = tenant.public_keys().iter().map(prokura_jose::PublicKey::to_jwk).collect();
            json!({ "tenant": tenant.id.as_str(), "issuer": &*tenant.issuer, "audience": &*tenant.issuer, "keys": keys })
        })
        .collect();
    Ok(Json(json!({ "tenants": tenants })))
}

#[derive(Deserialize)]
struct Since {
    since: i64,
    #[serde(default)]
    after: String,
}

/// `GET /gateway/v1/revocations?since=` entries written at or after that moment, oldest first, at most 1,000.
async fn revocations(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Since>,
) -> Result<Json<Value>, Problem> {
    check(&web, &headers)?;
    let since = Timestamp::from_millis(query.since);
    let (now, entries) = web.edge.engine.revocations_since(since, &query.after).await.map_err(fault)?;
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id, "tenant": entry.tenant.as_str(), "kind": entry.kind.as_str(), "value": entry.value,
                "lifted": entry.is_lifted, "at": entry.at.millis(), "effective_at": entry.effective_at.millis(),
                "expires_at": entry.expires_at.millis(),
            })
        })
        .collect();
    Ok(Json(json!({ "now": now.millis(), "entries": entries })))
}

#[derive(Deserialize)]
struct Resolve {
    token: String,
}

/// `POST /gateway/v1/resolve` what a token counts for at this moment.
async fn resolve(
    State(web): State<Web>,
    headers: HeaderMap,
    Json(body): Json<Resolve>,
) -> Result<Json<Value>, Problem> {
    check(&web, &headers)?;
    let refused =
        || Problem::new(StatusCode::UNPROCESSABLE_ENTITY).code("invalid_token").detail("the token does not hold");
    let verified = web.edge.engine.verify(&body.token).map_err(|_| refused())?;
    let standing = web.edge.engine.standing_now(&verified.token.standing).await.map_err(fault)?;
    let segments: Vec<&str> = standing.segments.iter().map(prokura_domain::SegmentId::as_str).collect();
    Ok(Json(json!({
        "scope": standing.scopes.to_string(), "segments": segments, "more_segments": standing.has_more_segments,
    })))
}
