//! The storefront in a browser without JavaScript, in front of a scripted Prokura.

use std::cell::RefCell;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use prokura_demo::data::{BUYER, FOREIGN_LEGAL_ENTITY, GROUP_BUYER, OWNER, PRIVATE_PERSON, SampleLogin};
use prokura_demo::storefront;
use tower::ServiceExt as _;

use crate::fake::Fake;

const HAMBURG: &str = "nordwind-hamburg";
const BREMEN: &str = "nordwind-bremen";
const ACTING_FOR_HAMBURG: &str = "Acting for <strong>Nordwind Kaffeehaus Hamburg GmbH</strong>";
const ACTING_FOR_BREMEN: &str = "Acting for <strong>Nordwind Backstube Bremen GmbH</strong>";
const AS_PRIVATE_PERSON: &str = "Shopping as <strong>a private person</strong>";
const AS_GUEST: &str = "<strong>Guest</strong>";

/// A browser: it keeps its cookie, and sends forms as the page that it has open spells them.
struct Browser {
    site: Router,
    cookie: RefCell<Option<String>>,
}

/// What the browser shows.
#[derive(Clone, Debug)]
struct Page {
    status: StatusCode,
    /// Where it was sent to, before it followed.
    location: Option<String>,
    html: String,
    set_cookie: Option<String>,
}

impl Page {
    fn says(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "{text:?} is not in {} {}", self.status, self.html);
        self
    }

    fn says_not(&self, text: &str) -> &Self {
        assert!(!self.html.contains(text), "{text:?} is in {}", self.html);
        self
    }

    /// The value of the first field of that name.
    fn field(&self, name: &str) -> String {
        let after = |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_owned());
        let rest =
            after(&self.html, &format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {self:?}"));
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl Browser {
    fn new(fake: &Fake) -> Self {
        Self { site: storefront::router(fake.storefront_config()), cookie: RefCell::default() }
    }

    /// Another browser on the same site.
    fn another(&self) -> Self {
        Self { site: self.site.clone(), cookie: RefCell::default() }
    }

    async fn send(&self, mut request: Request<Body>) -> Page {
        if let Some(cookie) = &*self.cookie.borrow() {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        let (parts, body) = self.site.clone().oneshot(request).await.unwrap().into_parts();
        let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let set_cookie = text("set-cookie");
        if let Some(cookie) = &set_cookie {
            *self.cookie.borrow_mut() = cookie.split(';').next().map(str::to_owned);
        }
        let html = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Page { status: parts.status, location: text("location"), html, set_cookie }
    }

    async fn open(&self, path: &str) -> Page {
        let mut page = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        for _ in 0..5 {
            let Some(location) = page.location.take() else { break };
            page = self.send(Request::get(&location).body(Body::empty()).unwrap()).await;
            page.html.insert_str(0, &format!("<!-- {location} -->"));
        }
        page
    }

    /// Sends a form from a page without following where it leads.
    async fn post(&self, from: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = from.field("form_token");
        self.send(form(path, &[&[("form_token", token.as_str())], fields].concat())).await
    }

    /// Sends a form from a page and follows.
    async fn submit(&self, from: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        match self.post(from, path, fields).await {
            Page { location: Some(location), .. } => self.open(&location).await,
            page => page,
        }
    }

    async fn log_in(&self, login: SampleLogin) -> Page {
        let page = self.open("/login").await;
        self.submit(&page, "/login", &[("email", login.email), ("password", login.password)]).await
    }

    async fn choose(&self, from: &Page, company: &str) -> Page {
        self.submit(from, "/company", &[("company", company)]).await
    }

    /// Logged in as the buyer of two companies, acting for the first.
    async fn for_hamburg(&self) -> Page {
        let page = self.log_in(BUYER).await;
        self.choose(&page, HAMBURG).await
    }

    async fn add(&self, from: &Page, product: &str, quantity: &str) -> Page {
        let acting_for = from.field("acting_for");
        let fields = [("acting_for", acting_for.as_str()), ("product", product), ("quantity", quantity)];
        self.submit(from, "/basket/items", &fields).await
    }
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut url = reqwest::Url::parse("http://localhost").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(url.query().unwrap_or_default().to_owned()))
        .unwrap()
}

#[tokio::test]
async fn a_person_logs_in_once_and_switches_between_two_companies() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    browser.open("/").await.says(AS_GUEST).says("All <span>20</span>").says_not("for your company");

    let chooser = browser.log_in(BUYER).await;
    chooser.says("For whom do you act?").says(AS_PRIVATE_PERSON).says("Erika Muster");
    let hamburg = browser.choose(&chooser, HAMBURG).await;
    hamburg.says(ACTING_FOR_HAMBURG).says("All <span>28</span>").says("€97.68").says("−17.5% for your company");
    browser.open("/orders").await.says(ACTING_FOR_HAMBURG).says("17 orders");

    let bremen = browser.choose(&hamburg, BREMEN).await;
    bremen.says(ACTING_FOR_BREMEN).says("All <span>29</span>").says("You are now acting for Nordwind Backstube");
    browser.open("/products/CT-101").await.says(ACTING_FOR_BREMEN).says("€116.03");
    browser.open("/orders").await.says(ACTING_FOR_BREMEN).says("9 orders");
    assert_eq!(browser.open("/products/CT-107").await.status, 404, "only for the other company");

    browser.choose(&bremen, "").await.says(AS_PRIVATE_PERSON).says("All <span>20</span>");
    let logins = fake.calls().iter().filter(|call| *call == "POST /customer/demo/login").count();
    assert_eq!(logins, 1, "{:?}", fake.calls());
}

