//! Tokens bound to a key (DPoP, RFC 9449; S-11), at every door of the native protocol and at those that take bearer tokens.

use super::{CALLBACK, Native, VERIFIER, claims, location, query};
use crate::arrange::on_both_databases;
use prokura_jose::{
    Algorithm, SigningKey,
    dpop::{ProofMaker, Target},
};
use prokura_testkit::{Answer, Database, TestServer};
use serde_json::{Value, json};

on_both_databases!(
    s11_a_public_clients_tokens_are_bound_to_the_key_it_showed,
    s11_a_confidential_client_may_take_another_key_but_needs_one_when_registered_so,
    s11_a_code_is_bound_to_the_key_named_at_authorize_and_at_par,
    s11_a_proof_counts_once_on_all_nodes,
    s11_a_nonce_is_asked_for_and_told,
    s11_no_door_for_bearer_tokens_takes_a_bound_one,
    s11_an_exchange_does_not_free_a_bound_token,
    s11_a_device_is_bound_too,
);

/// A client's key.
struct Key<'n> {
    key: SigningKey,
    native: &'n Native,
}

impl<'n> Key<'n> {
    fn new(native: &'n Native) -> Self {
        Self { key: SigningKey::generate(Algorithm::Es256, "client".parse().unwrap()).unwrap(), native }
    }

    fn thumbprint(&self) -> String {
        self.key.public().thumbprint().to_string()
    }

    fn make(&self, method: &str, endpoint: &str, token: Option<&str>, id: &str, nonce: Option<&str>) -> String {
        let uri = format!("{}/{endpoint}", self.native.world.tenant.issuer);
        let target = Target { method, uri: &uri, access_token: token };
        ProofMaker { key: &self.key }.make(target, id, nonce, self.native.world.engine().now()).unwrap()
    }

    fn proof(&self, id: &str) -> String {
        self.make("POST", "token", None, id, None)
    }

    async fn redeem(&self, client: &str, code: &str, id: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.native.token_with(client, &fields, Some(&self.proof(id))).await
    }

    async fn refresh(&self, client: &str, token: &str, id: &str) -> Answer {
        refresh(self.native, client, token, Some(&self.proof(id))).await
    }

    async fn userinfo(&self, token: &str, id: &str) -> Answer {
        let proof = self.make("GET", "userinfo", Some(token), id, None);
        userinfo(self.native, token, &proof).await
    }
}

async fn refresh(native: &Native, client: &str, token: &str, proof: Option<&str>) -> Answer {
    native.token_with(client, &[("grant_type", "refresh_token"), ("refresh_token", token)], proof).await
}

