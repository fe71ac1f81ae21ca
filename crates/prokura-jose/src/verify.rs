//! The verifier every edge and the gateway share: keys of all tenants, what was revoked, and a cache of tokens that
//! were verified before. A token is trusted for its text, never for its hash, and only as long as its key, its time
//! and everything it hangs on still stand.

mod cache;
mod revoked;

use crate::{
    AccessToken, Audience, JwsAlgorithm, PublicKey, Rejection,
    jws::{Claims, Compact},
    token::ACCESS_TOKEN_TYPE,
};
use cache::Cache;
use parking_lot::RwLock;
use prokura_domain::{CustomerId, Revocation, TenantId, Timestamp};
use revoked::Revoked;
use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

/// Verifies access tokens. Shared as `Arc`; everything may be called from everywhere at the same time.
pub struct TokenVerifier {
    state: RwLock<State>,
    /// Grows with every change of keys or revocations that could end a token. Written with `state` locked.
    version: AtomicU64,
    cache: Cache,
    /// Milliseconds of the last word from the source of keys and revocations; `i64::MIN` before the first.
    last_contact: AtomicI64,
}

#[derive(Default)]
struct State {
    tenants: HashMap<TenantId, Arc<Trust>>,
    issuers: HashMap<Arc<str>, Arc<Trust>>,
    revoked: Revoked,
}

/// Under which names a tenant's access tokens are issued: its own, or those of a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `iss`
    pub issuer: Arc<str>,
    /// The `aud` of tokens that count for everything of the tenant.
    pub audience: Audience,
    /// `typ`
    pub token_type: Arc<str>,
}

impl Names {
    /// Those of tokens as RFC 9068 spells them.
    pub fn native(issuer: Arc<str>, audience: Arc<str>) -> Self {
        Self { issuer, audience: Audience::from(audience), token_type: Arc::from(ACCESS_TOKEN_TYPE) }
    }
}

/// What one tenant's tokens are measured against.
#[derive(PartialEq, Eq)]
struct Trust {
    tenant: TenantId,
    /// Its own first.
    names: Vec<Names>,
    keys: HashMap<Box<str>, PublicKey>,
}

impl Trust {
    fn named(&self, issuer: &str) -> Option<&Names> {
        self.names.iter().find(|names| *names.issuer == *issuer)
    }
}

/// A token that was verified.
pub struct VerifiedToken {
    /// What it says.
    pub token: AccessToken,
    text: Box<str>,
    key: PublicKey,
    /// What a token had to name to count for everything of the tenant, when this one was verified.
    usual_audience: Audience,
    /// The version of keys and revocations it was last held against; 0 before the first time.
    checked: AtomicU64,
    /// From when on it is revoked, in milliseconds; `i64::MAX` when it is not.
    dead_from: AtomicI64,
    /// Whether it was asked for since the cache last looked for room.
    is_used: AtomicBool,
    extensions: OnceLock<Box<Extension>>,
}

/// Whether a verified token still hangs on a key we trust.
enum Footing {
    Firm,
    KeyGone,
}

impl TokenVerifier {
    /// A verifier that remembers about `capacity` verified tokens, each a kilobyte or two.
    pub fn new(capacity: usize) -> Self {
        Self {
            state: RwLock::default(),
            version: AtomicU64::new(1),
            cache: Cache::new(capacity),
            last_contact: AtomicI64::new(i64::MIN),
        }
    }

