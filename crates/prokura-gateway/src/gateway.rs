//! The gateway itself: one request through all phases, in the order of their names.
//!
//! accept (the server's limits and framing) → route → strip → verify → resolve → decide → inject → forward → answer.
//! The credential is read before stripping, because a client may list `Authorization` in `Connection`.

use crate::{
    answer,
    assertion::{Assertor, JWKS_PATH},
    body::{BoxError, GatewayBody, UpstreamBody},
    config::{ConfigError, GatewayConfig},
    cookies::cut_cookies,
    forward::{Forwarder, check_upgrade, is_switch, mark_upgrade, tunnel},
    forward_auth, forwarded,
    metrics::{Counts, Event, Metrics},
    path::strip_query,
    refusal::Refusal,
    resolve::{Current, Resolver, Rights},
    route::{Found, Route, Table},
    verify::{Credential, DPOP},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use http_body::Body;
use parking_lot::RwLock;
use prokura_domain::{Clock, Timestamp};
use prokura_jose::{
    AccessToken, TokenVerifier,
    dpop::{Target, Thumbprint, check_proof},
};
use std::{
    borrow::Cow,
    convert::Infallible,
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// Contact within this time is contact now: two missed polls of the server.
const POLL_TOLERANCE_MILLIS: i64 = 2000;
/// How often a tunnel's token is checked again.
const TUNNEL_CHECK: Duration = Duration::from_secs(2);

/// The header-injecting reverse proxy. Cloning it shares everything.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    state: RwLock<Arc<State>>,
    verifier: Arc<TokenVerifier>,
    clock: Arc<dyn Clock>,
    resolver: Arc<dyn Resolver>,
    metrics: Metrics,
    assertor: Assertor,
}

/// What a reload replaces as a whole.
pub(crate) struct State {
    pub(crate) table: Table,
    forwarder: Forwarder,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("version", &self.0.state.read().table.version).finish_non_exhaustive()
    }
}

impl State {
    fn new(config: &GatewayConfig, version: u64) -> Result<Self, ConfigError> {
        let table = Table::new(config, version)?;
        let forwarder = Forwarder::new(table.connect_timeout, table.needs_tls()).map_err(|error| {
            ConfigError::new("routes", format!("the certificates of the system cannot be read: {error}"))
        })?;
        Ok(Self { table, forwarder })
    }
}

/// A request as its sender sees it: what a proof of a key is made for (RFC 9449).
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
}

/// Whom a request is from, once all questions are answered.
pub(crate) struct Passed {
    pub(crate) current: Option<Arc<Current>>,
    pub(crate) assertion: Option<HeaderValue>,
}

