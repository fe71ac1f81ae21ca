//! The rules of clients, codes and pages, each by its number.

use super::{CALLBACK, Native, PASSWORD, VERIFIER, claims, form, location, query};
use crate::arrange::{on_both_databases, origin};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, AuthMethod, CreateClient, Registration};
use prokura_jose::{Algorithm, SigningKey, sign_jwt};
use prokura_testkit::{Database, TestServer};
use serde_json::json;

on_both_databases!(
    s01_one_request_carries_one_set_of_credentials,
    s03_an_assertion_is_for_this_issuer_short_lived_and_used_once,
    s30_introspection_tells_another_tenant_nothing,
    s04_parameters_count_from_the_form_once,
    s06_a_wrong_redirect_uri_is_a_page_and_never_a_redirect,
    s07_pkce_is_asked_of_everybody,
    s08_iss_is_in_every_answer_and_state_comes_back_as_it_was,
    s10_a_pushed_request_belongs_to_one_client_and_one_browser,
    s20_a_wrong_redemption_burns_nothing,
    s21_a_code_that_comes_back_ends_what_it_led_to,
    s22_a_code_is_redeemed_once_in_a_race,
    s24_a_refresh_token_is_its_clients_and_scopes_only_shrink,
    s33_an_exchanged_token_acts_for_another_company_and_gains_nothing,
    s29_a_revoked_token_is_gone_and_another_clients_is_not,
    s90_a_login_makes_a_new_cookie_and_the_old_one_is_dead,
    s91_cookies_are_for_this_host_alone,
    s94_forms_are_ours_or_refused,
    s95_a_login_belongs_to_the_browser_it_began_in,
    s97_every_page_has_its_headers,
    s102_known_and_unknown_addresses_see_the_same,
);

async fn s01_one_request_carries_one_set_of_credentials(database: Database) {
    let native = Native::new(database).await;
    let both =
        native.token("web", &[("grant_type", "refresh_token"), ("client_secret", "x"), ("client_id", "web")]).await;
    assert_eq!((both.status, both.json()["error"].as_str()), (400, Some("invalid_request")));
    let none = native.token("spa", &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
    assert_eq!(none.json()["error"].as_str(), Some("invalid_grant"), "a public client needs none");
    let server = &native.world.server;
    let url = format!("{}{}", server.url, native.path("token"));
    let bare = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "web")];
    let bare = server.send(server.http.post(&url).form(&bare)).await;
    assert_eq!((bare.status, bare.json()["error"].as_str()), (401, Some("invalid_client")));
    assert!(bare.headers.contains_key("www-authenticate") && bare.headers["cache-control"] == "no-store");
    let secret = [("grant_type", "refresh_token"), ("client_id", "spa"), ("client_secret", "x")];
    let secret = server.send(server.http.post(&url).form(&secret)).await;
    assert_eq!(secret.status, 401, "a public client has no secret to send");
}

