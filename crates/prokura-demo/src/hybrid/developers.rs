//! The page for developers: what this browser holds, and what each of its requests did.
//!
//! Claims are shown, signatures never: of every secret there is a digest of eight characters to tell it from another.

use askama::Template;
use axum::Json;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::shopper::{claims, token_header};
use super::{App, DEVELOPERS, protect};
use crate::site::assets;
use crate::site::cookies::Jar;
use crate::site::trace::{fingerprint, name_browser};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What the cookies are for, by the beginning of their names. The longest beginning counts.
const MEANINGS: &[(&str, &str)] = &[
    ("dwsid", "session of the classic pages"),
    ("dwanonymous_", "the guest, for half a year"),
    ("dwsecuretoken_", "binds the session to https"),
    ("cc-at", "access token"),
    ("cc-at-expires", "when the access token ends"),
    ("cc-nx", "refresh token of a registered shopper"),
    ("cc-nx-g", "refresh token of a guest"),
    ("cc-nx-once", "not to be remembered beyond this browser"),
    ("cc-nx-expires", "when the refresh token ends"),
    ("cc-sg", "guard against a loop of redirects"),
    ("customer_type", "guest or registered"),
    ("customer_id", "the shopper"),
    ("usid", "the visitor, before and after login"),
    ("demo-trace", "names this browser for this page"),
];
/// Cookies whose values scripts may read anyway.
const OPEN: &[&str] = &["cc-at-expires", "cc-nx-expires", "customer_type", "customer_id", "usid"];

#[derive(Template)]
#[template(path = "developers.html")]
struct DevelopersPage<'a> {
    shop_name: &'a str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Since {
    since: u64,
}

pub(super) fn routes() -> Router<App> {
    let at = |rest: &str| format!("{DEVELOPERS}{rest}");
    Router::new().route(DEVELOPERS, get(show)).route(&at("/state"), get(state)).route(&at("/assets/{file}"), get(file))
}

/// `GET /developers`
async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut jar = Jar::new(&headers, &app.rules);
    name_browser(&mut jar);
    let mut response = match (DevelopersPage { shop_name: &app.config.shop_name }).render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page for developers could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    jar.write_to(response.headers_mut());
    protect(&mut response, POLICY);
    response
}

/// `GET /developers/state?since=`: the present state, and the requests after that number.
async fn state(State(app): State<App>, headers: HeaderMap, since: Result<Query<Since>, QueryRejection>) -> Response {
    let jar = Jar::new(&headers, &app.rules);
    let since = since.map(|Query(Since { since })| since).unwrap_or_default();
    let token = jar.access_token().map(|token| token_of(&token));
    let state = json!({
        "now": app.now().as_second(),
        "cookies": cookies(&jar),
        "accessToken": token,
        "session": session(&app, &jar).await,
        "events": app.trace.since(&jar, since),
    });
    let mut response = Json(state).into_response();
    protect(&mut response, POLICY);
    response
}

fn cookies(jar: &Jar) -> Vec<Value> {
    let known = |name: &str| {
        let meanings = MEANINGS.iter().filter(|(beginning, _)| is_of(name, beginning));
        meanings.max_by_key(|(beginning, _)| beginning.len()).map(|(_, meaning)| *meaning)
    };
    let row = |(name, value): (&str, &str)| {
        let meaning = known(name)?;
        let is_open = OPEN.iter().any(|open| is_of(name, open));
        Some(json!({
            "name": name,
            "meaning": meaning,
            "isReadByScripts": is_open,
            "value": if is_open { value.to_owned() } else { format!("#{}", fingerprint(value)) },
            "chars": value.len(),
        }))
    };
    jar.held().filter_map(row).collect()
}

/// Whether a cookie is of a kind: its whole name, but for the site's id, or the beginning of one that ends with digits.
fn is_of(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('_') || kind.ends_with('_'))
}

fn token_of(token: &str) -> Value {
    json!({
        "header": token_header(token),
        "claims": claims(token),
        "digest": fingerprint(token),
        "chars": token.len(),
    })
}

/// What Prokura knows about the session, asked without keeping it alive.
async fn session(app: &App, jar: &Jar) -> Value {
    let Some(id) = jar.session() else { return Value::Null };
    let is_alive = app.slas.is_alive(id).await.unwrap_or_else(|refused| {
        tracing::warn!(?refused, "a session could not be looked at");
        false
    });
    if !is_alive {
        return json!({ "isAlive": false, "digest": fingerprint(id) });
    }
    match app.pages.look_at(id).await {
        Ok(Some(shopper)) => json!({
            "isAlive": true,
            "digest": fingerprint(id),
            "kind": if shopper.is_registered() { "registered" } else { "guest" },
            "customerId": shopper.customer_id,
            "usid": shopper.usid,
            "login": shopper.login,
            "legalEntityId": shopper.legal_entity_id,
            "idleUntil": shopper.idle_until,
            "expiresAt": shopper.expires_at,
        }),
        Ok(None) => json!({ "isAlive": false, "digest": fingerprint(id) }),
        Err(fault) => {
            tracing::warn!(error = &fault as &dyn std::error::Error, "a session could not be looked at");
            json!({ "isAlive": null, "digest": fingerprint(id) })
        }
    }
}

/// `GET /developers/assets/{file}`
async fn file(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "developers.js" => assets::module(include_str!("../../assets/developers.js")),
        "dom.js" => assets::module(include_str!("../../assets/head/dom.js")),
        _ => assets::file(Path(name)).await,
    }
}
