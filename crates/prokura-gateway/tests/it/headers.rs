//! What reaches an upstream: S-50 to S-52, S-55, S-60, E-21.

use crate::support::{ANNA, ANNA_ALONE, Answer, GUEST, ROUTES, Running, http2, start, start_with};

/// Spellings of the legal entity header a client may try, all valid field names.
pub(crate) const SPELLINGS: [&str; 14] = [
    "legalEntityId",
    "legalentityid",
    "LEGALENTITYID",
    "Legal-Entity-Id",
    "LEGAL-ENTITY-ID",
    "legal_entity_id",
    "Legal_Entity-Id",
    "legal.entity.id",
    "legal!entity~id",
    "X-Legal-Entity-Id",
    "x_legalEntityId",
    "Legal-Entity",
    "X-Prokura-Customer",
    "x.prokura.tenant",
];

pub(crate) fn forged() -> String {
    SPELLINGS.map(|name| format!("{name}: E9\r\n{name}: E8\r\n")).concat()
}

/// Nothing the client forged may be in what the upstream received.
pub(crate) fn assert_clean(answer: &Answer) {
    assert!(!answer.body.contains("E9") && !answer.body.contains("E8"), "{}", answer.body);
}

#[tokio::test]
async fn s50_no_spelling_of_a_protected_header_passes_over_http1() {
    let gateway = start().await;
    let answer = gateway.get("/public/x", &forged()).await;
    assert_eq!(answer.status, 200);
    assert_clean(&answer);
    assert!(!answer.echoed_folds().iter().any(|fold| fold.contains("legalentity") || fold.contains("prokura")));

    let answer = gateway.get("/orders", &(gateway.bearer(&ANNA) + &forged())).await;
    assert_eq!(answer.status, 200);
    assert_clean(&answer);
    assert_eq!(answer.echoed("legalEntityId"), ["E1"], "spelled as configured, exactly once: {}", answer.body);
    assert_eq!(answer.echoed("Legal-Entity-Id"), ["E1"]);
    assert_eq!(answer.echoed("X-Prokura-Customer"), ["anna"]);
    let entities = answer.echoed_folds().iter().filter(|fold| fold.ends_with("legalentityid")).count();
    assert_eq!(entities, 2, "{}", answer.body);
}

#[tokio::test]
async fn s50_no_spelling_of_a_protected_header_passes_over_http2() {
    let gateway = start().await;
    let token = format!("Bearer {}", gateway.token(&ANNA));
    let lower: Vec<String> = SPELLINGS.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut fields: Vec<(&str, &str)> = lower.iter().map(|name| (name.as_str(), "E9")).collect();
    let answer = http2(gateway.address, "/public/x", &fields, "", &[]).await;
    assert_eq!(answer.status, 200);
    assert_clean(&answer);
    fields.push(("authorization", &token));
    let answer = http2(gateway.address, "/orders", &fields, "", &[]).await;
    assert_eq!(answer.status, 200);
    assert_clean(&answer);
    assert_eq!(answer.echoed("legalEntityId"), ["E1"]);
}

#[tokio::test]
async fn s51_a_client_cannot_have_an_injected_field_removed() {
    let gateway = start().await;
    for listed in ["close, legalEntityId", "close, Legal-Entity-Id, x-prokura-customer", "close, authorization"] {
        let raw = format!(
            "GET /company HTTP/1.1\r\nHost: shop.example\r\nConnection: {listed}\r\n{}\r\n",
            gateway.bearer(&ANNA)
        );
        let answer = crate::support::exchange(gateway.address, raw.as_bytes()).await;
        assert_eq!(answer.status, 200, "{listed}");
        assert_eq!(answer.echoed("legalEntityId"), ["E1"], "{listed}");
        assert_eq!(answer.echoed("X-Prokura-Customer"), ["anna"], "{listed}");
    }
}

#[tokio::test]
async fn s52_trailers_never_arrive_over_http1() {
    let gateway = start().await;
    let fields = gateway.bearer(&ANNA) + "Transfer-Encoding: chunked\r\nTrailer: legalEntityId\r\nTE: trailers\r\n";
    let body = "3\r\nabc\r\n0\r\nlegalEntityId: E9\r\nX-Other: E9\r\n\r\n";
    let answer = gateway.send("POST /orders", &fields, body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("abc"));
    assert_clean(&answer);
    assert!(answer.echoed("trailer").is_empty() && answer.echoed("te").is_empty());
}

