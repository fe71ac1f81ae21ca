//! Cross-origin calls (the Fetch standard, section 3.2). Both storefronts run in browsers on another origin and send a
//! preflight before almost everything; an error answer without these headers looks to them like a dead network. No
//! cookies are used, so none are ever allowed.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use prokura_domain::TenantId;
use prokura_engine::Tenant;
use prokura_http::Edge;
use prokura_http::Params;
use std::sync::Arc;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const HEADERS: &str = "Authorization, Content-Type, Accept, Accept-Language, Content-Language, X-Version, X-Total-Count, \
                       saas-token, session-id, Emporix-Tenant";
const EXPOSED: &str =
    "X-Total-Count, Count, X-Next-Cursor, X-Prev-Cursor, Retry-After, X-Legal-Entity, Content-Language, X-Request-Id";
/// Seconds a browser may remember a preflight.
const MAX_AGE: &str = "600";

/// The layer around every answer of the dialect.
pub(crate) async fn answer(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = match &origin {
        Some(origin) => allowed_origin(&edge, request.uri(), origin).await,
        None => None,
    };
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(allowed) = allowed {
        allow(headers, allowed, is_preflight);
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// The value to allow `origin` with, by the settings of the tenant the request is about. Where it names none we have,
/// an origin of any tenant may read that this is so: otherwise a mistyped tenant looks like a dead network.
async fn allowed_origin(edge: &Edge, uri: &Uri, origin: &HeaderValue) -> Option<HeaderValue> {
    let text = origin.to_str().ok()?;
    let tenant = match tenant_of(uri) {
        Some(id) => edge.engine.any_tenant(&id).await.ok(),
        None => None,
    };
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => edge.engine.loaded_tenants(),
    };
    let names = |tenant: &Arc<Tenant>, wanted: &str| tenant.settings.cors_origins.iter().any(|known| known == wanted);
    if tenants.iter().any(|tenant| names(tenant, text)) {
        return Some(origin.clone());
    }
    tenants.iter().any(|tenant| names(tenant, "*")).then(|| HeaderValue::from_static("*"))
}

/// The tenant is the second segment of the path, or a parameter of the calls that begin a visit.
fn tenant_of(uri: &Uri) -> Option<TenantId> {
    let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    let service = segments.next()?;
    let query = Params::parse(uri.query().unwrap_or_default());
    let name = match service {
        "customerlogin" => query.one_of(&["tenant", "hybris-tenant"]).ok()??,
        // The tenant follows from the client, which stands in the body.
        "oauth" => return None,
        _ => segments.next()?,
    };
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_found_where_each_service_names_it() {
        for (uri, expected) in [
            ("/customer/acme/login", Some("acme")),
            ("/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf", Some("acme")),
            ("/customerlogin/auth/anonymous/login?client_id=sf&hybris-tenant=acme", Some("acme")),
            ("/customerlogin/auth/anonymous/login?tenant=acme&hybris-tenant=other", None),
            ("/oauth/token", None),
            ("/", None),
        ] {
            let found = tenant_of(&uri.parse().unwrap());
            assert_eq!(found.as_ref().map(TenantId::as_str), expected, "{uri}");
        }
    }
}
