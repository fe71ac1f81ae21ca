//! A panic ends one request and nothing else (S-133): a thousand of them amid load, and input too deep to be read.

use crate::arrange::{PASSWORD, World, log_in, on_both_databases, origin};
use axum::{Router, extract::State, routing::get};
use prokura_domain::RefreshPolicy;
use prokura_engine::{BeginGuest, Engine, Tenant, Wishes};
use prokura_http::{
    Edge, router_service,
    server::{Limits, serve},
};
use prokura_testkit::Database;
use std::{
    future::poll_fn,
    panic,
    pin::pin,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinSet};

const PANICS: usize = 1_000;
const AT_ONCE: usize = 16;
const CLIENTS: usize = 6;
const ON_PURPOSE: &str = "on purpose";

on_both_databases!(s133_a_thousand_panics_amid_load_cost_nobody_else_anything);

#[derive(Clone)]
struct Trap {
    engine: Engine,
    tenant: Arc<Tenant>,
    sprung: Arc<AtomicUsize>,
}

async fn begin_guest(engine: &Engine, tenant: &Tenant) -> Result<prokura_engine::Granted, prokura_engine::Error> {
    let request = BeginGuest::nameless("sf".parse().unwrap(), Wishes::default());
    engine.begin_guest(tenant, &request, &origin()).await
}

/// Panics in the midst of a change, each time a little further on.
async fn spring(State(trap): State<Trap>) -> &'static str {
    let number = trap.sprung.fetch_add(1, Ordering::Relaxed);
    let mut change = pin!(begin_guest(&trap.engine, &trap.tenant));
    for _ in 0..number % 12 {
        let is_done = poll_fn(|context| Poll::Ready(change.as_mut().poll(context).is_ready())).await;
        if is_done {
            break;
        }
        // Let the database answer; how far the change has got is what differs.
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    panic!("{ON_PURPOSE}")
}

/// A thousand backtraces would take longer than the test.
fn be_quiet_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<String>().is_none_or(|text| text != ON_PURPOSE) {
                tell(info);
            }
        }));
    });
}

async fn s133_a_thousand_panics_amid_load_cost_nobody_else_anything(database: Database) {
    be_quiet_on_purpose();
    let world = World::new(database, RefreshPolicy::Rotate { leeway_seconds: 10 }).await;
    let trap = Trap {
        engine: world.engine().clone(),
        tenant: Arc::clone(&world.tenant),
        sprung: Arc::new(AtomicUsize::new(0)),
    };
    let web = prokura_web::WebConfig { gateway_secret: None };
    let router = prokura::app::public_router(Edge::new(world.engine().clone()), web)
        .merge(Router::new().route("/panic", get(spring)).with_state(trap.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving =
        tokio::spawn(serve(listener, router_service(router), Limits::default(), std::future::pending::<()>()));

    let is_over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..CLIENTS {
        let guest = world.guest().await;
        let login = log_in(world.engine(), &world.tenant, guest.standing(), "ann@a.example", PASSWORD).await.unwrap();
        let mut held = login.granted.refresh.as_ref().unwrap().token.expose().to_owned();
        let (http, url, is_over) = (world.server.http.clone(), url.clone(), Arc::clone(&is_over));
        let bearer = login.granted.access_token().unwrap().clone();
        load.spawn(async move {
            let mut answered = 0;
            while !is_over.load(Ordering::Relaxed) {
                let query = [("refreshToken", held.as_str())];
                let request =
                    http.get(format!("{url}/customer/acme/refreshauthtoken")).bearer_auth(&bearer).query(&query);
                let response = request.send().await.unwrap();
                let status = response.status();
                let body: serde_json::Value = response.json().await.unwrap();
                assert_eq!(status, 200, "{body}");
                body["refresh_token"].as_str().unwrap().clone_into(&mut held);
                answered += 1;
            }
            answered
        });
    }
    let mut panics = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (http, url) = (world.server.http.clone(), url.clone());
        panics.spawn(async move {
            for _ in 0..PANICS.div_ceil(AT_ONCE) {
                let answer = http.get(format!("{url}/panic")).send().await.unwrap();
                assert_eq!(answer.status(), 500);
                let text = answer.text().await.unwrap();
                assert!(text.contains("support_id") && !text.contains(ON_PURPOSE), "{text}");
            }
        });
    }
    panics.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    let answered: usize = load.join_all().await.into_iter().sum();
    assert!(trap.sprung.load(Ordering::Relaxed) >= PANICS);
    assert!(answered > CLIENTS * 5, "{answered} refreshes in all this time");

    // The pool is full again: more at once than there are connections, and none waits for one that is gone.
    let begun = Instant::now();
    let mut at_once = JoinSet::new();
    for _ in 0..64 {
        let (engine, tenant) = (world.engine().clone(), Arc::clone(&world.tenant));
        at_once.spawn(async move { begin_guest(&engine, &tenant).await.map(drop) });
    }
    for outcome in at_once.join_all().await {
        outcome.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn s133_json_a_hundred_thousand_levels_deep_is_a_bad_request() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Reuse).await;
    let server = &world.server;
    let guest = world.guest().await.access_token().unwrap();
    let operator = crate::admin::operator(server, &[("*", "admin")]).await;
    let bodies = ["[".repeat(100_000), "{\"a\":".repeat(100_000), format!("{{\"email\":{}", "[".repeat(100_000))];
    for (path, bearer) in [
        ("/customer/acme/login", &guest),
        ("/customer/acme/signup", &guest),
        ("/customer/acme/password/reset", &guest),
        ("/admin/v1/tenants", &operator),
        ("/admin/v1/tenants/acme/clients", &operator),
    ] {
        for body in &bodies {
            let begun = Instant::now();
            let request = server.http.post(format!("{}{path}", server.url)).bearer_auth(bearer);
            let answer = server.send(request.header("content-type", "application/json").body(body.clone())).await;
            // Where something else is expected at that place, it is refused before it is deep.
            assert!(matches!(answer.status, 400 | 422), "{path}: {} {}", answer.status, answer.text);
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
    }
    assert_eq!(server.get("/healthz", None).await.status, 200);
}
