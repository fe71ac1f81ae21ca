//! A running gateway with an echo upstream behind it, tokens for it, and clients that send exact bytes.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use prokura_domain::{ActingFor, Clock, Revocation, RevocationKind, Scopes, Standing, Subject, TenantId, Timestamp};
use prokura_gateway::{Gateway, GatewayConfig, ResolveError, Resolver, Resolving, Using};
use prokura_http::server::{Limits, serve};
use prokura_jose::{
    AccessToken, Algorithm, Audience, SigningKey, TokenMinter, TokenVerifier,
    dpop::{Proof, Thumbprint},
};
use std::{
    collections::HashSet,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A clock that moves when told to.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A resolver that answers what it is told to, and counts.
#[derive(Debug)]
pub(crate) struct TestResolver {
    pub(crate) answer: Mutex<Result<Standing, ResolveError>>,
    pub(crate) asked: AtomicU64,
    pub(crate) proofs: Mutex<HashSet<String>>,
}

impl Resolver for TestResolver {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().clone();
        Box::pin(async move { answer })
    }

    fn use_proof<'a>(&'a self, _: &'a TenantId, proof: &'a Proof) -> Using<'a> {
        let is_first = self.proofs.lock().insert(proof.id.clone());
        Box::pin(async move { Ok(is_first) })
    }
}

/// What the echo upstream received, request by request: head and body, raw.
pub(crate) type Received = Arc<Mutex<Vec<String>>>;

/// A gateway that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) gateway: Gateway,
    pub(crate) verifier: Arc<TokenVerifier>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) resolver: Arc<TestResolver>,
    pub(crate) received: Received,
    minters: Vec<(TenantId, TokenMinter)>,
    tokens: AtomicU64,
}

/// Whom a token is for.
pub(crate) struct Who {
    pub(crate) tenant: &'static str,
    pub(crate) customer: Option<&'static str>,
    pub(crate) legal_entity: Option<&'static str>,
    pub(crate) scopes: &'static str,
}

pub(crate) const ANNA: Who =
    Who { tenant: "alpha", customer: Some("anna"), legal_entity: Some("E1"), scopes: "orders.read" };
pub(crate) const ANNA_ALONE: Who = Who { legal_entity: None, ..ANNA };
pub(crate) const GUEST: Who = Who { customer: None, legal_entity: None, scopes: "", ..ANNA };

/// The routes of most tests; `UPSTREAM` stands for the echo.
pub(crate) const ROUTES: &str = r#"
    {"path": "/public/", "upstream": "UPSTREAM", "require": "none"},
    {"path": "/guest", "upstream": "UPSTREAM", "require": "guest"},
    {"path": "/orders", "upstream": "UPSTREAM", "require": "customer", "strip_query": ["shop-token"]},
    {"path": "/read", "upstream": "UPSTREAM", "require": "customer", "scopes_all": ["orders.read"]},
    {"path": "/write", "upstream": "UPSTREAM", "require": "customer", "scopes_any": ["orders.write", "admin"]},
    {"path": "/company", "upstream": "UPSTREAM", "require": "legal_entity"},
    {"path": "/named-guest", "upstream": "UPSTREAM", "require": "none", "guest_value": "public"},
    {"path": "/keeps", "upstream": "UPSTREAM", "require": "customer", "forward_authorization": true},
    {"path": "/transparent", "upstream": "UPSTREAM", "require": "none", "forward_authorization": true},
    {"path": "/beta", "upstream": "UPSTREAM", "require": "customer", "tenant": "beta"},
    {"path": "/signed-a", "upstream": "UPSTREAM", "upstream_name": "a", "require": "customer", "assertion": true},
    {"path": "/signed-b", "upstream": "UPSTREAM", "upstream_name": "b", "require": "customer", "assertion": true},
    {"path": "/ws", "upstream": "UPSTREAM", "require": "customer", "websocket": true},
    {"path": "/quick", "upstream": "UPSTREAM", "require": "none", "timeout_seconds": 1},
    {"path": "/nobody", "upstream": "http://127.0.0.1:1", "require": "none"},
    {"path": "/renamed", "upstream": "UPSTREAM", "require": "customer",
     "headers": {"legal_entity": ["X-Company"], "customer": ["X-Buyer"], "tenant": [], "scopes": []}}"#;

pub(crate) async fn start() -> Running {
    start_with(ROUTES, "").await
}

