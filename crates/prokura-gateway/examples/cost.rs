//! Prints what one request costs: CPU time of the gateway's process, beside a bare hyper proxy as the floor, in one run.
//!
//! `cargo run --release -p prokura-gateway --example cost`. The upstream, the proxies and the load are processes of
//! their own; each proxy has one worker thread. Linux only: CPU time comes from `/proc`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a measurement, not a part")]

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use prokura_domain::{ActingFor, Clock, Scopes, Standing, Subject, TenantId, Timestamp};
use prokura_gateway::{Gateway, GatewayConfig, ResolveError, Resolver, Resolving, Using};
use prokura_http::server::{Limits, serve};
use prokura_jose::{AccessToken, Algorithm, SigningKey, TokenMinter, TokenVerifier, dpop::Proof};
use std::{
    convert::Infallible,
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// As the product has it; the floor, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 32;
const REQUESTS: usize = 100_000;
const UNSEEN: usize = 20_000;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let workers = if arguments.len() == 1 { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    match arguments.get(1).map(String::as_str) {
        None => runtime.block_on(measure()),
        Some("upstream") => runtime.block_on(upstream()),
        Some("floor") => runtime.block_on(floor(arguments[2].clone())),
        Some("gateway") => runtime.block_on(gateway(&arguments[2], &arguments[3])),
        Some(other) => panic!("{other}?"),
    }
}

/// A process of this program; ends with the measurement.
struct Part {
    child: Child,
    port: String,
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Part {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(env::current_exe().unwrap()).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, port: port.trim().to_owned() }
    }

    /// CPU time so far.
    fn cpu(&self) -> Duration {
        // All threads, in nanoseconds.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = tasks.map(|task| {
            let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        Duration::from_nanos(nanos.sum())
    }
}

async fn measure() {
    let upstream = Part::start(&["upstream"]);
    let file = env::temp_dir().join(format!("prokura-cost-{}", std::process::id()));
    let floor = Part::start(&["floor", &upstream.port]);
    let gateway = Part::start(&["gateway", &upstream.port, file.to_str().unwrap()]);
    let tokens: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    std::fs::remove_file(&file).unwrap();
    let tokens = Arc::new(tokens);
    for part in [&floor, &gateway] {
        load(&part.port, &tokens, 5000, true).await;
    }
    for round in 1..=3 {
        for (name, part, requests, is_seen) in [
            ("floor: bare hyper proxy", &floor, REQUESTS, true),
            ("gateway, token seen", &gateway, REQUESTS, true),
            ("gateway, token unseen", &gateway, UNSEEN / 3, false),
        ] {
            let (before, began) = (part.cpu(), Instant::now());
            let from = if is_seen { &tokens[..1] } else { &tokens[1 + (round - 1) * UNSEEN / 3..=round * UNSEEN / 3] };
            load(&part.port, &Arc::new(from.to_vec()), requests, is_seen).await;
            let (cpu, wall) = (part.cpu().saturating_sub(before), began.elapsed());
            let each = cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(requests).unwrap());
            let rate = f64::from(u32::try_from(requests).unwrap()) / wall.as_secs_f64();
            println!("round {round}  {name:28} {each:7.1} µs of CPU per request, {rate:8.0} requests/s");
        }
    }
}

