//! The bridge: sessions of a shop's own pages and tokens are one shopper at every moment.

use super::{EMAIL, Kind, PASSWORD, Shop, position, set_cookie, text, tokens};
use crate::arrange::on_both_databases;
use prokura_testkit::{Answer, Database, claims};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    s98_a_token_opens_a_session_of_the_same_shopper,
    sessions_refuses_in_the_words_of_its_clients,
    s98_a_session_becomes_tokens_of_the_same_shopper,
    s98_a_proof_that_does_not_hold_opens_nothing,
    customers_auth_has_four_ways_and_an_end,
    s93_a_session_of_pages_ends_when_idle_and_after_six_hours,
    s90_a_login_on_pages_makes_a_new_session_and_ends_the_guest,
    a_switch_on_either_side_is_seen_on_the_other,
    hybrid_auth_sets_the_session_with_the_tokens
);

/// A fault as OCAPI spells it.
fn fault(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["_v"], "23.1");
    assert_eq!(body["fault"]["type"], kind, "{body}");
    assert!(body["fault"]["message"].is_string() && body["fault"]["arguments"].is_object());
    assert_eq!(answer.headers["content-type"], "application/json;charset=UTF-8");
}

async fn s98_a_token_opens_a_session_of_the_same_shopper(database: Database) {
    let shop = Shop::on(database).await;
    for (who, kind) in
        [("guest", Kind::Public), ("registered", Kind::Public), ("guest", Kind::Private), ("registered", Kind::Private)]
    {
        let got = if who == "guest" { shop.guest(kind, None).await } else { shop.buyer(kind, None).await };
        let answer = shop.sessions(text(&got, "access_token"), None).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-cache,no-store");
        let cookie = set_cookie(&answer, "dwsid").unwrap();
        let all: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(
            all.iter().any(|value| value.starts_with("dwsid=")
                && value.contains("HttpOnly")
                && value.contains("SameSite=Lax"))
        );
        assert!(all.iter().any(|value| value.starts_with("dwanonymous_")), "{all:?}");
        let there = shop.visit(&cookie, "").await;
        assert_eq!((there["kind"].as_str(), there["new"].as_bool()), (Some(who), Some(false)), "{there}");
        assert_eq!((&there["customer_id"], &there["usid"]), (&got["customer_id"], &got["usid"]));
        // The same again is the same session; what is shown beside a token proves nothing.
        let again = shop.sessions(text(&got, "access_token"), Some(&cookie)).await;
        assert_eq!(set_cookie(&again, "dwsid"), None, "no churn");
        let other = shop.guest(kind, None).await;
        let foreign = shop.sessions(text(&other, "access_token"), Some(&cookie)).await;
        assert_ne!(set_cookie(&foreign, "dwsid").unwrap(), cookie);
        assert_eq!(shop.visit(&cookie, "").await["customer_id"], got["customer_id"], "and ends nothing");
    }
}

async fn sessions_refuses_in_the_words_of_its_clients(database: Database) {
    let shop = Shop::on(database).await;
    fault(&shop.sessions("never a token", None).await, 401, "InvalidAccessTokenException");
    let guest = shop.guest(Kind::Public, None).await;
    let access = text(&guest, "access_token").to_owned();
    let forged = format!("{}x", &access[..access.len() - 2]);
    fault(&shop.sessions(&forged, None).await, 401, "InvalidAccessTokenException");
    let url = shop.url("/s/main/dw/shop/v23_1/sessions");
    let request = shop.request(Method::POST, &url).bearer_auth(&access).header("x-dw-client-id", "priv");
    fault(&shop.send(request).await, 403, "ClientAccessForbiddenException");
    let answer = shop.send(shop.request(Method::GET, &url)).await;
    fault(
        &Answer { text: answer.text.replace("\"_v\":\"\"", "\"_v\":\"23.1\""), ..answer },
        405,
        "MethodNotAllowedException",
    );
    shop.world.server.advance(1_801);
    fault(&shop.sessions(&access, None).await, 401, "ExpiredTokenException");
}

