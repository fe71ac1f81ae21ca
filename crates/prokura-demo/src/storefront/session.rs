//! What the storefront remembers about a browser, under a name that only the browser's cookie knows.
//!
//! Sessions live in memory: after a restart people log in again, nothing else is lost, since baskets and orders are the
//! shop's. To run several storefronts side by side, put the same record into a store that they share.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, rand};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::identity::Tokens;
use crate::site::pages::{Company, For, Notice};

/// A browser that is silent for so long is forgotten.
const IDLE: Duration = Duration::from_hours(12);
/// Beyond so many sessions the least used ones are forgotten.
const MAX_SESSIONS: u64 = 100_000;
/// 32 bytes in base64url.
const ID_CHARS: usize = 43;

/// The name of a browser's session: 256 random bits, known to the browser and to nobody else.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SessionId(String);

impl SessionId {
    pub(super) fn new() -> Self {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("the system has random numbers");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The session named by the request's cookie, if it looks like one of ours.
    pub(super) fn from_cookies(headers: &HeaderMap, is_https: bool) -> Option<Self> {
        let name = cookie_name(is_https);
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, value)| *key == name && is_plausible(value))
            .map(|(_, value)| Self(value.to_owned()))
    }

    /// The value of the `Set-Cookie` header. It ends with the browser.
    pub(super) fn cookie(&self, is_https: bool) -> String {
        let secure = if is_https { "; Secure" } else { "" };
        format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_name(is_https), self.0)
    }

    /// The hidden field of every form: a stranger's page cannot know it, and it does not give the cookie away.
    pub(super) fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest("form"))
    }

    fn digest(&self, purpose: &str) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, format!("{purpose}:{}", self.0).as_bytes());
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

/// Browsers accept the prefix `__Host-` only for a cookie that no other host and no plain connection can have set.
fn cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-storefront" } else { "storefront" }
}

fn is_plausible(value: &str) -> bool {
    value.len() == ID_CHARS && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// One browser.
#[derive(Default)]
pub(super) struct Session {
    pub(super) state: Mutex<State>,
    /// Held while tokens are exchanged, so that a browser with ten tabs exchanges them once.
    pub(super) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) visitor: Visitor,
    /// To be told on the next page.
    pub(super) notice: Option<Notice>,
    /// What the guest had in the basket before logging in, until it is known for whom they act.
    pub(super) guest_items: Vec<GuestItem>,
}

/// Something a guest wanted to buy.
#[derive(Clone)]
pub(super) struct GuestItem {
    pub(super) product_id: String,
    pub(super) name: String,
    pub(super) quantity: i64,
}

/// Who sits in front of the browser.
#[derive(Clone, Default)]
pub(super) enum Visitor {
    /// Has only looked so far.
    #[default]
    Passerby,
    /// Has a basket.
    Guest(Tokens),
    Customer(Customer),
}

/// Somebody who has logged in.
#[derive(Clone)]
pub(super) struct Customer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) tokens: Tokens,
    pub(super) companies: Vec<Company>,
    /// The company in the tokens; `None` is the private person.
    pub(super) acting_for: Option<Company>,
}

impl Visitor {
    /// For whom this visitor acts.
    pub(super) fn shops_for(&self) -> For<'_> {
        match self {
            Self::Passerby | Self::Guest(_) => For::Guest,
            Self::Customer(Customer { acting_for: None, .. }) => For::PrivatePerson,
            Self::Customer(Customer { acting_for: Some(company), .. }) => For::Company(company),
        }
    }

    /// For whom this visitor acts, as forms spell it.
    pub(super) fn acting_for(&self) -> String {
        self.shops_for().key()
    }
}

/// All browsers with something to remember, by the digest of their session's name.
pub(super) struct Sessions(Cache<[u8; 32], Arc<Session>>);

impl Sessions {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_SESSIONS).time_to_idle(IDLE).build())
    }

    pub(super) fn find(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.0.get(&id.digest("session"))
    }

    pub(super) fn find_or_begin(&self, id: &SessionId) -> Arc<Session> {
        self.0.get_with(id.digest("session"), Arc::default)
    }

    pub(super) fn end(&self, id: &SessionId) {
        self.0.invalidate(&id.digest("session"));
    }
}
