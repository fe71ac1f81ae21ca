//! `prokura gateway`: the real program away from the server, and what it tells whoever watches it.

use axum::{Router, routing::any};
use prokura_domain::RefreshPolicy;
use prokura_testkit::{Database, Options, TestServer};
use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::arrange::World;

const SECRET: &str = "gateway-secret-of-at-least-32-characters-51cb";

/// A program; gone with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Bench {
    folder: tempfile::TempDir,
    http: reqwest::Client,
    gateway: String,
    watch: String,
    server_port: u16,
}

impl Bench {
    /// A configuration for a gateway whose server is to be on a port nobody listens on yet.
    fn new(upstream: &str) -> Self {
        let (gateway_port, watch_port, server_port) = (free_port(), free_port(), free_port());
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\ngateway_secret = \"{SECRET}\"\n[gateway]\nlisten = \"127.0.0.1:{gateway_port}\"\n\
             [metrics]\nlisten = \"127.0.0.1:{watch_port}\"\n[gateway.policy]\nstale_seconds = 1\n\
             [[gateway.policy.routes]]\npath = \"/api\"\nupstream = \"{upstream}\"\nrequire = \"guest\"\n\
             [[gateway.policy.routes]]\npath = \"/open\"\nupstream = \"{upstream}\"\nrequire = \"none\"\n"
        );
        fs::write(folder.path().join("prokura.toml"), text).unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self {
            folder,
            http,
            gateway: format!("http://127.0.0.1:{gateway_port}"),
            watch: format!("http://127.0.0.1:{watch_port}"),
            server_port,
        }
    }

    fn start(&self) -> Process {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_prokura"))
            .args(["gateway", "--server", &format!("http://127.0.0.1:{}", self.server_port)])
            .current_dir(self.folder.path())
            .env_remove("PROKURA_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(child)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn get(&self, url: &str, bearer: Option<&str>) -> Option<(u16, String)> {
        let request = self.http.get(url);
        let request = bearer
            .map_or_else(|| request.try_clone().unwrap(), |token| request.try_clone().unwrap().bearer_auth(token));
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn watched(&self, path: &str) -> Option<(u16, String)> {
        self.get(&format!("{}{path}", self.watch), None).await
    }

    /// Waits for an answer of `/readyz`; nothing but the program's own time passes.
    async fn until_ready_is(&self, expected: u16) -> String {
        let begun = Instant::now();
        loop {
            let seen = self.watched("/readyz").await;
            if let Some((status, text)) = &seen
                && *status == expected
            {
                return text.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{expected} never came, but {seen:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(async || "shop"))).await });
    url
}

/// The feed of a server on the port the gateway knows; it is away once the task is dropped.
fn feed(server: &TestServer, port: u16) -> tokio::task::JoinHandle<()> {
    let edge = prokura_http::Edge::new(server.engine.clone());
    let secret = prokura_jose::Secret::from(SECRET.to_owned());
    let web = prokura_web::WebConfig { gateway_secret: Some(std::sync::Arc::new(secret)) };
    let router = prokura::app::public_router(edge, web);
    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let service = prokura_http::router_service(router);
        let limits = prokura_http::server::Limits { drain: Duration::ZERO, ..prokura_http::server::Limits::default() };
        prokura_http::server::serve(listener, service, limits, std::future::pending()).await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_alone_says_that_it_lives_and_whether_it_can_decide() {
    let options = Options { database: Database::Sqlite, is_clock_frozen: false, ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let token = world.guest().await.access_token().unwrap();
    let bench = Bench::new(&upstream().await);
    let _gateway = bench.start();
    let api = format!("{}/api", bench.gateway);

    // The server is away at the start: alive, not ready, and no token passes.
    assert!(bench.until_ready_is(503).await.contains("not heard of yet"));
    assert_eq!(bench.watched("/healthz").await, Some((200, "ok\n".to_owned())));
    assert_eq!(bench.get(&api, Some(&token)).await.unwrap().0, 503);
    assert_eq!(bench.get(&format!("{}/open", bench.gateway), None).await.unwrap().1, "shop");
    assert!(!bench.watched("/metrics").await.unwrap().1.contains("feed_age"), "there was no word of any age");

    let served = feed(&world.server, bench.server_port);
    assert_eq!(bench.until_ready_is(200).await, "ready\n");
    assert_eq!(bench.get(&api, Some(&token)).await.unwrap(), (200, "shop".to_owned()));
    let metrics = bench.watched("/metrics").await.unwrap().1;
    assert!(metrics.contains("prokura_gateway_feed_age_seconds "), "{metrics}");
    assert!(metrics.contains("prokura_gateway_requests_total{outcome=\"forwarded\"} 2"), "{metrics}");
    assert!(metrics.contains("prokura_gateway_requests_total{outcome=\"server_away\"} 1"), "{metrics}");
    // What the metrics' port tells is told nowhere else.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(bench.get(&format!("{}{path}", bench.gateway), None).await.unwrap().0, 404);
    }

    served.abort();
    assert!(bench.until_ready_is(503).await.contains("s old"));
    assert_eq!(bench.watched("/healthz").await.unwrap().0, 200, "nobody restarts it for that");
    assert_eq!(bench.get(&api, Some(&token)).await.unwrap().0, 503);
    let _served = feed(&world.server, bench.server_port);
    assert_eq!(bench.until_ready_is(200).await, "ready\n");
    assert_eq!(bench.get(&api, Some(&token)).await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_the_server_does_not_know_does_not_start() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Family).await;
    let mut bench = Bench::new("http://127.0.0.1:9");
    // The test server's own secret is another one.
    bench.server_port = world.server.url.rsplit(':').next().unwrap().parse().unwrap();
    let mut gateway = bench.start();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = gateway.0.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it runs: {}", bench.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status.code(), Some(1));
    let log = bench.log();
    assert!(log.contains("does not feed this gateway") && log.contains("401"), "{log}");
}