async fn s98_a_session_becomes_tokens_of_the_same_shopper(database: Database) {
    let shop = Shop::on(database).await;
    // A guest who lands on the shop's own pages first.
    let there = shop.visit("", "").await;
    assert_eq!((there["kind"].as_str(), there["new"].as_bool()), (Some("guest"), Some(true)));
    let cookie = text(&there, "session");
    let form = [
        ("grant_type", "client_credentials"),
        ("hint", "sb-guest"),
        ("login_id", "guest"),
        ("channel_id", "main"),
        ("dwsgst", text(&there, "dwsgst")),
    ];
    let got = tokens(&shop.post(Kind::Private, "session-bridge/token", &form).await);
    assert_eq!((&got["customer_id"], &got["usid"]), (&there["customer_id"], &there["usid"]));
    assert_eq!(position(text(&got, "access_token"), 4), "sesb:session_bridge");
    // The same by a public client, with a code that goes only here.
    let (code, _) = shop.guest_code(&[("hint", "sb-guest")]).await;
    let refused = shop.redeem(Kind::Public, &code, "00000000-0000-4000-8000-000000000000").await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let public = [
        ("grant_type", "session_bridge"),
        ("code", code.as_str()),
        ("code_verifier", super::VERIFIER),
        ("login_id", "sb-guest"),
        ("channel_id", "main"),
        ("dwsgst", text(&there, "dwsgst")),
    ];
    let public = tokens(&shop.post(Kind::Public, "session-bridge/token", &public).await);
    assert_eq!(public["customer_id"], there["customer_id"]);
    // Whoever is logged in shows another proof, or the bare cookie.
    let login = [("session", cookie), ("login", EMAIL), ("password", PASSWORD), ("site", "main")];
    let there = tokens(&shop.page("login", &login).await);
    for proof in [("dwsrst", text(&there, "dwsrst")), ("dwsid", text(&there, "session"))] {
        let form = [("grant_type", "client_credentials"), ("login_id", EMAIL), ("channel_id", "main"), proof];
        let got = tokens(&shop.post(Kind::Private, "session-bridge/token", &form).await);
        assert_eq!((&got["customer_id"], &got["usid"]), (&there["customer_id"], &there["usid"]));
        assert_eq!(position(text(&got, "access_token"), 5), "sesb:session_bridge");
        tokens(&shop.refresh(Kind::Private, text(&got, "refresh_token"), &[]).await);
    }
    // The session ends with its source, and the source with it.
    let got = {
        let form = [
            ("grant_type", "client_credentials"),
            ("login_id", EMAIL),
            ("channel_id", "main"),
            ("dwsrst", text(&there, "dwsrst")),
        ];
        tokens(&shop.post(Kind::Private, "session-bridge/token", &form).await)
    };
    assert_eq!(shop.page("logout", &[("session", text(&there, "session"))]).await.status, 204);
    assert!(!shop.world.is_good(text(&got, "access_token")));
    assert_eq!(shop.refresh(Kind::Private, text(&got, "refresh_token"), &[]).await.status, 400);
}