#[tokio::test]
async fn only_who_acts_for_several_companies_is_asked_for_which() {
    let fake = Fake::start().await;
    for (login, expected) in [
        (OWNER, "Acting for <strong>Alpenküche AG</strong>"),
        (PRIVATE_PERSON, AS_PRIVATE_PERSON),
        (GROUP_BUYER, "For whom do you act?"),
    ] {
        Browser::new(&fake).log_in(login).await.says(expected);
    }
}

#[tokio::test]
async fn every_page_says_for_whom_one_acts() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    browser.add(&page, "CT-101", "1").await;
    for path in ["/", "/products/CT-101", "/basket", "/checkout", "/orders", "/orders/4001", "/company", "/nowhere"] {
        browser.open(path).await.says(ACTING_FOR_HAMBURG);
    }
}

#[tokio::test]
async fn a_refused_login_says_so_in_words_and_keeps_the_address() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.open("/login").await;
    let email = BUYER.email;
    for (password, status, words) in [
        ("wrong password", 422, "do not belong together"),
        ("", 422, "do not belong together"),
        ("too many attempts", 429, "try again in 7 seconds"),
    ] {
        let refused = browser.submit(&page, "/login", &[("email", email), ("password", password)]).await;
        assert_eq!(refused.status, status);
        refused.says(words).says(&format!("value=\"{email}\"")).says(AS_GUEST);
        assert!(password.is_empty() || !refused.html.contains(&format!("\"{password}\"")), "it comes back");
    }
}

#[tokio::test]
async fn a_form_of_one_company_does_nothing_for_another() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let old_tab = browser.for_hamburg().await;
    let new_tab = browser.choose(&old_tab, BREMEN).await;

    let answer = browser.add(&old_tab, "CT-101", "3").await;

    answer.says("Nothing was done").says("acting for Nordwind Backstube Bremen GmbH").says(ACTING_FOR_BREMEN);
    browser.open("/basket").await.says("Nothing here yet");
    browser.choose(&new_tab, HAMBURG).await;
    browser.open("/basket").await.says("Nothing here yet");

    let basket = browser.add(&old_tab, "CT-101", "3").await;
    basket.says("Added 3 × House blend coffee beans to the basket of Nordwind Kaffeehaus Hamburg GmbH.");
    let checkout = browser.open("/checkout").await;
    browser.choose(&checkout, BREMEN).await;
    let (acting_for, basket) = (checkout.field("acting_for"), checkout.field("basket"));
    let fields = [("acting_for", acting_for.as_str()), ("basket", basket.as_str())];
    browser.submit(&checkout, "/checkout", &fields).await.says("Nothing was done").says(ACTING_FOR_BREMEN);
    browser.open("/orders").await.says("9 orders");
}

