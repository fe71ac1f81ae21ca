//! What the scripts of Head call: who is here, login, logout, the company, and the shop through the gateway.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, OriginalUri, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use super::super::{App, is_foreign, protect};
use super::shopper::{self, Held, Lost};
use super::slas::Refused;
use crate::site::companies::companies;
use crate::site::cookies::Jar;
use crate::site::pages::Company;
use crate::site::trace::{fingerprint, remark};
use crate::site::upstream::{Fault, send_noted};

/// Answers are data, so nothing may be done with them as a page.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// What every call carries that changes something; no form of another site can send it.
const OWN: &str = "x-head";
/// For whom the page was drawn that makes the call.
const ACTING_FOR: &str = "x-acting-for";
/// Who the answer is for, so that a page notices when it shows somebody else.
const SHOPPER: HeaderName = HeaderName::from_static("x-shopper");
/// The parts of the shop that scripts may call.
const OPEN: &[&str] = &["products", "categories", "baskets", "orders"];

/// A call that came from a script of this origin.
pub(super) struct FromOwnScript;

impl FromRequestParts<App> for FromOwnScript {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Response> {
        let headers = &parts.headers;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_json = kind.split(';').next() == Some("application/json");
        if is_foreign(headers) || !headers.contains_key(OWN) || !is_json {
            return Err(problem(StatusCode::FORBIDDEN, "foreign", "Only this shop's own pages may do that."));
        }
        Ok(Self)
    }
}

/// `GET /shop/bff/state`: who is here, and for whom they may act.
pub(super) async fn state(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut jar = Jar::new(&headers, &app.rules);
    let mut held = match shopper::ensure(&app, &mut jar).await {
        Ok(held) => held,
        Err(lost) => return answer_lost(&jar, lost),
    };
    let mut known = Known::default();
    if held.is_registered {
        known = match Known::of(&app, &held).await {
            Some(known) => known,
            // The token may be over before its time: a password was changed, a company was taken away.
            None => match shopper::renew(&app, &mut jar).await {
                Ok(renewed) => {
                    held = renewed;
                    Known::of(&app, &held).await.unwrap_or_default()
                }
                Err(lost) => return answer_lost(&jar, lost),
            },
        };
    }
    let companies: Vec<_> =
        known.companies.iter().map(|company| json!({ "id": company.id, "name": company.name })).collect();
    let samples: Vec<_> = app
        .config
        .sample_logins
        .iter()
        .map(|login| json!({ "email": login.email, "password": login.password, "about": login.about }))
        .collect();
    let state = json!({
        "kind": if held.is_registered { "registered" } else { "guest" },
        "customerId": held.customer_id,
        "usid": jar.usid(),
        "name": known.name,
        "email": known.email,
        "legalEntityId": held.legal_entity,
        "actingFor": held.whom(),
        "companies": companies,
        "hasSession": jar.session().is_some(),
        "expiresAt": held.expires_at,
        "sampleLogins": samples,
    });
    finish(&jar, Some(&held), Json(state))
}

#[derive(Default)]
struct Known {
    name: String,
    email: String,
    companies: Vec<Company>,
}

impl Known {
    /// `None` when the token is refused.
    async fn of(app: &App, held: &Held) -> Option<Self> {
        let ask = companies(&app.http, &app.config.prokura_url, &app.config.tenant);
        let (info, companies) = tokio::join!(app.slas.user_info(&held.access_token), ask.send(&held.access_token));
        if matches!(info, Err(Refused::No { .. })) || matches!(companies, Err(Fault::Unauthorized { .. })) {
            return None;
        }
        let info = info.unwrap_or_default();
        Some(Self { name: info.name, email: info.email, companies: companies.unwrap_or_default() })
    }
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    login: String,
    password: String,
    #[serde(default)]
    remember: bool,
}

