//! The one client for calls to addresses that others registered. A server that calls what it is told to can be told to call
//! its own network, so the address is checked inside the resolver that connects (S-120), redirects are not followed,
//! proxies of the environment are not used, and every call has an end (S-121).

use crate::Error;
use prokura_domain::{IpPrefix, is_public_address};
use reqwest::{
    Client, RequestBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use thiserror::Error;

/// How long connecting and a whole call may take.
const CONNECT: Duration = Duration::from_secs(2);
const TOTAL: Duration = Duration::from_secs(5);
/// Connections that are kept for the next call to the same place.
const IDLE_PER_HOST: usize = 4;

/// Finds the addresses of a host.
type Lookup = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// Why a call brought nothing. Its text is kept, so it names no address and nothing of what was sent.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum OutboundFault {
    /// It is not called.
    #[error("{0}")]
    Refused(&'static str),
    /// It did not answer in time, or not in HTTP.
    #[error("{0}")]
    Unreachable(&'static str),
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// How long it may be kept, where the server says so.
    pub(crate) max_age_seconds: Option<u32>,
}

/// A host has an address that is not called.
#[derive(Debug, Error)]
#[error("the host is not of the open internet")]
struct Inside;

/// What may be called.
#[derive(Clone)]
struct Guard {
    /// Networks besides the open internet.
    allowed: Arc<[IpPrefix]>,
    lookup: Lookup,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client,
    guard: Guard,
}

impl Guard {
    fn allows(&self, address: IpAddr) -> bool {
        is_public_address(address) || self.allowed.iter().any(|prefix| prefix.contains(address))
    }

    /// The addresses of a name. One that is not called spoils all: whoever answers for the name decides the order.
    async fn addresses(&self, name: String) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = (self.lookup)(name).await?;
        if found.iter().all(|address| self.allows(address.ip())) { Ok(found) } else { Err(Inside.into()) }
    }

    /// What can be said of a URL before anything is looked up. An address in it is never resolved, so it is checked here.
    fn check(&self, url: &Url) -> Result<(), OutboundFault> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if literal.is_some_and(|address| !self.allows(address)) {
            return Err(OutboundFault::Refused("its address is not of the open internet"));
        }
        match url.scheme() {
            "https" => Ok(()),
            // Nobody listens in on the way to this very machine.
            "http" if literal.is_some_and(|address| address.is_loopback()) || is_localhost(host) => Ok(()),
            _ => Err(OutboundFault::Refused("only https is called")),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found = guard.addresses(name).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Outbound {
    /// A client that calls the open internet and the networks in `allowed`.
    pub(crate) fn new(allowed: Vec<IpPrefix>) -> Result<Self, Error> {
        let lookup: Lookup =
            Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }));
        Self::with(Guard { allowed: allowed.into(), lookup })
    }

    fn with(guard: Guard) -> Result<Self, Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .dns_resolver(guard.clone())
            .user_agent(concat!("prokura/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::crypto)?;
        Ok(Self { client, guard })
    }

    /// Whether an address can be called at all, as far as that is known without looking its name up.
    pub(crate) fn check(&self, url: &str) -> Result<Url, OutboundFault> {
        let url = Url::parse(url).map_err(|_| OutboundFault::Refused("its address cannot be read"))?;
        self.guard.check(&url)?;
        Ok(url)
    }

    /// Posts a form and returns the status. The answer's body is not read.
    pub(crate) async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<u16, OutboundFault> {
        let url = self.check(url)?;
        match self.client.post(url).form(fields).send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Posts JSON with one header field more, and returns the status. The answer's body is not read.
    pub(crate) async fn post_json(&self, url: &str, more: (&str, &str), body: String) -> Result<u16, OutboundFault> {
        let url = self.check(url)?;
        let mut value =
            HeaderValue::from_str(more.1).map_err(|_| OutboundFault::Refused("what proves the call fits no header"))?;
        value.set_sensitive(true);
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").header(more.0, value);
        match request.body(body).send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Posts a form, with an `Authorization` header when one is given, and reads the answer up to `limit` bytes. Sent once:
    /// what was sent may have been done although no answer came.
    pub(crate) async fn exchange(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        authorization: Option<&str>,
        limit: usize,
    ) -> Result<Answer, OutboundFault> {
        let mut request = self.client.post(self.check(url)?).form(fields);
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(authorization)
                .map_err(|_| OutboundFault::Refused("the credentials fit no header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        Self::read(request, limit).await
    }

    /// Fetches a document of at most `limit` bytes.
    pub(crate) async fn fetch(&self, url: &str, limit: usize) -> Result<Answer, OutboundFault> {
        Self::read(self.client.get(self.check(url)?), limit).await
    }

    async fn read(request: RequestBuilder, limit: usize) -> Result<Answer, OutboundFault> {
        let mut response = request.header(ACCEPT, "application/json").send().await.map_err(|error| fault(&error))?;
        let max_age_seconds = response.headers().get(CACHE_CONTROL).and_then(max_age);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| fault(&error))? {
            if body.len() + piece.len() > limit {
                return Err(OutboundFault::Unreachable("its answer is too long"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, body, max_age_seconds })
    }
}

/// The seconds `Cache-Control` lets a document live.
fn max_age(value: &HeaderValue) -> Option<u32> {
    value.to_str().ok()?.split(',').find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok())
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn fault(error: &reqwest::Error) -> OutboundFault {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<Inside>() {
            return OutboundFault::Refused("its address is not of the open internet");
        }
        cause = error.source();
    }
    OutboundFault::Unreachable(if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be connected to"
    } else {
        "the connection broke"
    })
}

#[cfg(test)]
mod tests;
