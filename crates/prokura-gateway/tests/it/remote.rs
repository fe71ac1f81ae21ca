//! A gateway away from the server: what the feed says, and what happens while it says nothing (S-40, S-70, S-71).

use crate::support::{ANNA, ROUTES, Running, Who, standing, start_with};
use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use prokura_domain::{Clock, Revocation, RevocationKind, Timestamp};
use prokura_gateway::{
    ResolveError, Resolver as _,
    remote::{RemoteError, RemoteSource},
};
use prokura_http::server::{Limits, serve};
use prokura_jose::{
    Algorithm, SigningKey, TokenVerifier,
    feed::{KeysFeed, ResolveRequest, RevocationEntry, RevocationsFeed, StandingRecord, TenantKeys},
};
use std::{collections::HashMap, sync::Arc};
use tokio::net::TcpListener;

/// A server whose answers the test writes.
#[derive(Default)]
struct Script {
    keys: KeysFeed,
    entries: Vec<RevocationEntry>,
    standing: Option<StandingRecord>,
    is_away: bool,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Script>>;

async fn server(script: Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/gateway/v1/keys", get(async |State(script): State<Shared>| Json(script.lock().keys.clone())))
        .route("/gateway/v1/revocations", get(revocations))
        .route("/gateway/v1/resolve", post(resolve))
        .layer(from_fn(admit))
        .with_state(script);
    tokio::spawn(serve(listener, router, Limits::default(), std::future::pending()));
    url
}

async fn admit(request: Request, next: Next) -> Response {
    let bearer = request.headers().get(header::AUTHORIZATION);
    if bearer.is_some_and(|bearer| bearer == "Bearer pkr_gw_1") {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn revocations(State(script): State<Shared>, Query(query): Query<HashMap<String, i64>>) -> Response {
    let mut script = script.lock();
    let since = query["since"];
    script.asked.push(format!("revocations since {since}"));
    if script.is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let entries = script.entries.iter().filter(|entry| entry.at >= since).cloned().collect();
    Json(RevocationsFeed { now: 1_800_000_000_000, entries }).into_response()
}

async fn resolve(State(script): State<Shared>, Json(request): Json<ResolveRequest>) -> Response {
    let script = script.lock();
    match (&script.standing, script.is_away) {
        (_, true) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (Some(standing), _) if request.token == "known" => Json(standing.clone()).into_response(),
        (Some(_) | None, _) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn entry(id: &str, kind: RevocationKind, value: &str, at: i64) -> RevocationEntry {
    RevocationEntry::from(&Revocation {
        id: id.to_owned(),
        tenant: "alpha".parse().unwrap(),
        kind,
        value: value.to_owned(),
        is_lifted: false,
        at: Timestamp::from_millis(at),
        effective_at: Timestamp::from_millis(at),
        expires_at: Timestamp::from_millis(at + 86_400_000),
    })
}

/// A gateway whose verifier is fed by a scripted server.
async fn fed() -> (Running, Shared, RemoteSource) {
    let gateway = start_with(ROUTES, "").await;
    let script = Shared::default();
    let url = server(Arc::clone(&script)).await;
    let clock = Arc::clone(&gateway.clock) as Arc<dyn Clock>;
    let source = RemoteSource::new(&url, "pkr_gw_1", Arc::clone(&gateway.verifier), clock).unwrap();
    (gateway, script, source)
}

const START: i64 = 1_800_000_000_000;

#[tokio::test]
async fn keys_and_revocations_arrive_and_old_entries_that_come_late_are_not_missed() {
    let (gateway, script, source) = fed().await;
    // The keys of the fixture belong to tenants the server does not know.
    let bearer = gateway.bearer(&ANNA);
    script.lock().keys = KeysFeed {
        tenants: vec![TenantKeys {
            tenant: "alpha".to_owned(),
            issuer: "http://id/t/alpha".to_owned(),
            audience: "http://id/t/alpha".to_owned(),
            accents: Vec::new(),
            keys: vec![gateway.public_jwk("alpha")],
        }],
    };
    source.load().await.unwrap();
    assert_eq!(gateway.get("/company", &bearer).await.status, 200);

    script.lock().entries.push(entry("2", RevocationKind::Family, "other", START + 50_000));
    source.read().await.unwrap();
    assert_eq!(gateway.get("/company", &bearer).await.status, 200);
    // Committed later, dated earlier.
    script.lock().entries.push(entry("1", RevocationKind::Grant, "g1", START - 5_000));
    source.read().await.unwrap();
    assert_eq!(gateway.get("/company", &bearer).await.status, 401);
    let asked = script.lock().asked.clone();
    assert_eq!(
        asked,
        [
            "revocations since 0",
            &format!("revocations since {}", START - 60_000),
            &format!("revocations since {}", START - 10_000)
        ]
    );
}

#[tokio::test]
async fn s41_changed_keys_are_fetched_when_the_feed_says_so() {
    let (gateway, script, source) = fed().await;
    let tenant = |keys| TenantKeys {
        tenant: "alpha".to_owned(),
        issuer: "http://id/t/alpha".to_owned(),
        audience: "http://id/t/alpha".to_owned(),
        accents: Vec::new(),
        keys,
    };
    let stranger = SigningKey::generate(Algorithm::Es256, "k1".parse().unwrap()).unwrap();
    script.lock().keys.tenants = vec![tenant(vec![stranger.public().to_jwk(), serde_json::json!({"kty": "none"})])];
    source.load().await.unwrap();
    let bearer = gateway.bearer(&ANNA);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 401);

    script.lock().keys.tenants = vec![tenant(vec![gateway.public_jwk("alpha")])];
    source.read().await.unwrap();
    assert_eq!(gateway.get("/orders", &bearer).await.status, 401, "nothing said so yet");
    script.lock().entries.push(entry("1", RevocationKind::Keys, "alpha", START + 1));
    source.read().await.unwrap();
    assert_eq!(gateway.get("/orders", &bearer).await.status, 200);

    script.lock().keys.tenants.clear();
    script.lock().entries.push(entry("2", RevocationKind::Keys, "alpha", START + 2));
    source.read().await.unwrap();
    assert_eq!(gateway.get("/orders", &bearer).await.status, 401, "the tenant is gone");
}

#[tokio::test]
async fn s71_without_contact_decisions_end_and_come_back_with_it() {
    let (gateway, script, source) = fed().await;
    script.lock().keys.tenants = ["alpha", "beta"]
        .map(|tenant| TenantKeys {
            tenant: tenant.to_owned(),
            issuer: format!("http://id/t/{tenant}"),
            audience: format!("http://id/t/{tenant}"),
            accents: Vec::new(),
            keys: vec![gateway.public_jwk(tenant)],
        })
        .into();
    source.load().await.unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", gateway.token_for(&Who { tenant: "beta", ..ANNA }, 3600));
    assert_eq!(gateway.get("/beta", &bearer).await.status, 200);
    script.lock().is_away = true;
    gateway.clock.advance(31);
    assert!(matches!(source.read().await, Err(RemoteError::Status(status)) if status == 503));
    assert_eq!(gateway.get("/beta", &bearer).await.status, 503);
    script.lock().is_away = false;
    source.read().await.unwrap();
    assert_eq!(gateway.get("/beta", &bearer).await.status, 200);
}

#[tokio::test]
async fn a_wrong_secret_and_no_server_are_told_apart() {
    let (gateway, script, _) = fed().await;
    let url = server(script).await;
    let source = |url: &str, secret: &str| {
        let clock = Arc::clone(&gateway.clock) as Arc<dyn Clock>;
        RemoteSource::new(url, secret, Arc::new(TokenVerifier::new(8)), clock)
    };
    let refused = source(&url, "wrong").unwrap().load().await;
    assert!(matches!(refused, Err(RemoteError::Status(status)) if status == 401));
    let nobody = source("http://127.0.0.1:1", "pkr_gw_1").unwrap().load().await;
    assert!(matches!(nobody, Err(RemoteError::Unreachable(_))));
    assert_eq!(source("ftp://x", "s").unwrap_err().key, "server");
    assert_eq!(source(&url, "a\nb").unwrap_err().key, "secret");
}

#[tokio::test]
async fn rights_are_resolved_by_the_server() {
    let (_, script, source) = fed().await;
    let fresh = standing(&"alpha".parse().unwrap(), &ANNA);
    script.lock().standing = Some(StandingRecord::from(&fresh));
    assert_eq!(source.resolve("known").await, Ok(fresh));
    assert_eq!(source.resolve("gone").await, Err(ResolveError::Refused));
    script.lock().is_away = true;
    assert_eq!(source.resolve("known").await, Err(ResolveError::Unavailable));
}
