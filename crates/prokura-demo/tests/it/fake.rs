//! A scripted stand-in for Prokura, so that the shop and the storefront can be tried alone: the part of the
//! Emporix-compatible API that they call, and a gateway that turns tokens into headers. It knows the sample data set
//! and lets a test take assignments away, expire tokens and go out of service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use parking_lot::Mutex;
use prokura_demo::data;
use prokura_demo::shop::{self, Shop, ShopConfig};
use prokura_demo::storefront::StorefrontConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

pub(crate) const TENANT: &str = "demo";
pub(crate) const CLIENT_ID: &str = "storefront";
const SERVICE: (&str, &str) = ("shop", "secret-of-the-shop");

type Parameters = BTreeMap<String, String>;

/// Identity server and gateway on ports of their own.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<Records>>,
    pub(crate) prokura_url: String,
    pub(crate) gateway_url: String,
}

#[derive(Clone, PartialEq)]
struct Standing {
    customer: Option<String>,
    session: String,
    legal_entity: Option<String>,
}

#[derive(Default)]
struct Records {
    customers: Vec<csv::StringRecord>,
    entities: BTreeMap<String, String>,
    assignments: Vec<(String, String)>,
    members: Vec<(String, String, String)>,
    items: Vec<(String, String, String)>,
    access: BTreeMap<String, Standing>,
    refresh: BTreeMap<String, Standing>,
    counter: u32,
    calls: Vec<String>,
    is_down: bool,
}

impl Records {
    fn next(&mut self, kind: &str) -> String {
        self.counter += 1;
        format!("{kind}-{}", self.counter)
    }

    fn grant(&mut self, standing: &Standing) -> Value {
        let (access, refresh) = (self.next("access"), self.next("refresh"));
        self.access.insert(access.clone(), standing.clone());
        self.refresh.insert(refresh.clone(), standing.clone());
        json!({
            "access_token": access, "refresh_token": refresh, "expires_in": 3599, "token_type": "Bearer",
            "session_id": standing.session, "sessionId": standing.session,
        })
    }

    fn bearer(&self, headers: &HeaderMap) -> Option<Standing> {
        let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let standing = self.access.get(token)?;
        let is_assigned = match (&standing.customer, &standing.legal_entity) {
            (Some(customer), Some(entity)) => self.is_assigned(customer, entity),
            _ => true,
        };
        is_assigned.then(|| standing.clone())
    }

    fn is_assigned(&self, customer: &str, entity: &str) -> bool {
        self.assignments.iter().any(|(who, what)| who == customer && what == entity)
    }

    fn segments(&self, customer: &str, entity: Option<&str>) -> BTreeSet<String> {
        let belongs = |member: &&(String, String, String)| {
            member.1 == entity.unwrap_or_default() && (member.2.is_empty() || member.2 == customer)
        };
        self.members.iter().filter(belongs).map(|member| member.0.clone()).collect()
    }
}

impl Fake {
    /// Starts both servers, the gateway in front of a shop with the sample data.
    pub(crate) async fn start() -> Self {
        let (identity, gateway) = (bind().await, bind().await);
        let fake = Self {
            state: Arc::new(Mutex::new(sample_records())),
            prokura_url: format!("http://{}", identity.local_addr().unwrap()),
            gateway_url: format!("http://{}", gateway.local_addr().unwrap()),
        };
        let shop = shop_with_sample_data();
        let upstream = shop::router(shop, fake.shop_config());
        serve(identity, fake.identity());
        serve(gateway, fake.gateway(upstream));
        fake
    }

    pub(crate) fn shop_config(&self) -> ShopConfig {
        ShopConfig {
            prokura_url: self.prokura_url.clone(),
            tenant: TENANT.to_owned(),
            client_id: SERVICE.0.to_owned(),
            client_secret: SERVICE.1.to_owned(),
            public_segments: vec![data::PUBLIC_SEGMENT.to_owned()],
        }
    }

    pub(crate) fn storefront_config(&self) -> StorefrontConfig {
        StorefrontConfig {
            prokura_url: self.prokura_url.clone(),
            gateway_url: self.gateway_url.clone(),
            tenant: TENANT.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            shop_name: "Kontor".to_owned(),
            is_https: false,
            mails_path: None,
            sample_logins: Vec::new(),
        }
    }

    /// Takes a company away from a customer, as an administrator would.
    pub(crate) fn unassign(&self, email: &str, entity: &str) {
        self.state.lock().assignments.retain(|(customer, id)| !(customer == email && id == entity));
    }

    /// Takes a company out of a segment.
    pub(crate) fn leave_segment(&self, entity: &str, segment: &str) {
        self.state.lock().members.retain(|(id, member, _)| !(id == segment && member == entity));
    }

    /// Ends all access tokens; refresh tokens go on.
    pub(crate) fn expire_access_tokens(&self) {
        self.state.lock().access.clear();
    }

