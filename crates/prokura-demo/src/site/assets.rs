//! The files that pages refer to, compiled in. Their addresses carry the program's version, so browsers may keep them.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A script of its own. Modules name each other without a version, so browsers ask whether theirs is the present one.
pub(crate) fn module(script: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, script).into_response()
}

/// `GET /assets/{file}`
pub(crate) async fn file(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.as_str() {
        "storefront.css" => ("text/css; charset=utf-8", include_str!("../../assets/storefront.css")),
        "storefront.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/storefront.js")),
        "favicon.svg" => ("image/svg+xml", include_str!("../../assets/favicon.svg")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