async fn userinfo(native: &Native, token: &str, proof: &str) -> Answer {
    let server = &native.world.server;
    let request = server.http.get(format!("{}{}", server.url, native.path("userinfo")));
    server.send(request.header("authorization", format!("DPoP {token}")).header("dpop", proof)).await
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

async fn s11_a_public_clients_tokens_are_bound_to_the_key_it_showed(database: Database) {
    let native = Native::new(database).await;
    let (key, other) = (Key::new(&native), Key::new(&native));
    let code = native.code(&mut native.robot(), "spa", "le-1").await;
    let tokens = key.redeem("spa", &code, "p1").await.json();
    assert_eq!(text(&tokens, "token_type"), "DPoP");
    let access = text(&tokens, "access_token");
    assert_eq!(claims(access)["cnf"], json!({ "jkt": key.thumbprint() }));

    assert_eq!(key.userinfo(access, "p2").await.json()["email"], "ann@a.example");
    assert_eq!(error(&key.userinfo(access, "p2").await), refused(401, "invalid_dpop_proof"), "the same proof twice");
    assert_eq!(error(&other.userinfo(access, "p3").await), refused(401, "invalid_token"), "another key");
    let wrong = key.make("POST", "userinfo", Some(access), "p4", None);
    assert_eq!(error(&userinfo(&native, access, &wrong).await), refused(401, "invalid_dpop_proof"), "another method");
    let bearer = native.userinfo(access).await;
    assert_eq!(error(&bearer), refused(401, "invalid_token"));
    assert!(bearer.headers["www-authenticate"].to_str().unwrap().starts_with("DPoP "));

    // The refresh token is bound as well; who has not the key cannot even end the family.
    let token = text(&tokens, "refresh_token");
    assert_eq!(error(&other.refresh("spa", token, "p5").await), refused(400, "invalid_grant"));
    assert_eq!(error(&refresh(&native, "spa", token, None).await), refused(400, "invalid_dpop_proof"));
    let second = key.refresh("spa", token, "p6").await.json();
    assert_eq!(claims(text(&second, "access_token"))["cnf"]["jkt"], key.thumbprint());
    native.world.server.advance(61);
    assert_eq!(error(&other.refresh("spa", token, "p7").await), refused(400, "invalid_grant"), "rotated before");
    let third = key.refresh("spa", text(&second, "refresh_token"), "p8").await.json();
    let known = introspect(&native, text(&third, "access_token")).await;
    assert_eq!((text(&known, "token_type"), &known["cnf"]["jkt"]), ("DPoP", &json!(key.thumbprint())));

    // A family that began without a key is bound by the first one that is shown.
    let code = native.code(&mut native.robot(), "spa", "le-1").await;
    let free = native.redeem("spa", &code).await.json();
    assert_eq!(text(&free, "token_type"), "Bearer");
    let bound = key.refresh("spa", text(&free, "refresh_token"), "p9").await.json();
    let token = text(&bound, "refresh_token");
    assert_eq!(error(&refresh(&native, "spa", token, None).await), refused(400, "invalid_dpop_proof"));
}

async fn introspect(native: &Native, token: &str) -> Value {
    let server = &native.world.server;
    let request = server.http.post(format!("{}{}", server.url, native.path("introspect")));
    server.send(request.basic_auth("web", Some(&native.secret)).form(&[("token", token)])).await.json()
}

async fn s11_a_confidential_client_may_take_another_key_but_needs_one_when_registered_so(database: Database) {
    let native = Native::new(database).await;
    let (key, other) = (Key::new(&native), Key::new(&native));
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = key.redeem("web", &code, "p1").await.json();
    let next = other.refresh("web", text(&tokens, "refresh_token"), "p2").await.json();
    assert_eq!(claims(text(&next, "access_token"))["cnf"]["jkt"], other.thumbprint());
    let free = refresh(&native, "web", text(&next, "refresh_token"), None).await.json();
    assert_eq!(text(&free, "token_type"), "Bearer");

    native.register("web", |registration| registration.dpop_bound_access_tokens = true).await;
    let token = text(&free, "refresh_token");
    assert_eq!(error(&refresh(&native, "web", token, None).await), refused(400, "invalid_dpop_proof"));
    assert_eq!(text(&key.refresh("web", token, "p3").await.json(), "token_type"), "DPoP");
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    assert_eq!(error(&native.redeem("web", &code).await), refused(400, "invalid_dpop_proof"));
    assert_eq!(key.redeem("web", &code, "p4").await.status, 200, "the refused attempt burned nothing");

    let metadata = native.world.server.get(&native.path(".well-known/openid-configuration"), None).await.json();
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "Ed25519", "RS256"]));
}

