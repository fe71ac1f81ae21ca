//! Clients that publish their keys (`jwks_uri`): fetched when needed and no more often, and never from where nobody calls.

use super::Native;
use crate::arrange::{on_both_databases, origin};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, AuthMethod, CreateClient, Error, Refusal, Registration};
use prokura_jose::{Algorithm, SecretHash, SigningKey, sign_jwt};
use prokura_testkit::{Answer, Database};
use serde_json::{Value, json};
use std::{
    future::{Future, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

on_both_databases!(s03_a_client_signs_with_a_key_it_publishes_and_rotates_it,);

/// Where a client publishes its keys.
#[derive(Clone)]
struct Board {
    uri: Arc<str>,
    asked: Arc<AtomicUsize>,
    shows: Arc<Mutex<(u16, String)>>,
}

impl Board {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/keys", listener.local_addr().unwrap()).into();
        let board = Self { uri, asked: Arc::default(), shows: Arc::default() };
        let router = Router::new().route("/keys", get(Self::answer)).with_state(board.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        board
    }

    fn answer(State(board): State<Self>) -> impl Future<Output = Response> {
        board.asked.fetch_add(1, Ordering::SeqCst);
        let (status, body) = board.shows.lock().unwrap().clone();
        let status = StatusCode::from_u16(status).unwrap();
        ready((status, [(header::CACHE_CONTROL, "public, max-age=600")], body).into_response())
    }

    fn shows(&self, status: u16, body: &str) {
        *self.shows.lock().unwrap() = (status, body.to_owned());
    }

    fn publishes(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public().to_jwk()).collect();
        self.shows(200, &json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn key(name: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Es256, name.parse().unwrap()).unwrap()
}

async fn create(native: &Native, id: &str, registration: Registration) -> Result<(), Error> {
    let request = CreateClient {
        id: Some(id.parse().unwrap()),
        name: id.to_owned(),
        kind: ClientKind::Confidential,
        scopes: "orders.read".to_owned(),
        grants: "client_credentials".to_owned(),
        refresh_policy: RefreshPolicy::Rotate { leeway_seconds: 10 },
        access_seconds: None,
        refresh_seconds: None,
        registration: Registration { auth_method: AuthMethod::PrivateKeyJwt, ..registration },
    };
    let world = &native.world;
    world.engine().create_client(&world.tenant, &request, &Actor::System, &origin()).await.map(|_| ())
}

fn at(uri: &str) -> Registration {
    Registration { jwks_uri: Some(uri.to_owned()), ..Registration::default() }
}

fn claims(native: &Native, client: &str) -> Value {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = native.world.engine().now().seconds();
    let id = format!("j{}", COUNT.fetch_add(1, Ordering::Relaxed));
    json!({ "iss": client, "sub": client, "aud": &*native.world.tenant.issuer, "iat": now, "exp": now + 60, "jti": id })
}

async fn present(native: &Native, client: &str, assertion: &str) -> Answer {
    let server = &native.world.server;
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    server.send(server.http.post(format!("{}{}", server.url, native.path("token"))).form(&fields)).await
}

async fn log_in(native: &Native, client: &str, key: &SigningKey) -> Answer {
    present(native, client, &sign_jwt(key, "JWT", &claims(native, client)).unwrap()).await
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{}", answer.text);
}

async fn s03_a_client_signs_with_a_key_it_publishes_and_rotates_it(database: Database) {
    let native = Native::new(database).await;
    let server = &native.world.server;
    let (board, first, second, third) = (Board::start().await, key("one"), key("two"), key("three"));
    create(&native, "bank", at(&board.uri)).await.unwrap();
    assert_eq!(board.asked(), 0, "registering fetches nothing");
    board.publishes(&[&first]);
    for _ in 0..3 {
        assert_eq!(log_in(&native, "bank", &first).await.status, 200);
    }
    assert_eq!(board.asked(), 1, "as long as the answer may be kept");
    // What could not hold anyway asks nobody.
    for (name, value) in [("aud", json!("https://evil.example")), ("iss", json!("web")), ("exp", json!(1))] {
        let mut wrong = claims(&native, "bank");
        wrong[name] = value;
        refused(&present(&native, "bank", &sign_jwt(&second, "JWT", &wrong).unwrap()).await);
    }
    refused(&present(&native, "bank", "no.assertion").await);
    assert_eq!(board.asked(), 1);
    // Another key: asked for once, and believed once it is published.
    board.publishes(&[&first, &second]);
    assert_eq!(log_in(&native, "bank", &second).await.status, 200);
    assert_eq!(board.asked(), 2);
    let again = sign_jwt(&second, "JWT", &claims(&native, "bank")).unwrap();
    assert_eq!(present(&native, "bank", &again).await.status, 200);
    refused(&present(&native, "bank", &again).await);
    // One that is not there: not more than once a minute, however many come.
    for _ in 0..5 {
        refused(&log_in(&native, "bank", &third).await);
    }
    assert_eq!(board.asked(), 2);
    server.advance(60);
    refused(&log_in(&native, "bank", &third).await);
    assert_eq!(board.asked(), 3);
    // The key before is gone when the client says so and what it said before is old.
    board.publishes(&[&second]);
    assert_eq!(log_in(&native, "bank", &first).await.status, 200);
    server.advance(600);
    refused(&log_in(&native, "bank", &first).await);
    assert_eq!(log_in(&native, "bank", &second).await.status, 200);
    // A key of the same name that is somebody else's.
    refused(&log_in(&native, "bank", &key("two")).await);
}

#[tokio::test]
async fn a_client_whose_keys_are_away_is_told_to_come_again() {
    let native = Native::new(Database::Sqlite).await;
    let server = &native.world.server;
    let (board, key) = (Board::start().await, key("one"));
    create(&native, "bank", at(&board.uri)).await.unwrap();
    board.shows(503, "");
    let away = log_in(&native, "bank", &key).await;
    assert_eq!(away.status, 503, "{}", away.text);
    assert!(away.headers.contains_key("retry-after"));
    // Nobody is asked again within seconds, and then it works.
    board.publishes(&[&key]);
    assert_eq!(log_in(&native, "bank", &key).await.status, 503);
    assert_eq!(board.asked(), 1);
    server.advance(10);
    assert_eq!(log_in(&native, "bank", &key).await.status, 200);
    // What was known does for a day while nobody answers.
    board.shows(500, "");
    server.advance(80_000);
    assert_eq!(log_in(&native, "bank", &key).await.status, 200);
    server.advance(6_400);
    assert_eq!(log_in(&native, "bank", &key).await.status, 503);
    // What will not be better is no reason to come again.
    for (status, body) in [(404, ""), (200, "no JSON"), (200, "{\"keys\":[]}"), (200, "[]"), (302, "")] {
        server.advance(100_000);
        board.shows(status, body);
        refused(&log_in(&native, "bank", &key).await);
    }
    server.advance(100_000);
    board.shows(200, &format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70_000)));
    assert_eq!(log_in(&native, "bank", &key).await.status, 503, "longer than anybody reads");
}

#[tokio::test]
async fn s120_keys_are_fetched_from_the_open_internet_alone() {
    let native = Native::new(Database::Sqlite).await;
    let key = key("one");
    for (client, uri) in [("inside", "https://10.0.0.1/keys"), ("metadata", "https://169.254.169.254/keys")] {
        create(&native, client, at(uri)).await.unwrap();
        refused(&log_in(&native, client, &key).await);
    }
    // Where nobody listens, somebody may tomorrow.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    create(&native, "closed", at(&format!("http://{closed}/keys"))).await.unwrap();
    assert_eq!(log_in(&native, "closed", &key).await.status, 503);
    // What cannot be one is not registered, and neither are two sets of keys.
    let jwks = Some(json!({ "keys": [key.public().to_jwk()] }));
    for (registration, field) in [
        (at("http://keys.example/jwks"), "jwks_uri"),
        (at("https://u@keys.example/jwks"), "jwks_uri"),
        (at("com.example.app:/jwks"), "jwks_uri"),
        (Registration { jwks, ..at("https://keys.example/jwks") }, "jwks_uri"),
        (Registration::default(), "jwks"),
    ] {
        let result = create(&native, "wrong", registration).await;
        let Err(Error::Refused(Refusal::Invalid(faults))) = result else { panic!("{field}: {result:?}") };
        assert_eq!(faults[0].field, field);
    }
}

#[tokio::test]
async fn published_keys_are_registered_by_the_client_itself_and_by_operators() {
    let native = Native::new(Database::Sqlite).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let mut settings = tenant.settings.clone();
    settings.client_registration.is_open = true;
    settings.client_registration.token_hashes = vec![SecretHash::of("initial").to_string()];
    engine.update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await.unwrap();
    let (board, key) = (Board::start().await, key("one"));
    board.publishes(&[&key]);
    let wish = json!({
        "client_name": "App", "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": &*board.uri,
    });
    let made = native.world.server.post(&native.path("register"), Some("initial"), &wish).await.json();
    assert_eq!(made["jwks_uri"].as_str(), Some(&*board.uri), "{made}");
    // It is who it says: refused for the grant, not for the signature.
    let id = made["client_id"].as_str().unwrap();
    let answer = log_in(&native, id, &key).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("unauthorized_client")));
    let mut both = wish.clone();
    both["jwks"] = json!({ "keys": [key.public().to_jwk()] });
    let refused = native.world.server.post(&native.path("register"), Some("initial"), &both).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some("invalid_client_metadata")));
}