/// `POST /shop/bff/login`
pub(super) async fn log_in(State(app): State<App>, headers: HeaderMap, _: FromOwnScript, body: Bytes) -> Response {
    let Ok(wanted) = serde_json::from_slice::<Credentials>(&body) else { return unreadable() };
    let mut jar = Jar::new(&headers, &app.rules);
    // Whoever has no guest yet becomes one first: the guest's basket is what a login brings along.
    if let Err(lost) = shopper::ensure(&app, &mut jar).await {
        return answer_lost(&jar, lost);
    }
    let held = match shopper::log_in(&app, &mut jar, &wanted.login, &wanted.password, wanted.remember).await {
        Ok(held) => held,
        Err(refused) => return finish(&jar, None, explain(refused)),
    };
    let known = Known::of(&app, &held).await.unwrap_or_default();
    let must_choose = held.legal_entity.is_none() && !known.companies.is_empty();
    if !must_choose {
        merge(&app, &held).await;
    }
    shopper::bridge(&app, &mut jar, &held).await;
    finish(&jar, Some(&held), Json(json!({ "mustChoose": must_choose, "actingFor": held.whom() })))
}

fn explain(refused: Refused) -> Response {
    match refused {
        Refused::No { status: StatusCode::UNAUTHORIZED, .. } => problem(
            StatusCode::UNAUTHORIZED,
            "credentials",
            "That e-mail address and password do not belong together. Please check both.",
        ),
        Refused::No { status: StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS, .. } => {
            problem(StatusCode::TOO_MANY_REQUESTS, "too_many", "Too many attempts. Please try again in a moment.")
        }
        Refused::No { status, text } => {
            tracing::warn!(%status, text, "a login was refused");
            problem(StatusCode::BAD_REQUEST, "refused", &text)
        }
        Refused::InvalidRefreshToken => changed_elsewhere(),
        Refused::Fault(fault) => unavailable(&fault),
    }
}

/// What the shopper had chosen as a guest goes into the basket of whomever they act for, now that this is decided. It
/// happens once, so asking again does no harm; without an answer the guest's basket waits for the next choice.
async fn merge(app: &App, held: &Held) {
    let call = app.shop.merge_baskets(&app.config.organization, &app.config.site);
    match call.send(&held.access_token).await {
        Ok(()) => remark("the guest's basket was merged"),
        // Nothing to merge, or nobody to merge from.
        Err(Fault::Refused { .. }) => {}
        Err(fault) => {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the guest's basket was not merged");
            remark("the guest's basket was not merged");
        }
    }
}