impl Gateway {
    /// A gateway for `config`.
    ///
    /// `verifier` is told keys and revocations by whoever feeds it, and when the server was last heard of; `resolver`
    /// is asked for newer rights. An upstream with TLS needs rustls' process-wide provider to be installed.
    pub fn new(
        config: &GatewayConfig,
        verifier: Arc<TokenVerifier>,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, ConfigError> {
        let assertor = Assertor::generate(clock.now())
            .map_err(|error| ConfigError::new("routes", format!("no key for assertions: {error}")))?;
        Ok(Self(Arc::new(Shared {
            state: RwLock::new(Arc::new(State::new(config, 1)?)),
            verifier,
            clock,
            resolver,
            metrics: Metrics::default(),
            assertor,
        })))
    }

    /// Replaces all routes at once, or changes nothing. Requests under way end by the routes they began with; nothing
    /// that was decided by the old routes is used again (S-58).
    pub fn reload(&self, config: &GatewayConfig) -> Result<(), ConfigError> {
        let version = self.0.state.read().table.version + 1;
        let state = Arc::new(State::new(config, version)?);
        *self.0.state.write() = state;
        Ok(())
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.0.metrics.read()
    }

    /// Whether tokens can be decided on: the server was heard of within `stale_seconds`.
    ///
    /// # Errors
    /// Why not, for whoever watches.
    pub fn readiness(&self) -> Result<(), String> {
        let stale_seconds = self.0.state.read().table.stale_seconds;
        let silent = self.silent_millis();
        match self.check_contact(stale_seconds, self.0.clock.now()) {
            Ok(()) => Ok(()),
            Err(_) => Err(match silent {
                Some(millis) => format!("the last word of the server is {} s old", millis / 1000),
                None => "the server was not heard of yet".to_owned(),
            }),
        }
    }

    /// How long ago the server was last heard of, in milliseconds; `None` before the first time.
    pub fn silent_millis(&self) -> Option<i64> {
        self.0.verifier.last_contact().map(|contact| self.0.clock.now().millis_since(contact))
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<GatewayBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let state = Arc::clone(&self.0.state.read());
        let path = request.uri().path();
        let result = if path == JWKS_PATH {
            Ok(self.jwks())
        } else if !state.table.forward_auth_path.is_empty() && path == &*state.table.forward_auth_path {
            let allowed = forward_auth::answer(self, &state.table, request.headers(), peer(request.extensions())).await;
            if allowed.is_ok() {
                self.0.metrics.count(Event::Allowed);
            }
            allowed
        } else {
            self.proxy(&state, request).await
        };
        result.unwrap_or_else(|refusal| {
            self.0.metrics.refused(refusal.status());
            refusal.answer()
        })
    }

    fn jwks(&self) -> Response<GatewayBody> {
        let mut response = Response::new(GatewayBody::from(Bytes::copy_from_slice(&self.0.assertor.jwks.bytes)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        response
    }

    async fn proxy<B>(&self, state: &State, mut request: Request<B>) -> Result<Response<GatewayBody>, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // route
        let host = host(&request)?;
        let uri = request.uri().clone();
        let Found { route, path } = state.table.find(&host, uri.path())?;
        let is_upgrade = request.headers().contains_key(header::UPGRADE);
        let upgrade = is_upgrade.then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        if is_upgrade {
            check_upgrade(&route, &parts, !body.is_end_stream())?;
        }
        let peer = peer(&parts.extensions);
        let authorization = parts.headers.get(header::AUTHORIZATION).cloned();
        let credential = if route.is_transparent() { Ok(Credential::Absent) } else { Credential::of(&parts.headers) };
        // strip
        let is_trusted = peer.is_some_and(|peer| state.table.stripper.is_trusted(peer));
        let forwarded = |name| if is_trusted { single(&parts.headers, name) } else { Ok(None) };
        let (scheme, seen_host) = match &credential {
            // Only a proof is about the address; nothing is read for anybody else.
            Ok(Credential::Bound { .. }) => {
                let owned = |value: Option<&str>| value.map(str::to_owned);
                (owned(forwarded("x-forwarded-proto")?), owned(forwarded("x-forwarded-host")?))
            }
            Ok(Credential::Absent | Credential::Bearer { .. }) | Err(_) => (None, None),
        };
        state.table.stripper.strip(&mut parts.headers, &route.strip_headers, is_trusted);
        cut_cookies(&mut parts.headers);
        // verify, resolve, decide
        let credential = credential?;
        let asked = Asked {
            method: parts.method.as_str(),
            scheme: scheme.as_deref().unwrap_or("http"),
            host: seen_host.as_deref().unwrap_or(&host),
            path: uri.path(),
        };
        let passed = self.pass(&state.table, &route, &credential, asked).await?;
        // inject
        match authorization {
            Some(authorization) if route.forward_authorization => {
                parts.headers.insert(header::AUTHORIZATION, authorization);
            }
            Some(_) | None => {
                parts.headers.remove(header::AUTHORIZATION);
                // A proof stops where its token does.
                parts.headers.remove(DPOP);
            }
        }
        forwarded::rebuild(&mut parts.headers, peer, &host);
        let upstream_host = if route.forward_host { HeaderValue::from_str(&host).ok() } else { None };
        parts.headers.insert(header::HOST, upstream_host.unwrap_or_else(|| route.upstream.host.clone()));
        if is_upgrade {
            mark_upgrade(&mut parts.headers);
        }
        let values = passed.current.as_ref().map(|current| &current.values);
        route.injection.inject(&mut parts.headers, values, passed.assertion.as_ref());
        // forward
        let query = uri.query().map(|query| strip_query(query, &route.strip_query));
        parts.uri = route.uri(&path, query.as_deref(), &uri)?;
        parts.version = Version::HTTP_11;
        parts.extensions = route.injection.spelling();
        let mut response = state.forwarder.send(&route, parts, UpstreamBody::new(body)).await?;
        // answer
        answer::clean(response.headers_mut());
        if is_switch(response.status(), is_upgrade)? {
            self.0.metrics.count(Event::Upgraded);
            mark_upgrade(response.headers_mut());
            if let Some(client) = upgrade {
                response = tunnel(client, response, self.clone().until_over(credential, state.table.stale_seconds));
            }
        } else {
            self.0.metrics.count(Event::Forwarded);
        }
        Ok(response.map(GatewayBody::upstream))
    }

    /// Verifies the credential, brings its standing up to date, and decides.
    pub(crate) async fn pass(
        &self,
        table: &Table,
        route: &Route,
        credential: &Credential,
        asked: Asked<'_>,
    ) -> Result<Passed, Refusal> {
        let Some(text) = credential.token() else {
            route.demand.check_anonymous()?;
            return Ok(Passed { current: None, assertion: None });
        };
        let now = self.0.clock.now();
        self.check_contact(table.stale_seconds, now)?;
        let token = self.0.verifier.examine(text, now).map_err(|_| Refusal::InvalidCredential)?;
        let is_for_this = match &route.audience {
            None => token.is_for_everything(),
            Some(audience) => token.token.audience.contains(audience),
        };
        if !is_for_this {
            return Err(Refusal::InvalidCredential);
        }
        match (&token.token.bound_to, credential.proof()) {
            (None, None) => {}
            (Some(key), Some(proof)) => self.check_proof(&token.token, key, (proof, text), asked, now).await?,
            (Some(_), None) | (None, Some(_)) => return Err(Refusal::InvalidProof),
        }
        let rights = Rights {
            verifier: &self.0.verifier,
            resolver: &*self.0.resolver,
            max_age_seconds: table.resolve_seconds,
            now,
        };
        let resolved = rights.of(&token, text).await?;
        self.0.metrics.count(if resolved.was_seen { Event::Seen } else { Event::Unseen });
        if resolved.was_asked {
            self.0.metrics.count(Event::Resolved);
        }
        let current = resolved.current;
        route.demand.check(&current.standing, now)?;
        let assertion = if route.assertion {
            let assertion = self.0.assertor.assert(&current, &route.upstream.name, now);
            Some(assertion.map_err(|error| {
                tracing::error!(%error, "an assertion could not be signed");
                Refusal::ServerAway
            })?)
        } else {
            None
        };
        Ok(Passed { current: Some(current), assertion })
    }

    /// S-11: whoever sends a bound token has its key, now, for this request, and for the first time.
    async fn check_proof(
        &self,
        token: &AccessToken,
        key: &Thumbprint,
        (proof, text): (&str, &str),
        asked: Asked<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let uri = format!("{}://{}{}", asked.scheme, asked.host, asked.path);
        let target = Target { method: asked.method, uri: &uri, access_token: Some(text) };
        let proof = check_proof(proof, target, now).map_err(|fault| {
            tracing::debug!(%fault, uri, "a DPoP proof was refused");
            Refusal::InvalidProof
        })?;
        if proof.thumbprint != *key {
            return Err(Refusal::InvalidProof);
        }
        match self.0.resolver.use_proof(&token.standing.tenant, &proof).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::InvalidProof),
            Err(_) => Err(Refusal::ServerAway),
        }
    }

