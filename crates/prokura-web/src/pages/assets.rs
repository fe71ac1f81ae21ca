//! The files pages refer to, compiled in. Their names carry a fingerprint of their content, so browsers may keep them
//! forever; while two versions of the program serve side by side, the other one's name is answered too, but not kept.

use aws_lc_rs::digest;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use std::sync::LazyLock;

struct Asset {
    stem: &'static str,
    extension: &'static str,
    kind: &'static str,
    content: &'static str,
    path: LazyLock<String>,
}

static STYLES: Asset = Asset {
    stem: "pages-",
    extension: ".css",
    kind: "text/css; charset=utf-8",
    content: include_str!("../../assets/pages.css"),
    path: LazyLock::new(|| STYLES.path()),
};

static ICON: Asset = Asset {
    stem: "mark-",
    extension: ".svg",
    kind: "image/svg+xml",
    content: include_str!("../../assets/mark.svg"),
    path: LazyLock::new(|| ICON.path()),
};

static SCRIPT: Asset = Asset {
    stem: "passkeys-",
    extension: ".js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("../../assets/passkeys.js"),
    path: LazyLock::new(|| SCRIPT.path()),
};

impl Asset {
    fn path(&self) -> String {
        format!("/assets/{}{}{}", self.stem, fingerprint(self.content.as_bytes()), self.extension)
    }

    /// Whether `name` is this file, of any version.
    fn is_called(&self, name: &str) -> bool {
        name.strip_prefix(self.stem).is_some_and(|rest| rest.ends_with(self.extension))
    }
}

/// `GET /assets/{file}`
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    match [&STYLES, &ICON, &SCRIPT].into_iter().find(|asset| asset.is_called(&name)) {
        Some(asset) => {
            let is_current = asset.path.strip_prefix("/assets/") == Some(&name);
            answer(asset.kind, Bytes::from_static(asset.content.as_bytes()), is_current)
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Every file, as path and content, for whoever serves or stores them elsewhere.
pub fn files() -> Vec<(&'static str, &'static str)> {
    [&STYLES, &ICON, &SCRIPT].map(|asset| (asset.path.as_str(), asset.content)).into()
}

/// The path of the style sheet of all pages.
pub(super) fn stylesheet() -> &'static str {
    &STYLES.path
}

/// The path of the icon of all pages.
pub(super) fn icon() -> &'static str {
    &ICON.path
}

/// The path of the script of passkeys.
pub(super) fn script() -> &'static str {
    &SCRIPT.path
}

/// A short name for content, another one for other content: 72 bits of SHA-256, base64url.
pub(super) fn fingerprint(content: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, content);
    BASE64_URL_SAFE_NO_PAD.encode(hash.as_ref().get(..9).unwrap_or_default())
}

/// A file as an answer; kept by browsers when its name is of this very content.
pub(super) fn answer(kind: &'static str, content: Bytes, is_current: bool) -> Response {
    let caching = if is_current { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, Body::from(content)).into_response()
}
