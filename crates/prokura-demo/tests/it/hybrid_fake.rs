//! A scripted stand-in for the part of Prokura that the hybrid storefronts call: shopper login, session calls, and what
//! controllers ask. Behind it stands what they rely on: tokens and sessions are handles of one grant, a refresh token of
//! Head is good once, and what ends the grant ends all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use parking_lot::Mutex;
use prokura_demo::data::{BUYER, OWNER, PRIVATE_PERSON};
use prokura_demo::hybrid::HybridConfig;
use prokura_demo::shop;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::fake::{Fake, TENANT, bind, serve, shop_with_sample_data};

pub(crate) const SITE: &str = "main";
const ORGANIZATION: &str = "f_ecom_zzrf_001";
const HEAD_CLIENT: &str = "head";
const CLASSIC_CLIENT: (&str, &str) = ("classic", "secret-of-the-classic-pages");
const REDIRECT_URI: &str = "http://localhost:3000/callback";
const ACCESS_SECONDS: i64 = 1800;

type Fields = BTreeMap<String, String>;

#[derive(Clone)]
pub(crate) struct HybridFake {
    state: Arc<Mutex<Records>>,
    now: Arc<AtomicI64>,
    pub(crate) prokura_url: String,
    pub(crate) gateway_url: String,
}

#[derive(Clone)]
struct Grant {
    visitor: String,
    login: Option<&'static str>,
    entity: Option<String>,
    is_alive: bool,
    /// Counts switches: tokens from before are over.
    epoch: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    OnceByHead,
    UsedUp,
    ByTheClassicPages,
}

struct Pending {
    visitor: String,
    login: Option<&'static str>,
    challenge: String,
}

#[derive(Default)]
struct Records {
    grants: Vec<Grant>,
    access: BTreeMap<String, (usize, u32, i64)>,
    /// The grant, and whether it can be used: it is used up, or another client's.
    refresh: BTreeMap<String, (usize, Use)>,
    sessions: BTreeMap<String, usize>,
    codes: BTreeMap<String, Pending>,
    counter: u32,
    calls: Vec<String>,
    refuses_sessions: bool,
}

impl Records {
    fn next(&mut self, kind: &str) -> String {
        self.counter += 1;
        format!("{kind}-{}", self.counter)
    }

    fn begin(&mut self, visitor: &str, login: Option<&'static str>) -> usize {
        if login.is_some() {
            // A login through any door ends the guest in the other half as well.
            let others = self.grants.iter_mut().filter(|grant| grant.visitor == visitor);
            others.for_each(|grant| grant.is_alive = false);
        }
        let entity = login.and_then(|login| match companies(login) {
            [only] => Some((*only).to_owned()),
            _ => None,
        });
        self.grants.push(Grant { visitor: visitor.to_owned(), login, entity, is_alive: true, epoch: 0 });
        self.grants.len() - 1
    }

    fn open(&mut self, grant: usize) -> String {
        let id = self.next("session");
        self.sessions.insert(id.clone(), grant);
        id
    }

    fn access(&mut self, number: usize, now: i64) -> String {
        let grant = self.grants[number].clone();
        let count = self.next("jti");
        let customer = customer_id(&grant);
        let isb = match grant.login {
            None => format!("uido:slas::upn:Guest::uidn:Guest User::gcid:{customer}::chid:{SITE}"),
            Some(login) => format!("uido:ecom::upn:{login}::uidn:Some Body::gcid:g::rcid:{customer}::chid:{SITE}"),
        };
        let mut claims = json!({
            "sub": format!("cc-slas::zzrf_001::scid:{HEAD_CLIENT}::usid:{}", grant.visitor),
            "isb": isb, "exp": now + ACCESS_SECONDS, "iat": now, "jti": count, "fam": format!("family-{number}"),
            "padding": "x".repeat(1200),
        });
        if let Some(entity) = &grant.entity {
            claims["legal_entity_id"] = json!(entity);
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.signature", encode(&json!({ "alg": "ES256" })), encode(&claims));
        self.access.insert(token.clone(), (number, grant.epoch, now + ACCESS_SECONDS));
        token
    }

    fn refresh(&mut self, grant: usize, whose: Use) -> String {
        let token = self.next("refresh");
        self.refresh.insert(token.clone(), (grant, whose));
        token
    }

    fn bearer(&self, headers: &HeaderMap, now: i64) -> Option<(usize, Grant)> {
        let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let (number, epoch, end) = self.access.get(token)?;
        let grant = self.grants.get(*number)?;
        (grant.is_alive && grant.epoch == *epoch && *end > now).then(|| (*number, grant.clone()))
    }

    /// The grant behind a session that is alive.
    fn session(&self, id: &str) -> Option<usize> {
        self.sessions.get(id).copied().filter(|number| self.grants[*number].is_alive)
    }

    fn switch(&mut self, number: usize, entity: &str) -> bool {
        let grant = &mut self.grants[number];
        if !entity.is_empty() && !grant.login.is_some_and(|login| companies(login).contains(&entity)) {
            return false;
        }
        grant.entity = Some(entity.to_owned()).filter(|id| !id.is_empty());
        grant.epoch += 1;
        true
    }
}

fn companies(login: &str) -> &'static [&'static str] {
    [BUYER, OWNER].iter().find(|person| person.email == login).map_or(&[], |person| person.legal_entities)
}

