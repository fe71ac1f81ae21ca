//! Cross-origin calls (the Fetch standard, section 3.2): storefronts in browsers call from the origins they registered, with
//! cookies where a session of the shop's own pages is to be set. A redirect is answered to such a call, too.

use crate::{call, rates::Counted};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use prokura_http::Edge;

const METHODS: &str = "GET, POST, DELETE, OPTIONS";
const HEADERS: &str = "Authorization, Content-Type, x-slas-client-auth, _sfdc_client_auth, sfdc_dwsid, x-dw-client-id";
const EXPOSED: &str = "Authorization, Location, Retry-After, X-Request-Id, x-session-new, X-RateLimit-1M-Limit, \
                       X-RateLimit-1M-Remaining, X-RateLimit-1M-Reset, X-RateLimit-5M-Limit, X-RateLimit-5M-Remaining, \
                       X-RateLimit-5M-Reset";
/// Seconds a browser may remember a preflight.
const MAX_AGE: &str = "600";

/// The layer around every answer of the dialect.
pub(crate) async fn answer(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = match origin {
        Some(origin) if is_allowed(&edge, request.uri().path(), &origin).await => Some(origin),
        Some(_) | None => None,
    };
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(allowed) = allowed else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// Whether a client of the organization in the path registered the origin. Never by a star: cookies may come along.
async fn is_allowed(edge: &Edge, path: &str, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let organization = path.split('/').skip_while(|part| *part != "organizations").nth(1);
    let Some(organization) = organization else { return false };
    let Ok(tenant) = call::tenant(edge, organization, &Counted::default()).await else { return false };
    edge.engine.allows_origin(&tenant, origin).await.unwrap_or(false)
}
