//! One tenant's issuer, seen from a service: its keys, from its metadata, kept fresh.
//!
//! Keys are read again every five minutes, in the background of a request that finds them old. A token with an unknown key
//! is worth one question per minute, however many such tokens come, so a new key counts within a minute and made-up ones
//! cost nothing. While the issuer is away, the keys it last told hold on for a day.

use crate::{
    clock::SystemClock,
    fetch::{FetchError, Fetcher},
};
use parking_lot::Mutex;
use prokura_domain::{Clock, TenantId, Timestamp};
use prokura_jose::{JWKS_MAX_AGE_SECONDS, Names, PublicKey, Rejection, TokenVerifier, VerifiedToken};
use serde::Deserialize;
use serde_json::Value;
use std::{fmt, sync::Arc};
use thiserror::Error;

/// Between two questions because of unknown keys, in seconds.
const UNKNOWN_SECONDS: i64 = 60;
/// How long keys hold on while the issuer is away, in seconds.
const AWAY_SECONDS: i64 = 86_400;
/// The most keys that are taken.
const MAX_KEYS: usize = 50;
/// How many verified tokens are remembered.
const TOKEN_CACHE: usize = 16_384;

/// Why an issuer cannot be trusted.
#[derive(Debug, Error)]
pub enum IssuerError {
    /// It does not end in `/t/` and the name of a tenant.
    #[error("{0} is not like https://id.example/t/tenant")]
    Malformed(String),
    /// Metadata or keys could not be had.
    #[error("metadata or keys of the issuer cannot be had")]
    Fetch(#[from] FetchError),
    /// The metadata are another issuer's (RFC 8414 section 3.3).
    #[error("the metadata name the issuer {0}")]
    OtherIssuer(String),
    /// There is no key among the keys.
    #[error("the issuer has no key that can be used")]
    NoKeys,
}

/// The issuer of one tenant. Cheap to clone; all clones share keys and verified tokens.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

/// An [`Issuer`] to be.
pub struct IssuerBuilder {
    issuer: String,
    clock: Arc<dyn Clock>,
}

struct Inner {
    issuer: Arc<str>,
    tenant: TenantId,
    verifier: TokenVerifier,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    freshness: Mutex<Freshness>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy)]
struct Freshness {
    /// When the keys were last heard of.
    heard_at: Timestamp,
    /// When they were last asked for.
    asked_at: Timestamp,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl IssuerBuilder {
    /// Takes the time from `clock` instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Reads metadata and keys. TLS needs rustls' process-wide provider to be installed.
    ///
    /// # Errors
    /// [`IssuerError`]: a service that cannot check tokens should not start.
    pub async fn discover(self) -> Result<Issuer, IssuerError> {
        let malformed = || IssuerError::Malformed(self.issuer.clone());
        let (_, tenant) = self.issuer.rsplit_once("/t/").ok_or_else(malformed)?;
        let tenant: TenantId = tenant.parse().map_err(|_| malformed())?;
        let now = self.clock.now();
        let issuer = Issuer(Arc::new(Inner {
            issuer: self.issuer.as_str().into(),
            tenant,
            verifier: TokenVerifier::new(TOKEN_CACHE),
            fetcher: Fetcher::new()?,
            clock: self.clock,
            freshness: Mutex::new(Freshness { heard_at: now, asked_at: now }),
            asking: tokio::sync::Mutex::default(),
        }));
        issuer.read_keys().await?;
        Ok(issuer)
    }
}

impl Issuer {
    /// Reads metadata and keys of `issuer`, as `https://id.example/t/tenant`.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub async fn discover(issuer: &str) -> Result<Self, IssuerError> {
        Self::builder(issuer).discover().await
    }

    /// The same with more to say.
    pub fn builder(issuer: &str) -> IssuerBuilder {
        IssuerBuilder { issuer: issuer.to_owned(), clock: Arc::new(SystemClock) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Verifies a token, whatever its audience, and bound to a key or not. `None`: the keys are too old to say anything.
    pub(crate) async fn examine(&self, token: &str) -> Option<Result<Arc<VerifiedToken>, Rejection>> {
        self.keep_fresh();
        let now = self.now();
        if now.millis_since(self.0.freshness.lock().heard_at) > AWAY_SECONDS * 1000 {
            return None;
        }
        let first = self.0.verifier.examine(token, now);
        if !matches!(first, Err(Rejection::UnknownKey)) || !self.may_ask(now, UNKNOWN_SECONDS) {
            return Some(first);
        }
        self.ask().await;
        Some(self.0.verifier.examine(token, now))
    }

    /// Asks for the keys beside the request that finds them old.
    fn keep_fresh(&self) {
        let max_age = JWKS_MAX_AGE_SECONDS;
        if self.may_ask(self.now(), max_age) {
            let issuer = self.clone();
            tokio::spawn(async move { issuer.ask().await });
        }
    }

    /// Whether the last question is `seconds` old; if so, whoever is told asks.
    fn may_ask(&self, now: Timestamp, seconds: i64) -> bool {
        let mut freshness = self.0.freshness.lock();
        let is_due = now.millis_since(freshness.asked_at) >= seconds * 1000;
        if is_due {
            freshness.asked_at = now;
        }
        is_due
    }

    async fn ask(&self) {
        if let Err(error) = self.read_keys().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(issuer = %self.0.issuer, error, "the keys of the issuer cannot be read again");
        }
    }

    async fn read_keys(&self) -> Result<(), IssuerError> {
        let inner = &self.0;
        let _turn = inner.asking.lock().await;
        let now = self.now();
        let address = format!("{}/.well-known/openid-configuration", inner.issuer);
        let metadata: Metadata = inner.fetcher.json(&address).await?;
        if *metadata.issuer != *inner.issuer {
            return Err(IssuerError::OtherIssuer(metadata.issuer));
        }
        let set: KeySet = inner.fetcher.json(&metadata.jwks_uri).await?;
        let keys: Vec<_> = set.keys.iter().take(MAX_KEYS).filter_map(|jwk| PublicKey::from_jwk(jwk).ok()).collect();
        if keys.is_empty() {
            return Err(IssuerError::NoKeys);
        }
        let issuer = Arc::clone(&inner.issuer);
        let names = vec![Names::native(Arc::clone(&issuer), issuer)];
        inner.verifier.set_keys(inner.tenant.clone(), names, keys);
        inner.verifier.forget_expired(now);
        inner.freshness.lock().heard_at = now;
        Ok(())
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for IssuerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
