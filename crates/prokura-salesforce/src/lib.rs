//! The Salesforce dialect: SLAS (`/shopper/auth/v1/…/oauth2`), the session calls of OCAPI Shop, and, for a shop that renders
//! its own pages, who is on them.
//!
//! Handlers translate and render; what is allowed and what follows from it is decided by the engine. A shopper's name over
//! guest and login (`usid`) is the engine's visitor, an ECOM session (`dwsid`) is the handle of a session in a cookie of a
//! shop's own pages.

mod about;
mod accent;
mod authorize;
mod call;
mod cors;
mod ending;
mod fault;
mod idp;
mod ocapi;
mod otp;
mod pages;
mod password;
mod passwordless;
mod races;
mod rates;
mod session_bridge;
mod session_token;
mod settings;
mod token;
mod trusted;
mod trusted_agent;
mod webauthn;

pub use settings::{client_settings, tenant_settings};

use axum::{Router, extract::DefaultBodyLimit, middleware, response::Response};
use http::{HeaderValue, header};
use prokura_http::Edge;

/// The longest body, in bytes: forms of a dozen short fields.
const MAX_BODY: usize = 64 * 1024;

/// Every route of the dialect. May be nested below a path prefix.
pub fn router(edge: Edge) -> Router {
    Router::new()
        .merge(about::routes())
        .merge(authorize::routes())
        .merge(ending::routes())
        .merge(idp::routes())
        .merge(otp::routes())
        .merge(password::routes())
        .merge(passwordless::routes())
        .merge(session_bridge::routes())
        .merge(token::routes())
        .merge(trusted::routes())
        .merge(webauthn::routes())
        .merge(trusted_agent::routes())
        .merge(ocapi::routes())
        .merge(pages::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(keep_private))
        .layer(middleware::from_fn_with_state(edge.clone(), rates::tell))
        .layer(middleware::from_fn_with_state(edge.clone(), cors::answer))
        .with_state(edge)
}

/// Answers hold tokens or are about one person; no cache may keep them unless a handler says otherwise.
async fn keep_private(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
