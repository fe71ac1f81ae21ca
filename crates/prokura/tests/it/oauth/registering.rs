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
    a_client_looks_after_its_registration_and_nobody_elses,
    a_client_that_deletes_itself_is_gone_with_its_tokens,
    there_are_no_more_than_the_tenant_takes,
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
        ("jwks_uri", json!("http://canary.example/keys")),
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

/// A request for one registration.
async fn own(native: &Native, method: reqwest::Method, id: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
    let server = &native.world.server;
    let request = server.http.request(method, format!("{}{}", server.url, native.path(&format!("register/{id}"))));
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    server.send(if let Some(body) = body { request.json(body) } else { request }).await
}

async fn a_client_looks_after_its_registration_and_nobody_elses(database: Database) {
    use reqwest::Method;
    let native = Native::new(database).await;
    open(&native, true).await;
    let wish = json!({
        "client_name": "Mine", "redirect_uris": [CALLBACK], "scope": "openid email",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let made = register(&native, Some(TOKEN), &wish).await.json();
    let other = register(&native, Some(TOKEN), &wish).await.json();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let (id, secret) = (text(&made, "client_id"), text(&made, "client_secret"));
    let token = text(&made, "registration_access_token");
    let uri = format!("{}/register/{id}", native.world.tenant.issuer);
    assert_eq!(made["registration_client_uri"].as_str(), Some(uri.as_str()));
    assert!(token.starts_with("pkr_rg_") && token != text(&other, "registration_access_token"));

    // Read: as it is, without the secret.
    let read = own(&native, Method::GET, &id, Some(&token), None).await;
    assert_eq!((read.status, read.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
    let mut expected = made.clone();
    for name in ["client_secret", "client_secret_expires_at"] {
        expected.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(read.json(), expected);
    // Nobody else's, and whatever is wrong is answered alike.
    let (others, system) = (text(&other, "registration_access_token"), Actor::System);
    for (id, token) in [
        (id.as_str(), Some(others.as_str())),
        (&id, Some(TOKEN)),
        (&id, Some(&secret)),
        (&id, None),
        ("nobody", Some(&token)),
        ("web", Some(&token)),
        ("sp%20a", Some(&token)),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let refused = own(&native, method.clone(), id, token, Some(&json!({ "client_id": id }))).await;
            assert_eq!(error(&refused), (401, "invalid_token".to_owned()), "{method} {id} {token:?}");
        }
    }

    // Change: what is not said any more is gone, and it gets no more than it may have.
    let moved = "https://moved.example/cb";
    let wish = json!({
        "client_id": id, "client_name": "Moved", "redirect_uris": [moved], "client_secret": secret, "jwks": null,
        "scope": "openid profile admin.everything", "is_first_party": true,
    });
    let changed = own(&native, Method::PUT, &id, Some(&token), Some(&wish)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let changed = changed.json();
    assert_eq!(changed["redirect_uris"], json!([moved]));
    assert_eq!((&changed["client_name"], &changed["scope"]), (&json!("Moved"), &json!("openid profile")));
    assert_eq!(changed["grant_types"], json!(["authorization_code"]));
    assert_eq!(own(&native, Method::GET, &id, Some(&token), None).await.json(), changed);
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let client = engine.client(tenant, &id.parse().unwrap()).await.unwrap();
    assert!(!client.registration.is_first_party);
    for (name, value, word) in [
        ("client_id", json!("web"), "invalid_client_metadata"),
        ("client_id", json!(null), "invalid_client_metadata"),
        ("client_secret", json!("another"), "invalid_client_metadata"),
        ("registration_access_token", json!(token), "invalid_client_metadata"),
        ("registration_client_uri", json!(uri), "invalid_client_metadata"),
        ("client_id_issued_at", json!(1), "invalid_client_metadata"),
        ("token_endpoint_auth_method", json!("none"), "invalid_client_metadata"),
        ("grant_types", json!(["client_credentials"]), "invalid_client_metadata"),
        ("redirect_uris", json!(["http://app.example/cb"]), "invalid_redirect_uri"),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
    ] {
        let mut wrong = wish.clone();
        wrong[name] = value;
        let refused = own(&native, Method::PUT, &id, Some(&token), Some(&wrong)).await;
        assert_eq!(error(&refused), (400, word.to_owned()), "{name}");
    }
    assert_eq!(own(&native, Method::GET, &id, Some(&token), None).await.json(), changed, "a refusal changes nothing");
    // What an operator said since stays.
    let mut registration = client.registration.clone();
    (registration.is_first_party, registration.resources) = (true, vec!["urn:orders".to_owned()]);
    let change = prokura_engine::ClientChange {
        registration: Some(registration),
        scopes: Some("openid orders.read".to_owned()),
        ..Default::default()
    };
    engine.update_client(tenant, &client.id, &change, None, &system, &origin()).await.unwrap();
    let wish = json!({ "client_id": id, "client_name": "Trusted", "redirect_uris": [moved] });
    let changed = own(&native, Method::PUT, &id, Some(&token), Some(&wish)).await.json();
    assert_eq!(changed["scope"], "email legal_entity offline_access openid orders.read profile");
    let client = engine.client(tenant, &client.id).await.unwrap();
    assert!(client.registration.is_first_party && client.registration.resources == ["urn:orders"]);
}

async fn a_client_that_deletes_itself_is_gone_with_its_tokens(database: Database) {
    use reqwest::Method;
    let native = Native::new(database).await;
    open(&native, true).await;
    let (engine, tenant, system) = (native.world.engine(), &native.world.tenant, Actor::System);
    let wish = json!({ "client_name": "Mine", "redirect_uris": [CALLBACK], "scope": "openid legal_entity" });
    let made = register(&native, Some(TOKEN), &wish).await.json();
    let other = register(&native, Some(TOKEN), &wish).await.json();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let (id, secret) = (text(&made, "client_id"), text(&made, "client_secret"));
    let (token, others) = (text(&made, "registration_access_token"), text(&other, "registration_access_token"));
    let code = native.code(&mut native.robot(), &id, "le-1").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let server = &native.world.server;
    let redeem = || server.http.post(format!("{}{}", server.url, native.path("token"))).basic_auth(&id, Some(&secret));
    let tokens = server.send(redeem().form(&fields)).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    let access = text(&tokens.json(), "access_token");
    assert_eq!(native.userinfo(&access).await.status, 200);
    let gone = own(&native, Method::DELETE, &id, Some(&token), None).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(native.userinfo(&access).await.status, 401);
    assert_eq!(error(&server.send(redeem().form(&fields)).await), (401, "invalid_client".to_owned()));
    for method in [Method::GET, Method::DELETE] {
        let again = own(&native, method, &id, Some(&token), None).await;
        assert_eq!(error(&again), (401, "invalid_token".to_owned()));
    }
    assert_eq!(own(&native, Method::GET, &text(&other, "client_id"), Some(&others), None).await.status, 200);
    // One that an operator switched off does not come back by itself.
    let id = text(&other, "client_id").parse().unwrap();
    let off = prokura_engine::ClientChange { is_active: Some(false), ..Default::default() };
    engine.update_client(tenant, &id, &off, None, &system, &origin()).await.unwrap();
    assert_eq!(own(&native, Method::GET, id.as_str(), Some(&others), None).await.status, 401);
    let trail = engine.audit_trail(&tenant.id, &prokura_engine::AuditFilter::default(), "", 50).await.unwrap();
    assert!(trail.iter().any(|event| event.verb == "client.delete"), "{trail:?}");
}

async fn there_are_no_more_than_the_tenant_takes(database: Database) {
    let native = Native::new(database).await;
    open(&native, true).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let mut settings = engine.tenant(&tenant.id).await.unwrap().settings.clone();
    settings.client_registration.max_clients = 3;
    engine.update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await.unwrap();
    let app = app();
    let all = futures_util::future::join_all((0..8).map(|_| register(&native, Some(TOKEN), &app))).await;
    let (made, refused): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 3, "however many come at once");
    for answer in refused {
        assert_eq!(error(answer), (403, "access_denied".to_owned()));
        assert!(answer.json()["error_description"].as_str().unwrap().contains("as many clients"), "{}", answer.text);
    }
    // Who goes makes room, and those an operator makes do not count.
    let first = made[0].json();
    let (id, token) = (first["client_id"].as_str().unwrap(), first["registration_access_token"].as_str());
    assert_eq!(own(&native, reqwest::Method::DELETE, id, token, None).await.status, 204);
    assert_eq!(register(&native, Some(TOKEN), &app).await.status, 201);
    assert_eq!(register(&native, Some(TOKEN), &app).await.status, 403);
}
