//! A guarded service in front of a real server: tokens come over HTTP, keys come over HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected must fail")]

use axum::{Extension, Json, Router, body::Body, routing::get};
use http::{Request, StatusCode};
use prokura_domain::{ClientKind, Clock, RefreshPolicy};
use prokura_engine::{Actor, ClientChange, Origin, Tenant};
use prokura_jose::{
    Algorithm, Secret, SigningKey,
    dpop::{ProofMaker, Target},
};
use prokura_testkit::{Acme, Options, TestServer};
use prokura_tower::{Caller, Guard, Issuer, IssuerError, Level};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

struct World {
    server: TestServer,
    tenant: Arc<Tenant>,
    secret: Secret,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start_with(Options { is_own_issuer: true, ..Options::default() }).await;
        let tenant = server.tenant("acme").await;
        let (grants, policy) = ("client_credentials guest", RefreshPolicy::Reuse);
        let scopes = "orders.read orders.write";
        let secret = server.client(&tenant, "bk", ClientKind::Confidential, grants, scopes, policy).await.unwrap();
        server.client(&tenant, "sf", ClientKind::Public, "guest", "", policy).await;
        Self { server, tenant, secret }
    }

    async fn issuer(&self) -> Issuer {
        Issuer::builder(&self.tenant.issuer)
            .clock(Arc::clone(&self.server.clock) as Arc<dyn Clock>)
            .discover()
            .await
            .unwrap()
    }

    async fn token(&self, fields: &[(&str, &str)], proof: Option<&str>) -> String {
        let request = self.server.http.post(format!("{}/t/acme/token", self.server.url));
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(fields);
        let request = request.basic_auth("bk", Some(self.secret.expose())).form(&form);
        let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
        let answer = self.server.send(request).await.json();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    async fn guest(&self) -> String {
        let answer = self.server.get("/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf", None).await.json();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

async fn who(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "client": caller.standing().client.as_str(), "sub": caller.subject() }))
}

fn service(guard: Guard) -> Router {
    Router::new().route("/who", get(who)).layer(guard)
}

