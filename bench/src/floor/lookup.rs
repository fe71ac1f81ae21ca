//! The floor of introspection and of decisions for other proxies: a map from tokens to answers.

use super::serve;
use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::Full;
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

/// What is known about tokens; whatever is asked for the first time is made up.
pub(super) type Known = Arc<RwLock<HashMap<Box<[u8]>, HeaderValue>>>;

pub(super) fn entity_of(known: &Known, headers: &HeaderMap) -> HeaderValue {
    let token = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    if let Some(entity) = known.read().ok().and_then(|known| known.get(token).cloned()) {
        return entity;
    }
    let entity = HeaderValue::from_static("LE_1");
    if let Ok(mut known) = known.write() {
        known.insert(token.into(), entity.clone());
    }
    entity
}

pub(super) async fn run() -> Result<()> {
    let known = Known::default();
    serve(move |request| {
        let entity = entity_of(&known, request.headers());
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":{},"legalEntityId":"{}"}}"#,
            2_591_974,
            entity.to_str().unwrap_or_default()
        );
        let mut response = Response::new(Full::new(Bytes::from(body)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        async { response }
    })
    .await
}