async fn s03_an_assertion_is_for_this_issuer_short_lived_and_used_once(database: Database) {
    let native = Native::new(database).await;
    let world = &native.world;
    let key = SigningKey::generate(Algorithm::Es256, "k-1".parse().unwrap()).unwrap();
    let request = CreateClient {
        id: Some("signer".parse().unwrap()),
        name: "Signer".to_owned(),
        kind: ClientKind::Confidential,
        scopes: String::new(),
        grants: "client_credentials".to_owned(),
        refresh_policy: RefreshPolicy::Reuse,
        access_seconds: None,
        refresh_seconds: None,
        registration: Registration {
            auth_method: AuthMethod::PrivateKeyJwt,
            jwks: Some(json!({ "keys": [key.public().to_jwk()] })),
            ..Registration::default()
        },
    };
    world.engine().create_client(&world.tenant, &request, &Actor::System, &origin()).await.unwrap();
    let second = match database {
        Database::Postgres => Some(world.server.start_second_node().await),
        Database::Sqlite => None,
    };
    let now = world.engine().now().seconds();
    let issuer = &*world.tenant.issuer;
    let assertion = |change: serde_json::Value| {
        let mut claims =
            json!({ "iss": "signer", "sub": "signer", "aud": issuer, "iat": now, "exp": now + 300, "jti": "j" });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        sign_jwt(&key, "JWT", &claims).unwrap()
    };
    let present = async |server: &TestServer, assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "signer"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        let request = server.http.post(format!("{}{}", server.url, native.path("token"))).form(&fields);
        server.send(request).await.status
    };
    let server = &world.server;
    for wrong in [
        json!({ "aud": format!("{issuer}/token"), "jti": "1" }),
        json!({ "aud": [issuer], "jti": "2" }),
        json!({ "nbf": now + 61, "jti": "3" }),
        json!({ "exp": now + 3_600, "jti": "4" }),
        json!({ "exp": now - 1, "jti": "5" }),
        json!({ "iss": "web", "jti": "6" }),
        json!({ "sub": "web", "jti": "7" }),
        json!({ "jti": null }),
    ] {
        assert_eq!(present(server, &assertion(wrong.clone())).await, 401, "{wrong}");
    }
    assert_eq!(present(server, &assertion(json!({ "nbf": now + 8, "jti": "ahead" }))).await, 200);
    // Once, on all nodes.
    let spent = assertion(json!({ "jti": "once" }));
    let other = second.as_ref().unwrap_or(server);
    let (one, two) = tokio::join!(present(server, &spent), present(other, &spent));
    let mut answers = [one, two];
    answers.sort_unstable();
    assert_eq!(answers, [200, 401]);
    let secret = [("grant_type", "client_credentials"), ("client_id", "signer"), ("client_secret", "x")];
    let secret = server.http.post(format!("{}{}", server.url, native.path("token"))).form(&secret);
    assert_eq!(server.send(secret).await.status, 401, "one method for one client");
}

async fn s30_introspection_tells_another_tenant_nothing(database: Database) {
    let native = Native::new(database).await;
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let server = &native.world.server;
    let beta = server.tenant("beta").await;
    let carl =
        server.client(&beta, "carl", ClientKind::Confidential, "client_credentials", "", RefreshPolicy::Reuse).await;
    let secret = carl.unwrap();
    let ask = async |token: &str| {
        let request = server.http.post(format!("{}/t/beta/introspect", server.url));
        server.send(request.basic_auth("carl", Some(secret.expose())).form(&[("token", token)])).await
    };
    for token in [tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap(), "garbage"] {
        let answer = ask(token).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#));
    }
    // Whoever cannot prove who they are learns nothing at all.
    let request = server.http.post(format!("{}{}", server.url, native.path("introspect")));
    let answer = server.send(request.form(&[("client_id", "spa"), ("token", "x")])).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")));
}

async fn s04_parameters_count_from_the_form_once(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(native.token("web", &twice).await.status, 400);
    let server = &native.world.server;
    let url = format!("{}{}?refresh_token={refresh}", server.url, native.path("token"));
    let request =
        server.http.post(&url).basic_auth("web", Some(&native.secret)).form(&[("grant_type", "refresh_token")]);
    assert_eq!(server.send(request).await.status, 400);
    assert_eq!(server.send(server.http.get(&url)).await.status, 405);
    assert_eq!(native.refresh("web", refresh, &[]).await.status, 200, "it was not used by any of these");
}

async fn s06_a_wrong_redirect_uri_is_a_page_and_never_a_redirect(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    for wrong in [
        "https%3A%2F%2Fapp.example%2Fcb%2F",
        "https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1",
        "https%3A%2F%2Fevil.example%2Fcb",
        "https%3A%2F%2Fapp.example%2Fcb&redirect_uri=https%3A%2F%2Fapp.example%2Fcb",
    ] {
        let start = native.authorize("web", "").replace("https%3A%2F%2Fapp.example%2Fcb", wrong);
        let answer = robot.get(&start).await;
        assert_eq!((answer.status, location(&answer)), (400, None), "{wrong}");
    }
    let unknown = robot.get(&native.authorize("nobody", "")).await;
    assert_eq!((unknown.status, location(&unknown)), (400, None));
}

