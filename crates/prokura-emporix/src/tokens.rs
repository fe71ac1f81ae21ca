//! The customer's tokens: a visitor's first call, logging in, choosing and switching the company, logging out, and
//! looking at a token.
//!
//! A refresh without a company makes the customer a private person; the header `X-Legal-Entity` says for whom the new
//! token acts, because leaving the parameter out is an easy mistake.

mod answer;

use crate::{
    caller::{self, Caller},
    fault::{E1, E2},
    params::Body,
    wire,
};
pub(crate) use answer::customer_token;

use answer::guest_token;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, request::Parts};
use prokura_domain::{ClientId, Email, LegalEntityId, SessionId};
use prokura_engine::{
    BeginGuest, EntityWish, Error, LogIn, LogOut, Manner, Origin, Refresh, Refusal, Tenant, Unverified, Wishes,
};
use prokura_http::{Edge, Params};
use prokura_jose::{Rejection, Secret};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Says for whom a refreshed token acts; `none` for a private person.
const LEGAL_ENTITY: &str = "x-legal-entity";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customerlogin/auth/anonymous/login", get(begin))
        .route("/customerlogin/auth/anonymous/refresh", get(refresh_guest))
        .route("/customer/{tenant}/login", post(log_in))
        .route("/customer/{tenant}/refreshauthtoken", get(refresh))
        .route("/customer/{tenant}/logout", get(log_out))
        .route("/customer/{tenant}/validateauthtoken", get(validate))
}

/// The calls of a visitor name tenant and client in the query.
struct Visitor {
    tenant: Arc<Tenant>,
    client: ClientId,
    origin: Origin,
}

async fn visitor(edge: &Edge, params: &Params, parts: &Parts) -> Result<Visitor, E2> {
    params.refuse_repeated()?;
    let name = params.one_of(&["tenant", "hybris-tenant"])?.ok_or_else(E2::wrong_tenant)?;
    let tenant = caller::tenant(edge, name).await?;
    caller::check_tenant_header(&parts.headers, &tenant)?;
    let client = params.one("client_id")?.and_then(|id| id.parse().ok()).ok_or_else(E1::invalid_api_key)?;
    edge.check_client(&tenant, &client)?;
    Ok(Visitor { tenant, client, origin: caller::origin(parts) })
}

/// `GET /customerlogin/auth/anonymous/login`
async fn begin(State(edge): State<Edge>, params: Params, parts: Parts) -> Result<Response, E2> {
    let Visitor { tenant, client, origin } = visitor(&edge, &params, &parts).await?;
    let text = |name: &str| params.one(name).map(|value| value.map(str::to_owned));
    let wishes = Wishes {
        site: params.one("siteCode")?.and_then(|site| site.parse().ok()),
        currency: text("currency")?,
        language: text("language")?,
        target_location: text("targetLocation")?,
    };
    let granted = edge.engine.begin_guest(&tenant, &BeginGuest::nameless(client, wishes), &origin).await?;
    Ok(Json(guest_token(&granted)?).into_response())
}

/// `GET /customerlogin/auth/anonymous/refresh`, also with the access token instead of the refresh token, as it was
/// before March 2024.
async fn refresh_guest(State(edge): State<Edge>, params: Params, parts: Parts) -> Result<Response, E2> {
    let Visitor { tenant, client, origin } = visitor(&edge, &params, &parts).await?;
    let granted = match (params.one("refresh_token")?, params.one("anonymous_token")?) {
        (Some(token), _) => {
            let token = Secret::from(token.to_owned());
            edge.engine.refresh_guest(&tenant, &client, &token, &Manner::default(), &origin).await
        }
        (None, Some(token)) => {
            let token = caller::verify(&edge.engine, &tenant, token)?;
            edge.engine.renew_guest(&tenant, &client, &token.token.standing, &origin).await
        }
        (None, None) => return Err(missing("refresh_token")),
    };
    Ok(Json(guest_token(&granted.map_err(refused_refresh)?)?).into_response())
}

