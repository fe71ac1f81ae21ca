//! The floor of documents that change rarely: bytes from memory.

use super::serve;
use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;

pub(super) async fn run() -> Result<()> {
    let body = Bytes::from(format!(r#"{{"keys":["{}"]}}"#, "k".repeat(300)));
    serve(move |_| {
        let mut response = Response::new(Full::new(body.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        async { response }
    })
    .await
}