async fn s11_a_code_is_bound_to_the_key_named_at_authorize_and_at_par(database: Database) {
    let native = Native::new(database).await;
    let (key, other) = (Key::new(&native), Key::new(&native));
    let mut robot = native.robot();
    native.code(&mut robot, "web", "le-1").await;
    let bound = async |robot: &mut super::Robot<'_>, start: String| {
        let answer = robot.get(&start).await;
        let answer = robot.follow(answer).await;
        query(&location(&answer).unwrap())["code"].clone()
    };
    let start = native.authorize("web", &format!("&legal_entity_id=le-1&dpop_jkt={}", key.thumbprint()));
    let code = bound(&mut robot, start).await;
    assert_eq!(error(&other.redeem("web", &code, "p1").await), refused(400, "invalid_grant"));
    assert_eq!(error(&native.redeem("web", &code).await), refused(400, "invalid_grant"), "without a key");
    assert_eq!(key.redeem("web", &code, "p2").await.status, 200);
    let answer = robot.get(&native.authorize("web", "&dpop_jkt=short")).await;
    assert_eq!(query(&location(&answer).unwrap())["error"], "invalid_request");

    let push = async |proof: Option<&str>, jkt: Option<&str>| {
        let server = &native.world.server;
        let request = server.http.post(format!("{}{}", server.url, native.path("par")));
        let request = request.basic_auth("web", Some(&native.secret));
        let mut fields = vec![
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("code_challenge", super::CHALLENGE),
            ("code_challenge_method", "S256"),
            ("legal_entity_id", "le-1"),
        ];
        fields.extend(jkt.map(|jkt| ("dpop_jkt", jkt)));
        let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
        server.send(request.form(&fields)).await
    };
    let proof = |id| key.make("POST", "par", None, id, None);
    let contradicting = push(Some(&proof("p3")), Some(&other.thumbprint())).await;
    assert_eq!(error(&contradicting), refused(400, "invalid_dpop_proof"));
    for (proof, jkt) in [(Some(proof("p4")), None), (Some(proof("p5")), Some(key.thumbprint()))] {
        let pushed = push(proof.as_deref(), jkt.as_deref()).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text);
        let again = push(proof.as_deref(), jkt.as_deref()).await;
        assert_eq!(error(&again), refused(400, "invalid_dpop_proof"), "the same proof twice");
        let uri = text(&pushed.json(), "request_uri").replace(':', "%3A");
        let code = bound(&mut robot, native.path(&format!("authorize?client_id=web&request_uri={uri}"))).await;
        assert_eq!(error(&other.redeem("web", &code, &uri).await), refused(400, "invalid_grant"));
        assert_eq!(key.redeem("web", &code, &uri).await.status, 200);
    }
}

async fn s11_a_proof_counts_once_on_all_nodes(database: Database) {
    let native = Native::new(database).await;
    let key = Key::new(&native);
    let server = &native.world.server;
    let second = match database {
        Database::Postgres => Some(server.start_second_node().await),
        Database::Sqlite => None,
    };
    let other = second.as_ref().unwrap_or(server);
    let scope = native.world.server.client(
        &native.world.tenant,
        "bk",
        prokura_domain::ClientKind::Confidential,
        "client_credentials",
        "a",
        prokura_domain::RefreshPolicy::Reuse,
    );
    let secret = scope.await.unwrap();
    let ask = async |server: &TestServer, proof: &str| {
        let request = server.http.post(format!("{}{}", server.url, native.path("token")));
        let request = request.basic_auth("bk", Some(secret.expose())).header("dpop", proof);
        server.send(request.form(&[("grant_type", "client_credentials")])).await
    };
    for round in 0..20 {
        let proof = key.proof(&format!("p{round}"));
        let (one, two) = tokio::join!(ask(server, &proof), ask(other, &proof));
        let mut answers = [one.status, two.status];
        answers.sort_unstable();
        assert_eq!(answers, [200, 400], "round {round}");
    }
    for (name, proof) in [
        ("another endpoint", key.make("POST", "userinfo", None, "q1", None)),
        ("another method", key.make("GET", "token", None, "q2", None)),
        ("no proof", "x.y.z".to_owned()),
    ] {
        assert_eq!(error(&ask(server, &proof).await), refused(400, "invalid_dpop_proof"), "{name}");
    }
    let request = server.http.post(format!("{}{}", server.url, native.path("token")));
    let request = request.basic_auth("bk", Some(secret.expose()));
    let request = request.header("dpop", key.proof("q3")).header("dpop", key.proof("q4"));
    let two = server.send(request.form(&[("grant_type", "client_credentials")])).await;
    assert_eq!(error(&two), refused(400, "invalid_dpop_proof"), "two proofs in one request");
    let old = key.proof("q5");
    server.advance(61);
    assert_eq!(error(&ask(server, &old).await), refused(400, "invalid_dpop_proof"), "too old");
}

