//! S-57: the echo suite of S-50 to S-55 through nginx and Caddy with the settings we ship, and forward-auth itself.

use crate::{
    headers::{SPELLINGS, assert_clean, forged},
    support::{ANNA, ANNA_ALONE, Answer, ROUTES, Running, exchange, start, start_with},
};
use prokura_gateway::HeaderNames;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const TRUSTED: &str = r#", "trusted_peers": ["127.0.0.1"]"#;

/// Somebody else's proxy in front of a gateway and its echo; ends with the test.
struct Proxy {
    gateway: Running,
    address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    async fn get(&self, path: &str, fields: &str) -> Answer {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}\r\n");
        exchange(self.address, raw.as_bytes()).await
    }
}

fn recipe(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

/// The recipe at `path`, with the addresses of this test.
fn filled_in(path: &str, gateway: SocketAddr, shop: SocketAddr, (listen, with): (&str, &str)) -> String {
    let text = std::fs::read_to_string(recipe(path)).unwrap();
    for needed in ["127.0.0.1:8401", "127.0.0.1:9000", listen] {
        assert!(text.contains(needed), "the recipe has no {needed}");
    }
    text.replace("127.0.0.1:8401", &gateway.to_string())
        .replace("127.0.0.1:9000", &shop.to_string())
        .replace(listen, with)
}

async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn run(gateway: Running, mut command: Command, package: &str, port: u16, directory: TempDir) -> Proxy {
    let log = std::fs::File::create(directory.path().join("output")).unwrap();
    let child =
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap_or_else(|error| {
            panic!("{package} cannot be started ({error}); install the Debian package \"{package}\"")
        });
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut proxy = Proxy { gateway, address, child, directory };
    let began = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        let output = || std::fs::read_to_string(proxy.directory.path().join("output")).unwrap_or_default();
        assert!(proxy.child.try_wait().unwrap().is_none(), "{package} ended: {}", output());
        assert!(began.elapsed() < Duration::from_secs(20), "{package} does not listen: {}", output());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    proxy
}

async fn nginx() -> Proxy {
    let gateway = start_with(ROUTES, TRUSTED).await;
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let at = directory.path();
    let server = filled_in(
        "nginx/prokura.conf",
        gateway.address,
        gateway.upstream,
        ("listen 8080", &format!("listen 127.0.0.1:{port}")),
    );
    std::fs::write(at.join("prokura.conf"), server).unwrap();
    std::fs::copy(recipe("nginx/prokura-strip.conf"), at.join("prokura-strip.conf")).unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", at.display()))
        .concat();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}include prokura.conf;\n}}\n",
        at.display()
    );
    std::fs::write(at.join("nginx.conf"), main).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(at).arg("-e").arg(at.join("error.log")).arg("-c").arg(at.join("nginx.conf"));
    run(gateway, command, "nginx", port, directory).await
}

async fn caddy() -> Proxy {
    let gateway = start_with(ROUTES, TRUSTED).await;
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let at = directory.path();
    let text = filled_in(
        "caddy/Caddyfile",
        gateway.address,
        gateway.upstream,
        (":8080 {", &format!("http://:{port} {{\n\tbind 127.0.0.1")),
    );
    std::fs::write(at.join("Caddyfile"), text).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(at.join("Caddyfile"));
    command.env("HOME", at).env("XDG_DATA_HOME", at).env("XDG_CONFIG_HOME", at);
    run(gateway, command, "caddy", port, directory).await
}

/// Field values the shop received, by name in any case: Go writes names in its own way.
fn received(answer: &Answer, name: &str) -> Vec<String> {
    crate::support::values(answer.body.split("\r\n\r\n").next().unwrap_or_default(), name)
}

