//! What is below a tenant besides pages: its colors, and whatever is not there.

use crate::{Web, oauth::see_other, pages::view::ErrorKind, visit::Visit};
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{any, get},
};
use http::{HeaderMap, StatusCode};
use prokura_http::RequestOrigin;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}", get(start))
        .route("/t/{tenant}/theme/{file}", get(colors))
        .route("/t/{tenant}/{*rest}", any(not_found))
}

/// Who opens the issuer's address in a browser looks for the account.
async fn start(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    Ok(see_other(&format!("{}/account", visit.base())))
}

/// The tenant's colors, under the name of their content.
async fn colors(
    State(web): State<Web>,
    Path((name, file)): Path<(String, String)>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    Ok(visit.theme().response(&file))
}

async fn not_found(
    State(web): State<Web>,
    Path((name, _)): Path<(String, String)>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    Ok(visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound))
}
