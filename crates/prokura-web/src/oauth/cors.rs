//! Scripts in browsers may call the token endpoint and userinfo from the origins that clients or the tenant registered;
//! nothing else of the native protocol answers them (S-12).

use crate::Web;
use axum::{
    extract::{Path, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, header};

/// Seconds a browser may remember a preflight.
const MAX_AGE: &str = "600";

pub(super) async fn answer(
    State(web): State<Web>,
    path: Option<Path<String>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = match (&origin, path) {
        (Some(origin), Some(Path(tenant))) if is_allowed(&web, &tenant, origin).await => Some(origin.clone()),
        _ => None,
    };
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(allowed) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let told = HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, told);
        if is_preflight {
            let names = "Authorization, Content-Type, DPoP";
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        }
    }
    response
}

async fn is_allowed(web: &Web, tenant: &str, origin: &HeaderValue) -> bool {
    let (Ok(origin), Ok(tenant)) = (origin.to_str(), super::tenant(web, tenant).await) else { return false };
    origin != "null" && web.edge.engine.allows_origin(&tenant, origin).await.unwrap_or(false)
}
