//! What a tenant's issuer says about itself: metadata (OpenID Connect Discovery 1.0, RFC 8414) and keys (RFC 7517), as
//! bytes made once per change and answered with an `ETag`.

use crate::{Web, oauth};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prokura_engine::{Error, Refusal, Tenant};
use prokura_http::Problem;
use std::sync::Arc;

/// How long verifiers may keep keys and metadata, in seconds; the life of keys is counted by it (S-41, S-42).
const MAX_AGE: &str = "public, max-age=300";

pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/.well-known/jwks.json", get(jwks))
        .route("/t/{tenant}/.well-known/openid-configuration", get(metadata))
        .route("/.well-known/oauth-authorization-server/t/{tenant}", get(metadata))
}

async fn tenant(web: &Web, name: &str) -> Result<Arc<Tenant>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND).detail("there is no such issuer");
    let id = name.parse().map_err(|_| unknown())?;
    match web.edge.tenant(&id).await {
        Ok(tenant) => Ok(tenant),
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS)
                .code("throttled")
                .detail("too many requests for this issuer")
                .retry_after(retry_after_seconds))
        }
        Err(Error::Refused(_)) => Err(unknown()),
        Err(Error::Fault(fault)) => Err(Problem::fault(&fault)),
    }
}

/// `GET {issuer}/.well-known/jwks.json`
async fn jwks(State(web): State<Web>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let tenant = tenant(&web, &name).await?;
    let bytes = bytes::Bytes::from_owner(std::sync::Arc::clone(&tenant.jwks.bytes));
    Ok(document(&headers, &tenant.jwks.etag, bytes.into()))
}

/// `GET {issuer}/.well-known/openid-configuration` and the RFC 8414 place of the same.
async fn metadata(State(web): State<Web>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let tenant = tenant(&web, &name).await?;
    let metadata = tenant.metadata(|| oauth::metadata(&tenant).to_string().into_bytes());
    let bytes = bytes::Bytes::from_owner(Arc::clone(&metadata.bytes));
    Ok(document(&headers, &metadata.etag, bytes.into()))
}

/// 200 with the document, or 304 when the caller has it.
fn document(headers: &HeaderMap, etag: &str, body: Body) -> Response {
    let has_it = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| value.as_bytes() == etag.as_bytes());
    let mut response = if has_it { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let fields = response.headers_mut();
    if !has_it {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(MAX_AGE));
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(value) = HeaderValue::from_str(etag) {
        fields.insert(header::ETAG, value);
    }
    response
}
