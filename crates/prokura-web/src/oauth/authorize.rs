//! `GET` and `POST {issuer}/authorize` (RFC 6749 section 3.1): the request is read once, frozen, and the browser is led
//! through whatever is missing.

use super::{
    DIALECT,
    introspect::REQUEST_URI_PREFIX,
    redirect,
    request::{self, Wrong},
};
use crate::{Web, browser::Browser, login, pages::view::ErrorKind, visit::Visit};
use axum::{Router, body::Bytes, extract::State, http::Uri, response::Response, routing::get};
use http::{HeaderMap, StatusCode};
use prokura_domain::{AuthorizationId, ClientId};
use prokura_engine::{AuthorizationAnswer, Error, Refusal};
use prokura_http::{Params, is_form};
use prokura_jose::Secret;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/authorize", get(by_query).post(by_form))
}

async fn by_query(State(web): State<Web>, visit: Visit, uri: Uri) -> Response {
    authorize(&web, &visit, &Params::parse(uri.query().unwrap_or_default())).await
}

async fn by_form(State(web): State<Web>, visit: Visit, headers: HeaderMap, body: Bytes) -> Response {
    let text = if is_form(&headers) { std::str::from_utf8(&body).unwrap_or_default() } else { "" };
    authorize(&web, &visit, &Params::parse(text)).await
}

async fn authorize(web: &Web, visit: &Visit, params: &Params) -> Response {
    if !visit.tenant.speaks(DIALECT) {
        return visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound);
    }
    match begin(web, visit, params).await {
        Ok(id) => login::proceed(web, visit, &id).await,
        Err(Stop::Wrong(Wrong::Page(reason))) => {
            tracing::info!(tenant = %visit.tenant.id, reason, "an authorization request was refused");
            visit.error(StatusCode::BAD_REQUEST, ErrorKind::BadClientRequest)
        }
        Err(Stop::Wrong(Wrong::Answer { redirect_uri, response_mode, state, error })) => {
            let outcome = Err(error);
            redirect(&visit.tenant, &AuthorizationAnswer { redirect_uri, response_mode, state, outcome, told: None })
        }
        Err(Stop::Broken(error)) => visit.broken(error),
    }
}

enum Stop {
    Wrong(Wrong),
    Broken(Error),
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(Refusal::InvalidClient | Refusal::UnauthorizedClient | Refusal::NotFound(_)) => {
                Self::Wrong(Wrong::Page("the application is unknown, switched off, or may not log anybody in"))
            }
            Error::Refused(Refusal::InvalidGrant) => {
                Self::Wrong(Wrong::Page("the pushed request is unknown, over or another browser's"))
            }
            error @ (Error::Refused(_) | Error::Fault(_)) => Self::Broken(error),
        }
    }
}

async fn begin(web: &Web, visit: &Visit, params: &Params) -> Result<AuthorizationId, Stop> {
    let engine = &web.edge.engine;
    let (tenant, browser): (_, &Browser) = (&visit.tenant, &visit.browser);
    let id = params.one("client_id").map_err(Wrong::from)?.and_then(|text| text.parse::<ClientId>().ok());
    let id = id.ok_or(Wrong::Page("client_id is missing or no id"))?;
    web.edge.check_client(tenant, &id)?;
    let client = engine.client(tenant, &id).await?;
    if !client.is_active {
        return Err(Error::from(Refusal::InvalidClient).into());
    }
    match params.one("request_uri").map_err(Wrong::from)? {
        Some(uri) => {
            let pushed = uri.strip_prefix(REQUEST_URI_PREFIX);
            // Any other address is a request to fetch something, and nothing is fetched (S-10).
            let pushed = pushed.ok_or(Wrong::Page("request_uri is none of ours"))?;
            let pushed = Secret::from(pushed.to_owned());
            Ok(engine.open_pushed_authorization(tenant, &id, &pushed, &browser.secret).await?)
        }
        None if client.registration.needs_push() => Err(Wrong::Page("this application must push its requests").into()),
        None => {
            let wanted = request::read(&tenant.issuer, &client, params)?;
            Ok(engine.begin_authorization(tenant, &id, &wanted, &browser.secret).await?)
        }
    }
}
