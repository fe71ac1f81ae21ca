//! `POST /oauth/token`: machines ask for tokens with their own credentials (RFC 6749 section 4.4). The tenant follows
//! from the client. Parameters count from the form alone, and only once each (S-04).

use crate::{
    caller,
    fault::{E1, E2},
    wire,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header};
use prokura_domain::Scopes;
use prokura_engine::{ClientCredentials, Error, Granted, Origin, Refusal};
use prokura_http::{Edge, Params, RequestOrigin, is_form};
use prokura_jose::Secret;
use serde_json::json;

/// Seconds a session may idle, as the original tells it; nothing here depends on it.
const SESSION_IDLE_SECONDS: u32 = 120;

pub(crate) fn routes() -> Router<Edge> {
    Router::new().route("/oauth/token", post(token))
}

async fn token(
    State(edge): State<Edge>,
    origin: Option<axum::Extension<RequestOrigin>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, E2> {
    let origin = origin.map(|origin| origin.0.0).unwrap_or_default();
    let form = form(&headers, &body)?;
    form.refuse_repeated().map_err(|repeated| E2::from(repeated).oauth_error("invalid_request"))?;
    // Two sets of credentials in one request contradict each other sooner or later (S-01).
    let is_basic = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .any(|value| value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")));
    if is_basic {
        return Err(invalid_request("The credentials belong into the form, not into a header."));
    }
    match form.one("grant_type")? {
        None => return Err(invalid_request("The parameter grant_type is needed.")),
        Some("client_credentials") => {}
        Some(_) => {
            let message = "Only the grant client_credentials is offered here.";
            return Err(E2::bad_request(message).oauth_error("unsupported_grant_type"));
        }
    }
    let granted = client_credentials(&edge, &form, &origin).await?;
    let body = json!({
        "access_token": granted.access_token()?,
        "token_type": "Bearer",
        "expires_in": granted.access_seconds.saturating_sub(1),
        "session_idle_time": SESSION_IDLE_SECONDS,
        "refresh_token": "",
        "refresh_token_expires_in": 0,
        "scope": wire::scope_text(&granted.standing().scopes, &granted.standing().tenant),
    });
    Ok(Json(body).into_response())
}

fn form(headers: &HeaderMap, body: &[u8]) -> Result<Params, E2> {
    if !is_form(headers) {
        return Err(invalid_request("The body must be application/x-www-form-urlencoded."));
    }
    let text = std::str::from_utf8(body).map_err(|_| invalid_request("The body must be text."))?;
    Ok(Params::parse(text))
}

async fn client_credentials(edge: &Edge, form: &Params, origin: &Origin) -> Result<Granted, E2> {
    let (Some(id), Some(secret)) = (form.one("client_id")?, form.one("client_secret")?) else {
        return Err(invalid_client());
    };
    let scopes = form.one("scope")?.map(Scopes::parse).transpose().map_err(|_| {
        E2::bad_request("The scope is no list of scopes separated by blanks.").oauth_error("invalid_scope")
    })?;
    let client = id.parse().map_err(|_| invalid_client())?;
    let tenant = edge.engine.tenant_of_client(id).await.map_err(refused)?;
    if !tenant.speaks(caller::DIALECT) && !tenant.speaks("oauth") {
        return Err(invalid_client());
    }
    edge.limiter.tenant(&tenant.id).map_err(Error::from)?;
    edge.check_client(&tenant, &client)?;
    let request = ClientCredentials { client, secret: Secret::from(secret.to_owned()), scopes };
    let granted = edge.engine.client_credentials(&tenant, &request, origin).await.map_err(refused)?;
    if let Some(wanted) = &request.scopes
        && !wanted.is_subset(&granted.standing().scopes)
    {
        let missing = wanted.iter().filter(|scope| !granted.standing().scopes.contains(scope.as_str())).count();
        tracing::warn!(tenant = %tenant.id, client = %request.client, missing, "scopes were left out of a token");
    }
    Ok(granted)
}

fn refused(error: Error) -> E2 {
    match error {
        Error::Refused(Refusal::InvalidClient | Refusal::UnknownTenant) => invalid_client(),
        Error::Refused(Refusal::UnauthorizedClient) => {
            E2::new(StatusCode::BAD_REQUEST, "bad_request", "The client may not use this grant.")
                .oauth_error("unauthorized_client")
        }
        Error::Refused(_) | Error::Fault(_) => error.into(),
    }
}

fn invalid_client() -> E2 {
    E1::invalid_api_key().oauth_error("invalid_client").into()
}

fn invalid_request(message: &str) -> E2 {
    E2::bad_request(message).oauth_error("invalid_request")
}
