//! Clients that register themselves (RFC 7591): off until a tenant says otherwise, guarded, and held to what every client is.

use super::{CALLBACK, CHALLENGE, Native, VERIFIER, form, location, query};
use crate::arrange::{on_both_databases, origin};
use prokura_engine::Actor;
use prokura_jose::SecretHash;
use prokura_testkit::{Answer, Database};
use serde_json::{Value, json};

on_both_databases!(
    nobody_registers_until_a_tenant_allows_it_and_only_with_its_token,
    a_client_that_registered_itself_logs_people_in_and_asks_them,
    s06_what_it_registers_is_held_to_the_one_rule,
);

const TOKEN: &str = "an-initial-access-token-that-nobody-guesses";

async fn open(native: &Native, needs_token: bool) {
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let mut settings = tenant.settings.clone();
    settings.client_registration.is_open = true;
    settings.client_registration.needs_token = needs_token;
    settings.client_registration.token_hashes = vec![SecretHash::of(TOKEN).to_string()];
    engine.update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await.unwrap();
}

async fn register(native: &Native, token: Option<&str>, body: &Value) -> Answer {
    native.world.server.post(&native.path("register"), token, body).await
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn app() -> Value {
    json!({ "client_name": "An app", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" })
}

async fn nobody_registers_until_a_tenant_allows_it_and_only_with_its_token(database: Database) {
    let native = Native::new(database).await;
    let metadata =
        async || native.world.server.get(&native.path(".well-known/openid-configuration"), None).await.json();
    assert_eq!(error(&register(&native, Some(TOKEN), &app()).await), (404, "invalid_request".to_owned()));
    assert!(metadata().await.get("registration_endpoint").is_none());

    open(&native, true).await;
    let endpoint = format!("{}/register", native.world.tenant.issuer);
    assert_eq!(metadata().await["registration_endpoint"].as_str(), Some(endpoint.as_str()));
    assert_eq!(error(&register(&native, None, &app()).await), (401, "invalid_token".to_owned()));
    assert_eq!(error(&register(&native, Some("wrong"), &app()).await), (401, "invalid_token".to_owned()));
    let made = register(&native, Some(TOKEN), &app()).await;
    assert_eq!((made.status, made.headers["cache-control"].to_str().unwrap()), (201, "no-store"));
    let made = made.json();
    assert!(made["client_id"].is_string() && made.get("client_secret").is_none(), "{made}");

    open(&native, false).await;
    assert_eq!(register(&native, None, &app()).await.status, 201, "the tenant says that anybody may");
}

async fn a_client_that_registered_itself_logs_people_in_and_asks_them(database: Database) {
    let native = Native::new(database).await;
    open(&native, true).await;
    let wish = json!({
        "client_name": "A partner's app", "redirect_uris": [CALLBACK], "scope": "openid email admin.everything",
        "grant_types": ["authorization_code", "refresh_token"], "is_first_party": true, "may_omit_pkce": true,
    });
    let made = register(&native, Some(TOKEN), &wish).await.json();
    assert_eq!(made["token_endpoint_auth_method"], "client_secret_basic", "the default of the RFC");
    assert_eq!((&made["scope"], &made["client_secret_expires_at"]), (&json!("email openid"), &json!(0)));
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());

    let mut robot = native.robot();
    let page = native.log_in(&mut robot, &native.authorize(id, ""), "le-1").await;
    assert!(page.text.contains("A partner&#39;s app") || page.text.contains("A partner&#x27;s app"), "{}", page.text);
    let answer = robot.submit(&form(&page), &[("action", "allow")]).await;
    let answer = robot.follow(answer).await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    let server = &native.world.server;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let request = server.http.post(format!("{}{}", server.url, native.path("token")));
    let tokens = server.send(request.basic_auth(id, Some(secret)).form(&fields)).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    // What it may not have it does not get: no machine of its own, and PKCE like everybody.
    let request = server.http.post(format!("{}{}", server.url, native.path("token")));
    let machine = request.basic_auth(id, Some(secret)).form(&[("grant_type", "client_credentials")]);
    assert_eq!(error(&server.send(machine).await), (400, "unauthorized_client".to_owned()));
    let without = native.authorize(id, "").replace(CHALLENGE, "").replace("code_challenge_method=S256", "");
    let refused = robot.get(&without).await;
    assert_eq!(query(&location(&refused).unwrap())["error"], "invalid_request");
}

async fn s06_what_it_registers_is_held_to_the_one_rule(database: Database) {
    let native = Native::new(database).await;
    open(&native, true).await;
    let with = |name: &str, value: Value| {
        let mut app = app();
        app[name] = value;
        app
    };
    for uri in [
        "http://app.example/cb",
        "https://*.example/cb",
        "https://app.example/cb#x",
        "https://u@app.example/cb",
        "javascript:alert(1)",
        "",
    ] {
        let answer = register(&native, Some(TOKEN), &with("redirect_uris", json!([uri]))).await;
        assert_eq!(error(&answer), (400, "invalid_redirect_uri".to_owned()), "{uri}");
    }
    let none = register(&native, Some(TOKEN), &with("redirect_uris", json!([]))).await;
    assert_eq!(error(&none), (400, "invalid_redirect_uri".to_owned()));
    for (name, value) in [
        ("grant_types", json!(["password"])),
        ("grant_types", json!(["client_credentials"])),
        ("response_types", json!(["token"])),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("jwks_uri", json!("https://canary.example/keys")),
        ("request_uris", json!(["https://canary.example/request"])),
        ("client_name", json!("")),
        ("client_name", json!("a\nb")),
        ("redirect_uris", json!("https://app.example/cb")),
        ("backchannel_logout_uri", json!("http://app.example/logout")),
    ] {
        let answer = register(&native, Some(TOKEN), &with(name, value.clone())).await;
        assert_eq!(answer.status, 400, "{name} {value}: {}", answer.text);
        assert!(answer.json()["error"].as_str().unwrap().starts_with("invalid_"), "{}", answer.text);
    }
    let statement = register(&native, Some(TOKEN), &with("software_statement", json!("a.b.c"))).await;
    assert_eq!(error(&statement), (400, "unapproved_software_statement".to_owned()));
    let server = &native.world.server;
    let text = server.http.post(format!("{}{}", server.url, native.path("register"))).bearer_auth(TOKEN).body("{}");
    assert_eq!(error(&server.send(text).await), (400, "invalid_client_metadata".to_owned()));
}
