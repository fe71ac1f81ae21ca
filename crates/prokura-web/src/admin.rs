//! The administration API: tenants and what belongs to them, for operators and their programs. REST and JSON; bearer
//! tokens alone, no cookies and no cross-origin access, so no browser can be talked into using it (S-149).

mod answer;
mod assignments;
mod audit;
mod caller;
mod clients;
mod customers;
mod fault;
mod invitations;
mod keys;
mod legal_entities;
mod openapi;
mod operators;
mod partner_idps;
mod request;
mod segments;
mod sessions;
mod sites;
mod tenants;
mod wire;

pub use openapi::openapi;

use crate::Web;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::Response,
    routing::{any, get},
};
use fault::Fault;
use http::{HeaderValue, StatusCode, header};
use utoipa_axum::router::OpenApiRouter;

/// The longest body, in bytes (S-130).
const MAX_BODY: usize = 1024 * 1024;

/// Every documented route.
fn documented() -> OpenApiRouter<Web> {
    OpenApiRouter::default()
        .merge(operators::routes())
        .merge(tenants::routes())
        .merge(sites::routes())
        .merge(clients::routes())
        .merge(customers::routes())
        .merge(legal_entities::routes())
        .merge(assignments::routes())
        .merge(invitations::routes())
        .merge(partner_idps::routes())
        .merge(segments::routes())
        .merge(sessions::routes())
        .merge(keys::routes())
        .merge(audit::routes())
}

pub(crate) fn routes() -> Router<Web> {
    let (router, _) = documented().split_for_parts();
    router
        .route("/admin/v1/{*rest}", any(openapi::nowhere))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(keep_private))
        .route("/openapi.json", get(openapi::serve))
}

async fn wrong_method() -> Fault {
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the Allow field names the methods there are")
}

/// Answers hold personal data and secrets; no cache may keep them.
async fn keep_private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
