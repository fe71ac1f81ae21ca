//! What each request of a browser did: which calls it made, and which cookies it changed. Shown on the page for developers.
//!
//! A browser is known by a cookie of its own that means nothing else. Only names and short digests are kept, a few dozen
//! requests of a browser at most, in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::{digest, rand};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use moka::sync::Cache;
use parking_lot::Mutex;
use serde::Serialize;

use super::cookies::{CookieRules, Jar, Life, Readers};

/// The cookie that a browser's requests are noted under.
const COOKIE_NAME: &str = "demo-trace";
/// 18 bytes in base64url.
const ID_CHARS: usize = 24;
/// So many requests of a browser are kept.
const MAX_EVENTS: usize = 60;
const MAX_BROWSERS: u64 = 10_000;
const IDLE: Duration = Duration::from_hours(1);

/// The requests of all browsers. Clones share them.
#[derive(Clone)]
pub(crate) struct Trace {
    browsers: Cache<String, Arc<Mutex<Browser>>>,
}

#[derive(Default)]
struct Browser {
    count: u64,
    events: VecDeque<Event>,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Counted from 1 for each browser.
    number: u64,
    /// Milliseconds since 1970.
    at: i64,
    side: &'static str,
    request: String,
    status: u16,
    milliseconds: f64,
    /// What the request amounted to, such as "returning shopper restored".
    remarks: Vec<String>,
    calls: Vec<Made>,
    cookies: Vec<Change>,
}

/// A call to another server.
#[derive(Debug, Clone, Serialize)]
struct Made {
    /// Method and path, without the query: tokens travel there.
    call: String,
    /// `None` when there was no answer.
    status: Option<u16>,
    milliseconds: f64,
}

/// What became of a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Default)]
struct Notes {
    calls: Vec<Made>,
    remarks: Vec<String>,
}

tokio::task_local! {
    static NOTES: RefCell<Notes>;
}

/// Notes a call that the present request has made.
pub(crate) fn note_call(call: String, status: Option<u16>, begun: Instant) {
    let made = Made { call, status, milliseconds: milliseconds(begun) };
    // Outside of a request there is nobody to tell.
    let _ = NOTES.try_with(|notes| notes.borrow_mut().calls.push(made));
}

/// Notes what the present request amounts to.
pub(crate) fn remark(text: impl Into<String>) {
    let _ = NOTES.try_with(|notes| notes.borrow_mut().remarks.push(text.into()));
}

fn milliseconds(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
}

/// What tells two values apart without giving them away.
pub(crate) fn fingerprint(value: &str) -> String {
    let digest = digest::digest(&digest::SHA256, value.as_bytes());
    let mut text = URL_SAFE_NO_PAD.encode(digest.as_ref());
    text.truncate(8);
    text
}

/// A storefront whose requests are noted.
#[derive(Clone)]
pub(crate) struct Traced {
    pub(crate) trace: Trace,
    pub(crate) side: &'static str,
    pub(crate) rules: CookieRules,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { browsers: Cache::builder().max_capacity(MAX_BROWSERS).time_to_idle(IDLE).build() }
    }

    /// The requests of the browser with this jar after the given number.
    pub(crate) fn since(&self, jar: &Jar, number: u64) -> Vec<Event> {
        let Some(browser) = known(jar).and_then(|id| self.browsers.get(id)) else { return Vec::new() };
        let browser = browser.lock();
        browser.events.iter().filter(|event| event.number > number).cloned().collect()
    }
}

fn known(jar: &Jar) -> Option<&str> {
    jar.get(COOKIE_NAME).filter(|id| id.len() == ID_CHARS)
}

/// Gives the browser a name to be noted under, if it has none.
pub(crate) fn name_browser(jar: &mut Jar) -> String {
    if let Some(id) = known(jar) {
        return id.to_owned();
    }
    let mut bytes = [0; 18];
    rand::fill(&mut bytes).expect("the system has random numbers");
    let id = URL_SAFE_NO_PAD.encode(bytes);
    jar.set(COOKIE_NAME, &id, Life::Browser, Readers::Nobody);
    id
}

/// Around every page of a storefront: notes what it did.
pub(crate) async fn around(State(traced): State<Traced>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Files change nothing, and the page for developers looks itself.
    if path.contains("/assets/") {
        return next.run(request).await;
    }
    let (begun, at) = (Instant::now(), Timestamp::now().as_millisecond());
    let text = format!("{} {path}", request.method());
    let mut jar = Jar::new(request.headers(), &traced.rules);
    let before = values(request.headers());
    let browser = name_browser(&mut jar);
    let (mut response, notes) = NOTES
        .scope(RefCell::default(), async {
            let response = next.run(request).await;
            (response, NOTES.with(RefCell::take))
        })
        .await;
    let cookies = changes(&before, response.headers());
    jar.write_to(response.headers_mut());
    let browser = traced.trace.browsers.get_with(browser, Arc::default);
    let mut browser = browser.lock();
    browser.count += 1;
    let event = Event {
        number: browser.count,
        at,
        side: traced.side,
        request: text,
        status: response.status().as_u16(),
        milliseconds: milliseconds(begun),
        remarks: notes.remarks,
        calls: notes.calls,
        cookies,
    };
    browser.events.push_back(event);
    if browser.events.len() > MAX_EVENTS {
        browser.events.pop_front();
    }
    drop(browser);
    response
}

fn values(headers: &HeaderMap) -> BTreeMap<String, String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), fingerprint(value))).collect()
}

fn changes(before: &BTreeMap<String, String>, headers: &HeaderMap) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for line in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
        let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
        let after = (!value.is_empty()).then(|| fingerprint(value));
        let change = Change { name: name.to_owned(), before: before.get(name).cloned(), after };
        if change.before != change.after && !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}