async fn s98_a_proof_that_does_not_hold_opens_nothing(database: Database) {
    let shop = Shop::on(database).await;
    let there = shop.visit("", "").await;
    let proof = text(&there, "dwsgst").to_owned();
    let ask = async |proof: (&str, &str), login: &str, hint: &str| {
        let form =
            [("grant_type", "client_credentials"), ("login_id", login), ("channel_id", "main"), ("hint", hint), proof];
        shop.post(Kind::Private, "session-bridge/token", &form).await.status
    };
    assert_eq!(ask(("dwsgst", &proof), "guest", "sb-guest").await, 200);
    let tampered = format!("{}x", &proof[..proof.len() - 2]);
    assert_eq!(ask(("dwsgst", &tampered), "guest", "sb-guest").await, 401);
    assert_eq!(ask(("dwsrst", &proof), "guest", "sb-user").await, 401, "the other kind");
    assert_eq!(ask(("dwsgst", &proof), EMAIL, "sb-guest").await, 401, "somebody else's login");
    assert_eq!(ask(("dwsgst", &proof), "guest", "sb-user").await, 401, "the other hint");
    assert_eq!(ask(("dwsid", text(&there, "session")), "guest", "sb-guest").await, 401, "a guest's bare cookie");
    assert_eq!(ask(("dwsid", "pkr_sp_never"), EMAIL, "sb-user").await, 401);
    assert_eq!(ask(("dwsgst", text(&there, "access_token")), "guest", "sb-guest").await, 401, "an access token");
    shop.world.server.advance(601);
    assert_eq!(ask(("dwsgst", &proof), "guest", "sb-guest").await, 401, "too old");
}

async fn customers_auth_has_four_ways_and_an_end(database: Database) {
    let shop = Shop::on(database).await;
    let bearer = |answer: &Answer| {
        let value = answer.headers["authorization"].to_str().unwrap();
        value.strip_prefix("Bearer ").unwrap().to_owned()
    };
    let guest = shop.authenticate("guest", |request| request).await;
    assert_eq!(tokens(&guest)["auth_type"], "guest");
    let right = |request: reqwest::RequestBuilder| request.basic_auth(EMAIL, Some(PASSWORD));
    let buyer = shop.authenticate("credentials", right).await;
    let body = tokens(&buyer);
    assert_eq!((body["auth_type"].as_str(), body["email"].as_str()), (Some("registered"), Some(EMAIL)));
    fault(
        &shop.authenticate("credentials", |request| request.basic_auth(EMAIL, Some("wrong"))).await,
        401,
        "AuthenticationFailedException",
    );
    fault(&shop.authenticate("credentials", |request| request).await, 400, "MissingAuthorizationHeaderException");
    fault(&shop.authenticate("cookie", |request| request).await, 400, "MalformedParameterException");

    let cookie = set_cookie(&shop.sessions(&bearer(&buyer), None).await, "dwsid").unwrap();
    let with =
        |cookie: String| move |request: reqwest::RequestBuilder| request.header("cookie", format!("dwsid={cookie}"));
    let probe = shop.authenticate("session", with(cookie.clone())).await;
    assert_eq!(tokens(&probe)["customer_id"], body["customer_id"]);
    fault(&shop.authenticate("session", with("pkr_sp_never".to_owned())).await, 401, "AuthenticationFailedException");
    let token = bearer(&buyer);
    let again = shop.authenticate("refresh", move |request| request.bearer_auth(&token)).await;
    assert_eq!(tokens(&again)["customer_id"], body["customer_id"]);

    let url = shop.url("/s/main/dw/shop/v23_1/customers/auth");
    let gone = shop.send(shop.request(Method::DELETE, &url).bearer_auth(bearer(&buyer))).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    for dead in [&buyer, &again, &probe] {
        assert!(!shop.world.is_good(&bearer(dead)));
    }
    fault(&shop.authenticate("session", with(cookie)).await, 401, "AuthenticationFailedException");
}