#[derive(Deserialize)]
struct LogInBody {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

/// `POST /customer/{tenant}/login`
async fn log_in(State(edge): State<Edge>, caller: Caller, Body(body, _): Body<LogInBody, E2>) -> Result<Response, E2> {
    let request = body.read()?;
    let logged_in = edge.engine.log_in(&caller.tenant, caller.bearer(), &request, &caller.origin).await?;
    let mut token = customer_token(&edge.engine, &caller.tenant, &logged_in.granted)?;
    token.insert("initialPassword".to_owned(), json!(logged_in.has_initial_password));
    Ok(Json(token).into_response())
}

impl LogInBody {
    fn read(self) -> Result<LogIn, E2> {
        let wrong = |field: &str, message: &str| {
            E2::validation_failure("The request is not valid.").detail(field, "invalid_value", message)
        };
        if self.password.is_empty() {
            return Err(wrong("password", "A password is needed."));
        }
        if self.password.len() > MAX_PASSWORD_BYTES {
            return Err(wrong("password", "A password has at most 1024 bytes."));
        }
        let email = Email::parse(&self.email).map_err(|_| wrong("email", "An e-mail address is needed."))?;
        Ok(LogIn { email, password: Secret::from(self.password) })
    }
}

/// The most bytes of a password that are looked at (S-104).
const MAX_PASSWORD_BYTES: usize = 1024;

/// `GET /customer/{tenant}/refreshauthtoken`
async fn refresh(State(edge): State<Edge>, caller: Caller, params: Params) -> Result<Response, E2> {
    let entity = params.one("legalEntityId")?;
    let token = params.one("refreshToken")?.ok_or_else(|| missing("refreshToken"))?;
    let legal_entity = match entity.map(str::parse) {
        None => EntityWish::Nobody,
        Some(Ok(entity)) => EntityWish::Of(entity),
        Some(Err(_)) => EntityWish::Malformed,
    };
    let refresh_token = Secret::from(token.to_owned());
    let request = Refresh {
        refresh_token,
        client: None,
        legal_entity,
        scopes: None,
        resources: Vec::new(),
        manner: Manner::default(),
    };
    let granted = edge.engine.refresh(&caller.tenant, Some(caller.bearer()), &request, &caller.origin).await;
    let granted = granted.map_err(refused_refresh)?;
    let mut response = Json(customer_token(&edge.engine, &caller.tenant, &granted)?).into_response();
    let acting_for = granted.standing().legal_entity().map_or("none", LegalEntityId::as_str);
    if let Ok(value) = HeaderValue::from_str(acting_for) {
        response.headers_mut().insert(LEGAL_ENTITY, value);
    }
    Ok(response)
}

/// Whatever stands behind a refresh token, the client's answer is to log in again.
fn refused_refresh(error: Error) -> E2 {
    match error {
        Error::Refused(
            Refusal::InvalidGrant
            | Refusal::InvalidClient
            | Refusal::UnauthorizedClient
            | Refusal::CustomerPending
            | Refusal::CustomerOnHold
            | Refusal::CustomerInactive,
        ) => E1::invalid_refresh_token().into(),
        Error::Refused(_) | Error::Fault(_) => error.into(),
    }
}

fn missing(parameter: &str) -> E2 {
    let message = format!("The parameter {parameter} is needed.");
    E2::bad_request(&message).detail(parameter, "missing_value", &message)
}

/// `GET /customer/{tenant}/logout`
async fn log_out(State(edge): State<Edge>, caller: Caller, params: Params) -> Result<StatusCode, E2> {
    caller.customer()?;
    let text = params.one("accessToken")?.ok_or_else(|| missing("accessToken"))?;
    let target = match edge.engine.verify(text) {
        Ok(target) => target,
        // It was one of ours, and it is over.
        Err(Unverified::Rejected(Rejection::Revoked | Rejection::Expired)) => return Ok(StatusCode::NO_CONTENT),
        Err(Unverified::Rejected(_)) => return Err(somebody_elses()),
        Err(Unverified::Stale) => return Err(Error::from(Unverified::Stale).into()),
    };
    let target = &target.token.standing;
    if target.tenant != caller.tenant.id {
        return Err(somebody_elses());
    }
    let request = LogOut { bearer: caller.standing(), target };
    match edge.engine.log_out(&caller.tenant, &request, &caller.origin).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(Error::Refused(Refusal::Forbidden(_))) => Err(somebody_elses()),
        Err(error) => Err(error.into()),
    }
}

fn somebody_elses() -> E2 {
    let message = "The access token does not belong to the customer.";
    E2::validation_failure("The request is not valid.").detail("accessToken", "invalid_value", message)
}

/// `GET /customer/{tenant}/validateauthtoken`
async fn validate(State(edge): State<Edge>, caller: Caller) -> Result<Response, E2> {
    caller.customer()?;
    let rights = caller.rights(&edge.engine).await?.ok_or_else(E1::invalid_access_token)?;
    let scopes = caller.scopes(&edge.engine).await?;
    let standing = caller.standing();
    let millis_left = caller.token.token.expires_at.millis_since(edge.engine.now());
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": (millis_left / 1000).max(0),
        "scope": wire::scope_text(&scopes, &caller.tenant.id),
    });
    for (name, value) in [
        ("sessionId", standing.session.as_ref().map(SessionId::as_str)),
        ("email", rights.email.as_deref()),
        ("legalEntityId", standing.legal_entity().map(LegalEntityId::as_str)),
    ] {
        if let (Some(value), Some(members)) = (value, body.as_object_mut()) {
            members.insert(name.to_owned(), json!(value));
        }
    }
    Ok(Json(body).into_response())
}