async fn s11_a_nonce_is_asked_for_and_told(database: Database) {
    let native = Native::new(database).await;
    native.register("spa", |registration| registration.needs_dpop_nonce = true).await;
    let key = Key::new(&native);
    let code = native.code(&mut native.robot(), "spa", "le-1").await;
    let asked = key.redeem("spa", &code, "p1").await;
    assert_eq!(error(&asked), refused(400, "use_dpop_nonce"));
    let nonce = asked.headers["dpop-nonce"].to_str().unwrap().to_owned();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let wrong = key.make("POST", "token", None, "p2", Some("made-up"));
    assert_eq!(error(&native.token_with("spa", &fields, Some(&wrong)).await), refused(400, "use_dpop_nonce"));
    let right = key.make("POST", "token", None, "p3", Some(&nonce));
    let answer = native.token_with("spa", &fields, Some(&right)).await;
    assert_eq!((answer.status, answer.headers["dpop-nonce"].to_str().unwrap()), (200, nonce.as_str()));
    let tokens = answer.json();
    assert_eq!(
        key.userinfo(text(&tokens, "access_token"), "p4").await.status,
        200,
        "the client's own rule is for its tokens"
    );
    native.world.server.advance(601);
    let stale = key.make("POST", "token", None, "p5", Some(&nonce));
    let stale = refresh(&native, "spa", text(&tokens, "refresh_token"), Some(&stale)).await;
    assert_eq!(error(&stale), refused(400, "use_dpop_nonce"), "a nonce is for minutes");

    // A tenant asks everybody, at userinfo as well.
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let mut settings = tenant.settings.clone();
    settings.needs_dpop_nonce = true;
    let system = prokura_engine::Actor::System;
    engine
        .update_tenant(tenant, &tenant.name, true, &settings, None, &system, &crate::arrange::origin())
        .await
        .unwrap();
    let nonce = stale.headers["dpop-nonce"].to_str().unwrap().to_owned();
    let proof = key.make("POST", "token", None, "p6", Some(&nonce));
    let tokens = refresh(&native, "spa", text(&tokens, "refresh_token"), Some(&proof)).await.json();
    let access = text(&tokens, "access_token");
    let asked = key.userinfo(access, "p7").await;
    assert_eq!(error(&asked), refused(401, "use_dpop_nonce"));
    assert!(asked.headers["www-authenticate"].to_str().unwrap().contains("use_dpop_nonce"));
    let nonce = asked.headers["dpop-nonce"].to_str().unwrap();
    let proof = key.make("GET", "userinfo", Some(access), "p8", Some(nonce));
    assert_eq!(userinfo(&native, access, &proof).await.status, 200);
}

