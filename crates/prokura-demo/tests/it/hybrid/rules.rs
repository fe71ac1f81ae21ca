//! What holds on every page: who may change anything, what is protected, and what is shown.

use std::cell::RefCell;

use axum::http::{Method, Request};
use prokura_demo::data::{OWNER, SampleLogin};
use serde_json::{Value, json};

use super::{Browser, COFFEE, start};

#[tokio::test]
async fn s94_forms_of_others_and_from_before_a_login_or_logout_are_refused() {
    let (_fake, browser) = start().await;
    let page = browser.open("/classic/session").await;
    let token = page.field("form_token");
    assert_eq!(browser.post(&page, "/classic/session", &[]).await.location(), "/classic/session?said=arrived");

    let foreign = Request::post("/classic/session")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(foreign, format!("form_token={token}")).await.status, 403);
    let origin = Request::post("/classic/session")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "http://evil.example");
    assert_eq!(browser.send(origin, format!("form_token={token}")).await.status, 403);
    for wrong in ["", "csrf", "csrf-99"] {
        assert_eq!(browser.post_with(wrong, "/classic/session", &[]).await.status, 403);
    }
    browser.classic_log_in(OWNER).await;
    assert_eq!(
        browser.post_with(&token, "/classic/session", &[]).await.status,
        403,
        "the guest's form is not the customer's"
    );
}

#[tokio::test]
async fn s94_only_own_scripts_change_anything_on_head() {
    let (_fake, browser) = start().await;
    browser.open("/shop/").await;
    let login = json!({ "login": OWNER.email, "password": OWNER.password }).to_string();
    let json_type = ("content-type", "application/json");
    for headers in [
        &[json_type][..],
        &[json_type, ("x-head", "1"), ("sec-fetch-site", "cross-site")],
        &[json_type, ("x-head", "1"), ("sec-fetch-site", "same-site")],
        &[json_type, ("x-head", "1"), ("origin", "http://evil.example")],
        &[("content-type", "text/plain"), ("x-head", "1"), ("sec-fetch-site", "same-origin")],
    ] {
        for path in ["login", "logout", "company", "api/baskets/items"] {
            let mut request = Request::post(format!("/shop/bff/{path}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            assert_eq!(browser.send(request, login.clone()).await.status, 403, "{path} {headers:?}");
        }
    }
    assert_eq!(browser.state().await["kind"], "guest");
}

#[tokio::test]
async fn scripts_reach_the_shop_and_nothing_else_behind_the_gateway() {
    let (_fake, browser) = start().await;
    browser.open("/shop/").await;
    for path in ["api/echo", "api/../secret", "api/products/../echo", "api/%2e%2e/echo", "api//echo", "other"] {
        assert_eq!(browser.call(Method::GET, path, Value::Null).await.status, 404, "{path}");
    }
    let answer = browser.call(Method::GET, "api/products?pageSize=2", Value::Null).await;
    assert_eq!(answer.json().as_array().unwrap().len(), 2);
    assert_eq!(answer.headers["x-total-count"], "28");
    assert!(answer.headers["x-shopper"].to_str().unwrap().ends_with(" guest"));
}

#[tokio::test]
async fn a_wrong_password_says_so_in_both_halves_and_changes_nothing() {
    let (_fake, browser) = start().await;
    browser.open("/shop/").await;
    let before = browser.agreed().await;
    let wrong = SampleLogin { password: "wrong", ..OWNER };
    let body = json!({ "login": wrong.email, "password": wrong.password });
    assert_eq!(browser.call(Method::POST, "login", body).await.json()["kind"], "credentials");
    let body = json!({ "login": wrong.email, "password": "too soon" });
    assert_eq!(browser.call(Method::POST, "login", body).await.status, 429);
    let page = browser.classic_log_in(wrong).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("do not belong together") && page.text.contains(&format!("value=\"{}\"", wrong.email)));
    assert_eq!(browser.agreed().await, before);
}

#[tokio::test]
async fn a_browser_without_cookies_gets_pages_and_no_loop() {
    let (_fake, browser) = start().await;
    for path in ["/shop/", "/classic/", "/classic/session?bridge=302"] {
        browser.cookies.borrow_mut().clear();
        assert_eq!(browser.open(path).await.status, 200, "{path}");
    }
    browser.cookies.borrow_mut().clear();
    let page = browser.open("/classic/login").await;
    let token = page.field("form_token");
    browser.cookies.borrow_mut().clear();
    let answer =
        browser.post_with(&token, "/classic/login", &[("email", OWNER.email), ("password", OWNER.password)]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("keeps no cookies"));
}

#[tokio::test]
async fn a_browser_that_keeps_no_session_cookie_is_the_same_shopper_nevertheless() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    browser.head_log_in(OWNER).await;
    let (customer, _) = browser.agreed().await;
    for _ in 0..3 {
        browser.block("dwsid");
        assert_eq!(browser.open("/classic/session").await.row("customer-id"), customer);
    }
    fake.refuse_sessions();
    browser.block("dwsid");
    assert_eq!(browser.open("/shop/").await.status, 200, "Head works without the other half");
    assert_eq!(browser.state().await["customerId"], customer.as_str());
}

#[tokio::test]
async fn looking_around_makes_no_basket() {
    let (_fake, browser) = start().await;
    for path in ["/shop/", "/classic/", "/classic/basket", "/classic/products/CT-101", "/shop/basket"] {
        browser.open(path).await;
    }
    browser.head_log_in(OWNER).await;
    let answer = browser.call(Method::GET, "api/baskets", Value::Null).await;
    assert_eq!(answer.json(), json!([]));
}