#[tokio::test]
async fn baskets_and_orders_belong_to_the_company() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    browser.add(&page, "CT-107", "2").await;
    let basket = browser.open("/basket").await;
    basket.says("€232.32");

    let checkout = browser.open("/checkout").await;
    let (acting_for, id) = (checkout.field("acting_for"), checkout.field("basket"));
    let fields = [("acting_for", acting_for.as_str()), ("basket", id.as_str()), ("reference", "PO 9")];
    let order = browser.submit(&checkout, "/checkout", &fields).await;
    order.says("Order 10001").says("while acting for Nordwind Kaffeehaus Hamburg GmbH").says("PO 9").says("by you");
    let again = browser.submit(&checkout, "/checkout", &fields).await;
    again.says("Order 10001");
    browser.open("/orders").await.says("18 orders");

    browser.choose(&again, BREMEN).await;
    browser.open("/orders").await.says("9 orders").says_not("10001");
    assert_eq!(browser.open("/orders/10001").await.status, 404);
}

#[tokio::test]
async fn what_the_shop_refuses_is_said_in_words() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    browser.add(&page, "CT-101", "many").await.says("whole number");
    browser.add(&page, "CT-101", "0").await.says("A quantity is a whole number from 1 to 9999.");
    browser.add(&page, "CH-507", "1").await.says("Paper straws is no longer sold.");
    browser.add(&page, "KE-305", "7").await;
    let checkout = browser.open("/checkout").await;
    let (acting_for, id) = (checkout.field("acting_for"), checkout.field("basket"));
    let fields = [("acting_for", acting_for.as_str()), ("basket", id.as_str())];
    browser.submit(&checkout, "/checkout", &fields).await.says("Nothing was ordered. Only 6 of Burr grinder");

    let basket = browser.open("/basket").await;
    let change = |action| {
        let fields = [("basket", id.as_str()), ("quantity", "2"), ("action", action)];
        [&[("acting_for", acting_for.as_str())], fields.as_slice()].concat()
    };
    browser.submit(&basket, "/basket/items/KE-305", &change("change")).await.says("€1,246.08");
    browser.submit(&basket, "/basket/items/KE-305", &change("remove")).await.says("Nothing here yet");
}

#[tokio::test]
async fn an_expired_token_is_renewed_for_the_same_company() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    browser.add(&page, "CT-107", "1").await;
    for _ in 0..2 {
        fake.expire_access_tokens();
        browser.open("/").await.says(ACTING_FOR_HAMBURG).says("All <span>28</span>").says("class=\"count\">1<");
        fake.expire_access_tokens();
        browser.add(&page, "CT-107", "1").await.says("Added 1 ×");
    }
}

#[tokio::test]
async fn a_guest_keeps_the_basket_when_the_token_expires() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.open("/").await;
    browser.add(&page, "CT-101", "2").await.says("to your basket");
    fake.expire_access_tokens();
    browser.open("/basket").await.says("€236.80").says("Log in to order");
}

#[tokio::test]
async fn what_a_guest_chose_comes_along_into_the_basket_of_the_company() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.open("/").await;
    browser.add(&page, "CT-101", "2").await;
    browser.add(&page, "CT-104", "1").await;
    let chooser = browser.log_in(BUYER).await;
    browser.choose(&chooser, HAMBURG).await.says("You are now acting for").says("The 2 products from your basket");
    browser.open("/basket").await.says("€231.88");
    browser.choose(&chooser, BREMEN).await.says_not("came along");
    browser.open("/basket").await.says("Nothing here yet");

    fake.leave_segment("alpenkueche", "general");
    let other = browser.another();
    let page = other.open("/").await;
    other.add(&page, "CT-101", "1").await;
    let welcome = other.log_in(OWNER).await;
    welcome.says("You are acting for Alpenküche AG. Not available here: House blend coffee beans.");
}

#[tokio::test]
async fn who_may_no_longer_act_for_a_company_is_told_and_chooses_again() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    fake.unassign(BUYER.email, HAMBURG);

    let chooser = browser.open("/orders").await;

    chooser.says("You can no longer act for Nordwind Kaffeehaus Hamburg GmbH.").says(AS_PRIVATE_PERSON);
    chooser.says("For whom do you act?").says_not("value=\"nordwind-hamburg\"");
    let answer = browser.choose(&page, HAMBURG).await;
    answer.says("You cannot act for that company").says(AS_PRIVATE_PERSON);
    browser.choose(&chooser, BREMEN).await.says(ACTING_FOR_BREMEN);
}