async fn s11_no_door_for_bearer_tokens_takes_a_bound_one(database: Database) {
    let native = Native::new(database).await;
    let key = Key::new(&native);
    let code = native.code(&mut native.robot(), "spa", "le-1").await;
    let tokens = key.redeem("spa", &code, "p1").await.json();
    let access = text(&tokens, "access_token");
    let server = &native.world.server;
    for path in ["/customer/acme/me", "/customer/acme/validateauthtoken", "/t/acme/userinfo"] {
        assert_eq!(server.get(path, Some(access)).await.status, 401, "{path}");
    }
    let parameter = format!("/customerlogin/auth/anonymous/refresh?tenant=acme&client_id=sf&anonymous_token={access}");
    assert!(server.get(&parameter, None).await.status >= 400);
    // Whoever feeds a gateway has checked the proof, so the question itself is answered.
    let resolved = server.post("/gateway/v1/resolve", Some("gateway-secret"), &json!({ "token": access })).await;
    assert_eq!(resolved.status, 200);
    let use_up = async |until: i64| {
        let body = json!({ "tenant": "acme", "id": "key/p1", "until": until });
        server.post("/gateway/v1/proofs", Some("gateway-secret"), &body).await
    };
    let until = native.world.engine().now().plus_seconds(60).millis();
    assert_eq!(use_up(until).await.json(), json!({ "is_first": true }));
    assert_eq!(use_up(until).await.json(), json!({ "is_first": false }));
    assert_eq!(use_up(until + 3_600_000).await.status, 400, "nothing is remembered for long");
    let body = json!({ "tenant": "acme", "id": "key/p2", "until": until });
    assert_eq!(server.post("/gateway/v1/proofs", Some("wrong"), &body).await.status, 401);
    // It is still the client's to take back.
    let revoked = server.http.post(format!("{}{}", server.url, native.path("revoke")));
    assert_eq!(server.send(revoked.form(&[("client_id", "spa"), ("token", access)])).await.status, 200);
    assert_eq!(error(&key.userinfo(access, "p2").await), refused(401, "invalid_token"));
}

async fn s11_an_exchange_does_not_free_a_bound_token(database: Database) {
    let native = Native::new(database).await;
    let (key, other) = (Key::new(&native), Key::new(&native));
    let code = native.code(&mut native.robot(), "spa", "le-1").await;
    let tokens = key.redeem("spa", &code, "p1").await.json();
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", text(&tokens, "access_token")),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("legal_entity_id", "le-2"),
    ];
    let free = native.token_with("spa", &fields, None).await;
    assert_eq!(error(&free), refused(400, "invalid_dpop_proof"));
    let moved = native.token_with("spa", &fields, Some(&other.proof("p2"))).await;
    assert_eq!(error(&moved), refused(400, "invalid_dpop_proof"));
    let kept = native.token_with("spa", &fields, Some(&key.proof("p3"))).await.json();
    assert_eq!((text(&kept, "token_type"), text(&kept, "legal_entity_id")), ("DPoP", "le-2"));
    assert_eq!(claims(text(&kept, "access_token"))["cnf"]["jkt"], key.thumbprint());
}

async fn s11_a_device_is_bound_too(database: Database) {
    let native = Native::new(database).await;
    native.register("spa", |registration| registration.dpop_bound_access_tokens = true).await;
    let key = Key::new(&native);
    let server = &native.world.server;
    let request = server.http.post(format!("{}{}", server.url, native.path("device_authorization")));
    let device = server.send(request.form(&[("client_id", "spa"), ("scope", "openid")])).await.json();
    let mut robot = native.robot();
    native.code(&mut robot, "web", "le-1").await;
    let page = robot.get(&native.path("device")).await;
    let page = robot.follow(page).await;
    let code = ("user_code", text(&device, "user_code"));
    let asked = robot.submit(&super::form(&page), &[code, ("action", "continue")]).await;
    assert_eq!(robot.submit(&super::form(&asked), &[("action", "allow")]).await.status, 200);
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let fields = [grant, ("device_code", text(&device, "device_code"))];
    let without = native.token_with("spa", &fields, None).await;
    assert_eq!(error(&without), refused(400, "invalid_dpop_proof"));
    let tokens = native.token_with("spa", &fields, Some(&key.proof("p1"))).await.json();
    assert_eq!(text(&tokens, "token_type"), "DPoP");
    let token = text(&tokens, "refresh_token");
    assert_eq!(error(&refresh(&native, "spa", token, None).await), refused(400, "invalid_dpop_proof"));
}
