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
use prokura_engine::{Error, TokenAccent, Unverified};
use prokura_http::{Problem, bearer_token};
use prokura_jose::{
    PublicKey, SecretHash,
    dpop::PROOF_SECONDS,
    feed::{
        AccentNames, KeysFeed, ProofUsed, ResolveRequest, RevocationEntry, RevocationsFeed, StandingRecord, TenantKeys,
        UseProof,
    },
};
use serde::Deserialize;

pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .route("/gateway/v1/keys", get(keys))
        .route("/gateway/v1/revocations", get(revocations))
        .route("/gateway/v1/resolve", post(resolve))
        .route("/gateway/v1/proofs", post(use_proof))
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
async fn keys(State(web): State<Web>, headers: HeaderMap) -> Result<Json<KeysFeed>, Problem> {
    check(&web, &headers)?;
    web.edge.engine.load_tenants().await.map_err(fault)?;
    let tenants = web.edge.engine.loaded_tenants();
    let tenants = tenants.iter().filter(|tenant| tenant.is_active).map(|tenant| TenantKeys {
        tenant: tenant.id.to_string(),
        issuer: tenant.issuer.to_string(),
        audience: tenant.issuer.to_string(),
        accents: tenant.settings.accents.iter().map(accent).collect(),
        keys: tenant.public_keys().iter().map(PublicKey::to_jwk).collect(),
    });
    Ok(Json(KeysFeed { tenants: tenants.collect() }))
}

fn accent(accent: &TokenAccent) -> AccentNames {
    AccentNames {
        issuer: accent.issuer.clone(),
        audience: accent.audience.clone(),
        token_type: accent.token_type.clone(),
    }
}

#[derive(Deserialize)]
struct Since {
    since: i64,
}

/// `GET /gateway/v1/revocations?since=` every entry written at or after that moment that still matters.
async fn revocations(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(query): Query<Since>,
) -> Result<Json<RevocationsFeed>, Problem> {
    check(&web, &headers)?;
    let since = Timestamp::from_millis(query.since);
    let (now, entries) = web.edge.engine.revocations_since(since).await.map_err(fault)?;
    Ok(Json(RevocationsFeed { now: now.millis(), entries: entries.iter().map(RevocationEntry::from).collect() }))
}

/// `POST /gateway/v1/proofs` uses up a proof of a key that a gateway accepted.
async fn use_proof(
    State(web): State<Web>,
    headers: HeaderMap,
    Json(body): Json<UseProof>,
) -> Result<Json<ProofUsed>, Problem> {
    check(&web, &headers)?;
    let wrong = || Problem::new(StatusCode::BAD_REQUEST).detail("no tenant, or a time no proof can have");
    let engine = &web.edge.engine;
    let (tenant, until) = (body.tenant.parse().map_err(|_| wrong())?, Timestamp::from_millis(body.until));
    // Twice what a proof lives, and clocks that are apart: nothing is remembered for longer.
    if until > engine.now().plus_seconds(4 * PROOF_SECONDS) {
        return Err(wrong());
    }
    let tenant = engine.tenant(&tenant).await.map_err(fault)?;
    let is_first = engine.use_proof_of(&tenant.id, &body.id, until).await.map_err(fault)?;
    Ok(Json(ProofUsed { is_first }))
}

/// `POST /gateway/v1/resolve` what a token counts for at this moment.
async fn resolve(
    State(web): State<Web>,
    headers: HeaderMap,
    Json(body): Json<ResolveRequest>,
) -> Result<Json<StandingRecord>, Problem> {
    check(&web, &headers)?;
    let refused = || Problem::new(StatusCode::NOT_FOUND).code("invalid_token").detail("the token does not hold");
    let verified = web.edge.engine.examine(&body.token).map_err(|unverified| match unverified {
        Unverified::Rejected(_) => refused(),
        Unverified::Stale => fault(unverified.into()),
    })?;
    let standing = web.edge.engine.standing_now(&verified.token.standing).await.map_err(fault)?;
    Ok(Json(StandingRecord::from(&standing)))
}
