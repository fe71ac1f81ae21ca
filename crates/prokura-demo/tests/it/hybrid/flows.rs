//! The flows between the two halves: who lands where, what runs out, who logs in, out, and for whom.

use axum::http::{Method, StatusCode};
use prokura_demo::data::{BUYER, OWNER};
use prokura_demo::hybrid::{self, HybridConfig};
use serde_json::{Value, json};

use super::{Browser, COFFEE, start};

#[tokio::test]
async fn a_new_guest_on_head_is_the_same_guest_on_the_classic_pages() {
    let (fake, browser) = start().await;
    let landed = browser.open("/shop/").await;
    assert_eq!(landed.status, 200);
    assert_eq!(fake.calls(), ["GET authorize", "POST token", "POST sessions"]);
    assert!(browser.cookie("dwsid").is_some() && browser.cookie("cc-nx-g_main").is_some());
    assert!(browser.cookie("cc-nx_main").is_none());
    assert_eq!(browser.cookie("customer_type_main").as_deref(), Some("guest"));

    let session = browser.cookie("dwsid");
    let (customer, _) = browser.agreed().await;
    assert!(customer.starts_with("guest-of-"));
    assert_eq!(browser.cookie("dwsid"), session, "no crossing makes another session");
    fake.calls();
    browser.open("/shop/orders").await;
    assert_eq!(fake.calls(), [""; 0], "whoever is known is not asked for");
}

#[tokio::test]
async fn a_new_guest_on_the_classic_pages_is_the_same_guest_on_head_without_a_redirect() {
    let (fake, browser) = start().await;
    let landed = browser.open("/classic/").await;
    assert_eq!(landed.status, 200);
    assert_eq!(landed.headers["x-session-new"], "1");
    assert_eq!(fake.calls(), ["POST session", "GET authorize", "POST token"]);
    browser.open("/classic/").await;
    assert_eq!(fake.calls(), ["POST session"]);
    browser.open("/shop/").await;
    assert_eq!(fake.calls(), [""; 0], "Head goes on with what the classic pages left");
    let guest = browser.agreed().await;
    assert!(!browser.open("/classic/").await.headers.contains_key("x-session-new"));
    fake.advance(31 * 60);
    assert_eq!(browser.agreed().await, guest, "Head renews what the classic pages left");
}

#[tokio::test]
async fn a_returning_visitor_on_head_is_known_by_the_refresh_token() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    let (customer, _) = browser.agreed().await;
    let before = browser.cookie("cc-nx-g_main");
    for name in ["cc-at_main", "cc-at_main_2", "cc-at-expires_main", "dwsid"] {
        browser.block(name);
    }
    fake.end_sessions();
    fake.calls();

    browser.open("/shop/").await;

    assert_eq!(fake.calls(), ["POST token", "POST sessions"]);
    assert_ne!(browser.cookie("cc-nx-g_main"), before, "it was good for one use");
    assert_eq!(browser.agreed().await.0, customer);
}

#[tokio::test]
async fn a_returning_visitor_on_the_classic_pages_gets_the_page_at_once() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    browser.head_log_in(OWNER).await;
    let (customer, _) = browser.agreed().await;
    browser.block("dwsid");
    fake.end_sessions();

    let page = browser.open("/classic/session?q=1").await;

    assert_eq!(page.status, 200);
    assert_eq!((page.row("customer-id"), page.row("restored")), (customer, "yes".to_owned()));
    assert_eq!(page.headers["x-session-new"], "1");
    browser.agreed().await;
}

#[tokio::test]
async fn the_vendors_redirect_is_there_on_demand_and_happens_once() {
    let (fake, browser) = start().await;
    let config = HybridConfig { redirects_after_restoring: true, ..fake.config() };
    let always = Browser { site: hybrid::router(config), ..browser.clone() };
    for (browser, path) in [(&browser, "/classic/session?q=1&bridge=302"), (&always, "/classic/session?q=1")] {
        browser.open("/shop/").await;
        let (customer, _) = browser.agreed().await;
        fake.end_sessions();

        let first = browser.open(path).await;
        assert_eq!((first.status, first.location()), (StatusCode::FOUND, "/classic/session?q=1"));
        assert_eq!(browser.cookie("cc-sg_main").as_deref(), Some("1"));
        let second = browser.open(first.location()).await;
        assert_eq!((second.status, second.row("customer-id")), (StatusCode::OK, customer));
        assert_eq!(browser.cookie("cc-sg_main"), None);

        // A browser that takes all cookies but the session's.
        fake.end_sessions();
        assert_eq!(browser.open(path).await.status, 302);
        browser.block("dwsid");
        assert_eq!(browser.open(path).await.status, 200, "one redirect, and no loop");
    }
}

#[tokio::test]
async fn an_access_token_that_runs_out_is_renewed_without_another_session() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    let session = browser.cookie("dwsid");
    browser.head_add(COFFEE, 1).await;
    fake.advance(31 * 60);
    fake.calls();
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 1)]);
    assert_eq!(fake.calls(), ["POST token"]);

    // Before its time, too.
    fake.end_access_tokens();
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 1)]);
    assert_eq!(fake.calls(), ["POST token"]);
    assert_eq!(browser.cookie("dwsid"), session);
    browser.agreed().await;
}

#[tokio::test]
async fn a_classic_session_that_runs_out_is_restored_for_the_same_shopper_and_company() {
    let (fake, browser) = start().await;
    browser.classic_log_in(OWNER).await;
    let before = browser.agreed().await;
    assert_eq!(before.1, OWNER.legal_entities[0]);
    fake.end_sessions();
    assert_eq!(browser.agreed().await, before);
}

