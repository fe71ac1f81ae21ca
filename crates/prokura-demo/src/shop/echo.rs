//! Answers with the request exactly as it arrived, so that anyone can see what the gateway adds and removes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::OriginalUri;
use axum::http::{HeaderMap, Method, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// A request, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Echo {
    method: String,
    /// Path and query, undecoded.
    target: String,
    version: String,
    /// Name and value of every header line, repeated ones included.
    headers: Vec<(String, String)>,
    /// The body, when it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The body, when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

pub(super) async fn echo(
    method: Method,
    OriginalUri(uri): OriginalUri,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
) -> Json<Echo> {
    let (text, base64) = match std::str::from_utf8(&body) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(&body))),
    };
    Json(Echo {
        method: method.to_string(),
        target: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
        version: format!("{version:?}"),
        headers: headers.iter().map(|(name, value)| (name.to_string(), readable(value.as_bytes()))).collect(),
        body: text,
        body_base64: base64,
    })
}

/// Header values are bytes; whatever is not UTF-8 is shown as escapes.
fn readable(value: &[u8]) -> String {
    std::str::from_utf8(value).map_or_else(|_| value.escape_ascii().to_string(), str::to_owned)
}
