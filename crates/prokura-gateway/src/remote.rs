//! A gateway away from the server: keys and revocations are fetched every second, rights are asked for when needed.
//!
//! Commits on a database arrive out of order, so each reading begins a minute before the newest entry seen; what comes
//! twice changes nothing. Contact counts from the moment a question was asked, not from its answer.

use crate::{
    body::BoxError,
    config::ConfigError,
    forward::Pool,
    resolve::{ResolveError, Resolver, Resolving, Using},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use parking_lot::Mutex;
use prokura_domain::{Clock, Revocation, RevocationKind, Standing, TenantId, Timestamp};
use prokura_jose::{
    Names, PublicKey, TokenVerifier,
    dpop::Proof,
    feed::{KeysFeed, ProofUsed, ResolveRequest, RevocationsFeed, StandingRecord, UseProof},
};
use serde::de::DeserializeOwned;
use std::{collections::HashSet, fmt, future::Future, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the first, whole reading may take.
const FIRST_PATIENCE: Duration = Duration::from_mins(1);
/// How far before the newest entry a reading begins.
const OVERLAP_MILLIS: i64 = 60_000;
/// How often keys are fetched although no entry says that they changed, in readings.
const KEYS_EVERY: u64 = 60;
/// A clock that differs by more is reported (S-136).
const SKEW_MILLIS: i64 = 30_000;
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Why the server's answer could not be had.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// It could not be reached, or broke off.
    #[error("the server cannot be reached")]
    Unreachable(#[source] BoxError),
    /// It took too long.
    #[error("the server does not answer in time")]
    Slow,
    /// It answered with another status.
    #[error("the server answers with status {0}")]
    Status(StatusCode),
    /// Its answer cannot be read.
    #[error("the server's answer cannot be read")]
    Unreadable(#[source] BoxError),
}

/// Keys, revocations and rights from a server elsewhere.
pub struct RemoteSource {
    server: Uri,
    bearer: HeaderValue,
    pool: Pool<Full<Bytes>>,
    verifier: Arc<TokenVerifier>,
    clock: Arc<dyn Clock>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    newest: Option<Timestamp>,
    tenants: HashSet<TenantId>,
    readings: u64,
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSource").field("server", &self.server).finish_non_exhaustive()
    }
}

impl RemoteSource {
    /// A source at `server`, a URL as `https://id.example` with or without a path, with the gateway's secret. A server
    /// with TLS needs rustls' process-wide provider to be installed.
    pub fn new(
        server: &str,
        secret: &str,
        verifier: Arc<TokenVerifier>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::new("server", format!("{server:?} is not like \"https://id.example\""));
        let server: Uri = server.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let is_tls = match server.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(wrong()),
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {secret}"))
            .map_err(|_| ConfigError::new("secret", "has characters a header cannot carry"))?;
        bearer.set_sensitive(true);
        let pool = Pool::new(PATIENCE, is_tls).map_err(|error| {
            ConfigError::new("server", format!("the certificates of the system cannot be read: {error}"))
        })?;
        Ok(Self { server, bearer, pool, verifier, clock, progress: Mutex::default() })
    }

    /// Reads everything once. Before it succeeds, every token is refused with 503.
    pub async fn load(&self) -> Result<(), RemoteError> {
        let asked_at = self.clock.now();
        // Keys last: an entry about them that comes in between is then already known.
        self.read_revocations(FIRST_PATIENCE).await?;
        self.read_keys(FIRST_PATIENCE).await?;
        self.verifier.contacted(asked_at);
        Ok(())
    }

    /// Reads every second until `shutdown` resolves. A failure is logged when it begins and when it ends.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = std::pin::pin!(shutdown);
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = ticks.tick() => {}
            }
            match self.read().await {
                Ok(()) if is_failing => {
                    is_failing = false;
                    tracing::info!("the server answers again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !is_failing {
                        let source: &dyn std::error::Error = &error;
                        tracing::warn!(error = %source, cause = ?source.source(), "no news from the server");
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// One reading: what was revoked, and the keys when they changed.
    pub async fn read(&self) -> Result<(), RemoteError> {
        if self.progress.lock().newest.is_none() {
            return self.load().await;
        }
        let asked_at = self.clock.now();
        let have_keys_changed = self.read_revocations(PATIENCE).await?;
        let is_due = {
            let mut progress = self.progress.lock();
            progress.readings += 1;
            progress.readings.is_multiple_of(KEYS_EVERY)
        };
        if have_keys_changed || is_due {
            self.read_keys(PATIENCE).await?;
            self.verifier.forget_expired(asked_at);
        }
        self.verifier.contacted(asked_at);
        Ok(())
    }

    /// Whether the keys of some tenant changed since the last reading.
    async fn read_revocations(&self, patience: Duration) -> Result<bool, RemoteError> {
        let newest = self.progress.lock().newest;
        let since = newest.map_or(0, |newest| newest.millis().saturating_sub(OVERLAP_MILLIS).max(0));
        let path = format!("/gateway/v1/revocations?since={since}");
        let feed: RevocationsFeed = self.ask(Method::GET, &path, Bytes::new(), patience).await?;
        let entries: Vec<Revocation> = feed
            .entries
            .into_iter()
            .map(Revocation::try_from)
            .collect::<Result<_, _>>()
            .map_err(|error| RemoteError::Unreadable(error.into()))?;
        self.verifier.apply(&entries);
        let skew = self.clock.now().millis_since(Timestamp::from_millis(feed.now));
        if skew.abs() > SKEW_MILLIS {
            tracing::warn!(skew_milliseconds = skew, "the server's clock and ours differ");
        }
        let is_new = |entry: &Revocation| newest.is_none_or(|newest| entry.at > newest);
        let have_keys_changed = entries.iter().any(|entry| entry.kind == RevocationKind::Keys && is_new(entry));
        // Without entries the server's time stands in, or a quiet installation would be read whole each second.
        let newest_entry = entries.iter().map(|entry| entry.at).max();
        let mut progress = self.progress.lock();
        progress.newest =
            progress.newest.max(newest_entry).max(Some(Timestamp::from_millis(feed.now)).filter(|_| newest.is_none()));
        Ok(have_keys_changed)
    }

    async fn read_keys(&self, patience: Duration) -> Result<(), RemoteError> {
        let feed: KeysFeed = self.ask(Method::GET, "/gateway/v1/keys", Bytes::new(), patience).await?;
        let mut tenants = HashSet::new();
        for tenant in feed.tenants {
            let id: TenantId =
                tenant.tenant.parse().map_err(|_| RemoteError::Unreadable("a tenant id is malformed".into()))?;
            let keys = tenant.keys.iter().filter_map(|jwk| match PublicKey::from_jwk(jwk) {
                Ok(key) => Some(key),
                Err(error) => {
                    tracing::warn!(tenant = %id, %error, "a key of the server cannot be used");
                    None
                }
            });
            let mut names = vec![Names::native(tenant.issuer.into(), tenant.audience.into())];
            names.extend(tenant.accents.into_iter().map(Names::from));
            self.verifier.set_keys(id.clone(), names, keys.collect());
            tenants.insert(id);
        }
        let before = std::mem::replace(&mut self.progress.lock().tenants, tenants.clone());
        for gone in before.difference(&tenants) {
            self.verifier.remove_tenant(gone);
        }
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<T, RemoteError> {
        let base = self.server.to_string();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", base.trim_end_matches('/')))
            .header(header::HOST, self.server.authority().map_or("", |authority| authority.as_str()))
            .header(header::AUTHORIZATION, &self.bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| RemoteError::Unreachable(error.into()))?;
        let asking = async {
            let sent = self.pool.request(request).ok_or_else(|| RemoteError::Unreachable("no TLS".into()))?;
            let response = sent.await.map_err(|error| RemoteError::Unreachable(error.into()))?;
            if response.status() != StatusCode::OK {
                return Err(RemoteError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let bytes = body.map_err(RemoteError::Unreachable)?.to_bytes();
            serde_json::from_slice(&bytes).map_err(|error| RemoteError::Unreadable(error.into()))
        };
        timeout(patience, asking).await.map_err(|_| RemoteError::Slow)?
    }
}

impl Resolver for RemoteSource {
    fn resolve<'a>(&'a self, token: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let body = serde_json::to_vec(&ResolveRequest { token: token.to_owned() })
                .map_err(|_| ResolveError::Unavailable)?;
            let answer = self.ask::<StandingRecord>(Method::POST, "/gateway/v1/resolve", body.into(), PATIENCE).await;
            match answer {
                Ok(record) => Standing::try_from(record).map_err(|_| ResolveError::Unavailable),
                // 401 is about the gateway's own secret, so a token that does not hold is 404 or 410.
                Err(RemoteError::Status(StatusCode::NOT_FOUND | StatusCode::GONE)) => Err(ResolveError::Refused),
                Err(error) => {
                    tracing::debug!(%error, "rights could not be resolved");
                    Err(ResolveError::Unavailable)
                }
            }
        })
    }

    fn use_proof<'a>(&'a self, tenant: &'a TenantId, proof: &'a Proof) -> Using<'a> {
        Box::pin(async move {
            let request = UseProof { tenant: tenant.to_string(), id: proof.id.clone(), until: proof.until.millis() };
            let body = serde_json::to_vec(&request).map_err(|_| ResolveError::Unavailable)?;
            let answer = self.ask::<ProofUsed>(Method::POST, "/gateway/v1/proofs", body.into(), PATIENCE).await;
            match answer {
                Ok(used) => Ok(used.is_first),
                Err(error) => {
                    tracing::debug!(%error, "a proof could not be used up");
                    Err(ResolveError::Unavailable)
                }
            }
        })
    }
}