#[tokio::test]
async fn a_refused_refresh_token_leads_to_a_new_guest_in_both_halves() {
    for path in ["/shop/", "/classic/"] {
        let (fake, browser) = start().await;
        browser.open("/shop/").await;
        browser.head_log_in(OWNER).await;
        let (customer, _) = browser.agreed().await;
        fake.end_grants();
        fake.advance(31 * 60);

        assert_eq!(browser.open(path).await.status, 200);

        let (guest, _) = browser.agreed().await;
        assert_ne!(guest, customer);
        assert_eq!(browser.cookie("cc-nx_main"), None, "nothing of the login is left");
    }
}

#[tokio::test]
async fn login_on_head_is_a_login_on_the_classic_pages_and_the_basket_comes_along() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    browser.head_add(COFFEE, 3).await;
    let (guest, session) = (browser.agreed().await.0, browser.cookie("dwsid"));

    let logged_in = browser.head_log_in(OWNER).await;

    assert_eq!(logged_in["mustChoose"], false);
    let (customer, company) = browser.agreed().await;
    assert_ne!(customer, guest);
    assert_eq!(company, OWNER.legal_entities[0]);
    assert_ne!(browser.cookie("dwsid"), session, "S-90: a login gives the session another name");
    assert_eq!(browser.cookie("cc-nx-g_main"), None);
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 3)]);
    assert!(browser.open("/classic/basket").await.text.contains("House blend"));
    drop(fake);
}

#[tokio::test]
async fn login_on_the_classic_pages_is_a_login_on_head_and_the_basket_comes_along() {
    let (_fake, browser) = start().await;
    assert_eq!(browser.classic_add(COFFEE, "2").await.location(), "/classic/basket?said=added");
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 2)]);
    let session = browser.cookie("dwsid");

    let answer = browser.classic_log_in(OWNER).await;

    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/classic/?said=logged-in"));
    assert_ne!(browser.cookie("dwsid"), session);
    assert_eq!(browser.agreed().await.1, OWNER.legal_entities[0]);
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 2)]);
}

#[tokio::test]
async fn who_acts_for_several_companies_chooses_first_and_the_basket_waits() {
    for on_head in [true, false] {
        let (_fake, browser) = start().await;
        browser.open("/shop/").await;
        browser.head_add(COFFEE, 2).await;
        let bremen = BUYER.legal_entities[1];
        if on_head {
            assert_eq!(browser.head_log_in(BUYER).await["mustChoose"], true);
            assert_eq!(browser.head_basket().await, []);
            let answer = browser.call(Method::POST, "company", json!({ "legalEntityId": bremen })).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            assert!(browser.classic_log_in(BUYER).await.location().starts_with("/classic/company"));
            assert_eq!(browser.head_basket().await, []);
            let page = browser.open("/classic/company").await;
            assert_eq!(browser.post(&page, "/classic/company", &[("company", bremen)]).await.status, 303);
        }
        assert_eq!(browser.agreed().await.1, bremen);
        assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 2)], "it came to the company");

        // And back again from the other half: the basket stays with its company.
        let hamburg = BUYER.legal_entities[0];
        if on_head {
            let page = browser.open("/classic/company").await;
            assert_eq!(browser.post(&page, "/classic/company", &[("company", hamburg)]).await.status, 303);
            assert_eq!(browser.cookie("cc-at_main"), None, "Head's token says another company");
        } else {
            browser.call(Method::POST, "company", json!({ "legalEntityId": hamburg })).await;
        }
        assert_eq!(browser.agreed().await.1, hamburg);
        assert_eq!(browser.head_basket().await, []);
    }
}

#[tokio::test]
async fn a_company_of_others_is_refused_and_nothing_changes() {
    let (_fake, browser) = start().await;
    browser.open("/shop/").await;
    browser.head_log_in(OWNER).await;
    let before = browser.agreed().await;
    let answer = browser.call(Method::POST, "company", json!({ "legalEntityId": BUYER.legal_entities[0] })).await;
    assert_eq!((answer.status, answer.json()["kind"].as_str()), (StatusCode::BAD_REQUEST, Some("not_assigned")));
    let page = browser.open("/classic/company").await;
    let answer = browser.post(&page, "/classic/company", &[("company", BUYER.legal_entities[0])]).await;
    assert_eq!(answer.location(), "/classic/company?said=may-not");
    assert_eq!(browser.agreed().await, before);
}

#[tokio::test]
async fn logout_in_either_half_ends_both() {
    for on_head in [true, false] {
        let (_fake, browser) = start().await;
        browser.open("/shop/").await;
        browser.head_log_in(OWNER).await;
        let (customer, _) = browser.agreed().await;
        let old = browser.clone();
        let page = browser.open("/classic/").await;
        if on_head {
            // As after half an hour: the browser has dropped the access token.
            browser.block("cc-at_main");
        }

        if on_head {
            assert_eq!(browser.call(Method::POST, "logout", json!({})).await.status, 200);
        } else {
            let answer = browser.post(&page, "/classic/logout", &[]).await;
            assert_eq!(answer.location(), "/classic/?said=logged-out");
            assert_eq!(browser.cookie("cc-at_main").as_deref(), Some("refresh"));
        }

        assert_ne!(browser.agreed().await.0, customer);
        assert_eq!(browser.state().await["kind"], "guest");
        // Whoever kept the cookies from before has nothing of them.
        assert_eq!(old.open("/classic/orders").await.status, 303);
        assert_eq!(old.open("/classic/orders?again=1").await.status, 409);
        let basket = old.call_for(Method::GET, "api/orders", Value::Null, "").await;
        assert_ne!(basket.status, 200, "{}", basket.text);
    }
}