    /// S-71: what the server last said may be used only so long. Said in the future means that the clock was set back
    /// since; how long ago it was, nobody knows then (S-136).
    fn check_contact(&self, stale_seconds: u32, now: Timestamp) -> Result<(), Refusal> {
        let allowed = (i64::from(stale_seconds) * 1000).max(POLL_TOLERANCE_MILLIS);
        match self.0.verifier.last_contact() {
            Some(contact) if (-POLL_TOLERANCE_MILLIS..=allowed).contains(&now.millis_since(contact)) => Ok(()),
            Some(_) | None => Err(Refusal::ServerAway),
        }
    }

    /// Resolves once the token of a tunnel does not hold any more.
    async fn until_over(self, credential: Credential, stale_seconds: u32) {
        let Some(text) = credential.token() else { return std::future::pending().await };
        loop {
            tokio::time::sleep(TUNNEL_CHECK).await;
            let now = self.0.clock.now();
            if self.check_contact(stale_seconds, now).is_err() || self.0.verifier.examine(text, now).is_err() {
                return;
            }
        }
    }
}

/// The host a request is for. The server has made sure that there is one way to read it.
fn host<B>(request: &Request<B>) -> Result<Cow<'static, str>, Refusal> {
    let host = match (request.uri().authority(), request.headers().get(header::HOST)) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(host)) => host.to_str().map_err(|_| Refusal::Ambiguous)?,
        (None, None) => "",
    };
    Ok(Cow::Owned(host.to_owned()))
}

/// The address at the other end of the connection, which the server puts into the extensions.
fn peer(extensions: &http::Extensions) -> Option<IpAddr> {
    extensions.get::<SocketAddr>().map(SocketAddr::ip)
}

impl<B> Service<Request<B>> for Gateway
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<GatewayBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gateway = self.clone();
        Box::pin(async move { Ok(gateway.handle(request).await) })
    }
}

/// Whether `headers` have what only one of can be right, twice.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Refusal::Ambiguous),
        (Some(_), Some(_)) => Err(Refusal::Ambiguous),
    }
}
