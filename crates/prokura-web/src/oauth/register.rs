//! `POST {issuer}/register` (RFC 7591): a client says what it is, and hears what it got; below it the client looks after its
//! registration (RFC 7592). Metadata we do not know are left out, as the RFCs want; those that would be fetched while
//! somebody waits at a page are refused.

use super::{fault::OauthFault, tenant, token::json_answer};
use crate::Web;
use axum::{
    Router,
    body::Bytes,
    extract::{FromRequestParts, Path, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use prokura_domain::ClientId;
use prokura_engine::{AuthMethod, Client, Error, Origin, Refusal, RegisterClient, Registration, Tenant};
use prokura_http::{BearerFault, RequestOrigin, bearer_token};
use prokura_jose::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The longest document, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/register", post(register))
        .route("/t/{tenant}/register/{client}", get(show).put(update).delete(delete))
}

/// What a client says about itself (RFC 7591 section 2).
#[derive(Deserialize)]
#[serde(default)]
struct Metadata {
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: String,
    grant_types: Vec<String>,
    response_types: Vec<String>,
    client_name: String,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    post_logout_redirect_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
    backchannel_logout_session_required: bool,
    require_pushed_authorization_requests: bool,
    dpop_bound_access_tokens: bool,
    software_statement: Option<String>,
    request_uris: Vec<String>,
    sector_identifier_uri: Option<String>,
    /// Only when it changes its registration, and then its own.
    client_id: Option<String>,
    client_secret: Option<String>,
    /// What a client must not say when it changes its registration (RFC 7592 section 2.2).
    registration_access_token: Option<Value>,
    registration_client_uri: Option<Value>,
    client_secret_expires_at: Option<Value>,
    client_id_issued_at: Option<Value>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            token_endpoint_auth_method: "client_secret_basic".to_owned(),
            grant_types: vec!["authorization_code".to_owned()],
            response_types: vec!["code".to_owned()],
            client_name: String::new(),
            scope: None,
            jwks: None,
            jwks_uri: None,
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            software_statement: None,
            request_uris: Vec::new(),
            sector_identifier_uri: None,
            client_id: None,
            client_secret: None,
            registration_access_token: None,
            registration_client_uri: None,
            client_secret_expires_at: None,
            client_id_issued_at: None,
        }
    }
}

fn wrong(description: &str) -> OauthFault {
    OauthFault::new(StatusCode::BAD_REQUEST, "invalid_client_metadata", description)
}

