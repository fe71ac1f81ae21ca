//! What happens at the same moment: tabs that refresh together, and requests under way while another tab changes who is here.

use axum::http::{Method, StatusCode};
use prokura_demo::data::{BUYER, OWNER};
use serde_json::{Value, json};

use super::{Answer, Browser, COFFEE, start};

#[tokio::test]
async fn tabs_that_refresh_at_once_make_one_refresh() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    browser.head_log_in(OWNER).await;
    let (customer, _) = browser.agreed().await;
    fake.advance(31 * 60);
    fake.calls();
    let tabs: Vec<Browser> = (0..8).map(|_| browser.clone()).collect();
    let asked = tabs.iter().map(|tab| tab.call(Method::GET, "api/baskets", Value::Null));
    let answers = futures(asked).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(fake.calls(), ["POST token"]);
    // One more that was under way all the time and holds the used-up token.
    let late = browser.clone();
    assert_eq!(late.call(Method::GET, "api/baskets", Value::Null).await.status, 200);
    assert_eq!(fake.calls(), [""; 0]);
    for tab in tabs.iter().chain([&late]) {
        assert_eq!(tab.cookie("cc-nx_main"), late.cookie("cc-nx_main"), "one successor for all");
    }
    assert_eq!(late.agreed().await.0, customer);
}

async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(Box::pin).map(|future| (future, None)).collect();
    std::future::poll_fn(|context| {
        let mut is_ready = true;
        for (future, output) in &mut all {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    all.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[tokio::test]
async fn a_refresh_under_way_does_not_undo_a_login_a_logout_or_a_switch_in_another_tab() {
    let (fake, browser) = start().await;
    browser.open("/shop/").await;
    let late = browser.clone();
    browser.head_log_in(BUYER).await;
    fake.advance(31 * 60);

    let answer = late.call(Method::GET, "api/baskets", Value::Null).await;
    assert_eq!((answer.status, answer.json()["kind"].as_str()), (StatusCode::CONFLICT, Some("elsewhere")));
    assert_eq!(
        answer.headers.get_all("set-cookie").iter().filter(|line| line.to_str().unwrap().contains("cc-")).count(),
        0
    );
    let landed = late.clone().open("/shop/").await;
    assert!(landed.headers.get_all("set-cookie").iter().all(|line| !line.to_str().unwrap().contains("cc-")));

    browser.state().await;
    let late = browser.clone();
    let company = BUYER.legal_entities[0];
    browser.call(Method::POST, "company", json!({ "legalEntityId": company })).await;
    let answer = late.call_for(Method::POST, "api/baskets/items", json!({ "productId": COFFEE }), "private").await;
    assert_eq!(
        answer.json()["kind"],
        "acting_for",
        "what was meant for the private person is not done for the company"
    );
    assert_eq!(late.whom().await, format!("company:{company}"));

    let late = browser.clone();
    browser.call(Method::POST, "logout", json!({})).await;
    let answer = late.call(Method::GET, "api/orders", Value::Null).await;
    assert_eq!(answer.json()["kind"], "elsewhere");
    assert_eq!(browser.state().await["kind"], "guest");
}

#[tokio::test]
async fn a_classic_page_under_way_does_not_undo_what_another_tab_has_done() {
    let (fake, browser) = start().await;
    let sets_nothing = |answer: &Answer| {
        !answer.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().contains("cc-"))
    };
    browser.open("/shop/").await;
    // Head logs in while the guest's page is asked for.
    let late = browser.clone();
    browser.head_log_in(OWNER).await;
    let answer = late.open("/classic/session?q=1").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/classic/session?q=1&again=1"));
    assert!(sets_nothing(&answer));
    assert_eq!(late.open(answer.location()).await.status, 409, "and no loop");
    let (customer, _) = browser.agreed().await;
    assert_eq!(browser.open(answer.location()).await.row("customer-id"), customer);

    // Both halves of a returning shopper at once: Head uses the refresh token up.
    browser.block("dwsid");
    browser.block("cc-at_main");
    fake.end_sessions();
    let late = browser.clone();
    browser.open("/shop/").await;
    let page = late.open("/classic/session").await;
    assert_eq!((page.status, page.row("customer-id")), (StatusCode::OK, customer));
    assert!(sets_nothing(&page), "the refresh token of the other tab stays");

    // The classic pages log out while Head refreshes.
    let late = browser.clone();
    let page = browser.open("/classic/").await;
    browser.post(&page, "/classic/logout", &[]).await;
    fake.advance(31 * 60);
    assert_eq!(late.call_for(Method::GET, "api/orders", Value::Null, "").await.json()["kind"], "elsewhere");
    let token = page.field("form_token");
    assert_eq!(late.post_with(&token, "/classic/session", &[]).await.status, 409);
}

#[tokio::test]
async fn s98_a_form_rendered_before_a_bridge_counts_after_it() {
    let (fake, browser) = start().await;
    browser.classic_log_in(OWNER).await;
    let page = browser.open(&format!("/classic/products/{COFFEE}")).await;
    let (session, whom) = (browser.cookie("dwsid"), page.field("acting_for"));
    fake.end_sessions();
    fake.advance(31 * 60);

    let fields = [("acting_for", &*whom), ("product", COFFEE), ("quantity", "4"), ("return_to", "/classic/basket")];
    let answer = browser.post(&page, "/classic/basket/items", &fields).await;

    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/classic/basket?said=added"));
    assert_ne!(browser.cookie("dwsid"), session, "the session was another one by then");
    assert_eq!(browser.head_basket().await, [(COFFEE.to_owned(), 4)]);
}
