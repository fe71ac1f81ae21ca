//! From a verified token to what is true now: the rights in a token are a dated copy, and copies age.
//!
//! Everything that is made for a token once (header values, assertions, the newest standing) hangs on the very token
//! the verifier keeps, so finding it costs no second look at the token's text.

use crate::{inject::Values, refusal::Refusal};
use http::HeaderValue;
use parking_lot::{Mutex, RwLock};
use prokura_domain::{Standing, TenantId, Timestamp};
use prokura_jose::{TokenVerifier, VerifiedToken, dpop::Proof};
use std::{cell::Cell, future::Future, pin::Pin, sync::Arc};

/// After the server failed to answer, the same token does not ask again for so long.
const RETRY_MILLIS: i64 = 1000;

/// Why there is no newer standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The token does not hold any more.
    Refused,
    /// The server could not be asked.
    Unavailable,
}

/// The answer of a [`Resolver`], later.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Standing, ResolveError>> + Send + 'a>>;

/// Whether a proof came for the first time, later.
pub type Using<'a> = Pin<Box<dyn Future<Output = Result<bool, ResolveError>> + Send + 'a>>;

/// Asks the server what is true now of a token that was verified here.
pub trait Resolver: Send + Sync + 'static {
    /// The present standing of `token`.
    fn resolve<'a>(&'a self, token: &'a str) -> Resolving<'a>;

    /// Uses up a proof of a key, on all nodes (RFC 9449 section 11.1); `false` when it came before.
    fn use_proof<'a>(&'a self, tenant: &'a TenantId, proof: &'a Proof) -> Using<'a>;
}

/// What is known of one token at one time.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) standing: Standing,
    pub(crate) values: Values,
    /// When the standing was true.
    at: Timestamp,
    assertions: Mutex<Vec<CachedAssertion>>,
}

#[derive(Debug)]
struct CachedAssertion {
    upstream: Arc<str>,
    value: HeaderValue,
    use_until: Timestamp,
}

impl Current {
    fn new(standing: Standing, at: Timestamp) -> Arc<Self> {
        let values = Values::of(&standing);
        Arc::new(Self { standing, values, at, assertions: Mutex::default() })
    }

    /// The assertion for `upstream`: one at hand, or what `make` makes, with the moment until which to use it.
    pub(crate) fn assertion<E>(
        &self,
        upstream: &Arc<str>,
        now: Timestamp,
        make: impl FnOnce() -> Result<(HeaderValue, Timestamp), E>,
    ) -> Result<HeaderValue, E> {
        let mut assertions = self.assertions.lock();
        if let Some(cached) = assertions.iter().find(|cached| cached.upstream == *upstream && now < cached.use_until) {
            return Ok(cached.value.clone());
        }
        assertions.retain(|cached| now < cached.use_until);
        let (value, use_until) = make()?;
        assertions.push(CachedAssertion { upstream: Arc::clone(upstream), value: value.clone(), use_until });
        Ok(value)
    }
}

/// All that was made for one token.
#[derive(Debug)]
struct Identity {
    known: RwLock<Known>,
    /// One question at a time; holds the moment of the last failure.
    asking: tokio::sync::Mutex<Option<Timestamp>>,
}

/// The newest standing, and how much of the feed it reflects.
#[derive(Clone, Debug)]
struct Known {
    current: Arc<Current>,
    rights_mark: u64,
}

impl Identity {
    fn new(token: &VerifiedToken) -> Self {
        let current = Current::new(token.token.standing.clone(), token.token.issued_at);
        // Mark 0: whatever the feed has said of this customer's rights may be later than the token.
        Self { known: RwLock::new(Known { current, rights_mark: 0 }), asking: tokio::sync::Mutex::new(None) }
    }
}

/// Brings standings up to date.
pub(crate) struct Rights<'a> {
    pub(crate) verifier: &'a TokenVerifier,
    pub(crate) resolver: &'a dyn Resolver,
    pub(crate) max_age_seconds: u32,
    pub(crate) now: Timestamp,
}

/// What is true of a token now, and what it took to know.
pub(crate) struct Resolved {
    pub(crate) current: Arc<Current>,
    /// Whether the values of the token were at hand.
    pub(crate) was_seen: bool,
    /// Whether the server was asked.
    pub(crate) was_asked: bool,
}

impl Rights<'_> {
    /// What is true now of `token`, whose text is `text`; asks the server when what is known is too old. Fails closed.
    pub(crate) async fn of(&self, token: &VerifiedToken, text: &str) -> Result<Resolved, Refusal> {
        let is_new = Cell::new(false);
        let identity: &Identity = token.extension(|| {
            is_new.set(true);
            Identity::new(token)
        });
        let was_seen = !is_new.get();
        let known = identity.known.read().clone();
        if self.holds(&known) {
            return Ok(Resolved { current: known.current, was_seen, was_asked: false });
        }
        let current = self.ask(identity, token, text).await?;
        Ok(Resolved { current, was_seen, was_asked: true })
    }

    /// Whether nothing says that `known` is too old.
    fn holds(&self, known: &Known) -> bool {
        let standing = &known.current.standing;
        self.now.millis_since(known.current.at) <= i64::from(self.max_age_seconds) * 1000
            && !standing.customer().is_some_and(|customer| {
                self.verifier.rights_changed_since(&standing.tenant, customer, known.rights_mark)
            })
    }

    async fn ask(&self, identity: &Identity, token: &VerifiedToken, text: &str) -> Result<Arc<Current>, Refusal> {
        let mut failed = identity.asking.lock().await;
        let known = identity.known.read().clone();
        if self.holds(&known) {
            return Ok(known.current);
        }
        if failed.is_some_and(|failed| self.now.millis_since(failed) < RETRY_MILLIS) {
            return Err(Refusal::ServerAway);
        }
        // Both taken before the question, so that what changes meanwhile counts as later.
        let rights_mark = self.verifier.rights_mark();
        match self.resolver.resolve(text).await {
            Ok(standing) if is_about_the_same(&standing, &token.token.standing) => {
                let current = Current::new(standing, self.now);
                *identity.known.write() = Known { current: Arc::clone(&current), rights_mark };
                *failed = None;
                Ok(current)
            }
            Ok(_) | Err(ResolveError::Refused) => Err(Refusal::InvalidCredential),
            Err(ResolveError::Unavailable) => {
                *failed = Some(self.now);
                Err(Refusal::ServerAway)
            }
        }
    }
}

/// Whether a newer standing differs from the token's in nothing a token is about: who, where, and for whom.
fn is_about_the_same(newer: &Standing, token: &Standing) -> bool {
    newer.tenant == token.tenant && newer.subject == token.subject && newer.legal_entity() == token.legal_entity()
}