async fn s93_a_session_of_pages_ends_when_idle_and_after_six_hours(database: Database) {
    let shop = Shop::on(database).await;
    let minutes = |count: i64| shop.world.server.advance(60 * count);
    let guest = shop.visit("", "").await;
    let cookie = text(&guest, "session").to_owned();
    minutes(29);
    assert_eq!(shop.visit(&cookie, "").await["new"], false);
    minutes(29);
    assert_eq!(shop.visit(&cookie, "").await["new"], false, "every page moves the end on");
    minutes(31);
    let later = shop.visit(&cookie, "").await;
    assert_eq!((later["new"].as_bool(), later["kind"].as_str()), (Some(true), Some("guest")));
    assert_eq!(later["usid"], guest["usid"], "and it is the same guest");
    let mut cookie = text(&later, "session").to_owned();
    for _ in 0..18 {
        minutes(20);
        let there = shop.visit(&cookie, "").await;
        if there["new"] == json!(true) {
            assert_ne!(text(&there, "session"), cookie);
            text(&there, "session").clone_into(&mut cookie);
        }
    }
    minutes(1);
    let after = shop.visit(&cookie, "").await;
    assert_eq!(after["usid"], guest["usid"]);

    // Somebody who was logged in is a stranger to the vendor's pages; with their refresh token they are known again.
    let login = [("session", text(&after, "session")), ("login", EMAIL), ("password", PASSWORD), ("site", "main")];
    let buyer = tokens(&shop.page("login", &login).await);
    minutes(31);
    let form =
        [("session", text(&buyer, "session")), ("refresh_token", text(&buyer, "refresh_token")), ("restore", "false")];
    let stranger = tokens(&shop.page("session", &form).await);
    assert_eq!(stranger["kind"], "guest");
    assert_ne!(stranger["usid"], buyer["usid"], "nobody takes over a name by waiting");
    let known = shop.visit("", text(&buyer, "refresh_token")).await;
    assert_eq!((known["kind"].as_str(), known["restored"].as_bool()), (Some("registered"), Some(true)));
    assert_eq!((&known["customer_id"], &known["usid"]), (&buyer["customer_id"], &buyer["usid"]));
    assert_eq!(known["csrf"], buyer["csrf"], "a form from before is still theirs");
    // The refresh token was looked at, not used.
    tokens(&shop.refresh(Kind::Private, text(&buyer, "refresh_token"), &[]).await);
}

async fn s90_a_login_on_pages_makes_a_new_session_and_ends_the_guest(database: Database) {
    let shop = Shop::on(database).await;
    let guest = shop.visit("", "").await;
    let (cookie, access) = (text(&guest, "session"), text(&guest, "access_token"));
    let wrong = [("session", cookie), ("login", EMAIL), ("password", "wrong"), ("site", "main")];
    assert_eq!(shop.page("login", &wrong).await.status, 401);
    assert_eq!(shop.visit(cookie, "").await["new"], false, "a wrong password ends nothing");
    let login = [("session", cookie), ("login", EMAIL), ("password", PASSWORD), ("site", "main")];
    let buyer = tokens(&shop.page("login", &login).await);
    assert_ne!(text(&buyer, "session"), cookie);
    assert_eq!(buyer["usid"], guest["usid"], "the same visitor");
    assert_ne!(buyer["csrf"], guest["csrf"]);
    assert!(!shop.world.is_good(access), "the guest's token is dead");
    assert_eq!(shop.refresh(Kind::Private, text(&guest, "refresh_token"), &[]).await.status, 400);
    assert_eq!(shop.visit(cookie, "").await["kind"], "guest", "and so is their cookie");
    // Login on the headless side ends the guest's session of the pages as well.
    let guest = shop.visit("", "").await;
    let buyer = shop.buyer(Kind::Private, Some(text(&guest, "usid"))).await;
    let there = shop.visit(text(&guest, "session"), text(&buyer, "refresh_token")).await;
    assert_eq!((there["kind"].as_str(), there["restored"].as_bool()), (Some("registered"), Some(true)));
    assert_eq!(there["customer_id"], buyer["customer_id"]);
    // A name that somebody is logged in under is nobody else's.
    let stranger = shop.guest(Kind::Private, Some(text(&buyer, "usid"))).await;
    assert_ne!(stranger["usid"], buyer["usid"]);
}