async fn s07_pkce_is_asked_of_everybody(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    for client in ["web", "spa"] {
        for wrong in ["", "&code_challenge_method=plain&code_challenge=abc", "&code_challenge=abc"] {
            let start = native.authorize(client, "");
            let start = start.split("&code_challenge").next().unwrap();
            let answer = robot.get(&format!("{start}{wrong}")).await;
            assert_eq!(query(&location(&answer).unwrap())["error"], "invalid_request", "{client} {wrong}");
        }
    }
    let code = native.code(&mut robot, "web", "le-1").await;
    let without = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", CALLBACK)];
    assert_eq!(native.token("web", &without).await.json()["error"].as_str(), Some("invalid_grant"));
}

async fn s08_iss_is_in_every_answer_and_state_comes_back_as_it_was(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let state: String = (0..1_000).map(|n| char::from_u32(32 + n % 200).unwrap()).collect();
    let encoded = percent_encoded(&state);
    let start = native.authorize("web", "&prompt=none").replace("state=s%201", &format!("state={encoded}"));
    let answer = robot.get(&start).await;
    let answer = query(&location(&answer).unwrap());
    assert_eq!((answer["iss"].as_str(), &answer["state"]), (&*native.world.tenant.issuer, &state));
    let metadata = native.world.server.get(&native.path(".well-known/openid-configuration"), None).await.json();
    assert_eq!(metadata["authorization_response_iss_parameter_supported"].as_bool(), Some(true));
    assert_eq!(metadata["issuer"].as_str(), Some(&*native.world.tenant.issuer));
}

async fn s10_a_pushed_request_belongs_to_one_client_and_one_browser(database: Database) {
    let native = Native::new(database).await;
    let server = &native.world.server;
    let fields = [
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("code_challenge", super::CHALLENGE),
        ("code_challenge_method", "S256"),
        ("legal_entity_id", "le-1"),
    ];
    let push = || async {
        let request = server.http.post(format!("{}{}", server.url, native.path("par")));
        let answer = server.send(request.basic_auth("web", Some(&native.secret)).form(&fields)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["request_uri"].as_str().unwrap().to_owned()
    };
    let pushed = push().await;
    let path = |client: &str, uri: &str| native.path(&format!("authorize?client_id={client}&request_uri={uri}"));
    let mut robot = native.robot();
    assert_eq!(robot.get(&path("spa", &pushed)).await.status, 400, "another client's");
    let opened = robot.get(&path("web", &pushed)).await;
    assert_eq!(opened.status, 303);
    assert_eq!(robot.get(&path("web", &pushed)).await.status, 303, "a page may be loaded again");
    assert_eq!(native.robot().get(&path("web", &pushed)).await.status, 400, "another browser's");
    let answer = native.log_in(&mut robot, &path("web", &pushed), "le-1").await;
    assert!(query(&location(&answer).unwrap()).contains_key("code"));
    assert_eq!(robot.get(&path("web", &pushed)).await.status, 400, "spent");
    let late = push().await;
    server.advance(91);
    assert_eq!(robot.get(&path("web", &late)).await.status, 400, "over");
    assert_eq!(robot.get(&path("web", "http%3A%2F%2F127.0.0.1%3A9%2F")).await.status, 400, "never fetched");
}

async fn s20_a_wrong_redemption_burns_nothing(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    assert_eq!(native.redeem("spa", &code).await.json()["error"].as_str(), Some("invalid_grant"));
    let grant = ("grant_type", "authorization_code");
    let wrong = [grant, ("code", &*code), ("redirect_uri", CALLBACK), ("code_verifier", "wrong")];
    assert_eq!(native.token("web", &wrong).await.status, 400);
    let other = [grant, ("code", &*code), ("redirect_uri", "https://app.example/other"), ("code_verifier", VERIFIER)];
    assert_eq!(native.token("web", &other).await.status, 400);
    assert_eq!(native.redeem("web", &code).await.status, 200);

    let code = native.code(&mut native.robot(), "web", "le-1").await;
    native.world.server.advance(61);
    assert_eq!(
        native.redeem("web", &code).await.json()["error"].as_str(),
        Some("invalid_grant"),
        "over after a minute"
    );
}

async fn s21_a_code_that_comes_back_ends_what_it_led_to(database: Database) {
    let native = Native::new(database).await;
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    let wrong = [("grant_type", "authorization_code"), ("code", &*code), ("code_verifier", "wrong")];
    assert_eq!(native.token("web", &wrong).await.status, 400);
    assert_eq!(native.userinfo(access).await.status, 200, "a wrong replay logs nobody out");
    native.world.server.advance(30);
    assert_eq!(native.redeem("web", &code).await.json()["error"].as_str(), Some("invalid_grant"));
    assert_eq!(native.userinfo(access).await.status, 401);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(native.refresh("web", refresh, &[]).await.json()["error"].as_str(), Some("invalid_grant"));
}

async fn s22_a_code_is_redeemed_once_in_a_race(database: Database) {
    let native = Native::new(database).await;
    for _ in 0..5 {
        let code = native.code(&mut native.robot(), "web", "le-1").await;
        let answers = futures_util::future::join_all((0..20).map(|_| native.redeem("web", &code))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)), "{answers:?}");
    }
}

