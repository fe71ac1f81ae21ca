//! The shopper of a browser, by the tokens in its cookies: begun, gone on with, logged in and out.
//!
//! A public client's refresh token is good for one use, and a browser has many tabs. So all requests that hold the same
//! one share one refresh, and those that come a moment later with what is already used up get the same successor. A token
//! that ended here by a login or a logout has none: whoever still sends it is told to look again, and nothing that another
//! tab has just set is overwritten.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::future::Cache;
use serde_json::Value;

use super::super::App;
use super::slas::Refused;
use crate::site::cookies::{Jar, Purse};
use crate::site::trace::remark;
use crate::site::upstream::Fault;

/// A token is renewed so long before its end.
const EARLY_SECONDS: i64 = 60;
/// So long the successor of a used-up refresh token is remembered for requests that were under way.
const UNDER_WAY: Duration = Duration::from_secs(30);
const MAX_UNDER_WAY: u64 = 100_000;
/// So often a token may be exchanged while a request is under way.
const MAX_STEPS: usize = 8;
/// A switch of company that other refreshes got in the way of is tried so often.
const MAX_TURNS: usize = 3;

type Key = [u8; 32];

/// What became of refresh tokens a moment ago.
pub(crate) struct Successions {
    successors: Cache<Key, Purse>,
    ended: Cache<Key, ()>,
}

impl Successions {
    pub(crate) fn new() -> Self {
        let successors = Cache::builder().max_capacity(MAX_UNDER_WAY).time_to_live(UNDER_WAY).build();
        let ended = Cache::builder().max_capacity(MAX_UNDER_WAY).time_to_live(UNDER_WAY).build();
        Self { successors, ended }
    }

    /// What became of a refresh token a moment ago, and of whatever it was exchanged for.
    pub(crate) async fn fate(&self, refresh_token: &str) -> Fate {
        let mut fate = Fate::Unknown;
        let mut token = refresh_token.to_owned();
        for _ in 0..MAX_STEPS {
            if self.ended.contains_key(&key(&token)) {
                return Fate::Ended;
            }
            let Some(purse) = self.successors.get(&key(&token)).await else { break };
            token = purse.refresh_token.clone().unwrap_or_default();
            fate = Fate::Exchanged(Box::new(purse));
        }
        fate
    }

    /// Notes that a refresh token has ended by a login or a logout.
    pub(crate) async fn end(&self, refresh_token: &str) {
        self.successors.invalidate(&key(refresh_token)).await;
        self.ended.insert(key(refresh_token), ()).await;
    }
}

/// What became of a refresh token a moment ago.
pub(crate) enum Fate {
    /// Nothing that is known here.
    Unknown,
    /// The newest of what it was exchanged for.
    Exchanged(Box<Purse>),
    /// A login or a logout has ended it.
    Ended,
}

fn key(refresh_token: &str) -> Key {
    let digest = digest::digest(&digest::SHA256, refresh_token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Who the browser's tokens are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) access_token: String,
    pub(super) is_registered: bool,
    pub(super) customer_id: String,
    pub(super) legal_entity: Option<String>,
    /// Seconds since 1970.
    pub(super) expires_at: i64,
    /// They were not there when the request began.
    pub(super) is_new: bool,
}

impl Held {
    /// For whom the shopper acts, as pages spell it.
    pub(super) fn whom(&self) -> String {
        match (self.is_registered, &self.legal_entity) {
            (false, _) => "guest".to_owned(),
            (true, None) => "private".to_owned(),
            (true, Some(company)) => format!("company:{company}"),
        }
    }

    /// Reads what a token says. It came out of a cookie that only we set, and whoever acts on it checks the signature.
    fn read(access_token: String, is_new: bool) -> Option<Self> {
        let claims = claims(&access_token)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let parts: Vec<&str> = text("isb").unwrap_or_default().split("::").collect();
        let part = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)).map(str::to_owned);
        let is_registered = part("upn:").is_some_and(|name| name != "Guest");
        let customer_id = part("rcid:").filter(|_| is_registered).or_else(|| part("gcid:")).unwrap_or_default();
        Some(Self {
            is_registered,
            customer_id,
            legal_entity: text("legal_entity_id").map(str::to_owned),
            expires_at: claims.get("exp").and_then(Value::as_i64).unwrap_or_default(),
            is_new,
            access_token,
        })
    }
}

