//! The Emporix dialect: customer login, B2B token, companies, IAM, segments.
//!
//! Handlers translate and render; what is allowed and what follows from it is decided by the engine. Whatever the
//! dialect does not know answers 404 in the shape clients expect, with the headers a browser needs to see it.

mod account;
mod caller;
mod categories;
mod companies;
mod cors;
mod customers;
mod exchange;
mod fault;
#[cfg(test)]
mod fuzz;
mod iam;
mod oauth;
mod params;
mod profile;
mod query;
mod saas;
mod segments;
mod session_context;
mod settings;
mod sites;
mod social;
mod tokens;
mod wire;

pub use settings::{service_scopes, tenant_settings};

use axum::{Router, extract::DefaultBodyLimit, middleware, response::Response};
use fault::E3;
use http::{HeaderValue, StatusCode, header};
use prokura_http::Edge;

/// The longest body, in bytes.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Every route of the dialect. May be nested below a path prefix.
pub fn router(edge: Edge) -> Router {
    Router::new()
        .merge(account::routes())
        .merge(companies::routes())
        .merge(customers::routes())
        .merge(iam::routes())
        .merge(oauth::routes())
        .merge(profile::routes())
        .merge(categories::routes())
        .merge(exchange::routes())
        .merge(segments::routes())
        .merge(session_context::routes())
        .merge(sites::routes())
        .merge(social::routes())
        .merge(tokens::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(keep_private))
        .layer(middleware::from_fn_with_state(edge.clone(), cors::answer))
        .with_state(edge)
}

/// A service or a path there is none of. The path is not repeated: it may hold a token.
async fn unknown() -> E3 {
    E3::new(StatusCode::NOT_FOUND, "There is no such resource.")
}

async fn wrong_method() -> E3 {
    E3::new(StatusCode::METHOD_NOT_ALLOWED, "The resource does not have this method.")
}

/// Answers are about one customer or hold tokens; no cache may keep them unless a handler says otherwise.
async fn keep_private(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