async fn register(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OauthFault> {
    let tenant = tenant(&web, &name).await?;
    let token = bearer(&headers)?;
    let request = read(metadata(&headers, &body)?)?;
    let registered =
        web.edge.engine.register_client(&tenant, token.as_ref(), request, &origin).await.map_err(refused)?;
    let made = &registered.made;
    let mut answer = view(&tenant, &made.client, &registered.registration_token);
    if let (Some(members), Some(secret)) = (answer.as_object_mut(), &made.secret) {
        members.insert("client_secret".to_owned(), json!(secret.expose()));
        members.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    Ok((StatusCode::CREATED, json_answer(&answer)).into_response())
}

/// `GET {issuer}/register/{client}` (RFC 7592 section 2.1). The secret was shown once and is not known any more.
async fn show(State(web): State<Web>, own: Own) -> Result<Response, OauthFault> {
    let client = web.edge.engine.registered_client(&own.tenant, &own.client, &own.token, &own.origin).await?;
    Ok(json_answer(&view(&own.tenant, &client, &own.token)))
}

/// `PUT {issuer}/register/{client}` (RFC 7592 section 2.2): what is not said any more is as if it never was.
async fn update(State(web): State<Web>, own: Own, headers: HeaderMap, body: Bytes) -> Result<Response, OauthFault> {
    let engine = &web.edge.engine;
    // Who it is comes before what it says.
    engine.registered_client(&own.tenant, &own.client, &own.token, &own.origin).await?;
    let metadata = metadata(&headers, &body)?;
    if metadata.client_id.as_deref() != Some(own.client.as_str()) {
        return Err(wrong("client_id must be the client's own"));
    }
    let is_ours = [
        &metadata.registration_access_token,
        &metadata.registration_client_uri,
        &metadata.client_secret_expires_at,
        &metadata.client_id_issued_at,
    ];
    if is_ours.iter().any(|said| said.is_some()) {
        return Err(wrong(
            "registration_access_token, registration_client_uri and the two dates are not the client's to say",
        ));
    }
    let secret = metadata.client_secret.clone().map(Secret::from);
    let request = (&read(metadata)?, secret.as_ref());
    let changed = engine.update_registered_client(&own.tenant, &own.client, &own.token, request, &own.origin).await;
    Ok(json_answer(&view(&own.tenant, &changed.map_err(refused)?, &own.token)))
}

/// `DELETE {issuer}/register/{client}` (RFC 7592 section 2.3)
async fn delete(State(web): State<Web>, own: Own) -> Result<Response, OauthFault> {
    web.edge.engine.delete_registered_client(&own.tenant, &own.client, &own.token, &own.origin).await?;
    Ok((StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

/// A client that comes back to its registration.
struct Own {
    tenant: Arc<Tenant>,
    client: ClientId,
    token: Secret,
    origin: Origin,
}

impl FromRequestParts<Web> for Own {
    type Rejection = OauthFault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, OauthFault> {
        let path = Path::<(String, String)>::from_request_parts(parts, web).await;
        let Path((name, client)) = path.map_err(|_| OauthFault::invalid_token())?;
        let tenant = tenant(web, &name).await?;
        let token = bearer(&parts.headers)?.ok_or_else(OauthFault::invalid_token)?;
        let client = client.parse().map_err(|_| OauthFault::invalid_token())?;
        let origin = RequestOrigin::of(parts);
        Ok(Self { tenant, client, token, origin })
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<Secret>, OauthFault> {
    match bearer_token(headers) {
        Ok(token) => Ok(Some(Secret::from(token.to_owned()))),
        Err(BearerFault::Missing) => Ok(None),
        Err(BearerFault::Repeated | BearerFault::Malformed) => Err(OauthFault::invalid_token()),
    }
}

fn metadata(headers: &HeaderMap, body: &Bytes) -> Result<Metadata, OauthFault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(wrong("the body must be application/json"));
    }
    if body.len() > MAX_BODY {
        return Err(OauthFault::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_client_metadata", "the body is too long"));
    }
    let types = |_| wrong("the body is no object with metadata of the right types");
    let mut members: Map<String, Value> = serde_json::from_slice(body).map_err(types)?;
    // Saying null is saying nothing (RFC 7592 section 2.2).
    members.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(members)).map_err(types)
}

fn read(metadata: Metadata) -> Result<RegisterClient, OauthFault> {
    let auth_method = match metadata.token_endpoint_auth_method.as_str() {
        "none" => None,
        "client_secret_basic" => Some(AuthMethod::ClientSecretBasic),
        "client_secret_post" => Some(AuthMethod::ClientSecretPost),
        "private_key_jwt" => Some(AuthMethod::PrivateKeyJwt),
        _ => return Err(wrong("token_endpoint_auth_method is none that is offered")),
    };
    if metadata.response_types.iter().any(|kind| kind != "code") {
        return Err(wrong("response_types may name code alone"));
    }
    if metadata.sector_identifier_uri.is_some() || !metadata.request_uris.is_empty() {
        return Err(wrong("neither sector_identifier_uri nor request_uris are fetched"));
    }
    if metadata.software_statement.is_some() {
        let description = "software statements are not supported";
        return Err(OauthFault::new(StatusCode::BAD_REQUEST, "unapproved_software_statement", description));
    }
    let name = metadata.client_name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(wrong("client_name is needed, 100 characters at most: people are asked about it"));
    }
    Ok(RegisterClient {
        name: name.to_owned(),
        auth_method,
        grants: metadata.grant_types,
        scopes: metadata.scope,
        registration: Registration {
            redirect_uris: metadata.redirect_uris,
            post_logout_redirect_uris: metadata.post_logout_redirect_uris,
            jwks: metadata.jwks,
            jwks_uri: metadata.jwks_uri,
            backchannel_logout_uri: metadata.backchannel_logout_uri,
            backchannel_logout_session_required: metadata.backchannel_logout_session_required,
            must_push: metadata.require_pushed_authorization_requests,
            dpop_bound_access_tokens: metadata.dpop_bound_access_tokens,
            ..Registration::default()
        },
    })
}

/// RFC 7591 section 3.2.2 has words of its own.
fn refused(error: Error) -> OauthFault {
    match error {
        Error::Refused(Refusal::NotFound(_)) => {
            OauthFault::new(StatusCode::NOT_FOUND, "invalid_request", "nobody registers here")
        }
        Error::Refused(Refusal::Forbidden(why)) => OauthFault::new(StatusCode::FORBIDDEN, "access_denied", why),
        Error::Refused(Refusal::StaleVersion) => {
            OauthFault::new(StatusCode::CONFLICT, "invalid_client_metadata", "it was changed meanwhile; read it again")
        }
        Error::Refused(Refusal::Invalid(faults)) => {
            let text: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.reason)).collect();
            let is_uri = faults.iter().any(|fault| fault.field == "redirect_uris");
            let word = if is_uri { "invalid_redirect_uri" } else { "invalid_client_metadata" };
            OauthFault::new(StatusCode::BAD_REQUEST, word, &text.join("; "))
        }
        error @ (Error::Refused(_) | Error::Fault(_)) => error.into(),
    }
}

/// What the client got, and how it comes back to it (RFC 7592 section 3).
fn view(tenant: &Tenant, client: &Client, registration_token: &Secret) -> Value {
    let registration = &client.registration;
    let method = match (client.kind, registration.auth_method) {
        (prokura_domain::ClientKind::Public, _) => "none",
        (_, AuthMethod::Secret | AuthMethod::ClientSecretBasic) => "client_secret_basic",
        (_, AuthMethod::ClientSecretPost) => "client_secret_post",
        (_, AuthMethod::PrivateKeyJwt) => "private_key_jwt",
    };
    let mut view = json!({
        "client_id": client.id.as_str(),
        "client_id_issued_at": client.created_at.seconds(),
        "registration_access_token": registration_token.expose(),
        "registration_client_uri": format!("{}/register/{}", tenant.issuer, client.id),
        "client_name": client.name,
        "redirect_uris": registration.redirect_uris,
        "post_logout_redirect_uris": registration.post_logout_redirect_uris,
        "grant_types": client.grants.split_ascii_whitespace().collect::<Vec<_>>(),
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "scope": client.scopes,
        "require_pushed_authorization_requests": registration.must_push,
        "dpop_bound_access_tokens": registration.dpop_bound_access_tokens,
        "backchannel_logout_session_required": registration.backchannel_logout_session_required,
    });
    if let Some(members) = view.as_object_mut() {
        if let Some(jwks) = &registration.jwks {
            members.insert("jwks".to_owned(), jwks.clone());
        }
        if let Some(uri) = &registration.jwks_uri {
            members.insert("jwks_uri".to_owned(), json!(uri));
        }
        if let Some(uri) = &registration.backchannel_logout_uri {
            members.insert("backchannel_logout_uri".to_owned(), json!(uri));
        }
    }
    view
}