/// `POST /shop/bff/logout`
pub(super) async fn log_out(State(app): State<App>, headers: HeaderMap, _: FromOwnScript) -> Response {
    let mut jar = Jar::new(&headers, &app.rules);
    match shopper::log_out(&app, &mut jar).await {
        Ok(held) => finish(&jar, Some(&held), Json(json!({ "actingFor": held.whom() }))),
        Err(lost) => answer_lost(&jar, lost),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Choice {
    legal_entity_id: String,
}

/// `POST /shop/bff/company`: the switch. An empty id is the private person.
pub(super) async fn choose(State(app): State<App>, headers: HeaderMap, _: FromOwnScript, body: Bytes) -> Response {
    let Ok(wanted) = serde_json::from_slice::<Choice>(&body) else { return unreadable() };
    let mut jar = Jar::new(&headers, &app.rules);
    let before = match shopper::ensure(&app, &mut jar).await {
        Ok(held) if held.is_registered => held,
        Ok(held) => {
            let words = "Your login has ended. Please log in again.";
            return finish(&jar, Some(&held), problem(StatusCode::CONFLICT, "login_ended", words));
        }
        Err(lost) => return answer_lost(&jar, lost),
    };
    match shopper::choose(&app, &mut jar, &wanted.legal_entity_id).await {
        Ok(Some(held)) => {
            merge(&app, &held).await;
            finish(&jar, Some(&held), Json(json!({ "actingFor": held.whom() })))
        }
        Ok(None) => {
            // The refresh token may have been used up nevertheless, so whoever is held now is asked for again.
            let before = shopper::ensure(&app, &mut jar).await.unwrap_or(before);
            let words = "You cannot act for that company, or no longer. Nothing has changed.";
            finish(&jar, Some(&before), problem(StatusCode::BAD_REQUEST, "not_assigned", words))
        }
        Err(lost) => answer_lost(&jar, lost),
    }
}

/// `/shop/bff/api/…`: the same call of the gateway, with the shopper's token. One that is refused is renewed once.
pub(super) async fn forward(
    State(app): State<App>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    own: Result<FromOwnScript, Response>,
    body: Bytes,
) -> Response {
    let changes = match method {
        Method::GET => false,
        Method::POST | Method::PATCH | Method::DELETE => true,
        _ => return problem(StatusCode::METHOD_NOT_ALLOWED, "method", "This address does not answer to that method."),
    };
    if changes && let Err(foreign) = own {
        return foreign;
    }
    let Some(address) = upstream_address(&app, uri.path(), uri.query()) else { return nothing().await };
    let mut jar = Jar::new(&headers, &app.rules);
    let mut held = match shopper::ensure(&app, &mut jar).await {
        Ok(held) => held,
        Err(lost) => return answer_lost(&jar, lost),
    };
    for is_last in [false, true] {
        // An action that was meant for somebody else is not done.
        let meant_for = headers.get(ACTING_FOR).and_then(|value| value.to_str().ok());
        if changes && meant_for != Some(held.whom().as_str()) {
            let words = "Nothing was done: that page was for someone else. Please check and try again.";
            return finish(&jar, Some(&held), problem(StatusCode::CONFLICT, "acting_for", words));
        }
        let mut request = app.http.request(method.clone(), address.clone()).bearer_auth(&held.access_token);
        if changes {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let answer = match send_noted(request).await {
            Ok(answer) => answer,
            Err(fault) => return finish(&jar, Some(&held), unavailable(&fault)),
        };
        if answer.status() == StatusCode::UNAUTHORIZED && !is_last {
            match shopper::renew(&app, &mut jar).await {
                Ok(renewed) => held = renewed,
                Err(lost) => return answer_lost(&jar, lost),
            }
            continue;
        }
        return finish(&jar, Some(&held), passed_on(answer).await);
    }
    unreachable!("the second turn answers")
}

/// The gateway's address for what a script asked for; `None` when scripts have no business there.
fn upstream_address(app: &App, path: &str, query: Option<&str>) -> Option<Url> {
    let rest = path.strip_prefix("/shop/bff/api/")?;
    if !OPEN.contains(&rest.split('/').next()?) || rest.split('/').any(|part| part == "." || part == "..") {
        return None;
    }
    let mut address = Url::parse(&app.config.gateway_url).ok()?;
    address.set_path(&format!("/api/{rest}"));
    address.set_query(query);
    Some(address)
}

async fn passed_on(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let Ok(body) = answer.bytes().await else {
        return problem(StatusCode::BAD_GATEWAY, "gateway", "The shop's answer ended too early.");
    };
    let mut response = (status, body).into_response();
    for name in [header::CONTENT_TYPE, HeaderName::from_static("x-total-count")] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

pub(super) async fn nothing() -> Response {
    let mut response = problem(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.");
    protect(&mut response, POLICY);
    response
}

/// Puts the cookies into an answer, and who it is for.
fn finish(jar: &Jar, held: Option<&Held>, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    jar.write_to(response.headers_mut());
    let shopper = held.map(|held| format!("{} {}", fingerprint(&held.customer_id), held.whom()));
    if let Some(shopper) = shopper.and_then(|shopper| HeaderValue::from_str(&shopper).ok()) {
        response.headers_mut().insert(SHOPPER, shopper);
    }
    protect(&mut response, POLICY);
    response
}

fn answer_lost(jar: &Jar, lost: Lost) -> Response {
    match lost {
        // The cookies that are there now are another tab's, and stay.
        Lost::Elsewhere => {
            let mut response = changed_elsewhere();
            protect(&mut response, POLICY);
            response
        }
        Lost::Fault(fault) => finish(jar, None, unavailable(&fault)),
    }
}

fn changed_elsewhere() -> Response {
    problem(StatusCode::CONFLICT, "elsewhere", "Another tab has logged in or out. Please try again.")
}

fn unavailable(fault: &Fault) -> Response {
    tracing::error!(error = fault as &dyn std::error::Error, "a call for the headless storefront failed");
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "A part of the shop does not answer right now. Nothing is lost; please try again in a moment.",
    )
}

fn unreadable() -> Response {
    problem(StatusCode::BAD_REQUEST, "unreadable", "The call cannot be read.")
}

fn problem(status: StatusCode, kind: &str, detail: &str) -> Response {
    (status, Json(json!({ "kind": kind, "detail": detail }))).into_response()
}
