//! Request rates (S-135): who asks too often waits, and nobody else does.

use crate::arrange::World;
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_http::{
    Edge, Limiter, Rate, Rates, router_service,
    server::{Limits, serve},
};
use prokura_testkit::{Answer, Options, TestServer};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinSet};

const POLICY: RefreshPolicy = RefreshPolicy::Family;

async fn world(rates: Rates) -> World {
    let mut settings = prokura::app::tenant_template();
    settings.cors_origins = vec!["https://shop.example".to_owned()];
    let options = Options { rates, settings: Some(settings), ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, POLICY).await;
    let second = world.server.tenant("second").await;
    world.server.client(&second, "sf-2", ClientKind::Public, "guest", "", POLICY).await;
    world
}

fn retry_after(answer: &Answer) -> u32 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s135_a_tenant_far_beyond_its_rate_costs_another_nothing() {
    const PER_SECOND: u32 = 20;
    const BURST: u32 = 40;
    let tenant = Rate { per_second: PER_SECOND, burst: BURST };
    let world = world(Rates { tenant, ..Rates::NONE }).await;
    let server = Arc::new(world.server);
    let begun = Instant::now();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut rush = JoinSet::new();
    for _ in 0..8 {
        let (server, is_over) = (Arc::clone(&server), Arc::clone(&is_over));
        rush.spawn(async move {
            let (mut taken, mut refused) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let answer = server.get("/t/second/.well-known/jwks.json", None).await;
                match answer.status {
                    200 => taken += 1,
                    429 => {
                        assert_eq!(retry_after(&answer), 1);
                        refused += 1;
                    }
                    status => panic!("{status}: {}", answer.text),
                }
            }
            (taken, refused)
        });
    }
    // Well within the own rate, for as long as the other one needs to be refused fifty times what it may ask for.
    let mut slowest = Duration::ZERO;
    for _ in 0..30 {
        let asked = Instant::now();
        let answer = server.get("/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf", None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut taken, mut refused) = (0, 0);
    while let Some(counts) = rush.join_next().await {
        let counts = counts.unwrap();
        (taken, refused) = (taken + counts.0, refused + counts.1);
    }
    let allowed = f64::from(BURST) + begun.elapsed().as_secs_f64() * f64::from(PER_SECOND) + 1.0;
    assert!(f64::from(taken) <= allowed, "{taken} taken, {allowed} allowed");
    assert!(refused > 10 * taken, "a rush: {refused} refused beside {taken} taken");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s135_every_door_of_a_tenant_counts() {
    let world = world(Rates { tenant: Rate { per_second: 1, burst: 1 }, ..Rates::NONE }).await;
    let server = &world.server;
    let secret = server.client(&world.tenant, "bk", ClientKind::Confidential, "client_credentials", "a", POLICY).await;
    let secret = secret.unwrap();
    let form = [("grant_type", "client_credentials"), ("client_id", "bk"), ("client_secret", secret.expose())];
    for (method, path) in [
        ("GET", "/t/acme/.well-known/jwks.json"),
        ("GET", "/t/acme/.well-known/openid-configuration"),
        ("GET", "/.well-known/oauth-authorization-server/t/acme"),
        ("GET", "/t/acme/authorize?client_id=sf"),
        ("POST", "/t/acme/token"),
        ("POST", "/t/acme/revoke"),
        ("POST", "/t/acme/introspect"),
        ("POST", "/t/acme/par"),
        ("GET", "/t/acme/userinfo"),
        ("GET", "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf"),
        ("GET", "/customer/acme/me"),
        ("POST", "/customer/acme/signup"),
        ("POST", "/oauth/token"),
    ] {
        let mut waits = Vec::new();
        // One may have come back meanwhile, and is used up again.
        for _ in 0..20 {
            let url = format!("{}{path}", server.url);
            let request = if method == "GET" { server.http.get(url) } else { server.http.post(url).form(&form) };
            let answer = server.send(request.header("origin", "https://shop.example")).await;
            if answer.status == 429 {
                waits.push(retry_after(&answer));
                let is_dialect = !path.contains("/t/acme");
                assert!(!is_dialect || answer.headers.contains_key("access-control-allow-origin"), "{path} (E-42)");
                break;
            }
        }
        assert_eq!(waits, [1], "{method} {path}");
    }
    assert_eq!(server.get("/t/second/.well-known/jwks.json", None).await.status, 200);
    assert_eq!(server.get("/healthz", None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn s135_a_client_beyond_its_rate_leaves_the_others_alone() {
    let world = world(Rates { client: Rate { per_second: 1, burst: 3 }, ..Rates::NONE }).await;
    let server = &world.server;
    server.client(&world.tenant, "other", ClientKind::Public, "guest", "", POLICY).await;
    let begin = async |tenant: &str, client: &str| {
        server.get(&format!("/customerlogin/auth/anonymous/login?tenant={tenant}&client_id={client}"), None).await
    };
    let mut last = begin("acme", "sf").await;
    let token = last.json()["access_token"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        last = begin("acme", "sf").await;
    }
    assert_eq!((last.status, retry_after(&last)), (429, 1));
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(server.get("/session-context/acme/me/context", Some(&token)).await.status);
    }
    assert!(seen.contains(&429), "its tokens count as well: {seen:?}");
    assert_eq!(begin("acme", "other").await.status, 200);
    assert_eq!(begin("second", "sf-2").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn s135_an_address_beyond_its_rate_is_refused_before_anything_else() {
    let world = world(Rates::NONE).await;
    let edge = Edge {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()].into(),
        hosts: Arc::new(["id.example".to_owned()].into()),
        limiter: Arc::new(Limiter::new(Rates { address: Rate { per_second: 1, burst: 2 }, ..Rates::NONE })),
        ..Edge::new(world.engine().clone())
    };
    let router = prokura::app::public_router(edge, prokura_web::WebConfig { gateway_secret: None });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, router_service(router), Limits::default(), std::future::pending::<()>()));
    let server = &world.server;
    let ask = async |host: &str, from: Option<&str>| {
        let request = server.http.get(&url).header("host", host);
        server.send(if let Some(from) = from { request.header("x-forwarded-for", from) } else { request }).await
    };
    for host in ["id.example", "evil.example"] {
        let mut last = ask(host, Some("2001:db8::1")).await;
        for n in 0..20 {
            last = ask(host, Some(&format!("2001:db8::{n}"))).await;
        }
        assert_eq!((last.status, retry_after(&last)), (429, 1), "{host}");
        assert_eq!(last.headers["access-control-allow-origin"], "*");
        assert!(last.headers.contains_key("x-request-id"));
    }
    assert_eq!(ask("id.example", Some("2001:db8:0:1::1")).await.status, 200, "another network");
    assert_eq!(ask("id.example", Some("192.0.2.7")).await.status, 200);
    for _ in 0..20 {
        assert_eq!(ask("id.example", None).await.status, 200, "the proxy itself speaks for many");
    }
}
