//! Tokens for one resource alone (RFC 8707), for actors (RFC 8693), and signed answers about tokens (RFC 9701).

use super::{CALLBACK, Native, VERIFIER, claims, location, query};
use crate::arrange::on_both_databases;
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_jose::{Claims, JwsAlgorithm, PublicKey, verify_jws};
use prokura_testkit::{Answer, Database};
use serde_json::{Value, json};

on_both_databases!(
    s32_a_token_for_one_resource_counts_nowhere_else_and_grows_no_more,
    s32_a_token_for_several_resources_is_narrowed_and_never_widened,
    an_actor_is_named_and_kept_and_only_who_may_acts,
    s30_a_signed_answer_is_for_who_asked_and_no_token,
    s12_scripts_of_strangers_get_no_answer,
);

const ORDERS: &str = "https://orders.example/api";
const STOCK: &str = "urn:stock";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn refused(word: &str) -> (u16, String) {
    (400, word.to_owned())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

async fn exchange(native: &Native, subject: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS)];
    fields.extend(more);
    native.token("web", &fields).await
}

async fn ask(native: &Native, client: &str, secret: &str, token: &str, accept: Option<&str>) -> Answer {
    let server = &native.world.server;
    let request = server.http.post(format!("{}{}", server.url, native.path("introspect")));
    let request = request.basic_auth(client, Some(secret)).form(&[("token", token)]);
    server.send(if let Some(accept) = accept { request.header("accept", accept) } else { request }).await
}

async fn s32_a_token_for_one_resource_counts_nowhere_else_and_grows_no_more(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    let whole = native.redeem("web", &code).await.json();
    let audience = |token: &str| claims(token)["aud"].as_str().unwrap().to_owned();
    let issuer = &*native.world.tenant.issuer;
    assert_eq!(audience(text(&whole, "access_token")), issuer);
    let unknown = native.refresh("web", text(&whole, "refresh_token"), &[("resource", ORDERS)]).await;
    assert_eq!(error(&unknown), refused("invalid_target"), "not the client's");
    native.register("web", |registration| registration.resources = vec![ORDERS.to_owned(), STOCK.to_owned()]).await;

    // By refresh, by exchange, and by machines.
    let narrow = native.refresh("web", text(&whole, "refresh_token"), &[("resource", ORDERS)]).await.json();
    let token = text(&narrow, "access_token");
    assert_eq!(audience(token), ORDERS);
    assert_eq!(native.userinfo(token).await.status, 401, "it is for orders alone");
    assert_eq!(native.world.server.get("/customer/acme/me", Some(token)).await.status, 401);
    let whole = native.refresh("web", text(&narrow, "refresh_token"), &[]).await.json();
    assert_eq!(audience(text(&whole, "access_token")), issuer, "the grant itself was not narrowed");
    let exchanged = exchange(&native, text(&whole, "access_token"), &[("audience", STOCK)]).await.json();
    let stock = text(&exchanged, "access_token");
    assert_eq!(audience(stock), STOCK);
    assert_eq!(error(&exchange(&native, stock, &[("resource", ORDERS)]).await), refused("invalid_target"));
    let again = exchange(&native, stock, &[("resource", issuer)]).await.json();
    assert_eq!(audience(text(&again, "access_token")), STOCK, "never wider again");
    let both = exchange(&native, stock, &[("resource", ORDERS), ("audience", STOCK)]).await;
    assert_eq!(error(&both), refused("invalid_target"), "one of them was not granted");
    native.register("web", |registration| registration.resources = vec![ORDERS.to_owned()]).await;
    assert_eq!(error(&exchange(&native, stock, &[]).await), refused("invalid_target"), "what was taken away is gone");

    // At the authorization endpoint it holds for the whole family.
    let start = native.authorize("web", "&legal_entity_id=le-1&resource=https%3A%2F%2Forders.example%2Fapi");
    let answer = robot.get(&start).await;
    let answer = robot.follow(answer).await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    let other = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("resource", STOCK),
    ];
    assert_eq!(error(&native.token("web", &other).await), refused("invalid_target"));
    let tokens = native.redeem("web", &code).await.json();
    assert_eq!(audience(text(&tokens, "access_token")), ORDERS);
    let next = native.refresh("web", text(&tokens, "refresh_token"), &[]).await.json();
    assert_eq!(audience(text(&next, "access_token")), ORDERS);
    let wider = native.refresh("web", text(&next, "refresh_token"), &[("resource", STOCK)]).await;
    assert_eq!(error(&wider), refused("invalid_target"));
    let answer = robot.get(&native.authorize("web", "&resource=https%3A%2F%2Fevil.example")).await;
    assert_eq!(query(&location(&answer).unwrap())["error"], "invalid_target");

    // Who may ask about it: whose resource it is, and whose token.
    let server = &native.world.server;
    let kind = ClientKind::Confidential;
    let stranger = server.client(&native.world.tenant, "rs", kind, "", "", RefreshPolicy::Reuse).await.unwrap();
    let token = text(&tokens, "access_token");
    assert_eq!(ask(&native, "rs", stranger.expose(), token, None).await.json(), json!({ "active": false }));
    native.register("rs", |registration| registration.resources = vec![ORDERS.to_owned()]).await;
    let known = ask(&native, "rs", stranger.expose(), token, None).await.json();
    assert_eq!((&known["active"], &known["aud"]), (&json!(true), &json!(ORDERS)));
    assert_eq!(ask(&native, "web", &native.secret, token, None).await.json()["active"], json!(true));
}