    /// Ends everything that was ever issued.
    pub(crate) fn forget_all_tokens(&self) {
        let mut records = self.state.lock();
        records.access.clear();
        records.refresh.clear();
    }

    /// Answers every call with 503 from now on.
    pub(crate) fn go_down(&self) {
        self.state.lock().is_down = true;
    }

    /// The calls to the identity server so far, as method and path.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().calls.clone()
    }

    fn identity(&self) -> Router {
        let note = async |State(fake): State<Fake>, request: Request, next: axum::middleware::Next| {
            {
                let mut records = fake.state.lock();
                records.calls.push(format!("{} {}", request.method(), request.uri().path()));
                if records.is_down {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
            }
            next.run(request).await
        };
        Router::new()
            .route("/customerlogin/auth/anonymous/login", get(anonymous_login))
            .route("/customerlogin/auth/anonymous/refresh", get(anonymous_refresh))
            .route("/customer/{tenant}/login", post(login))
            .route("/customer/{tenant}/refreshauthtoken", get(refresh_auth_token))
            .route("/customer/{tenant}/logout", get(logout))
            .route("/customer/{tenant}/me", get(me))
            .route("/customer-management/{tenant}/legal-entities", get(legal_entities))
            .route("/oauth/token", post(service_token))
            .route("/customer-segment/{tenant}/segments", get(segments))
            .route("/customer-segment/{tenant}/segments/{id}/items", get(items))
            .layer(axum::middleware::from_fn_with_state(self.clone(), note))
            .with_state(self.clone())
    }

    fn gateway(&self, upstream: Router) -> Router {
        let fake = self.clone();
        Router::new().fallback(async move |mut request: Request| {
            let Some(standing) = fake.state.lock().bearer(request.headers()) else {
                return fault("Invalid access token", "oauth.v2.InvalidAccessToken");
            };
            fake.inject(request.headers_mut(), &standing);
            upstream.clone().oneshot(request).await.unwrap().map(Body::new)
        })
    }

    fn inject(&self, headers: &mut HeaderMap, standing: &Standing) {
        let records = self.state.lock();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        };
        put("x-prokura-tenant", TENANT);
        put("x-prokura-session", &standing.session);
        put("x-prokura-subject", if standing.customer.is_some() { "customer" } else { "guest" });
        put("x-prokura-customer", standing.customer.as_deref().unwrap_or_default());
        put("legalentityid", standing.legal_entity.as_deref().unwrap_or_default());
        put("legal-entity-id", standing.legal_entity.as_deref().unwrap_or_default());
        let segments = standing.customer.as_deref().map(|id| records.segments(id, standing.legal_entity.as_deref()));
        put("x-prokura-segments", &Vec::from_iter(segments.unwrap_or_default()).join(","));
        headers.remove("authorization");
    }
}

/// A shop in memory that holds the sample data.
pub(crate) fn shop_with_sample_data() -> Shop {
    let directory = tempfile::tempdir().unwrap();
    data::write_to(directory.path()).unwrap();
    let shop = Shop::open_in_memory().unwrap();
    let report = shop.import(directory.path()).unwrap();
    assert_eq!(report.bad_rows, [], "the sample data has a fault");
    shop
}

pub(crate) async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Serves until the test's runtime ends.
pub(crate) fn serve(listener: TcpListener, router: Router) {
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
}

fn sample_records() -> Records {
    let rows = |name: &str| -> Vec<csv::StringRecord> {
        let (_, content) = data::files().iter().find(|(file, _)| *file == name).unwrap();
        csv::Reader::from_reader(content.as_bytes()).records().map(Result::unwrap).collect()
    };
    let three = |row: &csv::StringRecord| (row[0].to_owned(), row[1].to_owned(), row[2].to_owned());
    Records {
        customers: rows("customers.csv"),
        entities: rows("legal_entities.csv").iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect(),
        assignments: rows("contact_assignments.csv").iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect(),
        members: rows("segment_members.csv").iter().map(three).collect(),
        items: rows("segment_items.csv").iter().map(three).collect(),
        ..Records::default()
    }
}

fn fault(text: &str, code: &str) -> Response {
    let body = json!({ "fault": { "faultstring": text, "detail": { "errorcode": code } } });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn invalid_token() -> Response {
    fault("Invalid access token", "oauth.v2.InvalidAccessToken")
}

async fn anonymous_login(State(fake): State<Fake>, Query(query): Query<Parameters>) -> Response {
    if query.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
        return fault("Invalid ApiKey", "oauth.v2.InvalidApiKey");
    }
    let mut records = fake.state.lock();
    let session = records.next("session");
    Json(records.grant(&Standing { customer: None, session, legal_entity: None })).into_response()
}

async fn anonymous_refresh(State(fake): State<Fake>, Query(query): Query<Parameters>) -> Response {
    let mut records = fake.state.lock();
    match query.get("refresh_token").and_then(|token| records.refresh.get(token)).cloned() {
        Some(standing) if standing.customer.is_none() => Json(records.grant(&standing)).into_response(),
        _ => fault("Invalid refresh token", "keymanagement.service.invalid_refresh_token"),
    }
}

