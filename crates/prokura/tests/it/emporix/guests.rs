//! Visitors: the first call, the next hour.

use super::{fault, invalid_refresh_token, is_refused_bearer, text};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_testkit::{Acme, Tokens};
use serde_json::json;

const LOG_IN: &str = "/customerlogin/auth/anonymous/login";
const REFRESH: &str = "/customerlogin/auth/anonymous/refresh";

#[tokio::test]
async fn e01_a_visit_begins_with_the_tenant_in_either_spelling() {
    let acme = Acme::start().await;
    for query in ["tenant=acme&client_id=sf", "client_id=sf&hybris-tenant=acme", "tenant=acme&client_id=sf&foo=bar"] {
        let answer = acme.server.get(&format!("{LOG_IN}?{query}"), None).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 3599);
        assert_eq!(body["refresh_token_expires_in"], 86_399);
        assert_eq!(body["scope"], "tenant=acme");
        assert_eq!(body["sessionId"].as_str().unwrap().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    for query in ["client_id=sf", "tenant=&client_id=sf", "tenant=nobody&client_id=sf", "tenant=No!&client_id=sf"] {
        let answer = acme.server.get(&format!("{LOG_IN}?{query}"), None).await;
        assert_eq!((answer.status, &*text(&answer, "/type")), (400, "bad_request"), "{query}");
        assert_eq!(text(&answer, "/message"), "The tenant information provided with the request is not valid.");
    }
    let twice = acme.server.get(&format!("{LOG_IN}?tenant=acme&client_id=sf&client_id=sf"), None).await;
    assert_eq!(twice.status, 400);
}

#[tokio::test]
async fn e02_only_storefront_keys_of_the_tenant_begin_a_visit() {
    let acme = Acme::start().await;
    let other = acme.server.tenant("other").await;
    acme.server.client(&other, "sf2", ClientKind::Public, "guest", "", RefreshPolicy::Family).await;
    for client in ["client_id=nope", "client_id=", "client_id=bk", "client_id=sf2", "client_id=%20", "x=y"] {
        let answer = acme.server.get(&format!("{LOG_IN}?tenant=acme&{client}"), None).await;
        let expected = (401, "Invalid ApiKey".to_owned(), "oauth.v2.InvalidApiKey".to_owned());
        assert_eq!(fault(&answer), expected, "{client}");
    }
}

#[tokio::test]
async fn e03_a_visit_goes_on_in_its_session() {
    let acme = Acme::start().await;
    let first = acme.guest().await;
    acme.server.advance(10);
    let path = format!("{REFRESH}?tenant=acme&client_id=sf&refresh_token={}&currency=EUR&siteCode=main", first.refresh);
    let next = Tokens::of(&acme.server.get(&path, None).await);
    assert_eq!(next.session, first.session);
    assert_ne!(next.access, first.access);
    assert_ne!(next.refresh, first.refresh);
    for access in [&first.access, &next.access] {
        assert_eq!(acme.server.get("/site/acme/sites", Some(access)).await.status, 200);
    }
    let again = Tokens::of(&acme.server.get(&path, None).await);
    assert_eq!(again.session, first.session, "the refresh token before still works");

    let refused = |refresh: &str, client: &str| {
        let path = format!("{REFRESH}?tenant=acme&client_id={client}&refresh_token={refresh}");
        let acme = &acme;
        async move { acme.server.get(&path, None).await }
    };
    assert_eq!(fault(&refused("pkr_rt_nothing", "sf").await), invalid_refresh_token());
    assert_eq!(fault(&refused(&first.refresh, "bk").await), invalid_refresh_token());
    let customer = acme.log_in("ann").await;
    assert_eq!(fault(&refused(&customer.refresh, "sf").await), invalid_refresh_token());
    assert_eq!(acme.server.get(&format!("{REFRESH}?tenant=acme&client_id=sf"), None).await.status, 400);

    acme.server.advance(86_401);
    let late = fault(&refused(&next.refresh, "sf").await);
    assert_eq!(late.0, 401);
    assert!(is_refused_bearer(&acme.server.get("/site/acme/sites", Some(&next.access)).await));
}

#[tokio::test]
async fn a_visit_goes_on_with_the_access_token_as_it_did_before_there_were_refresh_tokens() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let path = format!("{REFRESH}?tenant=acme&client_id=sf&anonymous_token={}", guest.access);
    let answer = acme.server.get(&path, None).await;
    assert_eq!((answer.status, answer.json()["sessionId"].clone()), (200, json!(guest.session)));
    assert!(answer.json().get("refresh_token").is_none() && answer.json().get("refresh_token_expires_in").is_none());
    let renewed = text(&answer, "/access_token");
    assert_eq!(acme.server.get("/site/acme/sites", Some(&renewed)).await.status, 200);

    let customer = acme.log_in("ann").await;
    let path = format!("{REFRESH}?tenant=acme&client_id=sf&anonymous_token={}", customer.access);
    assert_eq!(acme.server.get(&path, None).await.status, 401, "a customer's token is no visitor's");
}

#[tokio::test]
async fn a_refused_guest_gets_the_same_words_everywhere() {
    let acme = Acme::start().await;
    for bearer in [None, Some("nonsense"), Some("a.b.c")] {
        let answer = acme.server.get("/site/acme/sites", bearer).await;
        let expected = (401, "Invalid access token".to_owned(), "oauth.v2.InvalidAccessToken".to_owned());
        assert_eq!(fault(&answer), expected);
        assert_eq!(answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"");
    }
    let guest = acme.guest().await;
    assert_eq!(acme.server.get("/site/nobody/sites", Some(&guest.access)).await.status, 400);
    acme.server.advance(3_600);
    let late = fault(&acme.server.get("/site/acme/sites", Some(&guest.access)).await);
    assert_eq!(late.2, "keymanagement.service.access_token_expired");
}

#[tokio::test]
async fn a_visitor_sees_the_open_storefronts() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let list = acme.server.get("/site/acme/sites?expand=mixin:*", Some(&guest.access)).await;
    let body = list.json();
    assert_eq!(body.as_array().map(Vec::len), Some(1));
    for (pointer, expected) in [
        ("/0/code", json!("main")),
        ("/0/name", json!("Main")),
        ("/0/active", json!(true)),
        ("/0/default", json!(true)),
        ("/0/currency", json!("EUR")),
        ("/0/languages", json!(["en", "de"])),
        ("/0/defaultLanguage", json!("en")),
        ("/0/homeBase/address/country", json!("DE")),
        ("/0/mixins", json!({})),
    ] {
        assert_eq!(body.pointer(pointer), Some(&expected), "{pointer}");
    }
    let one = acme.server.get("/site/acme/sites/main", Some(&guest.access)).await;
    assert_eq!(one.json(), body[0]);
    let none = acme.server.get("/site/acme/sites/moon", Some(&guest.access)).await;
    assert_eq!((none.status, none.json()["code"].clone()), (404, json!(404)));
}