async fn s24_a_refresh_token_is_its_clients_and_scopes_only_shrink(database: Database) {
    let native = Native::new(database).await;
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(native.refresh("spa", refresh, &[]).await.json()["error"].as_str(), Some("invalid_grant"));
    let wider = native.refresh("web", refresh, &[("scope", "openid admin")]).await;
    assert_eq!(wider.json()["error"].as_str(), Some("invalid_scope"));
    let fewer = native.refresh("web", refresh, &[("scope", "openid email")]).await.json();
    assert_eq!(fewer["scope"].as_str(), Some("email openid"));
    let all = native.refresh("web", fewer["refresh_token"].as_str().unwrap(), &[]).await.json();
    assert!(all["scope"].as_str().unwrap().contains("profile"), "the grant itself did not shrink");
}

async fn s33_an_exchanged_token_acts_for_another_company_and_gains_nothing(database: Database) {
    let native = Native::new(database).await;
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    let token_type = "urn:ietf:params:oauth:token-type:access_token";
    let exchange = async |client: &str, more: &[(&str, &str)]| {
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        let mut fields = vec![("grant_type", grant), ("subject_token", access), ("subject_token_type", token_type)];
        fields.extend(more);
        native.token(client, &fields).await
    };
    let other = exchange("web", &[("legal_entity_id", "le-2"), ("scope", "openid legal_entity")]).await.json();
    assert_eq!(
        (other["issued_token_type"].as_str(), other["legal_entity_id"].as_str()),
        (Some(token_type), Some("le-2"))
    );
    assert_eq!(other["scope"].as_str(), Some("legal_entity openid"));
    assert!(other.get("refresh_token").is_none());
    let (before, after) = (claims(access), claims(other["access_token"].as_str().unwrap()));
    assert_eq!((&before["fam"], &before["sid"]), (&after["fam"], &after["sid"]));
    let refused = async |client: &str, more: &[(&str, &str)]| {
        exchange(client, more).await.json()["error"].as_str().map(str::to_owned)
    };
    assert_eq!(refused("web", &[("legal_entity_id", "le-3")]).await.as_deref(), Some("invalid_target"));
    assert_eq!(refused("web", &[("scope", "openid admin")]).await.as_deref(), Some("invalid_scope"));
    assert_eq!(refused("web", &[("audience", "https://elsewhere.example")]).await.as_deref(), Some("invalid_target"));
    assert_eq!(refused("spa", &[]).await.as_deref(), Some("invalid_grant"), "a public client has its own tokens only");
    // It ends with the family it came from.
    let again = native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[]).await.json();
    assert_eq!(native.userinfo(other["access_token"].as_str().unwrap()).await.status, 200);
    let server = &native.world.server;
    let revoke = server.http.post(format!("{}{}", server.url, native.path("revoke")));
    let revoke =
        revoke.basic_auth("web", Some(&native.secret)).form(&[("token", again["refresh_token"].as_str().unwrap())]);
    assert_eq!(server.send(revoke).await.status, 200);
    assert_eq!(native.userinfo(other["access_token"].as_str().unwrap()).await.status, 401);
}

