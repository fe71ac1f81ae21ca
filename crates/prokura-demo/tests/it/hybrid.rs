//! The headless and the classic storefront as one browser sees them, in front of a scripted Prokura.

mod flows;
mod races;
mod rules;

use std::cell::RefCell;
use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use prokura_demo::data::SampleLogin;
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