async fn s32_a_token_for_several_resources_is_narrowed_and_never_widened(database: Database) {
    let native = Native::new(database).await;
    let (mut robot, issuer) = (native.robot(), native.world.tenant.issuer.to_string());
    let third = "https://third.example";
    let registered = [ORDERS, STOCK].map(str::to_owned).to_vec();
    native.register("web", |registration| registration.resources = registered).await;
    let aud = |answer: &Value| claims(text(answer, "access_token"))["aud"].clone();

    // At the authorization endpoint: both, in the order they were asked for, and for the whole family.
    let both = "&legal_entity_id=le-1&resource=https%3A%2F%2Forders.example%2Fapi&resource=urn%3Astock";
    let answer = native.log_in(&mut robot, &native.authorize("web", both), "le-1").await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    let tokens = native.redeem("web", &code).await.json();
    assert_eq!(aud(&tokens), json!([ORDERS, STOCK]));
    let token = text(&tokens, "access_token");
    assert_eq!(native.userinfo(token).await.status, 401, "it is for these two alone");
    let known = ask(&native, "web", &native.secret, token, None).await.json();
    assert_eq!(known["aud"], json!([ORDERS, STOCK]));
    let next = native.refresh("web", text(&tokens, "refresh_token"), &[("resource", STOCK)]).await.json();
    assert_eq!(aud(&next), json!(STOCK), "one of them for this token");
    let next = native.refresh("web", text(&next, "refresh_token"), &[]).await.json();
    assert_eq!(aud(&next), json!([ORDERS, STOCK]), "and both again, which is what was granted");
    for wider in [vec![("resource", third)], vec![("resource", ORDERS), ("resource", third)]] {
        let wider = native.refresh("web", text(&next, "refresh_token"), &wider).await;
        assert_eq!(error(&wider), refused("invalid_target"));
    }
    let answer = robot.get(&native.authorize("web", &format!("{both}&resource=https%3A%2F%2Fthird.example"))).await;
    assert_eq!(query(&location(&answer).unwrap())["error"], "invalid_target", "one of them is not registered");

    // By exchange: some of what the given token is for, by either name, and never another.
    let token = text(&next, "access_token");
    let kept = exchange(&native, token, &[]).await.json();
    assert_eq!(aud(&kept), json!([ORDERS, STOCK]));
    let kept = exchange(&native, token, &[("resource", STOCK), ("audience", ORDERS)]).await.json();
    assert_eq!(aud(&kept), json!([STOCK, ORDERS]));
    let one = exchange(&native, token, &[("resource", ORDERS), ("resource", ORDERS)]).await.json();
    assert_eq!(aud(&one), json!(ORDERS), "the same twice is one");
    let wider = exchange(&native, text(&one, "access_token"), &[("resource", ORDERS), ("resource", STOCK)]).await;
    assert_eq!(error(&wider), refused("invalid_target"));
    // The issuer stands for everything, so nobody stands beside it.
    let whole = native.redeem("web", &native.code(&mut native.robot(), "web", "le-1").await).await.json();
    let mixed = [("resource", issuer.as_str()), ("resource", ORDERS)];
    assert_eq!(error(&exchange(&native, text(&whole, "access_token"), &mixed).await), refused("invalid_target"));
    let several = [("resource", ORDERS), ("resource", STOCK)];
    let narrow = native.refresh("web", text(&whole, "refresh_token"), &several).await.json();
    assert_eq!(aud(&narrow), json!([ORDERS, STOCK]));
    // What is taken away from the client is gone from the family as well.
    native.register("web", |registration| registration.resources = vec![ORDERS.to_owned()]).await;
    assert_eq!(error(&native.refresh("web", text(&next, "refresh_token"), &[]).await), refused("invalid_target"));
    let left = native.refresh("web", text(&next, "refresh_token"), &[("resource", ORDERS)]).await.json();
    assert_eq!(aud(&left), json!(ORDERS));
    // Nothing else may come twice (S-04).
    let twice = exchange(&native, text(&left, "access_token"), &[("scope", "openid"), ("scope", "openid")]).await;
    assert_eq!(error(&twice), refused("invalid_request"));

    // Who keeps one of them may ask about the token, who keeps another may not.
    let server = &native.world.server;
    let kind = ClientKind::Confidential;
    let keeper = server.client(&native.world.tenant, "rs", kind, "", "", RefreshPolicy::Reuse).await.unwrap();
    for (resource, expected) in [(third, false), (STOCK, true)] {
        native.register("rs", |registration| registration.resources = vec![resource.to_owned()]).await;
        assert_eq!(ask(&native, "rs", keeper.expose(), token, None).await.json()["active"], json!(expected));
    }
}

