//! `POST {issuer}/introspect` (RFC 7662, signed as RFC 9701) and `POST {issuer}/par` (RFC 9126): for clients that prove who they are, never
//! for scripts in browsers.

use super::{
    client::ClientForm,
    fault::OauthFault,
    request,
    token::{json_answer, token_type},
};
use crate::Web;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prokura_domain::{ClientKind, Subject};
use prokura_engine::{Introspection, PUSH_SECONDS, Tenant};
use serde_json::{Map, Value, json};

/// What a pushed request is called in a browser (RFC 9126 section 2.2).
pub(super) const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The media type of a signed answer (RFC 9701 section 5).
const SIGNED: &str = "application/token-introspection+jwt";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/introspect", post(introspect)).route("/t/{tenant}/par", post(push))
}

async fn introspect(State(web): State<Web>, headers: HeaderMap, form: ClientForm) -> Result<Response, OauthFault> {
    if form.client.kind == ClientKind::Public {
        return Err(OauthFault::invalid_client());
    }
    let token = form.params.one("token")?.ok_or_else(|| OauthFault::invalid_request("token is missing"))?;
    let found = web.edge.engine.introspect(&form.tenant, &form.client, token).await?;
    let answer = found.map_or_else(|| json!({ "active": false }), |found| active(&form.tenant, found));
    if !wants_signed(&headers) {
        return Ok(json_answer(&answer));
    }
    let mut response = web.edge.engine.sign_introspection(&form.tenant, &form.client, &answer)?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SIGNED));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether the answer is to be a signed one (RFC 9701 section 4).
fn wants_signed(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = wanted.flat_map(|value| value.split(','));
    kinds.any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SIGNED))
}

fn active(tenant: &Tenant, found: Introspection) -> Value {
    let standing = found.standing;
    let mut body = Map::new();
    body.insert("active".to_owned(), json!(true));
    body.insert("iss".to_owned(), json!(&*tenant.issuer));
    body.insert("client_id".to_owned(), json!(standing.client.as_str()));
    body.insert("scope".to_owned(), json!(found.scopes.to_string()));
    body.insert("exp".to_owned(), json!(found.expires_at.seconds()));
    body.insert("tenant".to_owned(), json!(standing.tenant.as_str()));
    let subject = match &standing.subject {
        Subject::Customer(customer) => Some(customer.to_string()),
        Subject::Guest => standing.session.as_ref().map(|session| format!("guest-{session}")),
        Subject::Service => Some(standing.client.to_string()),
    };
    for (name, value) in [
        ("sub", subject),
        ("jti", found.id),
        ("sid", standing.session.as_ref().map(ToString::to_string)),
        ("legal_entity_id", standing.legal_entity().map(ToString::to_string)),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(acr) = standing.acr() {
        body.insert("acr".to_owned(), json!(acr));
    }
    if let Some(at) = standing.authenticated_at {
        body.insert("auth_time".to_owned(), json!(at.seconds()));
    }
    if found.is_access_token {
        let names: Vec<_> = found.audience.names().collect();
        let audience = if let [one] = names.as_slice() { json!(one) } else { json!(names) };
        body.insert("aud".to_owned(), audience);
        body.insert("token_type".to_owned(), json!(token_type(found.bound_to.is_some())));
    }
    let act = found.actors.iter().rev().fold(None, |before: Option<Value>, actor| {
        let mut act = json!({ "sub": actor.subject, "client_id": actor.client.as_str() });
        if let (Some(before), Some(members)) = (before, act.as_object_mut()) {
            members.insert("act".to_owned(), before);
        }
        Some(act)
    });
    if let Some(act) = act {
        body.insert("act".to_owned(), act);
    }
    if let Some(key) = &found.bound_to {
        body.insert("cnf".to_owned(), json!({ "jkt": key.as_str() }));
    }
    if let Some(at) = found.issued_at {
        body.insert("iat".to_owned(), json!(at.seconds()));
    }
    Value::Object(body)
}

async fn push(State(web): State<Web>, mut form: ClientForm) -> Result<Response, OauthFault> {
    form.show_key(&web, "par")?;
    if form.params.one("request_uri")?.is_some() {
        return Err(OauthFault::invalid_request("a pushed request names no other"));
    }
    let mut wanted =
        request::read(&form.tenant.issuer, &form.client, &form.params).map_err(request::Wrong::into_fault)?;
    if let Some(key) = &form.origin.key_proof {
        // RFC 9449 section 10.1: the code is bound to the key that was shown, and to no other.
        let shown = key.thumbprint.to_string();
        if wanted.dpop_jkt.as_ref().is_some_and(|wanted| *wanted != shown) {
            return Err(OauthFault::invalid_proof());
        }
        web.edge.engine.use_key(&form.tenant, key).await?;
        wanted.dpop_jkt = Some(shown);
    }
    let pushed = web.edge.engine.push_authorization(&form.tenant, &form.client.id, &wanted).await?;
    let body = json!({
        "request_uri": format!("{REQUEST_URI_PREFIX}{}", pushed.expose()),
        "expires_in": PUSH_SECONDS,
    });
    Ok((StatusCode::CREATED, json_answer(&body)).into_response())
}