/// `more` are further members of the configuration, each with a comma in front.
pub(crate) async fn start_with(routes: &str, more: &str) -> Running {
    let received = Received::default();
    let upstream = echo_upstream(Arc::clone(&received)).await;
    let config = config(routes, more, upstream);
    let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000_000)));
    let verifier = Arc::new(TokenVerifier::new(1000));
    verifier.contacted(clock.now());
    let minters = ["alpha", "beta"].map(|name| {
        let tenant: TenantId = name.parse().unwrap();
        // The same key name in both tenants: keys belong to one issuer (S-40).
        let key = SigningKey::generate(Algorithm::Es256, "k1".parse().unwrap()).unwrap();
        let issuer: Arc<str> = format!("http://id/t/{name}").into();
        verifier.set_keys(
            tenant.clone(),
            vec![prokura_jose::Names::native(Arc::clone(&issuer), Arc::clone(&issuer))],
            vec![key.public().clone()],
        );
        (tenant, TokenMinter::new(Arc::new(key), Arc::clone(&issuer), issuer))
    });
    let resolver = Arc::new(TestResolver {
        answer: Mutex::new(Err(ResolveError::Unavailable)),
        asked: AtomicU64::new(0),
        proofs: Mutex::default(),
    });
    let gateway = Gateway::new(
        &config,
        Arc::clone(&verifier),
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::clone(&resolver) as Arc<dyn Resolver>,
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, gateway.clone(), Limits::streaming(), std::future::pending()));
    let (minters, tokens) = (minters.into(), AtomicU64::new(0));
    Running { address, upstream, gateway, verifier, clock, resolver, received, minters, tokens }
}

pub(crate) fn config(routes: &str, more: &str, upstream: SocketAddr) -> GatewayConfig {
    let routes = routes.replace("UPSTREAM", &format!("http://{upstream}"));
    serde_json::from_str(&format!(r#"{{"routes": [{routes}]{more}}}"#)).unwrap()
}

impl Running {
    /// A token issued now, for five minutes.
    pub(crate) fn token(&self, who: &Who) -> String {
        self.token_for(who, 300)
    }

    pub(crate) fn token_for(&self, who: &Who, seconds: i64) -> String {
        self.token_with(who, seconds, None, None)
    }

    /// A token that is bound to a key, or for resources alone, separated by blanks.
    pub(crate) fn token_with(
        &self,
        who: &Who,
        seconds: i64,
        bound_to: Option<Thumbprint>,
        audience: Option<&str>,
    ) -> String {
        let (tenant, minter) = self.minters.iter().find(|(tenant, _)| tenant.as_str() == who.tenant).unwrap();
        let now = self.clock.now();
        let number = self.tokens.fetch_add(1, Ordering::SeqCst);
        let token = AccessToken {
            issuer: Arc::clone(minter.issuer()),
            audience: audience.map_or_else(
                || minter.audience().clone(),
                |names| Audience::of(&names.split(' ').collect::<Vec<_>>()).unwrap(),
            ),
            subject: who.customer.unwrap_or("guest").to_owned(),
            id: format!("t{number}").parse().unwrap(),
            issued_at: now,
            expires_at: now.plus_seconds(seconds),
            bound_to,
            actors: Vec::new(),
            standing: standing(tenant, who),
        };
        minter.mint(&token).unwrap()
    }

    /// The public key of a tenant, as the server publishes it.
    pub(crate) fn public_jwk(&self, tenant: &str) -> serde_json::Value {
        let (_, minter) = self.minters.iter().find(|(name, _)| name.as_str() == tenant).unwrap();
        minter.key().public().to_jwk()
    }

    pub(crate) fn bearer(&self, who: &Who) -> String {
        format!("Authorization: Bearer {}\r\n", self.token(who))
    }

    pub(crate) fn revoke(&self, kind: RevocationKind, value: &str) {
        let now = self.clock.now();
        self.verifier.apply(&[Revocation {
            id: format!("{kind}-{value}-{}", now.millis()),
            tenant: "alpha".parse().unwrap(),
            kind,
            value: value.to_owned(),
            is_lifted: false,
            at: now,
            effective_at: now,
            expires_at: now.plus_seconds(3600),
        }]);
    }

    /// Time goes by while the server keeps in touch.
    pub(crate) fn advance_in_touch(&self, seconds: i64) {
        self.clock.advance(seconds);
        self.verifier.contacted(self.clock.now());
    }

    /// Sends a request with `head` (request line and fields) and `body` over a connection of its own.
    pub(crate) async fn send(&self, line: &str, fields: &str, body: &str) -> Answer {
        let raw = format!("{line} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}\r\n{body}");
        exchange(self.address, raw.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str, fields: &str) -> Answer {
        self.send(&format!("GET {path}"), fields, "").await
    }

    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().clone()
    }
}

pub(crate) fn standing(tenant: &TenantId, who: &Who) -> Standing {
    Standing {
        tenant: tenant.clone(),
        site: None,
        client: "web".parse().unwrap(),
        subject: who.customer.map_or(Subject::Guest, |customer| Subject::Customer(customer.parse().unwrap())),
        acting_for: who.legal_entity.map(|legal_entity| ActingFor {
            legal_entity: legal_entity.parse().unwrap(),
            assignment: "a1".parse().unwrap(),
            grant: "g1".parse().unwrap(),
        }),
        scopes: Scopes::parse(who.scopes).unwrap(),
        segments: Vec::new(),
        has_more_segments: false,
        session: Some("s1".parse().unwrap()),
        visitor: None,
        family: Some("f1".parse().unwrap()),
        epoch: 1,
        authenticated_at: None,
        is_multi_factor: false,
        is_entity_locked: false,
        is_scope_limited: false,
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn of(raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(raw).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The values of a field of the answer.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        values(&self.head, name)
    }

    /// The values of a field the upstream received, by exact spelling.
    pub(crate) fn echoed(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}: ");
        self.body.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    /// Folds of all field names the upstream received.
    pub(crate) fn echoed_folds(&self) -> Vec<String> {
        let names = self.body.lines().skip(1).take_while(|line| !line.is_empty());
        names.filter_map(|line| line.split_once(':')).map(|(name, _)| fold(name)).collect()
    }
}

pub(crate) fn fold(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

pub(crate) fn values(head: &str, name: &str) -> Vec<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// Sends `raw` on a fresh connection, and reads until the other side closes.
pub(crate) async fn exchange(address: SocketAddr, raw: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(raw).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("an answer in time");
    Answer::of(&answer)
}

/// Sends one request over HTTP/2 with prior knowledge; gives status, and the body as [`Answer`].
pub(crate) async fn http2(
    address: SocketAddr,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
    trailers: &[(&str, &str)],
) -> Answer {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut request = Request::post(format!("http://shop.example{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let trailers: HeaderMap = trailers
        .iter()
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap()))
        .collect();
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let body = body.with_trailers(std::future::ready((!trailers.is_empty()).then_some(Ok(trailers))));
    let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let head: Vec<String> = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    driving.abort();
    Answer { status, head: head.join("\r\n"), body: String::from_utf8_lossy(&body).into_owned() }
}

/// Runs `future`, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("in time")
}

/// An upstream that answers with the very bytes it received. Some paths end in a word it obeys.
pub(crate) async fn echo_upstream(received: Received) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo_connection(stream, Arc::clone(&received)));
        }
    });
    address
}