async fn an_actor_is_named_and_kept_and_only_who_may_acts(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let subject = text(&tokens, "access_token").to_owned();
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let change = prokura_engine::ClientChange {
        grants: Some("authorization_code refresh_token token_exchange client_credentials".to_owned()),
        ..Default::default()
    };
    let (id, system) = ("web".parse().unwrap(), prokura_engine::Actor::System);
    engine.update_client(tenant, &id, &change, None, &system, &crate::arrange::origin()).await.unwrap();
    let machine = native.token("web", &[("grant_type", "client_credentials")]).await.json();
    let actor = [("actor_token", text(&machine, "access_token")), ("actor_token_type", ACCESS)];

    assert_eq!(error(&exchange(&native, &subject, &actor).await), refused("unauthorized_client"), "it may not");
    native.register("web", |registration| registration.may_act = true).await;
    let delegated = exchange(&native, &subject, &actor).await.json();
    let delegated = text(&delegated, "access_token");
    let said = claims(delegated);
    assert_eq!(said["act"], json!({ "sub": "web", "client_id": "web" }));
    assert_eq!(said["sub"].as_str(), Some(native.world.ann.as_str()), "the subject stays who it is");
    let known = ask(&native, "web", &native.secret, delegated, None).await.json();
    assert_eq!(known["act"], said["act"]);

    // Who acted before stays in it, with and without another actor, and there is an end to it.
    let kept = exchange(&native, delegated, &[("legal_entity_id", "le-2")]).await.json();
    assert_eq!(claims(text(&kept, "access_token"))["act"], said["act"]);
    let twice = exchange(&native, delegated, &actor).await.json();
    let mut deepest = text(&twice, "access_token").to_owned();
    assert_eq!(claims(&deepest)["act"], json!({ "sub": "web", "client_id": "web", "act": said["act"] }));
    for _ in 0..2 {
        let deeper = exchange(&native, &deepest, &actor).await.json();
        text(&deeper, "access_token").clone_into(&mut deepest);
    }
    assert_eq!(error(&exchange(&native, &deepest, &actor).await), refused("invalid_grant"), "too deep");

    // An actor is who the client got a token for: not another client's, nobody's, and no delegate.
    let spa = native.code(&mut native.robot(), "spa", "le-1").await;
    let spa = native.redeem("spa", &spa).await.json();
    for (name, token) in [("another client's", text(&spa, "access_token")), ("a delegate's", delegated)] {
        let actor = [("actor_token", token), ("actor_token_type", ACCESS)];
        assert_eq!(error(&exchange(&native, &subject, &actor).await), refused("invalid_grant"), "{name}");
    }
    for wrong in [
        vec![("actor_token", "x"), ("actor_token_type", ACCESS)],
        vec![("actor_token", text(&machine, "access_token"))],
        vec![("actor_token_type", ACCESS)],
        vec![actor[0], ("actor_token_type", "urn:ietf:params:oauth:token-type:id_token")],
    ] {
        assert_eq!(error(&exchange(&native, &subject, &wrong).await), refused("invalid_request"), "{wrong:?}");
    }
    // What a delegate gets dies with the subject's family.
    let last = text(&kept, "access_token").to_owned();
    assert_eq!(native.userinfo(&last).await.status, 200);
    let server = &native.world.server;
    let revoke = server.http.post(format!("{}{}", server.url, native.path("revoke")));
    server.send(revoke.basic_auth("web", Some(&native.secret)).form(&[("token", &subject)])).await;
    assert_eq!(native.userinfo(&last).await.status, 401);
}

