//! Browsers on another origin: preflights, and the request sequences of both storefronts as they were recorded.

use prokura_testkit::{Acme, Answer, Tokens};
use reqwest::Method;
use serde_json::{Value, json};

const SHOWCASE: &str = "http://localhost:3000";
const SDK: &str = "http://localhost:5173";
const LISTED: [&str; 9] = [
    "authorization",
    "content-type",
    "accept-language",
    "content-language",
    "x-version",
    "x-total-count",
    "saas-token",
    "session-id",
    "emporix-tenant",
];

async fn preflight(acme: &Acme, origin: &str, method: &str, path: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", &LISTED.join(",")),
    ];
    acme.call(Method::OPTIONS, path, None, &headers, None).await
}

/// What a browser does: it asks, then sends, and shows the answer only if it may.
struct Browser<'a> {
    acme: &'a Acme,
    origin: &'static str,
    /// What this client sends with every call but its token calls.
    extra: Vec<(&'static str, &'static str)>,
}

impl Browser<'_> {
    async fn send(&self, method: Method, path: &str, bearer: Option<&str>, body: Option<&Value>) -> Answer {
        if bearer.is_some() || body.is_some() {
            let asked = preflight(self.acme, self.origin, method.as_str(), path).await;
            assert_eq!(asked.status, 204, "{method} {path}");
            let list = |name: &str| asked.headers[name].to_str().unwrap().to_ascii_lowercase();
            assert!(list("access-control-allow-methods").contains(&method.as_str().to_ascii_lowercase()), "{path}");
            assert_eq!(asked.headers["access-control-allow-origin"], self.origin);
        }
        let mut headers = vec![("origin", self.origin)];
        if bearer.is_some() {
            headers.extend(&self.extra);
        }
        let answer = self.acme.call(method.clone(), path, bearer, &headers, body).await;
        assert_eq!(
            answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap()),
            Some(self.origin),
            "the browser hides {method} {path}"
        );
        answer
    }

    async fn get(&self, path: &str, bearer: &str) -> Answer {
        self.send(Method::GET, path, Some(bearer), None).await
    }

    /// A service that is not ours: the client lives with 404 as long as it can read it.
    async fn elsewhere(&self, method: Method, path: &str, bearer: &str) {
        let body = (method == Method::POST).then(|| json!({}));
        let answer = self.send(method, path, Some(bearer), body.as_ref()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!(404)), "{path}");
        assert!(answer.json()["message"].is_string());
    }
}