/// Sends requests over keep-alive connections; each takes the next token.
async fn load(port: &str, tokens: &Arc<Vec<String>>, requests: usize, is_seen: bool) {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (next, tokens, address) = (Arc::clone(&next), Arc::clone(tokens), format!("127.0.0.1:{port}"));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut answer = vec![0; 4096];
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    let token = if is_seen { &tokens[0] } else { &tokens[number] };
                    let request = format!(
                        "GET /api/orders/4711?x=1 HTTP/1.1\r\nHost: shop.example:8401\r\nAuthorization: Bearer {token}\r\n\
                         User-Agent: cost/1\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
                    );
                    stream.write_all(request.as_bytes()).await.unwrap();
                    let mut length = 0;
                    while !answer[..length].ends_with(b"ok-ok-ok") {
                        let read = stream.read(&mut answer[length..]).await.unwrap();
                        assert!(read > 0, "{}", String::from_utf8_lossy(&answer[..length]));
                        length += read;
                        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    listener
}

/// Answers everything with eight bytes.
async fn upstream() {
    let listener = listen().await;
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut buffer = vec![0; 8192];
            let mut length = 0;
            while let Ok(read @ 1..) = stream.read(&mut buffer[length..]).await {
                length += read;
                if buffer[..length].ends_with(b"\r\n\r\n") {
                    length = 0;
                    let answer =
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\nok-ok-ok";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// hyper in front, hyper's pooled client behind, and nothing in between.
async fn floor(upstream: String) {
    let listener = listen().await;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let upstream: Arc<str> = upstream.into();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (client, upstream) = (client.clone(), Arc::clone(&upstream));
        tokio::spawn(async move {
            let service = service_fn(move |mut request: Request<Incoming>| {
                let path = request.uri().path_and_query().unwrap().as_str();
                *request.uri_mut() = format!("http://127.0.0.1:{upstream}{path}").parse().unwrap();
                request.headers_mut().remove(header::HOST);
                let answer = client.request(request);
                async move {
                    Ok::<_, Infallible>(match answer.await {
                        Ok(answer) => answer.map(http_body_util::Either::Left),
                        Err(_) => Response::new(http_body_util::Either::Right(Full::<Bytes>::default())),
                    })
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }
}

impl Resolver for Still {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async { Err(ResolveError::Unavailable) })
    }

    fn use_proof<'a>(&'a self, _: &'a TenantId, _: &'a Proof) -> Using<'a> {
        Box::pin(async { Ok(true) })
    }
}

async fn gateway(upstream: &str, file: &str) {
    let now = Still.now();
    let tenant: TenantId = "demo".parse().unwrap();
    let key = SigningKey::generate(Algorithm::Es256, "k1".parse().unwrap()).unwrap();
    let issuer: Arc<str> = "http://127.0.0.1:8400/t/demo".into();
    let verifier = Arc::new(TokenVerifier::new(100_000));
    verifier.contacted(now);
    let names = vec![prokura_jose::Names::native(Arc::clone(&issuer), Arc::clone(&issuer))];
    verifier.set_keys(tenant.clone(), names, vec![key.public().clone()]);
    let minter = TokenMinter::new(Arc::new(key), Arc::clone(&issuer), Arc::clone(&issuer));
    let tokens: Vec<String> = (0..=UNSEEN)
        .map(|number| {
            let standing = Standing {
                tenant: tenant.clone(),
                site: Some("main".parse().unwrap()),
                client: "storefront".parse().unwrap(),
                subject: Subject::Customer("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap()),
                acting_for: Some(ActingFor {
                    legal_entity: "LE_1".parse().unwrap(),
                    assignment: "f81d4fae-7dec-11d0-a765-00a0c91e6bf7".parse().unwrap(),
                    grant: "f81d4fae-7dec-11d0-a765-00a0c91e6bf8".parse().unwrap(),
                }),
                scopes: Scopes::parse("openid orders.read orders.write cart").unwrap(),
                segments: vec!["gold".parse().unwrap(), "north".parse().unwrap()],
                has_more_segments: false,
                session: Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf9".parse().unwrap()),
                visitor: None,
                family: Some("f81d4fae-7dec-11d0-a765-00a0c91e6bfa".parse().unwrap()),
                epoch: 1,
                authenticated_at: Some(now),
                is_multi_factor: false,
                is_entity_locked: false,
                is_scope_limited: false,
            };
            let token = AccessToken {
                issuer: Arc::clone(&issuer),
                audience: Arc::clone(&issuer).into(),
                subject: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned(),
                id: format!("f81d4fae-7dec-11d0-a765-{number:012}").parse().unwrap(),
                issued_at: now,
                expires_at: now.plus_seconds(300),
                bound_to: None,
                actors: Vec::new(),
                standing,
            };
            minter.mint(&token).unwrap()
        })
        .collect();
    std::fs::write(file, tokens.join("\n")).unwrap();
    drop(tokens);
    let config: GatewayConfig = serde_json::from_str(&format!(
        r#"{{"routes": [
            {{"path": "/api/products", "upstream": "http://127.0.0.1:{upstream}", "require": "guest"}},
            {{"path": "/api/orders", "upstream": "http://127.0.0.1:{upstream}", "require": "legal_entity",
              "scopes_any": ["orders.read"]}}]}}"#
    ))
    .unwrap();
    let gateway = Gateway::new(&config, verifier, Arc::new(Still), Arc::new(Still)).unwrap();
    let listener = listen().await;
    serve(listener, gateway, Limits::streaming(), std::future::pending()).await;
}
