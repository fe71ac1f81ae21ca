//! Tokens that are bound to a key (S-11, RFC 9449), and tokens for one resource alone (S-32).

use crate::support::{ANNA, ROUTES, Running, start, start_with};
use prokura_domain::Clock as _;
use prokura_jose::{
    Algorithm, SigningKey,
    dpop::{ProofMaker, Target},
};

const HOST: &str = "http://shop.example";

struct Holder {
    key: SigningKey,
    token: String,
}

impl Holder {
    fn of(gateway: &Running) -> Self {
        let key = SigningKey::generate(Algorithm::Es256, "c1".parse().unwrap()).unwrap();
        let token = gateway.token_with(&ANNA, 300, Some(key.public().thumbprint()), None);
        Self { key, token }
    }

    fn proof(&self, gateway: &Running, method: &str, uri: &str, id: &str) -> String {
        let target = Target { method, uri, access_token: Some(&self.token) };
        ProofMaker { key: &self.key }.make(target, id, None, gateway.clock.now()).unwrap()
    }

    fn fields(&self, proof: &str) -> String {
        format!("Authorization: DPoP {}\r\nDPoP: {proof}\r\n", self.token)
    }
}

#[tokio::test]
async fn s11_a_bound_token_passes_with_a_new_proof_of_its_key_only() {
    let gateway = start().await;
    let anna = Holder::of(&gateway);
    let uri = format!("{HOST}/orders");
    let good = anna.fields(&anna.proof(&gateway, "GET", &uri, "p1"));
    let answer = gateway.get("/orders?x=1", &good).await;
    assert_eq!(answer.status, 200);
    assert!(!gateway.received().concat().to_lowercase().contains("dpop"), "neither token nor proof goes on");
    let again = gateway.get("/orders?x=1", &good).await;
    assert_eq!(again.status, 401, "the same proof twice");
    assert_eq!(again.values("www-authenticate"), [r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA RS256""#]);

    let bearer = format!("Authorization: Bearer {}\r\n", anna.token);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 401, "as a bearer token");
    let with_proof = format!("{bearer}DPoP: {}\r\n", anna.proof(&gateway, "GET", &uri, "p2"));
    assert_eq!(gateway.get("/orders", &with_proof).await.status, 401, "as a bearer token, with a proof");
    let without = format!("Authorization: DPoP {}\r\n", anna.token);
    assert_eq!(gateway.get("/orders", &without).await.status, 401, "without a proof");
    let thief = Holder { key: Holder::of(&gateway).key, token: anna.token.clone() };
    for (name, proof) in [
        ("another method", anna.proof(&gateway, "POST", &uri, "p3")),
        ("another path", anna.proof(&gateway, "GET", &format!("{HOST}/company"), "p4")),
        ("another host", anna.proof(&gateway, "GET", "http://evil.example/orders", "p5")),
        ("another scheme", anna.proof(&gateway, "GET", "https://shop.example/orders", "p6")),
        ("another key", thief.proof(&gateway, "GET", &uri, "p7")),
        ("no proof", "x".to_owned()),
    ] {
        assert_eq!(gateway.get("/orders", &anna.fields(&proof)).await.status, 401, "{name}");
    }
    let old = anna.proof(&gateway, "GET", &uri, "p8");
    gateway.advance_in_touch(61);
    assert_eq!(gateway.get("/orders", &anna.fields(&old)).await.status, 401, "too old");
    let two = format!("{}DPoP: {old}\r\n", anna.fields(&old));
    assert_eq!(gateway.get("/orders", &two).await.status, 400, "two proofs");
    let free = Holder { token: gateway.token(&ANNA), ..anna };
    let proof = free.proof(&gateway, "GET", &uri, "p9");
    assert_eq!(gateway.get("/orders", &free.fields(&proof)).await.status, 401, "a token that is bound to no key");
}

#[tokio::test]
async fn s11_an_upstream_that_gets_the_token_gets_the_proof() {
    let gateway = start().await;
    let anna = Holder::of(&gateway);
    let proof = anna.proof(&gateway, "GET", &format!("{HOST}/keeps"), "p1");
    assert_eq!(gateway.get("/keeps", &anna.fields(&proof)).await.status, 200);
    let received = gateway.received().concat();
    assert!(received.contains(&format!("DPoP {}", anna.token)) && received.contains(&proof), "{received}");
    // Where credentials go through unread, so do proofs.
    assert_eq!(gateway.get("/transparent", "Authorization: DPoP x\r\nDPoP: y\r\n").await.status, 200);
    assert!(gateway.received().concat().contains("DPoP x"));
}

#[tokio::test]
async fn s11_behind_a_trusted_proxy_the_address_is_the_one_it_was_asked_by() {
    let gateway = start_with(ROUTES, r#", "trusted_peers": ["127.0.0.1"]"#).await;
    let anna = Holder::of(&gateway);
    let outside = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: www.example\r\n";
    let proof = anna.proof(&gateway, "GET", "https://www.example/orders", "p1");
    let fields = format!("{}{outside}", anna.fields(&proof));
    assert_eq!(gateway.get("/orders", &fields).await.status, 200);
    let proof = anna.proof(&gateway, "GET", &format!("{HOST}/orders"), "p2");
    let fields = format!("{}{outside}", anna.fields(&proof));
    assert_eq!(gateway.get("/orders", &fields).await.status, 401);
    // Nobody else may say how it was asked.
    let gateway = start().await;
    let anna = Holder::of(&gateway);
    let proof = anna.proof(&gateway, "GET", "https://www.example/orders", "p1");
    let fields = format!("{}{outside}", anna.fields(&proof));
    assert_eq!(gateway.get("/orders", &fields).await.status, 401);
}

#[tokio::test]
async fn s11_another_proxy_asks_with_method_and_address() {
    let gateway = start_with(ROUTES, r#", "trusted_peers": ["127.0.0.1"]"#).await;
    let anna = Holder::of(&gateway);
    let asked = "X-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /orders?x=1\r\n";
    let uri = "https://shop.example/orders";
    let proof = anna.proof(&gateway, "PUT", uri, "p1");
    let fields = format!("{}{asked}X-Forwarded-Method: PUT\r\n", anna.fields(&proof));
    let answer = gateway.get("/forward-auth", &fields).await;
    assert_eq!((answer.status, answer.values("legalentityid")), (200, vec!["E1".to_owned()]));
    assert_eq!(gateway.get("/forward-auth", &fields).await.status, 401, "the same proof twice");
    let proof = anna.proof(&gateway, "PUT", uri, "p2");
    let fields = format!("{}{asked}X-Forwarded-Method: POST\r\n", anna.fields(&proof));
    assert_eq!(gateway.get("/forward-auth", &fields).await.status, 401, "another method");
    let fields = format!("{}{asked}", anna.fields(&proof));
    assert_eq!(gateway.get("/forward-auth", &fields).await.status, 401, "no method");
    let bearer = format!("Authorization: Bearer {}\r\n{asked}X-Forwarded-Method: PUT\r\n", anna.token);
    assert_eq!(gateway.get("/forward-auth", &bearer).await.status, 401);
}

#[tokio::test]
async fn s32_a_token_for_one_resource_passes_where_the_route_names_it() {
    let routes = r#"
        {"path": "/orders", "upstream": "UPSTREAM", "require": "customer", "audience": "https://orders.example"},
        {"path": "/", "upstream": "UPSTREAM", "require": "customer"}"#;
    let gateway = start_with(routes, "").await;
    let bearer = |audience| format!("Authorization: Bearer {}\r\n", gateway.token_with(&ANNA, 300, None, audience));
    for (audience, orders, rest) in [
        (None, 401, 200),
        (Some("https://orders.example"), 200, 401),
        (Some("https://other.example"), 401, 401),
        (Some("urn:stock https://orders.example"), 200, 401),
        (Some("urn:stock urn:other"), 401, 401),
    ] {
        assert_eq!(gateway.get("/orders", &bearer(audience)).await.status, orders, "{audience:?}");
        assert_eq!(gateway.get("/cart", &bearer(audience)).await.status, rest, "{audience:?}");
    }
}