async fn s30_a_signed_answer_is_for_who_asked_and_no_token(database: Database) {
    let native = Native::new(database).await;
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let token = text(&tokens, "access_token");
    let signed = "application/token-introspection+jwt";
    for accept in [signed, "application/json;q=0.5, Application/Token-Introspection+JWT;q=1"] {
        let answer = ask(&native, "web", &native.secret, token, Some(accept)).await;
        assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, signed));
        let keys = native.world.server.get(&native.path(".well-known/jwks.json"), None).await.json();
        let keys: Vec<_> =
            keys["keys"].as_array().unwrap().iter().map(|jwk| PublicKey::from_jwk(jwk).unwrap()).collect();
        let verified =
            verify_jws(&answer.text, &keys, &[JwsAlgorithm::Es256], Some("token-introspection+jwt")).unwrap();
        let said: Value = serde_json::from_slice(&verified.payload).unwrap();
        assert_eq!((said["iss"].as_str(), said["aud"].as_str()), (Some(&*native.world.tenant.issuer), Some("web")));
        let plain = ask(&native, "web", &native.secret, token, None).await;
        assert_eq!(
            (plain.headers["content-type"].to_str().unwrap(), &plain.json()),
            ("application/json", &said["token_introspection"])
        );
        // Neither sub nor exp at the top: nobody takes it for a token (RFC 9701 section 5).
        assert!(said.get("sub").is_none() && said.get("exp").is_none() && Claims::parse(&verified.payload).is_err());
        assert_eq!(native.userinfo(&answer.text).await.status, 401);
    }
    let garbage = ask(&native, "web", &native.secret, "garbage", Some(signed)).await;
    assert_eq!(claims(&garbage.text)["token_introspection"], json!({ "active": false }));
    let refused = ask(&native, "web", "wrong", token, Some(signed)).await;
    assert_eq!(refused.status, 401, "nobody is answered who did not prove who they are");
    let metadata = native.world.server.get(&native.path(".well-known/openid-configuration"), None).await.json();
    assert_eq!(metadata["introspection_signing_alg_values_supported"], json!(["ES256"]));
}

async fn s12_scripts_of_strangers_get_no_answer(database: Database) {
    let native = Native::new(database).await;
    let server = &native.world.server;
    let preflight = async |path: &str, origin: &str| {
        let request = server.http.request(reqwest::Method::OPTIONS, format!("{}{}", server.url, native.path(path)));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        server.send(request.header("access-control-request-headers", "dpop")).await
    };
    let allowed =
        |answer: &Answer| answer.headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap().to_owned());
    for path in ["token", "userinfo", "revoke"] {
        let good = preflight(path, "https://app.example").await;
        assert_eq!(allowed(&good).as_deref(), Some("https://app.example"), "{path}");
        assert!(good.headers["access-control-allow-headers"].to_str().unwrap().contains("DPoP"));
        assert!(!good.headers.contains_key("access-control-allow-credentials"), "{path}");
        for stranger in [
            "https://evil.example",
            "null",
            "https://app.example.evil.example",
            "http://app.example",
            "*",
            "https://app.example:444",
        ] {
            assert_eq!(allowed(&preflight(path, stranger).await), None, "{path} {stranger}");
        }
    }
    for path in ["authorize", "par", "introspect", "logout", "device"] {
        assert_eq!(allowed(&preflight(path, "https://app.example").await), None, "{path}");
        let get =
            server.http.get(format!("{}{}", server.url, native.path(path))).header("origin", "https://app.example");
        assert_eq!(allowed(&server.send(get).await), None, "{path}");
    }
    // The answer itself names the origin as well, and says which header a script may read.
    let post =
        server.http.post(format!("{}{}", server.url, native.path("token"))).header("origin", "https://app.example");
    let answer = server.send(post.form(&[("grant_type", "refresh_token"), ("client_id", "spa")])).await;
    assert_eq!(allowed(&answer).as_deref(), Some("https://app.example"));
    assert!(answer.headers["access-control-expose-headers"].to_str().unwrap().contains("DPoP-Nonce"));
    assert!(answer.headers["vary"].to_str().unwrap().to_lowercase().contains("origin"));
}