#[tokio::test]
async fn s52_trailers_never_arrive_over_http2() {
    let gateway = start().await;
    let token = format!("Bearer {}", gateway.token(&ANNA));
    let trailers = [("legalentityid", "E9"), ("x-other", "E9")];
    let answer = http2(gateway.address, "/orders", &[("authorization", &token)], "abc", &trailers).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("abc"));
    assert_clean(&answer);
}

#[tokio::test]
async fn s52_hop_by_hop_fields_of_an_answer_stop_here() {
    let gateway = start().await;
    let answer = gateway.get("/public/cookies", "").await;
    assert!(answer.values("x-private").is_empty() && answer.values("keep-alive").is_empty(), "{}", answer.head);
    assert_eq!(answer.values("x-content-type-options"), ["nosniff"]);
}

const FORWARDED: &str = "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Uri: /public/x\r\nX-Forwarded-Host: evil\r\n\
    X-Real-IP: 10.9.9.9\r\nForwarded: for=10.9.9.9\r\nX-Original-URL: /public/x\r\nX-Client-Cert: evil\r\n\
    X_Forwarded_For: 10.9.9.9\r\nX-Forwarded-Proto: https\r\nUser-Agent: ELB-HealthChecker/2.0 kube-probe/1.29\r\n";

#[tokio::test]
async fn s55_forwarded_fields_of_strangers_are_dropped_and_rebuilt() {
    let gateway = start().await;
    assert_eq!(gateway.get("/orders", FORWARDED).await.status, 401, "neither a header nor a probe opens a route");
    let answer = gateway.get("/public/x", FORWARDED).await;
    assert!(!answer.body.contains("10.9.9.9") && !answer.body.contains("evil"), "{}", answer.body);
    assert_eq!(answer.echoed("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.echoed("x-forwarded-host"), ["shop.example"]);
    assert_eq!(answer.echoed("x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn s55_forwarded_fields_of_a_trusted_peer_are_continued() {
    let gateway = start_with(ROUTES, r#", "trusted_peers": ["127.0.0.0/8"]"#).await;
    let answer = gateway.get("/public/x", FORWARDED).await;
    assert_eq!(answer.echoed("x-forwarded-for"), ["10.9.9.9, 127.0.0.1"]);
    assert_eq!(answer.echoed("x-forwarded-proto"), ["https"]);
    assert_eq!(gateway.get("/orders", FORWARDED).await.status, 401, "trust in an address is no login");
}

#[tokio::test]
async fn s60_credentials_stop_at_the_gateway() {
    let gateway = start().await;
    let cookies = "Cookie: a=b; __Host-prokura_sid=secret-1; c=d\r\nCookie: prokura_x=secret-2\r\n\
        Proxy-Authorization: Basic secret-3\r\nAuthorization_: secret-4\r\n";
    let answer = gateway.get("/orders", &(gateway.bearer(&ANNA) + cookies)).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("secret") && !answer.body.contains("Bearer"), "{}", answer.body);
    assert_eq!(answer.echoed("cookie"), ["a=b; c=d"]);

    let bearer = gateway.bearer(&ANNA);
    let answer = gateway.get("/keeps", &bearer).await;
    assert_eq!(answer.echoed("authorization").len(), 1, "only where the route says so");
    let answer = gateway.get("/transparent", "Authorization: Basic YTpi\r\n").await;
    assert_eq!(answer.echoed("authorization"), ["Basic YTpi"], "an upstream that checks credentials itself");
    assert!(answer.echoed("legalEntityId").is_empty());

    let answer = gateway.get("/public/cookies", "").await;
    assert_eq!(answer.values("set-cookie"), ["theirs=1"]);
}

#[tokio::test]
async fn s60_an_assertion_is_for_one_upstream_and_short() {
    let gateway = start().await;
    let token = gateway.token(&ANNA);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let assertion = async |path: &str, gateway: &Running| {
        let answer = gateway.get(path, &bearer).await;
        assert_eq!(answer.status, 200);
        answer.echoed("X-Prokura-Assertion").pop().expect("an assertion")
    };
    let for_a = assertion("/signed-a", &gateway).await;
    assert_eq!(assertion("/signed-a", &gateway).await, for_a, "the same one serves again");
    let for_b = assertion("/signed-b", &gateway).await;
    let answer = gateway.get("/orders", &format!("{bearer}X-Prokura-Assertion: {for_a}\r\n")).await;
    assert!(answer.echoed("X-Prokura-Assertion").is_empty(), "only where the route says so");

    // An upstream's own check, with nothing but the published keys.
    let jwks = gateway.get("/.well-known/prokura-gateway-jwks.json", "").await;
    assert_eq!(jwks.status, 200);
    let jwks: serde_json::Value = serde_json::from_str(&jwks.body).unwrap();
    let keys: Vec<_> =
        jwks["keys"].as_array().unwrap().iter().map(|jwk| prokura_jose::PublicKey::from_jwk(jwk).unwrap()).collect();
    let check = |assertion: &str, audience: &str| {
        let verified = prokura_jose::verify_jws(
            assertion,
            &keys,
            &[prokura_jose::JwsAlgorithm::Es256],
            Some("prokura-assertion+jwt"),
        )
        .unwrap();
        assert_eq!(verified.typ.as_deref(), Some("prokura-assertion+jwt"));
        let claims: serde_json::Value = serde_json::from_slice(&verified.payload).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        assert_eq!((&claims["sub"], &claims["legal_entity_id"]), (&"anna".into(), &"E1".into()));
        claims["aud"] == audience
    };
    assert!(check(&for_a, "a") && check(&for_b, "b"));
    assert!(!check(&for_a, "b"), "what is for one upstream is refused by the other");

    gateway.advance_in_touch(31);
    assert_ne!(assertion("/signed-a", &gateway).await, for_a, "half way through it is made anew");
    let used = gateway.get("/orders", &format!("Authorization: Bearer {for_a}\r\n")).await;
    assert_eq!(used.status, 401, "S-32: an assertion is no access token");
}

#[tokio::test]
async fn e21_the_upstream_sees_the_tokens_entity_and_none_without() {
    let gateway = start().await;
    let sent = "Legal-Entity-Id: le-9\r\nlegalEntityId: le-9\r\nLEGALENTITYID: le-9\r\n";
    let answer = gateway.get("/orders", &(gateway.bearer(&ANNA) + sent)).await;
    assert_eq!(answer.echoed("legalEntityId"), ["E1"]);
    assert_eq!(answer.echoed("Legal-Entity-Id"), ["E1"]);
    assert!(!answer.body.contains("le-9"));
    let answer = gateway.get("/orders", &(gateway.bearer(&ANNA_ALONE) + sent)).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.echoed_folds().contains(&"legalentityid".to_owned()), "{}", answer.body);
}

#[tokio::test]
async fn routes_name_their_headers_and_what_a_guest_is() {
    let gateway = start().await;
    let answer = gateway.get("/renamed", &(gateway.bearer(&ANNA) + "X-Company: E9\r\nx_buyer: E9\r\n")).await;
    assert_eq!(answer.echoed("X-Company"), ["E1"]);
    assert_eq!(answer.echoed("X-Buyer"), ["anna"]);
    assert!(answer.echoed("legalEntityId").is_empty() && answer.echoed("X-Prokura-Tenant").is_empty());
    assert_clean(&answer);
    // A name one route injects is protected on all.
    assert_clean(&gateway.get("/public/x", "X-Company: E9\r\n").await);

    let answer = gateway.get("/named-guest", "legalEntityId: E9\r\n").await;
    assert_eq!(answer.echoed("legalEntityId"), ["public"]);
    let answer = gateway.get("/named-guest", &gateway.bearer(&GUEST)).await;
    assert_eq!(answer.echoed("legalEntityId"), ["public"]);
    assert_eq!(answer.echoed("X-Prokura-Subject"), ["guest"]);
    let answer = gateway.get("/named-guest", &gateway.bearer(&ANNA)).await;
    assert_eq!(answer.echoed("legalEntityId"), ["E1"]);
}