async fn ask(service: &Router, fields: &[(&str, &str)]) -> (StatusCode, String, Value) {
    let mut request = Request::get("/who?x=1");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(service.clone(), request).await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, challenge.unwrap_or_default(), serde_json::from_slice(&body).unwrap())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_passes_and_says_who_asks() {
    let world = World::new().await;
    let issuer = world.issuer().await;
    let machines = service(Guard::new(issuer.clone()).allow_machines().require_scope("orders.read".parse().unwrap()));
    let token = world.token(&[], None).await;
    let (status, _, body) = ask(&machines, &[("authorization", &bearer(&token))]).await;
    assert_eq!((status, body["client"].as_str(), body["sub"].as_str()), (StatusCode::OK, Some("bk"), Some("bk")));

    let (status, challenge, _) = ask(&machines, &[]).await;
    assert_eq!((status, challenge.as_str()), (StatusCode::UNAUTHORIZED, "Bearer"));
    for bad in ["Bearer x", "Basic YTpi", "Bearer", "Bearer a b", &bearer(&format!("{token}x"))] {
        let (status, challenge, _) = ask(&machines, &[("authorization", bad)]).await;
        assert_eq!(
            (status, challenge.as_str()),
            (StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#),
            "{bad}"
        );
    }
    let twice = [("authorization", bearer(&token)), ("authorization", bearer(&token))];
    let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(ask(&machines, &twice).await.0, StatusCode::BAD_REQUEST);

    let narrow = world.token(&[("scope", "orders.write")], None).await;
    let (status, challenge, _) = ask(&machines, &[("authorization", &bearer(&narrow))]).await;
    let wanted = r#"Bearer error="insufficient_scope", scope="orders.read""#;
    assert_eq!((status, challenge.as_str()), (StatusCode::FORBIDDEN, wanted));

    // A guest is nobody, a machine is no customer, and neither acts for a company.
    let guest = bearer(&world.guest().await);
    for (guard, for_guest, for_machine) in [
        (Guard::new(issuer.clone()).require(Level::Guest), 200, 403),
        (Guard::new(issuer.clone()), 403, 403),
        (Guard::new(issuer.clone()).require_entity(), 403, 403),
    ] {
        let service = service(guard);
        assert_eq!(ask(&service, &[("authorization", &guest)]).await.0, for_guest);
        assert_eq!(ask(&service, &[("authorization", &bearer(&token))]).await.0, for_machine);
    }
    world.server.advance(i64::from(world.tenant.settings.lifetimes.service) + 1);
    assert_eq!(ask(&machines, &[("authorization", &bearer(&token))]).await.0, StatusCode::UNAUTHORIZED, "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_another_tenants_token_and_another_kind_of_token_are_refused() {
    let world = World::new().await;
    let service = service(Guard::new(world.issuer().await).allow_machines());
    let beta = world.server.tenant("beta").await;
    let policy = RefreshPolicy::Reuse;
    let client = world.server.client(&beta, "other", ClientKind::Confidential, "client_credentials", "", policy);
    let secret = client.await.unwrap();
    let request = world.server.http.post(format!("{}/t/beta/token", world.server.url));
    let request = request.basic_auth("other", Some(secret.expose())).form(&[("grant_type", "client_credentials")]);
    let token = world.server.send(request).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&service, &[("authorization", &bearer(&token))]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_bound_token_needs_a_proof_for_this_service() {
    let world = World::new().await;
    let issuer = world.issuer().await;
    let key = SigningKey::generate(Algorithm::Es256, "c".parse().unwrap()).unwrap();
    let proof = |method: &str, uri: &str, token: Option<&str>, id: &str| {
        let target = Target { method, uri, access_token: token };
        ProofMaker { key: &key }.make(target, id, None, world.server.clock.now()).unwrap()
    };
    let at = format!("{}/token", world.tenant.issuer);
    let token = world.token(&[], Some(&proof("POST", &at, None, "1"))).await;
    let guard = Guard::new(issuer).allow_machines();
    let (takes, refuses) = (service(guard.clone().bound_tokens("https://orders.example")), service(guard));
    let (dpop, here) = (format!("DPoP {token}"), "https://orders.example/who");
    let good = proof("GET", here, Some(&token), "2");
    let fields = [("authorization", dpop.as_str()), ("dpop", good.as_str())];
    assert_eq!(ask(&refuses, &fields).await.0, StatusCode::UNAUTHORIZED, "nobody said where this is");
    assert_eq!(ask(&takes, &fields).await.0, StatusCode::OK);
    let (status, challenge, _) = ask(&takes, &fields).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "the same proof twice");
    assert!(challenge.starts_with("DPoP error="), "{challenge}");
    assert_eq!(
        ask(&takes, &[("authorization", &bearer(&token))]).await.0,
        StatusCode::UNAUTHORIZED,
        "as a bearer token"
    );
    for (name, bad) in [
        ("another address", proof("GET", "https://other.example/who", Some(&token), "3")),
        ("another method", proof("POST", here, Some(&token), "4")),
        ("another token", proof("GET", here, Some("x"), "5")),
    ] {
        let fields = [("authorization", dpop.as_str()), ("dpop", bad.as_str())];
        assert_eq!(ask(&takes, &fields).await.0, StatusCode::UNAUTHORIZED, "{name}");
    }
    let free = world.token(&[], None).await;
    let fields = [("authorization", format!("DPoP {free}")), ("dpop", proof("GET", here, Some(&free), "6"))];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(ask(&takes, &fields).await.0, StatusCode::UNAUTHORIZED, "a token that is bound to no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_enough_is_answered_by_what_would_be() {
    let acme = Acme::start_with(Options { is_own_issuer: true, ..Options::default() }).await;
    let clock = Arc::clone(&acme.server.clock) as Arc<dyn Clock>;
    let issuer = Issuer::builder(&acme.tenant.issuer).clock(clock).discover().await.unwrap();
    let token = bearer(&acme.log_in("ann").await.access);
    let age = |seconds| Guard::new(issuer.clone()).max_login_age(Duration::from_secs(seconds));
    let (young, sure) = (service(age(60)), service(age(60).require_multi_factor()));
    assert_eq!(ask(&young, &[("authorization", &token)]).await.0, StatusCode::OK);
    let (status, challenge, body) = ask(&sure, &[("authorization", &token)]).await;
    let wanted = r#"Bearer error="insufficient_user_authentication", acr_values="urn:prokura:acr:2fa", max_age="60""#;
    assert_eq!((status, challenge.as_str()), (StatusCode::UNAUTHORIZED, wanted));
    assert_eq!(body["detail"], "a surer or newer login is needed");
    acme.server.advance(61);
    let (status, challenge, _) = ask(&young, &[("authorization", &token)]).await;
    let wanted = r#"Bearer error="insufficient_user_authentication", max_age="60""#;
    assert_eq!((status, challenge.as_str()), (StatusCode::UNAUTHORIZED, wanted));
    assert_eq!(ask(&service(age(61)), &[("authorization", &token)]).await.0, StatusCode::OK);
    // A guest never logged in, and is no customer first of all.
    let guest = bearer(&acme.guest().await.access);
    assert_eq!(ask(&young, &[("authorization", &guest)]).await.0, StatusCode::FORBIDDEN);
    let open = service(age(60).require(Level::Guest));
    assert_eq!(ask(&open, &[("authorization", &guest)]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_token_for_several_resources_passes_at_each() {
    let world = World::new().await;
    let issuer = world.issuer().await;
    let of = ["https://orders.example", "urn:stock"];
    let (engine, id) = (&world.server.engine, "bk".parse().unwrap());
    let mut registration = engine.client(&world.tenant, &id).await.unwrap().registration;
    registration.resources = of.map(str::to_owned).to_vec();
    let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
    let (actor, origin) = (Actor::System, Origin::local("test"));
    engine.update_client(&world.tenant, &id, &change, None, &actor, &origin).await.unwrap();
    let both = bearer(&world.token(&of.map(|resource| ("resource", resource)), None).await);
    for (audience, expected) in [(Some(of[0]), 200), (Some(of[1]), 200), (Some("urn:other"), 401), (None, 401)] {
        let guard = Guard::new(issuer.clone()).allow_machines();
        let guard = if let Some(audience) = audience { guard.audience(audience) } else { guard };
        assert_eq!(ask(&service(guard), &[("authorization", &both)]).await.0, expected, "{audience:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s41_a_new_key_counts_without_a_restart() {
    let world = World::new().await;
    let service = service(Guard::new(world.issuer().await).allow_machines());
    let (engine, origin) = (&world.server.engine, Origin::local("test"));
    engine.rotate_keys(&world.tenant, true, &Actor::System, &origin).await.unwrap();
    let token = world.token(&[], None).await;
    let bearer = bearer(&token);
    assert_eq!(ask(&service, &[("authorization", &bearer)]).await.0, StatusCode::UNAUTHORIZED, "asked a moment ago");
    world.server.advance(60);
    assert_eq!(ask(&service, &[("authorization", &bearer)]).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_the_issuer_is_not_believed() {
    let world = World::new().await;
    for (issuer, is_malformed) in [
        (format!("{}/t/nobody", world.server.url), false),
        (format!("{}/t/acme/", world.server.url), true),
        ("http://id.example/t/acme".to_owned(), false),
        (world.server.url.clone(), true),
    ] {
        let result = Issuer::discover(&issuer).await;
        assert_eq!(matches!(result, Err(IssuerError::Malformed(_))), is_malformed, "{issuer}: {result:?}");
        assert!(result.is_err(), "{issuer}");
    }
    // The same server by another name names another issuer.
    let other = world.tenant.issuer.replace("127.0.0.1", "localhost");
    assert!(matches!(Issuer::discover(&other).await, Err(IssuerError::OtherIssuer(_))));
    // A switched-off client's tokens are good here until they end: there is no feed.
    let service = service(Guard::new(world.issuer().await).allow_machines());
    let token = world.token(&[], None).await;
    let change = ClientChange { is_active: Some(false), ..ClientChange::default() };
    let (engine, id, origin) = (&world.server.engine, "bk".parse().unwrap(), Origin::local("test"));
    engine.update_client(&world.tenant, &id, &change, None, &Actor::System, &origin).await.unwrap();
    assert_eq!(ask(&service, &[("authorization", &bearer(&token))]).await.0, StatusCode::OK);
}