async fn echo_connection(mut stream: TcpStream, received: Received) {
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let Some(head_end) = read_until(&mut stream, &mut buffer, b"\r\n\r\n", 0).await else { return };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if path.ends_with("/hang") {
            received.lock().push(head);
            tokio::time::sleep(Duration::from_secs(30)).await;
            return;
        }
        if path.ends_with("/break") {
            received.lock().push(head);
            return;
        }
        if path.ends_with("/first-chunk") {
            // Answers as soon as the first chunk is there, long before the request ends.
            let end = read_until(&mut stream, &mut buffer, b"first", head_end).await;
            received.lock().push(head);
            if end.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n").await;
                let end = read_until(&mut stream, &mut buffer, b"0\r\n\r\n", head_end).await;
                assert!(end.is_some());
                let _ = stream.write_all(b"4\r\nlate\r\n0\r\nX-Trailer: t\r\n\r\n").await;
            }
            return;
        }
        if path.starts_with("/ws") {
            received.lock().push(String::from_utf8_lossy(&buffer).into_owned());
            if path.ends_with("/refuse") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
                buffer.clear();
                continue;
            }
            let _ = stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
                .await;
            let mut rest = buffer.split_off(head_end);
            loop {
                if !rest.is_empty() && stream.write_all(&rest).await.is_err() {
                    return;
                }
                rest.clear();
                if stream.read_buf(&mut rest).await.unwrap_or(0) == 0 {
                    return;
                }
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = values(&lower, "content-length").first().and_then(|length| length.parse::<usize>().ok());
        let end = if let Some(length) = length {
            while buffer.len() < head_end + length {
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            head_end + length
        } else if lower.contains("transfer-encoding: chunked") {
            let Some(last) = read_until(&mut stream, &mut buffer, b"\r\n0\r\n", head_end - 2).await else { return };
            let Some(end) = read_until(&mut stream, &mut buffer, b"\r\n\r\n", last - 2).await else { return };
            end
        } else {
            head_end
        };
        let rest = buffer.split_off(end);
        let whole = String::from_utf8_lossy(&std::mem::replace(&mut buffer, rest)).into_owned();
        received.lock().push(whole.clone());
        let extra = if path.ends_with("/cookies") {
            "Set-Cookie: __Host-prokura_sid=x; Path=/\r\nSet-Cookie: theirs=1\r\nSet-Cookie: prokura_x=1\r\n\
             Connection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\n"
        } else {
            ""
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{extra}Content-Length: {}\r\n\r\n{whole}",
            whole.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads until `what` is there at or behind `from`; gives where it ends.
async fn read_until(stream: &mut TcpStream, buffer: &mut Vec<u8>, what: &[u8], from: usize) -> Option<usize> {
    loop {
        if let Some(at) = buffer[from.min(buffer.len())..].windows(what.len()).position(|window| window == what) {
            return Some(from + at + what.len());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