#[tokio::test]
async fn a_company_that_is_not_ones_own_cannot_be_chosen() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    for foreign in [FOREIGN_LEGAL_ENTITY, "no-such-company", "a/../b?c"] {
        browser.choose(&page, foreign).await.says("You cannot act for that company").says(ACTING_FOR_HAMBURG);
    }
}

#[tokio::test]
async fn a_login_that_is_over_leads_to_a_new_one() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    browser.for_hamburg().await;
    fake.forget_all_tokens();
    browser.open("/").await.says("Your login has ended").says("name=\"password\"").says(AS_GUEST);
    browser.open("/").await.says(AS_GUEST).says("All <span>20</span>");
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.for_hamburg().await;
    let stranger = browser.another();
    let strange_token = stranger.open("/").await.field("form_token");
    let own_token = page.field("form_token");
    for path in ["/company", "/basket/items", "/basket/items/CT-101", "/checkout", "/login", "/logout"] {
        for token in ["", "x", strange_token.as_str()] {
            let answer = browser.send(form(path, &[("form_token", token), ("company", BREMEN)])).await;
            assert_eq!(answer.status, 403, "{path}");
            answer.says("Nothing was done");
        }
        let mut request = form(path, &[("form_token", &own_token)]);
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(browser.send(request).await.status, 403, "{path}");
    }
    browser.open("/").await.says(ACTING_FOR_HAMBURG);
}

#[tokio::test]
async fn the_session_gets_a_new_name_at_login_and_ends_at_logout() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.open("/login").await;
    let before = browser.cookie.borrow().clone();
    let answer = browser.post(&page, "/login", &[("email", BUYER.email), ("password", BUYER.password)]).await;
    let cookie = answer.set_cookie.unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_ne!(browser.cookie.borrow().clone(), before);
    let planted = browser.another();
    *planted.cookie.borrow_mut() = before;
    planted.open("/").await.says(AS_GUEST);

    let copied = browser.another();
    copied.cookie.replace(browser.cookie.borrow().clone());
    let page = browser.open("/company").await;
    browser.submit(&page, "/logout", &[]).await.says(AS_GUEST).says("You are logged out.");
    copied.open("/orders").await.says("name=\"password\"").says(AS_GUEST);
    assert!(fake.calls().contains(&"GET /customer/demo/logout".to_owned()));
}

#[tokio::test]
async fn the_way_back_never_leaves_the_shop() {
    let fake = Fake::start().await;
    let login = async |return_to: &str| {
        let browser = Browser::new(&fake);
        let page = browser.open("/login").await;
        let fields = [("email", OWNER.email), ("password", OWNER.password), ("return_to", return_to)];
        browser.post(&page, "/login", &fields).await.location.unwrap()
    };
    assert_eq!(login("/orders?page=2").await, "/orders?page=2");
    for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "evil", ""] {
        assert_eq!(login(elsewhere).await, "/", "{elsewhere:?}");
    }
}

#[tokio::test]
async fn a_page_that_needs_a_login_is_shown_after_it() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.open("/orders?page=1").await;
    assert_eq!(page.field("return_to"), "/orders?page=1");
}

#[tokio::test]
async fn looking_around_begins_no_guest_session_and_no_basket() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    for _ in 0..3 {
        browser.open("/").await;
        browser.open("/basket").await.says("Nothing here yet");
        browser.another().open("/products/CT-101").await;
    }
    let guests = fake.calls().iter().filter(|call| call.ends_with("/anonymous/login")).count();
    assert_eq!(guests, 1, "all look through one window");
}

#[tokio::test]
async fn what_people_type_is_never_markup() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    let page = browser.open("/?search=%3Cscript%3Ealert(1)%3C/script%3E%22&category=%22%3E%3Cb%3E").await;
    page.says_not("<script>alert").says_not("\"><b>");
    let response = browser.site.clone().oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["cache-control"], "no-store");
    page.says_not("style=").says_not("onclick").says_not("<script>");
}

#[tokio::test]
async fn a_server_that_does_not_answer_gets_a_page_in_words() {
    let fake = Fake::start().await;
    let browser = Browser::new(&fake);
    browser.for_hamburg().await;
    fake.expire_access_tokens();
    fake.go_down();
    let page = browser.open("/").await;
    assert_eq!(page.status, 503);
    page.says("Nothing is lost").says(ACTING_FOR_HAMBURG);
}