    /// Trusts `keys`, and only them, for tokens of `tenant`. Tokens of keys that are no longer among them are refused
    /// from now on, cached or not. `names` are the tenant's own, and those of its dialects. The same again changes
    /// nothing.
    pub fn set_keys(&self, tenant: TenantId, names: Vec<Names>, keys: Vec<PublicKey>) {
        let keys = keys.into_iter().filter_map(|key| Some((Box::from(key.kid()?), key))).collect();
        let trust = Trust { tenant, names, keys };
        let mut state = self.state.write();
        if state.tenants.get(&trust.tenant).is_some_and(|known| **known == trust) {
            return;
        }
        state.forget_tenant(&trust.tenant);
        let trust = Arc::new(trust);
        for names in &trust.names {
            state.issuers.insert(names.issuer.clone(), trust.clone());
        }
        state.tenants.insert(trust.tenant.clone(), trust);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The tenant whose tokens are issued under this name.
    pub fn tenant_of(&self, issuer: &str) -> Option<TenantId> {
        self.state.read().issuers.get(issuer).map(|trust| trust.tenant.clone())
    }

    /// Refuses every token of `tenant` from now on.
    pub fn remove_tenant(&self, tenant: &TenantId) {
        let mut state = self.state.write();
        if state.forget_tenant(tenant) {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Verifies a bearer token that counts for everything of its tenant: form, type, issuer, audience, time, signature,
    /// and whether it was revoked. A token that is bound to a key, or for resources alone, does not.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, Rejection> {
        let verified = self.find(token, now, true)?;
        if !verified.is_for_everything() {
            return Err(Rejection::WrongAudience);
        }
        if verified.token.bound_to.is_some() {
            return Err(Rejection::Bound);
        }
        Ok(verified)
    }

    /// Verifies an access token whatever its audience, and bound to a key or not. Who asks decides whether it may be used
    /// here: [`VerifiedToken::is_for_everything`], [`AccessToken::audience`] and [`AccessToken::bound_to`] must be looked at.
    pub fn examine(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, Rejection> {
        self.find(token, now, false)
    }

    fn find(&self, token: &str, now: Timestamp, wants_usual: bool) -> Result<Arc<VerifiedToken>, Rejection> {
        if let Some(known) = self.cache.get(token) {
            if known.token.expires_at <= now {
                self.cache.remove(token);
                return Err(Rejection::Expired);
            }
            match self.check_footing(&known, now)? {
                Footing::Firm => return Ok(known),
                Footing::KeyGone => self.cache.remove(token),
            }
        }
        let verified = Arc::new(self.verify_anew(token, now, wants_usual)?);
        match self.check_footing(&verified, now)? {
            Footing::Firm => {
                self.cache.insert(&verified, now);
                Ok(verified)
            }
            Footing::KeyGone => Err(Rejection::UnknownKey),
        }
    }

    /// Takes entries of the revocation feed in, in any order and as often as they come.
    pub fn apply(&self, entries: &[Revocation]) {
        let mut state = self.state.write();
        let mut has_changed = false;
        for entry in entries {
            has_changed |= state.revoked.apply(entry);
        }
        if has_changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Forgets revocations and cached tokens that no longer matter at `now`.
    pub fn forget_expired(&self, now: Timestamp) {
        self.state.write().revoked.forget_expired(now);
        self.cache.forget_expired(now);
    }

    /// Notes that at `now` keys and revocations were up to date. The last word counts, not the greatest: a clock that
    /// was ahead for a while must not make old news look fresh after it was set back (S-136).
    pub fn contacted(&self, now: Timestamp) {
        self.last_contact.store(now.millis(), Ordering::Release);
    }

    /// When keys and revocations were last known to be up to date; how old they may be is the caller's rule (S-71).
    pub fn last_contact(&self) -> Option<Timestamp> {
        let millis = self.last_contact.load(Ordering::Acquire);
        (millis != i64::MIN).then(|| Timestamp::from_millis(millis))
    }

    /// A mark to keep beside a copy of somebody's scopes and segments; see [`rights_changed_since`].
    ///
    /// [`rights_changed_since`]: Self::rights_changed_since
    pub fn rights_mark(&self) -> u64 {
        self.state.read().revoked.rights_mark()
    }

    /// Whether groups or segments of the customer changed after `mark` was taken. Counts what arrived here, so no two
    /// clocks need to agree.
    pub fn rights_changed_since(&self, tenant: &TenantId, customer: &CustomerId, mark: u64) -> bool {
        self.state.read().revoked.rights_changed_since(tenant, customer, mark)
    }

    /// Everything about a token but revocation. What costs nothing comes before the signature.
    fn verify_anew(&self, token: &str, now: Timestamp, wants_usual: bool) -> Result<VerifiedToken, Rejection> {
        let compact = Compact::parse_labeled(token)?;
        let kid = compact.header.kid.as_deref().ok_or(Rejection::UnknownKey)?;
        let algorithm: JwsAlgorithm = compact.header.alg.parse().map_err(|_| Rejection::UnknownKey)?;

        let claims = Claims::parse(&compact.payload)?;
        let trust = self.state.read().issuers.get(claims.issuer.as_str()).cloned().ok_or(Rejection::WrongIssuer)?;
        let names = trust.named(&claims.issuer).ok_or(Rejection::WrongIssuer)?;
        // Whoever issues has one spelling of the type, and always names the key: nothing else is an access token.
        if compact.header.typ.as_deref() != Some(&*names.token_type) {
            return Err(Rejection::WrongType);
        }
        // Natively there is none, and a dialect's is its issuer: a label never leads anywhere (S-43).
        let is_native = *names.token_type == *ACCESS_TOKEN_TYPE;
        if compact.header.label.as_ref().is_some_and(|label| is_native || **label != *names.issuer) {
            return Err(Rejection::Malformed);
        }
        let audience = match claims.audience.as_slice() {
            [one] if names.audience.is_only(one) => names.audience.clone(),
            several if !wants_usual => Audience::of(several).ok_or(Rejection::WrongAudience)?,
            _ => return Err(Rejection::WrongAudience),
        };
        claims.check_time(now)?;

        let key = trust.keys.get(kid).filter(|key| key.algorithm() == algorithm).ok_or(Rejection::UnknownKey)?;
        if !key.verify(compact.signed.as_bytes(), &compact.signature) {
            return Err(Rejection::BadSignature);
        }
        let token_read = AccessToken::from_claims(names.issuer.clone(), audience, claims)?;
        if token_read.standing.tenant != trust.tenant {
            return Err(Rejection::BadClaims);
        }
        Ok(VerifiedToken {
            token: token_read,
            text: token.into(),
            key: key.clone(),
            usual_audience: names.audience.clone(),
            checked: AtomicU64::new(0),
            dead_from: AtomicI64::new(i64::MAX),
            is_used: AtomicBool::new(false),
            extensions: OnceLock::new(),
        })
    }

    /// Holds a token against keys and revocations, if they changed since it last was.
    fn check_footing(&self, verified: &VerifiedToken, now: Timestamp) -> Result<Footing, Rejection> {
        if verified.checked.load(Ordering::Acquire) != self.version.load(Ordering::Acquire) {
            // The lock is held until both are stored: nobody writes a later verdict in between.
            let state = self.state.read();
            if !state.trusts(verified) {
                return Ok(Footing::KeyGone);
            }
            let dead_from = state.revoked.dead_from(&verified.token).map_or(i64::MAX, Timestamp::millis);
            verified.dead_from.store(dead_from, Ordering::Relaxed);
            verified.checked.store(self.version.load(Ordering::Acquire), Ordering::Release);
        }
        if verified.dead_from.load(Ordering::Relaxed) <= now.millis() {
            return Err(Rejection::Revoked);
        }
        Ok(Footing::Firm)
    }
}

impl State {
    fn forget_tenant(&mut self, tenant: &TenantId) -> bool {
        self.issuers.retain(|_, trust| trust.tenant != *tenant);
        self.tenants.remove(tenant).is_some()
    }

    fn trusts(&self, verified: &VerifiedToken) -> bool {
        self.issuers.get(&verified.token.issuer).is_some_and(|trust| {
            trust.tenant == verified.token.standing.tenant
                && trust.named(&verified.token.issuer).is_some_and(|names| names.audience == verified.usual_audience)
                && verified.key.kid().and_then(|kid| trust.keys.get(kid)) == Some(&verified.key)
        })
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A value somebody hung on a verified token.
struct Extension {
    value: Box<dyn Any + Send + Sync>,
    next: OnceLock<Box<Extension>>,
}

impl VerifiedToken {
    /// Whether it counts for everything of its tenant, and not for resources alone.
    pub fn is_for_everything(&self) -> bool {
        self.token.audience == self.usual_audience
    }

    /// The value of type `T` that belongs to this token, made by `init` when first asked for: a place for what is
    /// worth computing once per token. It lives as long as the cached token.
    pub fn extension<T: Any + Send + Sync>(&self, init: impl FnOnce() -> T) -> &T {
        let mut init = Some(init);
        let mut slot = &self.extensions;
        loop {
            let extension = slot.get_or_init(|| {
                let init = init.take().expect("the slot after this one is never reached");
                Box::new(Extension { value: Box::new(init()), next: OnceLock::new() })
            });
            if let Some(value) = extension.value.downcast_ref() {
                return value;
            }
            slot = &extension.next;
        }
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