async fn login(State(fake): State<Fake>, headers: HeaderMap, Json(body): Json<Parameters>) -> Response {
    let mut records = fake.state.lock();
    let Some(guest) = records.bearer(&headers) else { return invalid_token() };
    if body["password"] == "too many attempts" {
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response();
    }
    let matches = |row: &&csv::StringRecord| row[0] == body["email"].to_lowercase() && row[6] == body["password"];
    let Some(email) = records.customers.iter().find(matches).map(|row| row[0].to_owned()) else {
        return fault("Invalid credentials", "customer.login.invalid_credentials");
    };
    Json(records.grant(&Standing { customer: Some(email), session: guest.session, legal_entity: None })).into_response()
}

async fn refresh_auth_token(State(fake): State<Fake>, headers: HeaderMap, Query(query): Query<Parameters>) -> Response {
    let mut records = fake.state.lock();
    if records.bearer(&headers).is_none() {
        return invalid_token();
    }
    let Some(mut standing) = query.get("refreshToken").and_then(|token| records.refresh.get(token)).cloned() else {
        return fault("Invalid refresh token", "keymanagement.service.invalid_refresh_token");
    };
    let entity = query.get("legalEntityId").filter(|id| !id.is_empty()).cloned();
    if let (Some(customer), Some(entity)) = (&standing.customer, &entity)
        && !records.is_assigned(customer, entity)
    {
        let detail = json!({ "field": "legalEntityId", "type": "invalid_value",
            "message": "Customer is not assigned to the legal entity" });
        let body = json!({ "status": 400, "type": "validation_failure", "message": "", "details": [detail] });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    standing.legal_entity = entity;
    Json(records.grant(&standing)).into_response()
}

async fn logout(State(fake): State<Fake>, headers: HeaderMap) -> Response {
    let mut records = fake.state.lock();
    let Some(standing) = records.bearer(&headers) else { return invalid_token() };
    records.access.retain(|_, other| other.customer.is_none() || other.session != standing.session);
    records.refresh.retain(|_, other| other.customer.is_none() || other.session != standing.session);
    StatusCode::NO_CONTENT.into_response()
}

async fn me(State(fake): State<Fake>, headers: HeaderMap) -> Response {
    let records = fake.state.lock();
    let Some(email) = records.bearer(&headers).and_then(|standing| standing.customer) else { return invalid_token() };
    let row = records.customers.iter().find(|row| row[0] == email).unwrap();
    Json(json!({ "id": email, "firstName": &row[1], "lastName": &row[2], "contactEmail": email })).into_response()
}

async fn legal_entities(State(fake): State<Fake>, headers: HeaderMap) -> Response {
    let records = fake.state.lock();
    let Some(email) = records.bearer(&headers).and_then(|standing| standing.customer) else { return invalid_token() };
    let mine = records.assignments.iter().filter(|(customer, _)| *customer == email);
    let rows = mine.map(|(_, id)| json!({ "id": id, "name": records.entities[id], "type": "COMPANY" }));
    Json(rows.collect::<Value>()).into_response()
}

async fn service_token(Form(form): Form<Parameters>) -> Response {
    if form["client_id"] != SERVICE.0 || form["client_secret"] != SERVICE.1 {
        return fault("Invalid ApiKey", "oauth.v2.InvalidApiKey");
    }
    Json(json!({ "access_token": "service", "token_type": "Bearer", "expires_in": 14399 })).into_response()
}

fn is_service(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == "Bearer service")
}

async fn segments(State(fake): State<Fake>, headers: HeaderMap, Query(query): Query<Parameters>) -> Response {
    if !is_service(&headers) {
        return invalid_token();
    }
    let found = fake.state.lock().segments(&query["customerId"], query.get("legalEntityId").map(String::as_str));
    // One that has ended stands beside the active ones.
    let ended = json!({ "id": "hospitality", "status": "ACTIVE", "validity": { "to": "2020-01-01T00:00:00.000Z" } });
    let rows = found.into_iter().map(|id| json!({ "id": id, "status": "ACTIVE" })).chain([ended]);
    Json(rows.collect::<Value>()).into_response()
}

async fn items(
    State(fake): State<Fake>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
    Query(query): Query<Parameters>,
) -> Response {
    if !is_service(&headers) {
        return invalid_token();
    }
    let (size, page): (usize, usize) = (query["pageSize"].parse().unwrap(), query["pageNumber"].parse().unwrap());
    let records = fake.state.lock();
    let rows = records.items.iter().filter(|(segment, _, _)| *segment == id).skip((page - 1) * size).take(size);
    Json(rows.map(|(_, kind, id)| json!({ "item": { "id": id }, "type": kind })).collect::<Value>()).into_response()
}