fn customer_id(grant: &Grant) -> String {
    match grant.login {
        None => format!("guest-of-{}", grant.visitor),
        Some(login) => format!("customer-{}", login.split('.').next().unwrap()),
    }
}

fn person(login: &str, password: &str) -> Option<&'static str> {
    let people = [BUYER, OWNER, PRIVATE_PERSON];
    people.iter().find(|person| person.email == login && person.password == password).map(|person| person.email)
}

impl HybridFake {
    pub(crate) async fn start() -> Self {
        let (identity, gateway) = (bind().await, bind().await);
        let fake = Self {
            state: Arc::default(),
            now: Arc::new(AtomicI64::new(1_800_000_000)),
            prokura_url: format!("http://{}", identity.local_addr().unwrap()),
            gateway_url: format!("http://{}", gateway.local_addr().unwrap()),
        };
        let segments = Fake::start().await;
        let shop = shop::router(shop_with_sample_data(), segments.shop_config());
        serve(identity, fake.identity());
        serve(gateway, fake.gateway(shop));
        fake
    }

    pub(crate) fn config(&self) -> HybridConfig {
        let now = self.now.clone();
        HybridConfig {
            prokura_url: self.prokura_url.clone(),
            gateway_url: self.gateway_url.clone(),
            tenant: TENANT.to_owned(),
            organization: ORGANIZATION.to_owned(),
            site: SITE.to_owned(),
            head_client_id: HEAD_CLIENT.to_owned(),
            redirect_uri: REDIRECT_URI.to_owned(),
            classic_client_id: CLASSIC_CLIENT.0.to_owned(),
            classic_client_secret: CLASSIC_CLIENT.1.to_owned(),
            shop_name: "Kontor".to_owned(),
            is_https: false,
            cookie_domain: Some("demo.localhost".to_owned()),
            redirects_after_restoring: false,
            mails_path: None,
            sample_logins: vec![BUYER, OWNER],
            clock: Arc::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap()),
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Ends all sessions of the pages; the grants behind them live on.
    pub(crate) fn end_sessions(&self) {
        self.state.lock().sessions.clear();
    }

    /// Ends all access tokens before their time.
    pub(crate) fn end_access_tokens(&self) {
        self.state.lock().access.clear();
    }

    /// Ends everything.
    pub(crate) fn end_grants(&self) {
        self.state.lock().grants.iter_mut().for_each(|grant| grant.is_alive = false);
    }

    pub(crate) fn refuse_sessions(&self) {
        self.state.lock().refuses_sessions = true;
    }

    /// The calls since the last time, as method and last part of the path.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().calls)
    }