/// The claims of a token, unchecked.
pub(crate) fn claims(token: &str) -> Option<Value> {
    part(token, 1)
}

/// The header of a token, unchecked.
pub(crate) fn token_header(token: &str) -> Option<Value> {
    part(token, 0)
}

fn part(token: &str, number: usize) -> Option<Value> {
    let part = token.split('.').nth(number)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Why there is no shopper.
#[derive(Debug)]
pub(super) enum Lost {
    /// Another tab has logged in or out meanwhile. The browser has other cookies by now.
    Elsewhere,
    Fault(Fault),
}

impl From<Refused> for Lost {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InvalidRefreshToken => Self::Elsewhere,
            Refused::No { status, text } => Self::Fault(Fault::Refused { status, detail: text }),
            Refused::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// The shopper of the browser: by the access token while it is good, else by the refresh token, else a new guest.
pub(super) async fn ensure(app: &App, jar: &mut Jar) -> Result<Held, Lost> {
    let now = app.now().as_second();
    let held = jar.access_token().and_then(|token| Held::read(token, false));
    if let Some(held) = held.filter(|held| held.expires_at > now + EARLY_SECONDS && jar.refresh_token().is_some()) {
        return Ok(held);
    }
    renew(app, jar).await
}

/// The shopper of the browser with a new access token.
pub(super) async fn renew(app: &App, jar: &mut Jar) -> Result<Held, Lost> {
    let Some((token, was_registered)) = jar.refresh_token() else { return begin(app, jar).await };
    match app.successions.fate(&token).await {
        Fate::Ended => return Err(Lost::Elsewhere),
        Fate::Exchanged(purse) => {
            remark("another tab has renewed the token already");
            return keep(app, jar, &purse);
        }
        Fate::Unknown => {}
    }
    match refresh(app, &token).await {
        Ok(purse) => {
            remark("the access token was renewed");
            keep(app, jar, &purse)
        }
        // It may have ended while this was asked.
        Err(Refused::InvalidRefreshToken) if matches!(app.successions.fate(&token).await, Fate::Ended) => {
            Err(Lost::Elsewhere)
        }
        Err(Refused::InvalidRefreshToken) => {
            remark(if was_registered { "the login is over: a new guest" } else { "the guest is over: a new one" });
            jar.forget_everything();
            begin(app, jar).await
        }
        Err(refused) => Err(refused.into()),
    }
}

/// One refresh for all who hold the same token.
async fn refresh(app: &App, refresh_token: &str) -> Result<Purse, Refused> {
    let entry = app.successions.successors.entry(key(refresh_token));
    let asked = entry.or_try_insert_with(app.slas.refresh(refresh_token, None)).await;
    match asked {
        Ok(entry) => {
            if !entry.is_fresh() {
                remark("another tab has renewed the token already");
            }
            Ok(entry.into_value())
        }
        Err(refused) => Err(shared(&refused)),
    }
}

/// A refusal that several requests got.
fn shared(refused: &Arc<Refused>) -> Refused {
    match &**refused {
        Refused::InvalidRefreshToken => Refused::InvalidRefreshToken,
        Refused::No { status, text } => Refused::No { status: *status, text: text.clone() },
        Refused::Fault(fault) => {
            tracing::error!(error = fault as &dyn std::error::Error, "a refresh failed");
            Refused::Fault(Fault::Server(reqwest::StatusCode::BAD_GATEWAY))
        }
    }
}

/// A new guest, who is the same visitor if the browser still knows which, with a session for the classic pages.
async fn begin(app: &App, jar: &mut Jar) -> Result<Held, Lost> {
    let usid = jar.usid();
    let purse = match (app.slas.guest(usid.as_deref()).await, usid) {
        (Err(Refused::No { .. }), Some(_)) => app.slas.guest(None).await?,
        (asked, _) => asked?,
    };
    remark("a new guest");
    let held = keep(app, jar, &purse)?;
    bridge(app, jar, &held).await;
    Ok(held)
}

fn keep(app: &App, jar: &mut Jar, purse: &Purse) -> Result<Held, Lost> {
    let is_remembered = jar.is_remembered();
    jar.keep(&Purse { is_remembered, ..purse.clone() }, app.now());
    Held::read(purse.access_token.clone(), true).ok_or_else(|| {
        tracing::error!("an access token cannot be read");
        Lost::Fault(Fault::Server(reqwest::StatusCode::BAD_GATEWAY))
    })
}

/// Gives the browser a session for the classic pages, or finds that it has one. Without it everything works here, so a
/// failure is no reason to show nothing; the classic pages restore the shopper by themselves.
pub(super) async fn bridge(app: &App, jar: &mut Jar, held: &Held) {
    let before = jar.session().map(str::to_owned);
    match app.slas.sessions(&held.access_token, before.as_deref()).await {
        Ok(cookies) => {
            jar.adopt(&cookies);
            if jar.session() != before.as_deref() {
                remark("a session for the classic pages");
            }
        }
        Err(refused) => {
            tracing::warn!(?refused, "no session for the classic pages");
            remark("no session for the classic pages");
        }
    }
}

/// Logs the shopper in. They are the same visitor as before.
pub(super) async fn log_in(
    app: &App,
    jar: &mut Jar,
    login: &str,
    password: &str,
    is_remembered: bool,
) -> Result<Held, Refused> {
    let before = jar.refresh_token().map(|(token, _)| token);
    let usid = jar.usid().unwrap_or_default();
    let purse = app.slas.log_in(login, password, &usid).await?;
    if let Some(token) = before {
        app.successions.end(&token).await;
    }
    jar.remember(is_remembered);
    remark("logged in: other tokens, another session");
    match keep(app, jar, &purse) {
        Ok(held) => Ok(held),
        Err(Lost::Fault(fault)) => Err(Refused::Fault(fault)),
        Err(Lost::Elsewhere) => Err(Refused::InvalidRefreshToken),
    }
}

/// Acts for a company from now on, or with an empty id for nobody. `None` when the shopper may not.
pub(super) async fn choose(app: &App, jar: &mut Jar, legal_entity: &str) -> Result<Option<Held>, Lost> {
    for _ in 0..MAX_TURNS {
        let Some((token, _)) = jar.refresh_token() else { return Err(Lost::Elsewhere) };
        match app.successions.fate(&token).await {
            Fate::Ended => return Err(Lost::Elsewhere),
            Fate::Exchanged(purse) => {
                keep(app, jar, &purse)?;
                continue;
            }
            Fate::Unknown => {}
        }
        let entry = app.successions.successors.entry(key(&token));
        match entry.or_try_insert_with(app.slas.refresh(&token, Some(legal_entity))).await {
            Ok(entry) if entry.is_fresh() => {
                let held = keep(app, jar, &entry.into_value())?;
                let is_as_wished = held.legal_entity.as_deref().unwrap_or_default() == legal_entity;
                remark(if is_as_wished { "acts for another company" } else { "goes on acting as before" });
                return Ok(is_as_wished.then_some(held));
            }
            // Another tab has renewed the token at the same moment; the company is chosen with its successor.
            Ok(entry) => drop(keep(app, jar, &entry.into_value())?),
            Err(refused) => match shared(&refused) {
                Refused::No { .. } => return Ok(None),
                refused @ (Refused::InvalidRefreshToken | Refused::Fault(_)) => return Err(refused.into()),
            },
        }
    }
    Err(Lost::Elsewhere)
}

/// Ends the login or the guest, and begins another guest who has nothing to do with them.
pub(super) async fn log_out(app: &App, jar: &mut Jar) -> Result<Held, Lost> {
    if jar.access_token().is_none() && jar.refresh_token().is_some() {
        // Both tokens together are the proof of who logs out.
        renew(app, jar).await?;
    }
    let (access, refresh) = (jar.access_token(), jar.refresh_token());
    if let (Some(access), Some((refresh, _))) = (access, refresh) {
        // The shopper is forgotten here in any case; there, the tokens end by themselves if this call is lost.
        if let Err(refused) = app.slas.log_out(&access, &refresh).await {
            tracing::warn!(?refused, "logout did not reach the identity server");
        }
        app.successions.end(&refresh).await;
    }
    remark("logged out: tokens and session are over");
    jar.forget_everything();
    begin(app, jar).await
}