async fn passes_the_suite(proxy: &Proxy) {
    let bearer = proxy.gateway.bearer(&ANNA);
    // S-50: anonymous and logged in, all spellings at once and each alone.
    let answer = proxy.get("/public/x", &forged()).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_clean(&answer);
    assert!(received(&answer, "legalEntityId").iter().all(String::is_empty), "{}", answer.body);
    let answer = proxy.get("/company", &(bearer.clone() + &forged())).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_clean(&answer);
    assert_eq!(received(&answer, "legalEntityId"), ["E1"]);
    assert_eq!(received(&answer, "Legal-Entity-Id"), ["E1"]);
    assert_eq!(received(&answer, "X-Prokura-Customer"), ["anna"]);
    assert!(received(&answer, "authorization").is_empty(), "S-60: {}", answer.body);
    for name in SPELLINGS.iter().chain(&["Legal--Entity-Id", "X-Prokura-New", "L-E-G-A-L-Entity-Id", "x-user-name"]) {
        let answer = proxy.get("/orders", &format!("{bearer}{name}: E9\r\n")).await;
        assert!(matches!(answer.status, 200 | 403), "{name}: {}", answer.head);
        assert_clean(&answer);
    }
    // E-21: nothing where the token has none.
    let answer = proxy.get("/orders", &(proxy.gateway.bearer(&ANNA_ALONE) + "legalEntityId: E9\r\n")).await;
    assert_eq!(answer.status, 200);
    assert!(received(&answer, "legalEntityId").iter().all(String::is_empty), "{}", answer.body);
    // Levels.
    for (path, fields, status) in [
        ("/orders", "", 401),
        ("/company", proxy.gateway.bearer(&ANNA_ALONE).as_str(), 403),
        ("/write", &bearer, 403),
        ("/orders", "Authorization: Bearer x\r\n", 401),
        ("/nowhere", &bearer, 403),
        ("/orders?shop-token=E9", &bearer, 403),
    ] {
        assert_eq!(proxy.get(path, fields).await.status, status, "{path} {fields}");
    }
    // S-51: a field cannot be listed away.
    let raw = format!("GET /company HTTP/1.1\r\nHost: a\r\nConnection: close, legalEntityId\r\n{bearer}\r\n");
    let answer = exchange(proxy.address, raw.as_bytes()).await;
    assert_eq!(received(&answer, "legalEntityId"), ["E1"], "{}", answer.body);
    // S-52: trailers.
    let raw = format!(
        "POST /company HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: legalEntityId\r\n\
         {bearer}\r\n3\r\nabc\r\n0\r\nlegalEntityId: E9\r\n\r\n"
    );
    let answer = exchange(proxy.address, raw.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_clean(&answer);
    assert_eq!(received(&answer, "legalEntityId"), ["E1"]);
    // S-54: nothing reaches what it is not allowed to.
    let before = proxy.gateway.received().len();
    for path in [
        "/public/..%2forders",
        "/public/..;/orders",
        "/public\\..\\orders",
        "/public/%2e%2e/orders",
        "/public/../orders",
        "/orders?/public/",
        "//orders",
        "/public/%5c..%5corders",
        "/%6frders",
    ] {
        let answer = proxy.get(path, "").await;
        assert!(matches!(answer.status, 400 | 401 | 403), "{path}: {}", answer.head);
    }
    assert_eq!(proxy.gateway.received().len(), before);
    // S-55: what a stranger says of the connection.
    let claims = "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Uri: /public/x\r\nX-Original-URI: /public/x\r\n\
        X-Original-URL: /public/x\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 10.9.9.9\r\nForwarded: for=10.9.9.9\r\n\
        User-Agent: kube-probe/1.29\r\n";
    assert_eq!(proxy.get("/orders", claims).await.status, 401);
    let answer = proxy.get("/public/x", claims).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("10.9.9.9") && !answer.body.contains("evil"), "{}", answer.body);
    // Fail closed: the server behind the gateway is away.
    proxy.gateway.clock.advance(31);
    let before = proxy.gateway.received().len();
    let answer = proxy.get("/orders", &bearer).await;
    assert!(answer.status >= 500, "{}", answer.head);
    assert_eq!(proxy.gateway.received().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn s57_nginx_with_our_recipe_passes_the_suite() {
    passes_the_suite(&nginx().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s57_caddy_with_our_recipe_passes_the_suite() {
    passes_the_suite(&caddy().await).await;
}

/// Every header an upstream gets where nothing else is configured.
fn usual_headers() -> Vec<String> {
    let HeaderNames {
        legal_entity,
        tenant,
        customer,
        session,
        visitor,
        client,
        scopes,
        segments,
        segments_more,
        subject,
        assertion,
    } = HeaderNames::default();
    [legal_entity, tenant, customer, session, visitor, client, scopes, segments, segments_more, subject, assertion]
        .concat()
}

#[test]
fn s57_our_recipes_carry_every_header() {
    let nginx = include_str!("../../../../deploy/nginx/prokura.conf");
    let caddy = include_str!("../../../../deploy/caddy/Caddyfile");
    let copied = caddy.lines().find_map(|line| line.trim().strip_prefix("copy_headers ")).expect("headers are copied");
    let copied: Vec<_> = copied.split(' ').collect();
    for name in usual_headers() {
        assert!(nginx.contains(&format!("proxy_set_header {name} $")), "nginx: {name}");
        assert!(copied.contains(&name.as_str()), "Caddy: {name}");
    }
}

async fn ask(gateway: &Running, fields: &str) -> Answer {
    gateway.get("/forward-auth", fields).await
}

#[tokio::test]
async fn s57_only_configured_peers_may_ask() {
    let gateway = start().await;
    let fields = format!("X-Original-URI: /orders\r\n{}", gateway.bearer(&ANNA));
    assert_eq!(ask(&gateway, &fields).await.status, 403);
}

#[tokio::test]
async fn s57_an_answer_carries_every_configured_header() {
    let gateway = start_with(ROUTES, TRUSTED).await;
    for (uri, fields) in [("/public/x", String::new()), ("/orders", gateway.bearer(&ANNA))] {
        for header in ["X-Original-URI", "X-Forwarded-Uri"] {
            let answer = ask(&gateway, &format!("{header}: {uri}\r\n{fields}")).await;
            assert_eq!(answer.status, 200);
            for name in usual_headers() {
                assert_eq!(answer.values(&name).len(), 1, "{uri} {name}: {}", answer.head);
            }
        }
    }
    let answer = ask(&gateway, &format!("X-Original-URI: /orders\r\n{}", gateway.bearer(&ANNA))).await;
    assert_eq!(answer.values("legalEntityId"), ["E1"]);
    assert_eq!(gateway.gateway.counts().allowed, 5);
    assert_eq!(gateway.received(), Vec::<String>::new(), "nothing is forwarded");
}

#[tokio::test]
async fn s57_what_cannot_be_told_for_sure_is_not_allowed() {
    let gateway = start_with(ROUTES, TRUSTED).await;
    let bearer = gateway.bearer(&ANNA);
    for (fields, status) in [
        (String::new(), 403),
        ("X-Original-URI: /public/x\r\nX-Forwarded-Uri: /public/x\r\n".to_owned(), 403),
        ("X-Original-URI: /public/x\r\nX-Original-URI: /public/x\r\n".to_owned(), 403),
        ("X-Original-URI: /public/..%2forders\r\n".to_owned(), 403),
        ("X-Original-URI: /public/x#/../y\r\n".to_owned(), 403),
        ("X-Original-URI: /nowhere\r\n".to_owned(), 403),
        ("X-Original-URI: /orders\r\n".to_owned(), 401),
        (format!("X-Original-URI: /orders?SHOP-token=1\r\n{bearer}"), 403),
        (format!("X-Original-URI: /orders\r\nLegal_Entity_Id: E9\r\n{bearer}"), 403),
        (format!("X-Original-URI: /orders\r\n{bearer}{bearer}"), 403),
        (format!("X-Original-URI: /write\r\n{bearer}"), 403),
    ] {
        assert_eq!(ask(&gateway, &fields).await.status, status, "{fields}");
    }
    gateway.clock.advance(31);
    assert_eq!(ask(&gateway, &format!("X-Original-URI: /orders\r\n{bearer}")).await.status, 503);
}
