//! `POST {issuer}/register` (RFC 7591): a client says what it is, and hears what it got. Metadata we do not know are left
//! out, as the RFC wants; metadata that would need us to fetch something are refused.

use super::{fault::OauthFault, tenant, token::json_answer};
use crate::Web;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header};
use prokura_engine::{AuthMethod, Client, Error, Refusal, RegisterClient, Registration};
use prokura_http::{BearerFault, RequestOrigin, bearer_token};
use prokura_jose::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest document, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/register", post(register))
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
    let token = match bearer_token(&headers) {
        Ok(token) => Some(Secret::from(token.to_owned())),
        Err(BearerFault::Missing) => None,
        Err(BearerFault::Repeated | BearerFault::Malformed) => return Err(OauthFault::invalid_token()),
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(wrong("the body must be application/json"));
    }
    if body.len() > MAX_BODY {
        return Err(OauthFault::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_client_metadata", "the body is too long"));
    }
    let metadata: Metadata =
        serde_json::from_slice(&body).map_err(|_| wrong("the body is no object with metadata of the right types"))?;
    let request = read(metadata)?;
    let made = web.edge.engine.register_client(&tenant, token.as_ref(), request, &origin).await.map_err(refused)?;
    let mut answer = view(&made.client);
    if let Some(members) = answer.as_object_mut() {
        if let Some(secret) = &made.secret {
            members.insert("client_secret".to_owned(), json!(secret.expose()));
            members.insert("client_secret_expires_at".to_owned(), json!(0));
        }
        members.insert("client_id_issued_at".to_owned(), json!(made.client.created_at.seconds()));
    }
    Ok((StatusCode::CREATED, json_answer(&answer)).into_response())
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
    if metadata.jwks_uri.is_some() || metadata.sector_identifier_uri.is_some() || !metadata.request_uris.is_empty() {
        return Err(wrong("nothing is fetched: send jwks, and neither sector_identifier_uri nor request_uris"));
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
        Error::Refused(Refusal::Invalid(faults)) => {
            let text: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.reason)).collect();
            let is_uri = faults.iter().any(|fault| fault.field == "redirect_uris");
            let word = if is_uri { "invalid_redirect_uri" } else { "invalid_client_metadata" };
            OauthFault::new(StatusCode::BAD_REQUEST, word, &text.join("; "))
        }
        error @ (Error::Refused(_) | Error::Fault(_)) => error.into(),
    }
}

/// What the client got.
fn view(client: &Client) -> Value {
    let registration = &client.registration;
    let method = match (client.kind, registration.auth_method) {
        (prokura_domain::ClientKind::Public, _) => "none",
        (_, AuthMethod::Secret | AuthMethod::ClientSecretBasic) => "client_secret_basic",
        (_, AuthMethod::ClientSecretPost) => "client_secret_post",
        (_, AuthMethod::PrivateKeyJwt) => "private_key_jwt",
    };
    let mut view = json!({
        "client_id": client.id.as_str(),
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
        if let Some(uri) = &registration.backchannel_logout_uri {
            members.insert("backchannel_logout_uri".to_owned(), json!(uri));
        }
    }
    view
}