async fn s29_a_revoked_token_is_gone_and_another_clients_is_not(database: Database) {
    let native = Native::new(database).await;
    let code = native.code(&mut native.robot(), "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let server = &native.world.server;
    let post = |path: &str| server.http.post(format!("{}{}", server.url, native.path(path)));
    let by_spa = post("revoke").form(&[("client_id", "spa"), ("token", refresh)]);
    assert_eq!(server.send(by_spa).await.status, 200);
    assert_eq!(native.userinfo(access).await.status, 200);
    let introspect =
        |token: &str| server.send(post("introspect").basic_auth("web", Some(&native.secret)).form(&[("token", token)]));
    let found = introspect(access).await.json();
    assert_eq!((found["active"].as_bool(), found["legal_entity_id"].as_str()), (Some(true), Some("le-1")));
    assert_eq!(introspect(refresh).await.json()["active"].as_bool(), Some(true));
    let revoke = post("revoke").basic_auth("web", Some(&native.secret)).form(&[("token", refresh)]);
    assert_eq!(server.send(revoke).await.status, 200);
    for token in [access, refresh, "garbage"] {
        assert_eq!(introspect(token).await.text, r#"{"active":false}"#);
    }
    assert_eq!(native.userinfo(access).await.status, 401);
}

async fn s90_a_login_makes_a_new_cookie_and_the_old_one_is_dead(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    native.code(&mut robot, "web", "le-1").await;
    let before = robot.cookies.clone();
    native.world.server.advance(1);
    native.log_in(&mut robot, &native.authorize("web", "&prompt=login"), "le-1").await;
    let name = "__Host-prokura-acme";
    assert_ne!(before[name], robot.cookies[name]);
    robot.cookies = before;
    let answer = robot.get(&native.authorize("web", "&prompt=none")).await;
    assert_eq!(query(&location(&answer).unwrap())["error"], "login_required");
    // One that we did not make is never taken over.
    let mut planted = native.robot();
    planted.cookies.insert(name.to_owned(), "pkr_ck_planted".to_owned());
    native.code(&mut planted, "web", "le-1").await;
    assert_ne!(planted.cookies[name], "pkr_ck_planted");
}

async fn s91_cookies_are_for_this_host_alone(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    native.code(&mut robot, "web", "le-1").await;
    assert!(robot.set_cookies.len() >= 2);
    for line in &robot.set_cookies {
        assert!(line.starts_with("__Host-prokura-acme"), "{line}");
        for word in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(line.contains(word), "{line} lacks {word}");
        }
        assert!(!line.contains("Domain"), "{line}");
    }
}

async fn s94_forms_are_ours_or_refused(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = robot.get(&native.authorize("web", "")).await;
    let page = robot.follow(answer).await;
    let login = form(&page);
    let flow = login.fields.iter().find(|(name, _)| name == "flow").unwrap().1.clone();
    for csrf in ["", "wrong"] {
        for action in ["login", "login/password", "company", "consent", "logout"] {
            let fields = [("flow", &*flow), ("csrf", csrf), ("action", "log_out")];
            let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(robot.post(&native.path(action), &fields).await.status, 403, "{action} {csrf}");
        }
    }
    let server = &native.world.server;
    let cookies: Vec<String> = robot.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let request = server.http.post(format!("{}{}", server.url, login.action)).header("cookie", cookies.join("; "));
        let answer = server.send(request.header(name, value).form(&login.fields)).await;
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
}

async fn s95_a_login_belongs_to_the_browser_it_began_in(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = robot.get(&native.authorize("web", "")).await;
    let start = location(&answer).unwrap();
    let page = robot.get(&start).await;
    let mut other = native.robot();
    native.code(&mut other, "web", "le-1").await;
    assert_eq!(other.get(&start).await.status, 400, "somebody else's browser");
    // A step that is not its turn leads to the one that is.
    let flow = query(&start)["flow"].clone();
    for early in ["company", "consent"] {
        let answer = robot.get(&native.path(&format!("{early}?flow={flow}"))).await;
        assert!(location(&answer).is_some_and(|to| to.contains("/login?")), "{early}: {answer:?}");
    }
    let csrf = form(&page).fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let fields = [("flow", &*flow), ("csrf", &*csrf), ("legal_entity_id", "le-1"), ("action", "choose")];
    let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(robot.post(&native.path("company"), &fields).await.status, 400);
    // What a form adds changes nothing of what was asked for (S-05).
    let identified = robot
        .submit(&form(&page), &[("username", "ann@a.example"), ("response_type", "token"), ("scope", "admin")])
        .await;
    let answer = robot.submit(&form(&identified), &[("password", PASSWORD), ("scope", "admin")]).await;
    let page = robot.follow(answer).await;
    let answer =
        robot.submit(&form(&page), &[("legal_entity_id", "le-1"), ("redirect_uri", "https://evil.example")]).await;
    let answer = location(&answer).unwrap();
    assert!(answer.starts_with(CALLBACK), "{answer}");
    let tokens = native.redeem("web", &query(&answer)["code"]).await.json();
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["legal_entity_id"].as_str(), Some("le-1"));
    assert!(!tokens["scope"].as_str().unwrap().contains("admin"));
}