#[tokio::test]
async fn the_classic_pages_sell_and_show_orders_without_scripts() {
    let (_fake, browser) = start().await;
    browser.classic_log_in(OWNER).await;
    browser.classic_add(COFFEE, "2").await;
    let basket = browser.open("/classic/basket").await;
    let action =
        basket.text.split_once("action=\"/classic/basket/items/").unwrap().1.split_once('"').unwrap().0.to_owned();
    let (whom, id) = (basket.field("acting_for"), basket.field("basket"));
    let fields = [("acting_for", &*whom), ("basket", &*id), ("quantity", "5"), ("action", "change")];
    assert_eq!(browser.post(&basket, &format!("/classic/basket/items/{action}"), &fields).await.status, 303);
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 5)]);

    let checkout = browser.open("/classic/checkout").await;
    let placed = browser
        .post(&checkout, "/classic/checkout", &[("acting_for", &*whom), ("basket", &*id), ("reference", "PO 7")])
        .await;
    let order = browser.open(placed.location()).await;
    assert!(order.text.contains("PO 7") && order.text.contains("Thank you"), "{}", order.text);
    assert!(browser.open("/classic/orders").await.text.contains("PO 7"));
    for page in [&basket, &checkout, &order] {
        assert!(!page.text.contains("<script"), "no script");
        assert!(!page.headers["content-security-policy"].to_str().unwrap().contains("script-src"));
        assert!(
            !page.text.contains("href=\"/orders") && !page.text.contains("action=\"/basket"),
            "all links stay here"
        );
    }
    assert_eq!(
        browser
            .post(&basket, "/classic/basket/items", &[("acting_for", "guest"), ("product", COFFEE), ("quantity", "1")])
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn the_session_page_hands_out_the_signed_name() {
    let (_fake, browser) = start().await;
    browser.open("/classic/").await;
    let session = browser.cookie("dwsid").unwrap();
    assert_eq!(browser.open("/classic/session/signed").await.json(), json!({ "dwsgst": format!("signed-{session}") }));
    browser.classic_log_in(OWNER).await;
    let session = browser.cookie("dwsid").unwrap();
    assert_eq!(browser.open("/classic/session/signed").await.json(), json!({ "dwsrst": format!("signed-{session}") }));
}

#[tokio::test]
async fn the_page_for_developers_shows_what_each_click_did_and_no_secret() {
    let (fake, browser) = start().await;
    assert_eq!(browser.open("/developers").await.status, 200);
    browser.open("/shop/").await;
    browser.classic_log_in(OWNER).await;

    let answer = browser.open("/developers/state?since=0").await;
    let state = answer.json();

    assert_eq!(state["accessToken"]["claims"]["legal_entity_id"], OWNER.legal_entities[0]);
    assert_eq!((&state["session"]["isAlive"], &state["session"]["kind"]), (&json!(true), &json!("registered")));
    let events = state["events"].as_array().unwrap();
    let requests: Vec<_> = events.iter().map(|event| event["request"].as_str().unwrap()).collect();
    assert_eq!(requests, ["GET /shop/", "GET /classic/login", "POST /classic/login"]);
    let calls: Vec<_> =
        events[0]["calls"].as_array().unwrap().iter().map(|made| made["call"].as_str().unwrap()).collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    let changed: Vec<_> =
        events[2]["cookies"].as_array().unwrap().iter().map(|change| change["name"].as_str().unwrap()).collect();
    assert!(changed.contains(&"dwsid") && changed.contains(&"cc-nx_main") && changed.contains(&"cc-nx-g_main"));
    for (name, value) in browser.cookies.borrow().iter() {
        let is_open =
            ["usid_main", "customer_id_main", "customer_type_main", "cc-at-expires_main", "cc-nx-expires_main"];
        assert!(is_open.contains(&name.as_str()) || value.len() < 5 || !answer.text.contains(value.as_str()), "{name}");
    }
    assert!(!answer.text.contains("signature"));
    fake.end_sessions();
    assert_eq!(browser.open("/developers/state").await.json()["session"]["isAlive"], false);
    let last = events.last().unwrap()["number"].as_u64().unwrap();
    assert_eq!(browser.open(&format!("/developers/state?since={last}")).await.json()["events"], json!([]));
    let stranger = Browser { cookies: RefCell::default(), ..browser.clone() };
    assert_eq!(stranger.open("/developers/state").await.json()["events"], json!([]));
}

#[tokio::test]
async fn hosts_of_the_demo_share_their_cookies_and_lead_home() {
    let (_fake, browser) = start().await;
    for (host, home) in [
        ("shop.demo.localhost:8401", "/shop/"),
        ("classic.demo.localhost:8401", "/classic/"),
        ("127.0.0.1:8401", "/shop/"),
    ] {
        let there = Browser { host, ..browser.clone() };
        assert_eq!(there.open("/").await.location(), home);
        let landed = there.open(home).await;
        for line in landed.headers.get_all("set-cookie") {
            assert_eq!(line.to_str().unwrap().contains("Domain=demo.localhost"), host.contains("demo"), "{line:?}");
        }
    }
}

#[tokio::test]
async fn every_page_is_protected_and_kept_by_nobody() {
    let (_fake, browser) = start().await;
    for path in [
        "/shop/",
        "/shop/bff/state",
        "/shop/bff/nothing",
        "/classic/",
        "/classic/nothing",
        "/classic/session",
        "/developers",
        "/developers/state",
    ] {
        let answer = browser.open(path).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
    }
    for file in [
        "/shop/assets/app.js",
        "/shop/assets/api.js",
        "/shop/assets/dom.js",
        "/shop/assets/views.js",
        "/shop/assets/storefront.css",
        "/classic/assets/storefront.css",
        "/developers/assets/developers.js",
        "/developers/assets/dom.js",
    ] {
        assert_eq!(browser.open(file).await.status, 200, "{file}");
    }
}
