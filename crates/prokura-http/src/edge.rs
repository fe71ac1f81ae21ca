//! What an edge is started with, and how its router becomes a service of the accept loop.

use crate::{Limiter, Rates, TooMany, server::RequestBody};
use axum::{Router, body::Body, response::Response};
use prokura_domain::{ClientId, TenantId};
use prokura_engine::{Engine, Error, Tenant};
use std::{collections::HashSet, convert::Infallible, net::IpAddr, str::FromStr, sync::Arc};
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

/// A range of addresses, as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPrefix {
    address: IpAddr,
    bits: u32,
}

impl IpPrefix {
    /// Whether `address` lies in the range. An IPv4 address in IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |width: u32| width.saturating_sub(self.bits);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for IpPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address or a range such as 10.0.0.0/8");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits: u32 = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| wrong()))?;
        // Addresses are compared as IPv4 where they are that in IPv6 form, so their ranges are kept so, too.
        let canonical = address.to_canonical();
        let shorter = if canonical.is_ipv4() { width.saturating_sub(32) } else { 0 };
        if bits > width || bits < shorter {
            return Err(wrong());
        }
        Ok(Self { address: canonical, bits: bits - shorter })
    }
}

/// A router as a service of [`crate::server::serve`].
pub fn router_service(
    router: Router,
) -> impl Service<http::Request<RequestBody>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    router.map_request(|request: http::Request<RequestBody>| request.map(Body::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_their_addresses() {
        for (prefix, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "::ffff:11.1.2.3", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "::1", true),
        ] {
            let prefix: IpPrefix = prefix.parse().unwrap();
            assert_eq!(prefix.contains(address.parse().unwrap()), expected, "{prefix:?} {address}");
        }
        assert!("10.0.0.0/33".parse::<IpPrefix>().is_err());
        assert!("::ffff:10.0.0.0/64".parse::<IpPrefix>().is_err());
        assert!("ten".parse::<IpPrefix>().is_err());
    }
}