#[tokio::test]
async fn e04_a_preflight_needs_no_token_and_errors_can_be_read() {
    let acme = Acme::start().await;
    for (method, path) in [
        ("GET", "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf"),
        ("POST", "/customer/acme/login"),
        ("PATCH", "/session-context/acme/me/context"),
        ("PUT", "/customer-management/acme/legal-entities/le-1"),
        ("DELETE", "/nothing/acme/here"),
        ("POST", "/oauth/token"),
    ] {
        let answer = preflight(&acme, SHOWCASE, method, path).await;
        assert_eq!((answer.status, answer.text.len()), (204, 0), "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], SHOWCASE);
        assert_eq!(answer.headers["access-control-max-age"], "600");
        let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap().to_ascii_lowercase();
        for name in LISTED {
            assert!(allowed.split(", ").any(|known| known == name), "{name}");
        }
        let methods = answer.headers["access-control-allow-methods"].to_str().unwrap();
        assert_eq!(methods, "GET, POST, PUT, PATCH, DELETE, OPTIONS");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"), "no cookies are used");
    }
    for (path, status) in [
        ("/site/acme/sites", 401),
        ("/customerlogin/auth/anonymous/login?tenant=acme&client_id=nope", 401),
        ("/customerlogin/auth/anonymous/login?tenant=nobody&client_id=sf", 400),
        ("/customer/acme/login", 405),
        ("/product/acme/search", 404),
        ("/", 404),
    ] {
        let answer = acme.call(Method::GET, path, None, &[("origin", SHOWCASE)], None).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], SHOWCASE, "{path}");
        let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
        for name in ["X-Total-Count", "X-Next-Cursor", "X-Prev-Cursor"] {
            assert!(exposed.contains(name), "{name}");
        }
        assert!(answer.headers["vary"].to_str().unwrap().contains("Origin"));
    }
    let stranger = preflight(&acme, "https://evil.example", "POST", "/customer/acme/login").await;
    assert!(stranger.status == 204 && !stranger.headers.contains_key("access-control-allow-origin"));
    let stranger = acme.call(Method::GET, "/site/acme/sites", None, &[("origin", "null")], None).await;
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn the_showcase_opens_its_page_and_logs_in() {
    let acme = Acme::start().await;
    let browser = Browser { acme: &acme, origin: SHOWCASE, extra: vec![("x-version", "v2")] };
    let path = "/customerlogin/auth/anonymous/login?client_id=sf&hybris-tenant=acme";
    let guest = Tokens::of(&browser.send(Method::GET, path, None, None).await);
    let a = &*guest.access;

    browser.elsewhere(Method::GET, "/caas-indexing/acme/project/configuration", a).await;
    let context = browser.get("/session-context/acme/me/context", a).await;
    assert_eq!(context.status, 200, "or the page shows a spinner for ever");
    let sites = browser.get("/site/acme/sites?expand=mixin:*", a).await;
    assert!(sites.status == 200 && !sites.json().as_array().unwrap().is_empty());
    for (method, path) in [
        (Method::GET, "/currency/acme/currencies"),
        (Method::GET, "/cart/acme/carts?siteCode=main&create=true"),
        (Method::GET, "/cart/acme/carts/1?expandCalculation=true"),
        (Method::POST, "/product/acme/search"),
        (Method::GET, "/product/acme/products?q=id:(1)"),
        (Method::GET, "/catalog/acme/catalogs?publishedSite=main"),
        (Method::GET, "/category/acme/category-trees"),
        (Method::POST, "/price/acme/match-prices-by-context"),
    ] {
        browser.elsewhere(method, path, a).await;
    }

    // It reads only the old spelling.
    let body = json!({ "email": Acme::email("ann"), "password": Acme::PASSWORD });
    let answer = browser.send(Method::POST, "/customer/acme/login", Some(a), Some(&body)).await;
    let body = answer.json();
    assert!(body["saasToken"].is_string() && body["expiresIn"].is_i64());
    let c = body["accessToken"].as_str().unwrap();
    browser.elsewhere(Method::GET, "/cart/acme/carts?siteCode=main", a).await;
    browser.elsewhere(Method::GET, "/quote/acme/quotes", c).await;
    browser.elsewhere(Method::POST, "/cart/acme/carts/1/merge", c).await;
    let mut context = browser.get("/session-context/acme/me/context", c).await.json();
    assert_eq!(context["sessionId"], json!(guest.session));
    assert_eq!(browser.get("/site/acme/sites?expand=mixin:*", c).await.status, 200);

    // Choosing a currency sends the whole object back.
    context["currency"] = json!("USD");
    let path = "/session-context/acme/me/context?upsert=true";
    assert_eq!(browser.send(Method::PATCH, path, Some(c), Some(&context)).await.status, 204);
    // It never logs out at the server; the token keeps working.
    assert_eq!(browser.get("/session-context/acme/me/context", c).await.json()["currency"], "USD");
}

