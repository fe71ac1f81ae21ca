//! What an edge is started with, and how its router becomes a service of the accept loop.

use crate::{Limiter, Rates, TooMany, server::RequestBody};
use axum::{Router, body::Body, response::Response};
use prokura_domain::{ClientId, IpPrefix, TenantId};
use prokura_engine::{Engine, Error, Tenant};
use std::{collections::HashSet, convert::Infallible, net::IpAddr, sync::Arc};
use tower::{Service, ServiceExt as _};

/// The engine, and what is known about the way to it. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    /// The engine.
    pub engine: Engine,
    /// Proxies whose forwarded-for entries are believed.
    pub trusted_proxies: Arc<[IpPrefix]>,
    /// The host names this server answers to, lower case, without port; empty answers to all (tests).
    pub hosts: Arc<HashSet<String>>,
    /// How many requests addresses, tenants and clients may make.
    pub limiter: Arc<Limiter>,
}

impl Edge {
    /// An edge without proxies in front that answers to every host name, as often as it is asked.
    pub fn new(engine: Engine) -> Self {
        let limiter = Arc::new(Limiter::new(Rates::NONE));
        Self { engine, trusted_proxies: Arc::from([]), hosts: Arc::default(), limiter }
    }

    /// The tenant a request is for, with the request taken into account (S-135). Every edge that serves tenants asks
    /// here; operators, who look after them, ask the engine.
    ///
    /// # Errors
    /// As [`Engine::tenant`], and [`prokura_engine::Refusal::Throttled`].
    pub async fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        let tenant = self.engine.tenant(id).await?;
        self.limiter.tenant(id)?;
        Ok(tenant)
    }

    /// Takes a request of a client into account (S-135).
    ///
    /// # Errors
    /// There were too many.
    pub fn check_client(&self, tenant: &Tenant, client: &ClientId) -> Result<(), Error> {
        Ok(self.limiter.client(&tenant.id, client)?)
    }

    /// Takes a request of an address into account (S-135). A proxy that is believed has no bound: it speaks for many.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), TooMany> {
        if self.trusts(address) { Ok(()) } else { self.limiter.address(address) }
    }

    /// Whether `address` is a proxy that is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|prefix| prefix.contains(address))
    }
}

/// A router as a service of [`crate::server::serve`].
pub fn router_service(
    router: Router,
) -> impl Service<http::Request<RequestBody>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    router.map_request(|request: http::Request<RequestBody>| request.map(Body::new))
}
