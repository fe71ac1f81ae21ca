//! Where a request came from: its id, the peer's address behind trusted proxies and how often it asks (S-135), and the one
//! host name check of every edge (S-55, S-99). The access log names the route, never the path or the query, so no token gets into it (S-141).

use crate::{Edge, Problem, TooMany};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use prokura_engine::Origin;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

/// The most characters of a user agent that are kept.
const MAX_USER_AGENT: usize = 200;
/// Where the request's id is told.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where the request came from, as a handler takes it.
#[derive(Clone, Debug)]
pub struct RequestOrigin(pub Origin);

impl RequestOrigin {
    /// The origin of a request; nothing is known of one that came past [`identify`].
    pub fn of(parts: &Parts) -> Origin {
        parts.extensions.get::<Self>().map(|origin| origin.0.clone()).unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

/// The outermost layer of every edge.
pub async fn identify(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let request_id: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let peer = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
    let address = peer.map(|peer| client_address(&edge, peer, request.headers()));
    let mut response = if let Some(Err(too_many)) = address.map(|address| edge.check_address(address)) {
        too_many_requests(too_many)
    } else if is_known_host(&edge, &request) {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let origin = Origin {
            request_id: Arc::clone(&request_id),
            address,
            user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect::<String>().into()),
            key_proof: None,
        };
        request.extensions_mut().insert(RequestOrigin(origin));
        next.run(request).await
    } else {
        Problem::new(StatusCode::MISDIRECTED_REQUEST)
            .detail("this server does not answer to that host name")
            .into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let route = route.as_deref().unwrap_or("-");
    metrics::counter!("prokura_http_requests_total", "route" => route.to_owned(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("prokura_http_request_seconds", "route" => route.to_owned())
        .record(begun.elapsed().as_secs_f64());
    tracing::debug!(target: "prokura::access", %method, route, status, request_id = &*request_id, micros = begun.elapsed().as_micros());
    response
}

/// Told before anything is known of the request but its address. Scripts of any origin may read it, or they would take
/// it for a dead network; it says nothing else.
fn too_many_requests(too_many: TooMany) -> Response {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS)
        .code("throttled")
        .detail("too many requests from this address")
        .retry_after(too_many.retry_after_seconds);
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After, X-Request-Id"));
    response
}

/// Host names are compared in lower case, without port and trailing dot.
fn is_known_host(edge: &Edge, request: &Request) -> bool {
    if edge.hosts.is_empty() {
        return true;
    }
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = authority.or_else(|| request.headers().get(header::HOST).and_then(|host| host.to_str().ok()));
    let Some(host) = host else { return false };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    edge.hosts.contains(&name.trim_end_matches('.').to_ascii_lowercase())
}

/// The first address from the right that is no trusted proxy. Only a trusted peer is believed at all, and an entry that
/// is no address ends the search: what stands left of it is told by nobody we know.
fn client_address(edge: &Edge, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut nearest = peer;
    if !edge.trusts(peer) {
        return nearest;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for entry in value.to_str().unwrap_or_default().rsplit(',') {
            let Some(address) = address_in(entry.trim()) else { return nearest };
            nearest = address;
            if !edge.trusts(nearest) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address as proxies write it: some add the port, some put brackets around IPv6.
fn address_in(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}