async fn s97_every_page_has_its_headers(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = robot.get(&native.authorize("web", "")).await;
    let login = robot.follow(answer).await;
    let wrong = robot.get(&native.authorize("nobody", "")).await;
    let logout = robot.get(&native.path("logout")).await;
    for page in [login, wrong, logout] {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for word in ["frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"] {
            assert!(policy.contains(word), "{policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value);
        }
        assert!(page.headers.contains_key("strict-transport-security"));
    }
}

async fn s102_known_and_unknown_addresses_see_the_same(database: Database) {
    let native = Native::new(database).await;
    let mut pages = Vec::new();
    for name in ["ann@a.example", "eve@a.example"] {
        let mut robot = native.robot();
        let answer = robot.get(&native.authorize("web", "")).await;
        let page = robot.follow(answer).await;
        let page = robot.submit(&form(&page), &[("username", name)]).await;
        let wrong = robot.submit(&form(&page), &[("password", "wrong wrong wrong")]).await;
        let fields = form(&wrong).fields;
        let csrf = fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
        let flow = fields.iter().find(|(name, _)| name == "flow").unwrap().1.clone();
        let code = wrong.headers["x-request-id"].to_str().unwrap().to_owned();
        let mut text = wrong.text.clone();
        for own in [name, &csrf, &flow, &code] {
            text = text.replace(own, "…");
        }
        pages.push((wrong.status, text));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0].0, 422);
}

/// Each byte as `%41`.
fn percent_encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|b| format!("%{b:02X}")).collect();
    bytes.concat()
}
