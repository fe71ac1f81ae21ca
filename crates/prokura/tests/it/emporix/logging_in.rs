//! Logging in with e-mail and password.

use super::{fault, is_refused_bearer, text};
use prokura_domain::{ClientKind, CustomerKind, CustomerState, Email, RefreshPolicy};
use prokura_engine::{Actor, CreateCustomer, NewPassword, Origin, Profile};
use prokura_jose::Secret;
use prokura_testkit::{Acme, Tokens, claims};
use serde_json::json;

#[tokio::test]
async fn e05_both_spellings_say_the_same_and_the_session_is_the_visitors() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let answer = acme.try_log_in(&guest.access, "ANN@a.example", Acme::PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    for (snake, camel) in [
        ("access_token", "accessToken"),
        ("saas_token", "saasToken"),
        ("expires_in", "expiresIn"),
        ("refresh_token", "refreshToken"),
        ("refresh_token_expires_in", "refreshTokenExpiresIn"),
    ] {
        assert!(body.get(snake).is_some_and(|value| Some(value) == body.get(camel)), "{snake}");
    }
    assert_eq!(body["expires_in"], 2_591_999);
    assert_eq!(body["refresh_token_expires_in"], 2_591_999);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["session_id"], json!(guest.session));
    assert_eq!(body["initialPassword"], json!(false));
    let tokens = Tokens::of(&answer);
    assert_eq!(tokens.saas.split('.').count(), 3);
    let saas = claims(&tokens.saas);
    assert_eq!((&saas["sub"], &saas["tenant"]), (&json!("ann"), &json!("acme")));
    assert_eq!(saas["exp"].as_i64().unwrap() - saas["iat"].as_i64().unwrap(), 14_400);
    assert_eq!(saas["jti"], claims(&tokens.access)["fam"]);
    for token in [&tokens.access, &tokens.refresh, &tokens.saas] {
        let is_url_safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        assert!(token.bytes().all(is_url_safe), "tokens travel in queries");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn e06_nobody_learns_whether_an_address_is_known() {
    let acme = Acme::start().await;
    let (engine, origin) = (&acme.server.engine, Origin::local("test"));
    for (id, kind, password) in
        [("con", CustomerKind::Contact, Some(Acme::PASSWORD)), ("nop", CustomerKind::Customer, None)]
    {
        let request = CreateCustomer {
            id: Some(id.parse().unwrap()),
            kind,
            email: Some(Email::parse(&Acme::email(id)).unwrap()),
            profile: Profile::default(),
            state: CustomerState::Active,
            password: password.map(|password| (NewPassword::Plain(Secret::from(password.to_owned())), false)),
        };
        engine.create_customer(&acme.tenant, &request, &Actor::System, &origin).await.unwrap();
    }
    let guest = acme.guest().await;
    let wrong = acme.try_log_in(&guest.access, &Acme::email("ann"), "wrong horse").await;
    let expected = (401, "Invalid credentials".to_owned(), "customer.login.invalid_credentials".to_owned());
    assert_eq!(fault(&wrong), expected);
    for name in ["nobody", "con", "nop"] {
        let answer = acme.try_log_in(&guest.access, &Acme::email(name), Acme::PASSWORD).await;
        assert_eq!((answer.status, answer.text), (wrong.status, wrong.text.clone()), "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_told_to_whoever_knows_the_password() {
    let acme = Acme::start().await;
    let (engine, origin) = (&acme.server.engine, Origin::local("test"));
    let guest = acme.guest().await;
    for (state, code) in [
        (CustomerState::Inactive, "customer.login.inactive"),
        (CustomerState::OnHold, "customer.login.on_hold"),
        (CustomerState::Pending, "customer.login.unconfirmed"),
    ] {
        let cyd = acme.customer("cyd");
        engine.set_customer_state(&acme.tenant, &cyd, state, &Actor::System, &origin).await.unwrap();
        let right = acme.try_log_in(&guest.access, &Acme::email("cyd"), Acme::PASSWORD).await;
        assert_eq!((right.status, fault(&right).2), (401, code.to_owned()));
        let wrong = acme.try_log_in(&guest.access, &Acme::email("cyd"), "wrong horse").await;
        assert_eq!(fault(&wrong).2, "customer.login.invalid_credentials");
    }
}

#[tokio::test]
async fn e07_a_guess_posted_twice_counts_once() {
    let acme = Acme::start().await;
    let address = Email::parse(&Acme::email("ann")).unwrap();
    for guess in 0..5 {
        for _ in 0..2 {
            // The SDK throws its visit away on a 401, begins another and posts the same again.
            let guest = acme.guest().await;
            let answer = acme.try_log_in(&guest.access, address.as_str(), &format!("wrong {guess}")).await;
            assert_eq!(answer.status, 401);
        }
        acme.server.advance(2);
    }
    let spent = acme.server.engine.spent_log_in_attempts(&acme.tenant, &address).await.unwrap();
    assert_eq!(spent, 5);
    let guest = acme.guest().await;
    acme.log_in_as(&guest, "ann").await;
}

#[tokio::test]
async fn e42_who_guesses_too_often_waits_and_a_browser_can_read_it() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let mut last = None;
    for guess in 0..=acme.tenant.settings.login_attempts {
        last = Some(acme.try_log_in(&guest.access, &Acme::email("ann"), &format!("wrong {guess}")).await);
    }
    let throttled = last.unwrap();
    assert_eq!((throttled.status, &*text(&throttled, "/type")), (429, "too_many_requests"), "{}", throttled.text);
    let body = json!({ "email": Acme::email("ann"), "password": Acme::PASSWORD });
    let headers = [("origin", "http://localhost:3000")];
    let right =
        acme.call(reqwest::Method::POST, "/customer/acme/login", Some(&guest.access), &headers, Some(&body)).await;
    assert_eq!(right.status, 429, "the right password waits as well");
    let seconds: u32 = right.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=8).contains(&seconds), "the SDK gives up beyond 8 seconds");
    assert_eq!(right.headers["access-control-allow-origin"], "http://localhost:3000");
    assert!(right.headers["access-control-expose-headers"].to_str().unwrap().contains("Retry-After"));
    acme.server.advance(600);
    acme.log_in_as(&acme.guest().await, "ann").await;
}