async fn a_switch_on_either_side_is_seen_on_the_other(database: Database) {
    let shop = Shop::on(database).await;
    let buyer = shop.buyer(Kind::Private, None).await;
    let refresh = text(&buyer, "refresh_token");
    let cookie = set_cookie(&shop.sessions(text(&buyer, "access_token"), None).await, "dwsid").unwrap();
    let company = |body: &Value| body["legal_entity_id"].as_str().map(str::to_owned);
    // Headless first.
    let switched = tokens(&shop.refresh(Kind::Private, refresh, &[("legal_entity_id", "le-1")]).await);
    assert_eq!(claims(text(&switched, "access_token"))["legal_entity_id"], "le-1");
    assert_eq!(company(&shop.visit(&cookie, "").await).as_deref(), Some("le-1"));
    // Then on the pages.
    let there = tokens(&shop.page("company", &[("session", &cookie), ("legal_entity_id", "le-2")]).await);
    assert_eq!(company(&there).as_deref(), Some("le-2"));
    let kept = tokens(&shop.refresh(Kind::Private, refresh, &[]).await);
    assert_eq!(company(&kept).as_deref(), Some("le-2"));
    // A company that is not theirs changes nothing anywhere.
    let foreign = shop.page("company", &[("session", &cookie), ("legal_entity_id", "le-3")]).await;
    assert_eq!((foreign.status, foreign.json()["code"].as_str()), (400, Some("not_assigned")));
    assert_eq!(shop.refresh(Kind::Private, refresh, &[("legal_entity_id", "le-3")]).await.status, 400);
    assert_eq!(company(&shop.visit(&cookie, "").await).as_deref(), Some("le-2"));
    // Nobody is a choice as well, and no mistake.
    let person = tokens(&shop.refresh(Kind::Private, refresh, &[("as_person", "true")]).await);
    assert_eq!(company(&person), None);
    let both = [("as_person", "true"), ("legal_entity_id", "le-1")];
    assert_eq!(shop.refresh(Kind::Private, refresh, &both).await.status, 400);
    tokens(&shop.page("company", &[("session", &cookie), ("legal_entity_id", "le-2")]).await);
    // What is taken away is gone on the pages with the next of them.
    let assignment = shop.world.assignments.last().unwrap();
    let system = prokura_engine::Actor::System;
    shop.world.engine().unassign(&shop.world.tenant, assignment, &system, &crate::arrange::origin()).await.unwrap();
    let there = shop.visit(&cookie, "").await;
    assert_eq!((company(&there), there["kind"].as_str()), (None, Some("registered")));
    // And with the next refresh, where no page came first.
    let other = shop.buyer(Kind::Private, None).await;
    let switched = shop.refresh(Kind::Private, text(&other, "refresh_token"), &[("legal_entity_id", "le-1")]).await;
    assert_eq!(company(&tokens(&switched)).as_deref(), Some("le-1"));
    let first = shop.world.assignments.first().unwrap();
    shop.world.engine().unassign(&shop.world.tenant, first, &system, &crate::arrange::origin()).await.unwrap();
    let kept = tokens(&shop.refresh(Kind::Private, text(&other, "refresh_token"), &[]).await);
    assert_eq!((company(&kept), &kept["customer_id"]), (None, &other["customer_id"]));
}

async fn hybrid_auth_sets_the_session_with_the_tokens(database: Database) {
    let shop = Shop::on(database).await;
    let policy = prokura_domain::RefreshPolicy::Once { leeway_seconds: 0 };
    shop.client("hybrid", prokura_domain::ClientKind::Public, policy, true).await;
    let (code, usid) = shop.guest_code(&[("client_id", "hybrid")]).await;
    let form = [
        ("grant_type", "authorization_code_pkce"),
        ("client_id", "hybrid"),
        ("code", code.as_str()),
        ("code_verifier", super::VERIFIER),
        ("usid", usid.as_str()),
    ];
    let answer = shop.token(Kind::Public, &form).await;
    let cookie = set_cookie(&answer, "dwsid").unwrap();
    let there = shop.visit(&cookie, "").await;
    assert_eq!(there["customer_id"], tokens(&answer)["customer_id"]);
}
