//! `GET userinfo`, `GET jwks` and the discovery document.

use crate::{
    accent::{self, person, shopper_id},
    authorize::BASE,
    call::{self, Call, names, wrong_method},
    fault::SlasFault,
    rates::Counted,
};
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderValue, header};
use prokura_http::Edge;
use prokura_jose::PublicKey;
use serde_json::{Value, json};

/// What verifiers may keep, in seconds.
const KEYS_SECONDS: &str = "public, max-age=300";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/userinfo"), get(userinfo).fallback(wrong_method))
        .route(&format!("{BASE}/jwks"), get(jwks).fallback(wrong_method))
        .route(&format!("{BASE}/.well-known/openid-configuration"), get(configuration).fallback(wrong_method))
}

async fn userinfo(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, SlasFault> {
    let bearer = call.bearer(&edge)?;
    let standing = &bearer.token.standing;
    let id = shopper_id(&call.tenant, standing);
    let subject = accent::subject(&call.tenant, standing)?;
    let Some(person) = person(&edge.engine, &call.tenant, standing).await? else {
        return Ok(Json(json!({ "sub": subject, "customer_id": id })));
    };
    Ok(Json(json!({
        "sub": subject,
        "customer_id": id,
        "email": person.email,
        "external_id": person.id.as_str(),
        "family_name": person.profile.family_name,
        "given_name": person.profile.given_name,
        "name": accent::name(&person),
        "validated": person.email_verified_at.is_some(),
    })))
}

async fn jwks(
    State(edge): State<Edge>,
    Extension(counted): Extension<Counted>,
    Path(organization): Path<String>,
) -> Result<Response, SlasFault> {
    let tenant = call::tenant(&edge, &organization, &counted).await?;
    let keys: Vec<Value> = tenant.public_keys().iter().map(PublicKey::to_jwk).collect();
    let mut response = Json(json!({ "keys": keys })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(KEYS_SECONDS));
    Ok(response)
}

async fn configuration(
    State(edge): State<Edge>,
    Extension(counted): Extension<Counted>,
    Path(organization): Path<String>,
) -> Result<Response, SlasFault> {
    let tenant = call::tenant(&edge, &organization, &counted).await?;
    let base = BASE.replace("{organization}", &organization);
    let base = format!("{}{base}", edge.engine.public_url());
    let mut response = Json(json!({
        "issuer": names(&tenant)?.issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "userinfo_endpoint": format!("{base}/userinfo"),
        "revocation_endpoint": format!("{base}/revoke"),
        "introspection_endpoint": format!("{base}/introspect"),
        "end_session_endpoint": format!("{base}/logout"),
        "jwks_uri": format!("{base}/jwks"),
        "claims_supported": ["email", "name", "given_name", "family_name", "sub"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported":
            ["authorization_code", "authorization_code_pkce", "client_credentials", "refresh_token"],
        "response_types_supported": ["code"],
        "scopes_supported": ["email", "openid", "profile"],
        "subject_types_supported": ["public"],
    }))
    .into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(KEYS_SECONDS));
    Ok(response)
}
