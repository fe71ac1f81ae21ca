//! `X-RateLimit-…` on answers of SLAS: what the caller's bucket at this node gives within a minute and within five. The
//! limits themselves are those of every edge (S-135); nothing is counted here a second time.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use prokura_domain::{ClientId, TenantId};
use prokura_http::Edge;
use std::sync::Arc;

/// Names of limit, remaining and reset, and the seconds they are about.
const WINDOWS: [(u32, [HeaderName; 3]); 2] = [
    (
        60,
        [
            HeaderName::from_static("x-ratelimit-1m-limit"),
            HeaderName::from_static("x-ratelimit-1m-remaining"),
            HeaderName::from_static("x-ratelimit-1m-reset"),
        ],
    ),
    (
        300,
        [
            HeaderName::from_static("x-ratelimit-5m-limit"),
            HeaderName::from_static("x-ratelimit-5m-remaining"),
            HeaderName::from_static("x-ratelimit-5m-reset"),
        ],
    ),
];

/// Whose request it is, as far as it is known. Goes with the request and is filled in on the way.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<Whose>>);

#[derive(Default)]
struct Whose {
    tenant: Option<TenantId>,
    client: Option<ClientId>,
}

impl Counted {
    pub(crate) fn tenant(&self, tenant: &TenantId) {
        self.0.lock().tenant = Some(tenant.clone());
    }

    pub(crate) fn client(&self, client: &ClientId) {
        self.0.lock().client = Some(client.clone());
    }
}

/// The layer around every answer. Those nobody was counted for have no such headers.
pub(crate) async fn tell(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let counted = Counted::default();
    request.extensions_mut().insert(counted.clone());
    let mut response = next.run(request).await;
    let whose = counted.0.lock();
    let supply = whose.tenant.as_ref().and_then(|tenant| edge.limiter.supply(tenant, whose.client.as_ref()));
    let Some(supply) = supply else { return response };
    for (seconds, [limit, remaining, reset]) in WINDOWS {
        let headers = response.headers_mut();
        headers.insert(limit, HeaderValue::from(supply.limit(seconds)));
        headers.insert(remaining, HeaderValue::from(supply.remaining(seconds)));
        headers.insert(reset, HeaderValue::from(supply.full_in_seconds));
    }
    response
}