    fn identity(&self) -> Router {
        let note = async |State(fake): State<Self>, request: Request, next: axum::middleware::Next| {
            let path = request.uri().path().to_owned();
            fake.state.lock().calls.push(format!("{} {}", request.method(), path.rsplit('/').next().unwrap()));
            next.run(request).await
        };
        let slas = |what: &str| format!("/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2/{what}");
        Router::new()
            .route(&slas("authorize"), get(authorize))
            .route(&slas("login"), post(login))
            .route(&slas("token"), post(token))
            .route(&slas("session-bridge/token"), post(bridge))
            .route(&slas("userinfo"), get(user_info))
            .route(&slas("logout"), get(logout))
            .route(&format!("/s/{SITE}/dw/shop/{{version}}/sessions"), post(sessions))
            .route(&format!("/s/{SITE}/dw/shop/{{version}}/customers/auth"), post(probe))
            .route(&format!("/t/{TENANT}/pages/{{what}}"), post(pages))
            .route(&format!("/customer-management/{TENANT}/legal-entities"), get(legal_entities))
            .layer(axum::middleware::from_fn_with_state(self.clone(), note))
            .with_state(self.clone())
    }

    fn gateway(&self, shop: Router) -> Router {
        let fake = self.clone();
        Router::new().fallback(async move |mut request: Request| {
            let found = fake.state.lock().bearer(request.headers(), fake.now());
            let Some((number, grant)) = found else { return StatusCode::UNAUTHORIZED.into_response() };
            let headers = request.headers_mut();
            let mut put = |name: &'static str, value: &str| {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            };
            put("x-prokura-tenant", TENANT);
            put("x-prokura-session", &format!("session-{number}"));
            put("x-prokura-visitor", &grant.visitor);
            put("x-prokura-subject", if grant.login.is_some() { "customer" } else { "guest" });
            put("x-prokura-customer", &grant.login.map(|_| customer_id(&grant)).unwrap_or_default());
            put("legalentityid", grant.entity.as_deref().unwrap_or_default());
            put("legal-entity-id", grant.entity.as_deref().unwrap_or_default());
            put("x-prokura-segments", "general,barista");
            shop.clone().oneshot(request).await.unwrap().map(Body::new)
        })
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    let body = json!({ "status_code": status.as_u16().to_string(), "message": message, "error": "invalid_request", "error_description": message });
    (status, Json(body)).into_response()
}

fn to_callback(code: &str, usid: &str) -> Response {
    let location = format!("{REDIRECT_URI}?usid={usid}&code={code}");
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

async fn authorize(State(fake): State<HybridFake>, Query(query): Query<Fields>) -> Response {
    let is_hint = ["guest", "sb-guest", "sb-user"].contains(&query["hint"].as_str());
    if query["client_id"] != HEAD_CLIENT || query["redirect_uri"] != REDIRECT_URI || !is_hint {
        return refused(StatusCode::BAD_REQUEST, "Bad or missing client_id.");
    }
    let mut records = fake.state.lock();
    let visitor = query.get("usid").cloned().unwrap_or_else(|| records.next("visitor"));
    let code = records.next("code");
    let pending = Pending { visitor: visitor.clone(), login: None, challenge: query["code_challenge"].clone() };
    records.codes.insert(code.clone(), pending);
    to_callback(&code, &visitor)
}

async fn login(State(fake): State<HybridFake>, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    let basic = headers["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
    let basic = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
    let (login, password) = basic.split_once(':').unwrap();
    if password == "too soon" {
        return refused(StatusCode::CONFLICT, "The same loginId and tenantId tried to login twice within 1 second.");
    }
    let Some(login) = person(login, password) else {
        return refused(StatusCode::UNAUTHORIZED, "Authorization failed.");
    };
    let mut records = fake.state.lock();
    let code = records.next("code");
    let (visitor, challenge) = (form["usid"].clone(), form["code_challenge"].clone());
    records.codes.insert(code.clone(), Pending { visitor: visitor.clone(), login: Some(login), challenge });
    to_callback(&code, &visitor)
}

async fn token(State(fake): State<HybridFake>, Form(form): Form<Fields>) -> Response {
    // Long enough that what is sent at the same time overlaps.
    tokio::task::yield_now().await;
    let now = fake.now();
    let mut records = fake.state.lock();
    assert_eq!((form["client_id"].as_str(), form["channel_id"].as_str()), (HEAD_CLIENT, SITE));
    let number = match form["grant_type"].as_str() {
        "authorization_code_pkce" => {
            let Some(pending) = records.codes.remove(&form["code"]) else {
                return refused(StatusCode::BAD_REQUEST, "Bad or missing request parameters.");
            };
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
            assert_eq!(URL_SAFE_NO_PAD.encode(digest.as_ref()), pending.challenge);
            assert_eq!(form["code_verifier"].len(), 128);
            assert_eq!(form["usid"], pending.visitor);
            records.begin(&pending.visitor, pending.login)
        }
        "refresh_token" => {
            let found = records.refresh.get(&form["refresh_token"]).copied();
            let Some((number, Use::OnceByHead)) = found.filter(|(number, _)| records.grants[*number].is_alive) else {
                return refused(StatusCode::BAD_REQUEST, "invalid refresh_token");
            };
            let wish = match (form.get("legal_entity_id"), form.contains_key("as_person")) {
                (None, true) => Some(""),
                // An empty parameter is as good as none.
                (entity, _) => entity.map(String::as_str).filter(|entity| !entity.is_empty()),
            };
            if let Some(entity) = wish
                && !records.switch(number, entity)
            {
                return refused(StatusCode::BAD_REQUEST, "invalid_target");
            }
            records.refresh.insert(form["refresh_token"].clone(), (number, Use::UsedUp));
            number
        }
        other => panic!("{other}"),
    };
    let grant = records.grants[number].clone();
    answer(&mut records, number, &grant, now)
}

fn answer(records: &mut Records, number: usize, grant: &Grant, now: i64) -> Response {
    let (access, refresh) = (records.access(number, now), records.refresh(number, Use::OnceByHead));
    let is_registered = grant.login.is_some();
    Json(json!({
        "access_token": access, "refresh_token": refresh, "expires_in": ACCESS_SECONDS, "token_type": "Bearer",
        "refresh_token_expires_in": 2_592_000, "usid": grant.visitor, "customer_id": customer_id(grant),
        "id_token": if is_registered { "id" } else { "" }, "enc_user_id": if is_registered { "AB" } else { "" },
        "idp_access_token": "",
    }))
    .into_response()
}

async fn bridge(State(fake): State<HybridFake>, Form(form): Form<Fields>) -> Response {
    let mut records = fake.state.lock();
    assert_eq!((form["grant_type"].as_str(), form["client_id"].as_str()), ("session_bridge", HEAD_CLIENT));
    let pending = records.codes.remove(&form["code"]).expect("a code of authorize");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(digest.as_ref()), pending.challenge);
    let (proof, login) = match (form.get("dwsgst"), form.get("dwsrst")) {
        (Some(name), None) => (name, None),
        (None, Some(name)) => (name, Some(form["login_id"].as_str())),
        other => panic!("{other:?}"),
    };
    let session = proof.strip_prefix("signed-").expect("a signed name");
    let Some(number) = records.session(session).filter(|number| records.grants[*number].login == login) else {
        return refused(StatusCode::UNAUTHORIZED, "Authorization failed.");
    };
    let grant = records.grants[number].clone();
    assert_eq!(pending.visitor, grant.visitor);
    answer(&mut records, number, &grant, fake.now())
}

async fn probe(State(fake): State<HybridFake>, headers: HeaderMap) -> Response {
    let session = headers["cookie"].to_str().unwrap().strip_prefix("dwsid=").unwrap();
    let is_alive = fake.state.lock().session(session).is_some();
    (if is_alive { StatusCode::OK } else { StatusCode::UNAUTHORIZED }).into_response()
}

async fn user_info(State(fake): State<HybridFake>, headers: HeaderMap) -> Response {
    match fake.state.lock().bearer(&headers, fake.now()) {
        Some((_, Grant { login: Some(login), .. })) => {
            Json(json!({ "sub": "s", "name": "Some Body", "email": login })).into_response()
        }
        _ => refused(StatusCode::BAD_REQUEST, "Bad or missing access token."),
    }
}

async fn logout(State(fake): State<HybridFake>, headers: HeaderMap, Query(query): Query<Fields>) -> Response {
    let mut records = fake.state.lock();
    let Some((number, _)) = records.bearer(&headers, fake.now()) else {
        return refused(StatusCode::UNAUTHORIZED, "Bad or missing access token.");
    };
    assert_eq!(records.refresh[&query["refresh_token"]].0, number);
    records.grants[number].is_alive = false;
    Json(json!({ "access_token": "" })).into_response()
}

async fn sessions(State(fake): State<HybridFake>, headers: HeaderMap) -> Response {
    let mut records = fake.state.lock();
    let found = records.bearer(&headers, fake.now());
    let Some((number, _)) = found.filter(|_| !records.refuses_sessions) else {
        let fault = json!({ "_v": "24.5", "fault": { "type": "InvalidAccessTokenException", "message": "no", "arguments": {} } });
        return (StatusCode::UNAUTHORIZED, Json(fault)).into_response();
    };
    let shown = headers.get("cookie").and_then(|cookie| cookie.to_str().ok()?.strip_prefix("dwsid="));
    let shown = shown.filter(|id| records.session(id) == Some(number)).map(str::to_owned);
    let id = shown.unwrap_or_else(|| records.open(number));
    let cookies =
        [format!("dwsid={id}; Path=/; HttpOnly"), "dwanonymous_0a1b=anon; Path=/; Max-Age=15552000".to_owned()];
    (StatusCode::NO_CONTENT, AppendHeaders(cookies.map(|line| (header::SET_COOKIE, line)))).into_response()
}

async fn legal_entities(State(fake): State<HybridFake>, headers: HeaderMap) -> Response {
    match fake.state.lock().bearer(&headers, fake.now()) {
        Some((_, Grant { login: Some(login), .. })) => {
            let rows = companies(login).iter().map(|id| json!({ "id": id, "name": format!("Company {id}") }));
            Json(rows.collect::<Value>()).into_response()
        }
        _ => refused(StatusCode::UNAUTHORIZED, "no"),
    }
}

async fn pages(
    State(fake): State<HybridFake>,
    Path(what): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Response {
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", CLASSIC_CLIENT.0, CLASSIC_CLIENT.1)));
    assert_eq!(headers["authorization"], expected.as_str());
    assert_eq!(form["site"], SITE);
    let mut records = fake.state.lock();
    let alive = records.session(&form["session"]);
    let (number, session, is_new, is_restored) = match (what.as_str(), alive) {
        ("session", Some(number)) => (number, form["session"].clone(), false, false),
        ("session", None) if form["touch"] == "false" => panic!("looking at a session that is over begins another"),
        ("session", None) => {
            let known = records.refresh.get(&form["refresh_token"]).copied();
            let known = known.filter(|(number, whose)| *whose != Use::UsedUp && records.grants[*number].is_alive);
            let number = known.map_or_else(
                || {
                    let visitor = records.next("visitor");
                    records.begin(&visitor, None)
                },
                |(number, _)| number,
            );
            (number, records.open(number), true, known.is_some())
        }
        ("login", Some(number)) => {
            let Some(login) = person(&form["login"], &form["password"]) else {
                return (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "no" }))).into_response();
            };
            let visitor = records.grants[number].visitor.clone();
            let number = records.begin(&visitor, Some(login));
            (number, records.open(number), true, false)
        }
        ("company", Some(number)) => {
            if !records.switch(number, &form["legal_entity_id"]) {
                return (StatusCode::BAD_REQUEST, Json(json!({ "detail": "not assigned" }))).into_response();
            }
            (number, form["session"].clone(), false, false)
        }
        ("logout", Some(number)) => {
            records.grants[number].is_alive = false;
            return StatusCode::NO_CONTENT.into_response();
        }
        (_, None) => return StatusCode::NO_CONTENT.into_response(),
        (other, _) => panic!("{other}"),
    };
    let now = fake.now();
    let grant = records.grants[number].clone();
    let refresh = (is_new && !is_restored).then(|| records.refresh(number, Use::ByTheClassicPages));
    let access = records.access(number, now);
    let signed = if grant.login.is_some() { "dwsrst" } else { "dwsgst" };
    let mut answer = json!({
        "session": session, "new": is_new, "restored": is_restored, "customer_id": customer_id(&grant),
        "kind": if grant.login.is_some() { "registered" } else { "guest" }, "usid": grant.visitor,
        "login": grant.login, "legal_entity_id": grant.entity, "csrf": format!("csrf-{number}"),
        "access_token": access, "expires_in": ACCESS_SECONDS, "refresh_token": refresh,
        "refresh_token_expires_in": refresh.as_ref().map(|_| 2_592_000), "idle_until": now + 1800, "expires_at": now + 21_600,
    });
    answer[signed] = json!(format!("signed-{session}"));
    Json(answer).into_response()
}