#[tokio::test]
async fn the_sdk_logs_in_switches_refreshes_and_logs_out() {
    let acme = Acme::start().await;
    let extra = vec![("emporix-tenant", "acme"), ("accept-language", "en")];
    let browser = Browser { acme: &acme, origin: SDK, extra };
    let path =
        "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf&currency=EUR&siteCode=main&targetLocation=DE";
    let guest = Tokens::of(&browser.send(Method::GET, path, None, None).await);
    assert_eq!(browser.get("/site/acme/sites/main", &guest.access).await.status, 200);

    acme.server.advance(3_540);
    let path = format!(
        "/customerlogin/auth/anonymous/refresh?tenant=acme&client_id=sf&refresh_token={}&currency=EUR&siteCode=main",
        guest.refresh
    );
    let guest = Tokens::of(&browser.send(Method::GET, &path, None, None).await);

    // A wrong password makes it throw its visit away and post the same again.
    let log_in = async |bearer: &str, password: &str| {
        let body = json!({ "email": Acme::email("ann"), "password": password });
        browser.send(Method::POST, "/customer/acme/login", Some(bearer), Some(&body)).await
    };
    assert_eq!(log_in(&guest.access, "wrong horse").await.status, 401);
    let guest = acme.guest().await;
    assert_eq!(log_in(&guest.access, "wrong horse").await.status, 401);
    let ann = Tokens::of(&log_in(&guest.access, Acme::PASSWORD).await);
    assert_eq!(ann.session, guest.session);

    let refresh = async |bearer: &str, token: &str, entity: &str| {
        let path = format!("/customer/acme/refreshauthtoken?refreshToken={token}{entity}");
        browser.send(Method::GET, &path, Some(bearer), None).await
    };
    let one = Tokens::of(&refresh(&guest.access, &ann.refresh, "&legalEntityId=le-1").await);
    // The first calls after a switch still carry the token before it.
    assert_eq!(browser.get("/session-context/acme/me/context", &ann.access).await.status, 200);
    let context = browser.get("/session-context/acme/me/context", &one.access).await.json();
    assert_eq!(context["context"]["legalEntityId"], "le-1");
    let body = json!({ "currency": "CHF", "metadata": context["metadata"] });
    let path = "/session-context/acme/me/context";
    assert_eq!(browser.send(Method::PATCH, path, Some(&one.access), Some(&body)).await.status, 204);
    let two = Tokens::of(&refresh(&guest.access, &one.refresh, "&legalEntityId=le-2").await);
    // `refreshSession()` of the React layer sends the token of the login, and no company.
    let stale = Tokens::of(&refresh(&guest.access, &ann.refresh, "").await);
    assert!(acme.validate(&stale.access).await.json().get("legalEntityId").is_none());
    let refused = refresh(&guest.access, &two.refresh, "&legalEntityId=le-3").await;
    assert_eq!(refused.status, 400, "a 401 would make it throw its visit away");
    // After a reload there is a new visit, and the stored tokens.
    let reloaded = acme.guest().await;
    let again = Tokens::of(&refresh(&reloaded.access, &two.refresh, "&legalEntityId=le-2").await);
    assert_eq!(acme.validate(&again.access).await.json()["legalEntityId"], "le-2");

    let path = format!("/customer/acme/logout?accessToken={}", again.access);
    assert_eq!(browser.get(&path, &again.access).await.status, 204);
    assert_eq!(browser.get("/session-context/acme/me/context", &again.access).await.status, 401);
    assert_eq!(browser.get("/session-context/acme/me/context", &reloaded.access).await.status, 200);
}

#[tokio::test]
async fn the_dialect_may_live_below_a_prefix() {
    use axum::{Router, body::Body};
    use tower::ServiceExt as _;

    let acme = Acme::start().await;
    let edge = prokura_http::Edge::new(acme.server.engine.clone());
    let router = Router::new().nest("/shop/api", prokura_emporix::router(edge));
    let get = async |path: &str, bearer: Option<&str>| {
        let mut request = http::Request::get(path).header("origin", SHOWCASE);
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let guest = acme.guest().await;
    for (path, status) in [
        ("/shop/api/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf", 200),
        ("/shop/api/site/acme/sites", 200),
        ("/shop/api/session-context/acme/me/context", 200),
        ("/shop/api/nothing/acme/here", 404),
    ] {
        let answer = get(path, Some(&guest.access)).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], SHOWCASE, "{path}");
    }
}