#[tokio::test]
async fn e08_a_login_chooses_no_company() {
    let acme = Acme::start().await;
    for (name, is_admin) in [("ann", false), ("cyd", false), ("dee", false)] {
        let tokens = acme.log_in(name).await;
        acme.server.advance(25);
        let answer = acme.validate(&tokens.access).await;
        let body = answer.json();
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 2_592_000 - 25);
        assert_eq!(body["email"], json!(Acme::email(name)));
        assert_eq!(body["sessionId"], json!(tokens.session));
        assert!(body.get("legalEntityId").is_none(), "{body}");
        let scope = body["scope"].as_str().unwrap();
        assert!(scope.ends_with(" tenant=acme") && scope.contains("customer.customerprofile_view"), "{scope}");
        assert_eq!(scope.contains("customer.customer_read_own"), is_admin, "{name}: {scope}");
        // One company counts without being chosen.
        assert_eq!(scope.contains("approval.approval_read "), name == "dee", "{name}: {scope}");
    }
    let guest = acme.guest().await;
    assert!(is_refused_bearer(&acme.validate(&guest.access).await));
    assert!(is_refused_bearer(&acme.validate(&acme.service().await).await));
}

#[tokio::test]
async fn what_is_no_login_at_all_is_a_bad_request() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let long = "x".repeat(1025);
    for body in [
        json!({}),
        json!({ "email": "", "password": "secret" }),
        json!({ "email": "ann", "password": "secret" }),
        json!({ "email": "ann@a.example", "password": "" }),
        json!({ "email": "ann@a.example", "password": long }),
        json!({ "email": 1, "password": "secret" }),
        json!([]),
    ] {
        let answer = acme.server.post("/customer/acme/login", Some(&guest.access), &body).await;
        assert_eq!((answer.status, &*text(&answer, "/type")), (400, "validation_failure"), "{body}");
        assert!(!answer.text.contains("secret"));
    }
    let request = acme.server.http.post(format!("{}/customer/acme/login", acme.server.url));
    let broken = acme.server.send(request.bearer_auth(&guest.access).body("{")).await;
    assert_eq!((broken.status, &*text(&broken, "/type")), (400, "validation_failure"));
    let body = json!({ "email": "ann@a.example", "password": Acme::PASSWORD });
    assert!(is_refused_bearer(&acme.server.post("/customer/acme/login", None, &body).await));
}

#[tokio::test]
async fn a_machine_logs_customers_in_only_when_its_key_is_flagged_for_it() {
    let acme = Acme::start().await;
    let body = json!({ "email": Acme::email("ann"), "password": Acme::PASSWORD });
    let wrong = json!({ "email": Acme::email("ann"), "password": "wrong horse" });
    let plain = acme.service().await;
    for body in [&body, &wrong] {
        let answer = acme.server.post("/customer/acme/login", Some(&plain), body).await;
        assert_eq!((answer.status, &*text(&answer, "/type")), (403, "Forbidden"), "it is no place to try passwords");
    }
    let grants = "client_credentials password refresh_token";
    let kind = ClientKind::Confidential;
    let secret = acme.server.client(&acme.tenant, "punchout", kind, grants, "", RefreshPolicy::Family).await.unwrap();
    let flagged = text(&acme.try_service("punchout", secret.expose(), None).await, "/access_token");
    let tokens = Tokens::of(&acme.server.post("/customer/acme/login", Some(&flagged), &body).await);
    assert!(!tokens.session.is_empty());
    assert_eq!(acme.validate(&tokens.access).await.json()["sessionId"], json!(tokens.session));
    let context = acme.server.get("/session-context/acme/me/context", Some(&tokens.access)).await;
    assert_eq!((context.status, context.json()["customerId"].clone()), (200, json!("ann")));
    let scoped = acme.refresh(&tokens.access, &tokens.refresh, Some("le-1")).await;
    assert_eq!(acme.validate(&scoped.access).await.json()["legalEntityId"], "le-1");
}

#[tokio::test]
async fn another_customer_in_the_same_visit_ends_the_first_ones_tokens() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let again = acme.log_in_as(&guest, "ann").await;
    assert_eq!(acme.validate(&ann.access).await.status, 200, "a second login of the same customer leaves the first");
    let bob = acme.log_in_as(&guest, "bob").await;
    for tokens in [&ann, &again] {
        assert!(is_refused_bearer(&acme.validate(&tokens.access).await));
        assert_eq!(acme.try_refresh(&guest.access, &tokens.refresh, None).await.status, 401);
    }
    assert_eq!(acme.validate(&bob.access).await.status, 200);
}
