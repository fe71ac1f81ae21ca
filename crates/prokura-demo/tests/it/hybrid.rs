//! The headless and the classic storefront as one browser sees them, in front of a scripted Prokura.

use std::cell::RefCell;
use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use prokura_demo::data::{BUYER, OWNER, SampleLogin};
use prokura_demo::hybrid::{self, HybridConfig};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::hybrid_fake::HybridFake;

const COFFEE: &str = "CT-101";

/// A browser with its cookies; clones are tabs whose requests are already under way.
#[derive(Clone)]
struct Browser {
    site: Router,
    host: &'static str,
    cookies: RefCell<BTreeMap<String, String>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// The value of the first field of that name.
    fn field(&self, name: &str) -> String {
        let rest = self.text.split_once(&format!("name=\"{name}\" value=\""));
        let rest = rest.unwrap_or_else(|| panic!("{name} is not in {} {}", self.status, self.text)).1;
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// A row of the session page.
    fn row(&self, id: &str) -> String {
        let rest = self.text.split_once(&format!("id=\"session-{id}\" class=\"value\">")).unwrap().1;
        rest.split_once('<').unwrap().0.to_owned()
    }
}

impl Browser {
    fn new(config: HybridConfig) -> Self {
        Self { site: hybrid::router(config), host: "127.0.0.1:8401", cookies: RefCell::default() }
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    fn block(&self, name: &str) {
        self.cookies.borrow_mut().remove(name);
    }

    async fn send(&self, request: axum::http::request::Builder, body: String) -> Answer {
        let cookies: Vec<_> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header("host", self.host);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let answer = self.site.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        for line in parts.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn open(&self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    /// A call by a script of Head, for whomever it last saw.
    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let whom = if method == Method::GET { String::new() } else { self.whom().await };
        self.call_for(method, path, body, &whom).await
    }

    async fn call_for(&self, method: Method, path: &str, body: Value, whom: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/shop/bff/{path}"))
            .header("content-type", "application/json")
            .header("x-head", "1")
            .header("sec-fetch-site", "same-origin")
            .header("x-acting-for", whom);
        self.send(request, body.to_string()).await
    }

    async fn state(&self) -> Value {
        let answer = self.call_for(Method::GET, "state", Value::Null, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    async fn whom(&self) -> String {
        self.state().await["actingFor"].as_str().unwrap().to_owned()
    }

    async fn head_log_in(&self, login: SampleLogin) -> Value {
        let body = json!({ "login": login.email, "password": login.password, "remember": true });
        let answer = self.call(Method::POST, "login", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    async fn head_add(&self, product: &str, quantity: i64) {
        let body = json!({ "productId": product, "quantity": quantity });
        let answer = self.call(Method::POST, "api/baskets/items", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }

    /// What is in the basket, as Head sees it.
    async fn head_basket(&self) -> Vec<(String, i64)> {
        let answer = self.call(Method::GET, "api/baskets", Value::Null).await.json();
        let items = answer[0]["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| (item["productId"].as_str().unwrap().to_owned(), item["quantity"].as_i64().unwrap()))
            .collect()
    }

    /// Sends a form of a classic page.
    async fn post(&self, from: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = from.field("form_token");
        self.post_with(&token, path, fields).await
    }

    async fn post_with(&self, token: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = reqwest::Url::parse("http://form").unwrap();
        form.query_pairs_mut().append_pair("form_token", token).extend_pairs(fields);
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request, form.query().unwrap().to_owned()).await
    }

    async fn classic_add(&self, product: &str, quantity: &str) -> Answer {
        let page = self.open(&format!("/classic/products/{product}")).await;
        let whom = page.field("acting_for");
        let fields =
            [("acting_for", &*whom), ("product", product), ("quantity", quantity), ("return_to", "/classic/basket")];
        self.post(&page, "/classic/basket/items", &fields).await
    }

    async fn classic_log_in(&self, login: SampleLogin) -> Answer {
        let page = self.open("/classic/login").await;
        let fields = [("email", login.email), ("password", login.password), ("remember", "yes")];
        self.post(&page, "/classic/login", &fields).await
    }

    /// Who the two halves say is here; they must agree at any time.
    async fn agreed(&self) -> (String, String) {
        let state = self.state().await;
        let page = self.open("/classic/session").await;
        assert_eq!(page.status, 200, "{}", page.text);
        let of_head = state["legalEntityId"].as_str().unwrap_or("none").to_owned();
        assert_eq!(page.row("customer-id"), state["customerId"].as_str().unwrap());
        assert_eq!(page.row("kind"), state["kind"].as_str().unwrap());
        assert_eq!(page.row("company"), of_head);
        assert_eq!(page.row("usid"), state["usid"].as_str().unwrap());
        (state["customerId"].as_str().unwrap().to_owned(), of_head)
    }
}

async fn start() -> (HybridFake, Browser) {
    let fake = HybridFake::start().await;
    let browser = Browser::new(fake.config());
    (fake, browser)
}

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
