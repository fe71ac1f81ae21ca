//! What is below a tenant besides pages: its colors, and whatever is not there.

use crate::{Web, oauth::see_other, pages::view::ErrorKind, visit::Visit};
use axum::{
    Router,
    extract::Path,
    response::Response,
    routing::{any, get},
};
use http::StatusCode;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}", get(start))
        .route("/t/{tenant}/theme/{file}", get(colors))
        .route("/t/{tenant}/{*rest}", any(not_found))
}

/// Who opens the issuer's address in a browser looks for the account.
async fn start(visit: Visit) -> Response {
    see_other(&format!("{}/account", visit.base()))
}

/// The tenant's colors, under the name of their content.
async fn colors(visit: Visit, Path((_, file)): Path<(String, String)>) -> Response {
    visit.theme().response(&file)
}

async fn not_found(visit: Visit) -> Response {
    visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound)
}
