//! Talking to a partner's identity provider: its metadata, its keys, and redeeming a code. Documents are remembered, fetched
//! by one at a time, and kept for a day when the provider is away (S-88); no transaction is open meanwhile (S-122).

use crate::{
    PartnerIdp,
    outbound::{Answer, Outbound, OutboundFault},
    registration::is_web_address,
    shelf::Shelf,
};
use moka::sync::Cache;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prokura_domain::{Clock, PartnerIdpId, TenantId, Timestamp};
use prokura_jose::{JwsAlgorithm, PublicKey, Secret, SecretHash, parse_json_object};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::sync::Semaphore;

/// How we can prove ourselves, the better one first.
pub(crate) const CLIENT_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];
/// What ID tokens may be signed with where nobody says less. HMAC is no algorithm here at all.
const ALGORITHMS: [JwsAlgorithm; 5] =
    [JwsAlgorithm::Rs256, JwsAlgorithm::Ps256, JwsAlgorithm::Es256, JwsAlgorithm::Es384, JwsAlgorithm::EdDsa];
/// RSA keys often do not say what they are for.
const RSA_ALGORITHMS: [JwsAlgorithm; 6] = [
    JwsAlgorithm::Rs256,
    JwsAlgorithm::Rs384,
    JwsAlgorithm::Rs512,
    JwsAlgorithm::Ps256,
    JwsAlgorithm::Ps384,
    JwsAlgorithm::Ps512,
];
/// The longest metadata or key set, and the longest answer of a token endpoint, in bytes (S-121).
const MAX_DOCUMENT: usize = 64 * 1024;
const MAX_ANSWER: usize = 1024 * 1024;
/// The most keys of a set that are read.
const MAX_KEYS: usize = 50;
/// How many providers a node remembers, and for how long after the last login by one.
const PROVIDERS: u64 = 10_000;
const PROVIDERS_IDLE: Duration = Duration::from_hours(24);
/// The most codes that are redeemed at one provider at once.
const CALLS_AT_ONCE: usize = 32;
/// After so many failures in a row a provider is left alone for so long.
const FAILURES: u32 = 5;
const REST_SECONDS: i64 = 10;
/// What `application/x-www-form-urlencoded` leaves as it is.
pub(crate) const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Why a provider was of no use. Says nothing of what was sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum ProviderFault {
    /// It is away, or it is not called.
    #[error("{0}: {1}")]
    Away(&'static str, &'static str),
    /// It answers what nobody can go on with.
    #[error("{0} answered {1}")]
    Status(&'static str, u16),
    /// What it says is not what was asked for.
    #[error("{0}")]
    Nonsense(&'static str),
    /// It does not know us, or does not let us.
    #[error("the token endpoint refused us as a client: {0}")]
    Client(&'static str),
    /// It failed too often just now.
    #[error("it failed too often just now")]
    Resting,
    /// Too many are waiting for it already.
    #[error("too many are waiting for it")]
    Busy,
}

/// What came of a code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    Tokens(ProviderTokens),
    /// The provider does not take it; its word for that.
    Refused(&'static str),
}

/// What a provider hands out.
pub(crate) struct ProviderTokens {
    pub(crate) access_token: String,
    pub(crate) id_token: String,
}

impl std::fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProviderTokens(…)")
    }
}

impl PartialEq for ProviderTokens {
    fn eq(&self, other: &Self) -> bool {
        self.access_token == other.access_token && self.id_token == other.id_token
    }
}

impl Eq for ProviderTokens {}

/// Where and how a provider is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    token_endpoint: String,
    jwks_uri: Option<String>,
    is_secret_in_form: bool,
    /// What ID tokens may be signed with.
    pub(crate) algorithms: Vec<JwsAlgorithm>,
}

/// A code and what belongs to it.
pub(crate) struct CodeRequest<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code_verifier: Option<&'a str>,
}

/// The providers this node talked to lately. What is known of one hangs on all that decides where it is asked: one that was
/// deleted says nothing about another of the same id.
pub(crate) struct Providers(Cache<(TenantId, PartnerIdpId, SecretHash), Arc<Remembered>>);

/// What is known of one provider.
#[derive(Default)]
struct Remembered {
    metadata: Shelf<Map<String, Value>, ProviderFault>,
    keys: Shelf<Vec<PublicKey>, ProviderFault>,
    calls: Calls,
}

struct Calls {
    permits: Semaphore,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    rests_until: Option<Timestamp>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { permits: Semaphore::new(CALLS_AT_ONCE), health: Mutex::default() }
    }
}

impl Calls {
    fn is_resting(&self, now: Timestamp) -> bool {
        self.health.lock().rests_until.is_some_and(|until| now < until)
    }

    fn note(&self, is_up: bool, now: Timestamp) {
        let mut health = self.health.lock();
        if is_up {
            *health = Health::default();
        } else {
            health.failures = health.failures.saturating_add(1);
            if health.failures >= FAILURES {
                health.rests_until = Some(now.plus_seconds(REST_SECONDS));
            }
        }
    }
}

impl Providers {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(PROVIDERS).time_to_idle(PROVIDERS_IDLE).build())
    }
}

/// A provider, ready to be talked to.
pub(crate) struct Provider<'a> {
    idp: &'a PartnerIdp,
    remembered: Arc<Remembered>,
    outbound: &'a Outbound,
    clock: &'a dyn Clock,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(engine: &'a crate::Inner, tenant: &TenantId, idp: &'a PartnerIdp) -> Self {
        let said = &idp.metadata;
        let place = [&Some(idp.issuer.clone()), &said.token_endpoint, &said.jwks_uri];
        let algorithms = &said.id_token_signing_alg_values_supported;
        let key = (tenant.clone(), idp.id.clone(), SecretHash::of(&format!("{place:?} {algorithms:?}")));
        Self {
            idp,
            remembered: engine.providers.0.get_with(key, Arc::default),
            outbound: &engine.outbound,
            clock: &*engine.clock,
        }
    }

    /// Where and how it is talked to: by an operator's word, and for the rest by its own.
    pub(crate) async fn endpoints(&self) -> Result<Endpoints, ProviderFault> {
        let said = &self.idp.metadata;
        let has_all = said.token_endpoint.is_some() && (said.jwks.is_some() || said.jwks_uri.is_some());
        let metadata = if has_all {
            Arc::default()
        } else {
            self.remembered.metadata.current(self.clock, || self.discover()).await?
        };
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
        let words = |said: &Option<Vec<String>>, name: &str| -> Option<Vec<String>> {
            let own = || {
                let list = metadata.get(name)?.as_array()?;
                Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            };
            said.clone().or_else(own)
        };
        let token_endpoint = said
            .token_endpoint
            .clone()
            .or_else(|| text("token_endpoint"))
            .ok_or(ProviderFault::Nonsense("its metadata names no token endpoint"))?;
        let methods = words(&said.token_endpoint_auth_methods_supported, "token_endpoint_auth_methods_supported");
        let method = match &methods {
            None => CLIENT_METHODS.first(),
            Some(offered) => CLIENT_METHODS.iter().find(|method| offered.iter().any(|word| word == *method)),
        };
        let method = method.ok_or(ProviderFault::Nonsense("it takes no client secret"))?;
        let offered = words(&said.id_token_signing_alg_values_supported, "id_token_signing_alg_values_supported");
        Ok(Endpoints {
            token_endpoint,
            jwks_uri: said.jwks_uri.clone().or_else(|| text("jwks_uri")),
            is_secret_in_form: *method == "client_secret_post",
            algorithms: algorithms(offered.as_deref()),
        })
    }

    /// Where browsers log in, by its own word.
    pub(crate) async fn authorization_endpoint(&self) -> Result<String, ProviderFault> {
        let metadata = self.remembered.metadata.current(self.clock, || self.discover()).await?;
        let named = metadata.get("authorization_endpoint").and_then(Value::as_str);
        let named = named.filter(|uri| is_web_address(uri)).map(str::to_owned);
        named.ok_or(ProviderFault::Nonsense("its metadata names no authorization endpoint"))
    }

    /// Reads its metadata (OpenID Connect Discovery 1.0 section 4; RFC 8414 section 3 where there is none).
    async fn discover(&self) -> Result<(Map<String, Value>, Option<u32>), ProviderFault> {
        const WHAT: &str = "its metadata";
        let issuer = &self.idp.issuer;
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let mut answer = self.fetch(WHAT, &format!("{base}/.well-known/openid-configuration")).await?;
        if answer.status == 404
            && let Some((origin, path)) = origin_and_path(base)
        {
            answer = self.fetch(WHAT, &format!("{origin}/.well-known/oauth-authorization-server{path}")).await?;
        }
        if answer.status != 200 {
            return Err(ProviderFault::Status(WHAT, answer.status));
        }
        let metadata =
            parse_json_object(&answer.body).ok_or(ProviderFault::Nonsense("its metadata is no JSON object"))?;
        // Whoever could name another issuer here could be taken for it (S-84).
        if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(ProviderFault::Nonsense("its metadata is of another issuer"));
        }
        Ok((metadata, answer.max_age_seconds))
    }

    /// Its keys.
    pub(crate) async fn keys(&self, endpoints: &Endpoints) -> Result<Arc<Vec<PublicKey>>, ProviderFault> {
        if let Some(jwks) = &self.idp.metadata.jwks {
            return Ok(Arc::new(keys(jwks, &endpoints.algorithms)));
        }
        self.remembered.keys.current(self.clock, || self.fetch_keys(endpoints)).await
    }

    /// Its keys, asked for anew because a token names one that is not among `known`: at most once a minute.
    pub(crate) async fn newer_keys(
        &self,
        endpoints: &Endpoints,
        known: &Arc<Vec<PublicKey>>,
    ) -> Result<Arc<Vec<PublicKey>>, ProviderFault> {
        if self.idp.metadata.jwks.is_some() {
            return Ok(Arc::clone(known));
        }
        self.remembered.keys.newer(self.clock, known, || self.fetch_keys(endpoints)).await
    }

    async fn fetch_keys(&self, endpoints: &Endpoints) -> Result<(Vec<PublicKey>, Option<u32>), ProviderFault> {
        const WHAT: &str = "its key set";
        let uri = endpoints.jwks_uri.as_ref().ok_or(ProviderFault::Nonsense("its metadata names no key set"))?;
        let answer = self.fetch(WHAT, uri).await?;
        if answer.status != 200 {
            return Err(ProviderFault::Status(WHAT, answer.status));
        }
        let set = parse_json_object(&answer.body).ok_or(ProviderFault::Nonsense("its key set is no JSON object"))?;
        let keys = keys(&Value::Object(set), &endpoints.algorithms);
        if keys.is_empty() {
            return Err(ProviderFault::Nonsense("its key set has no key that can be used"));
        }
        Ok((keys, answer.max_age_seconds))
    }

    async fn fetch(&self, what: &'static str, url: &str) -> Result<Answer, ProviderFault> {
        self.outbound.fetch(url, MAX_DOCUMENT).await.map_err(|fault| away(what, &fault))
    }

    /// Redeems a code (OpenID Connect Core 1.0 section 3.1.3). Sent once: a code is good once.
    pub(crate) async fn redeem(
        &self,
        endpoints: &Endpoints,
        request: &CodeRequest<'_>,
        secret: &Secret,
    ) -> Result<Redeemed, ProviderFault> {
        let calls = &self.remembered.calls;
        if calls.is_resting(self.clock.now()) {
            return Err(ProviderFault::Resting);
        }
        let Ok(_permit) = calls.permits.try_acquire() else { return Err(ProviderFault::Busy) };
        let answer = self.post(endpoints, request, secret).await;
        // An answer that helps nobody says as little for a provider as none.
        let is_up = answer.as_ref().is_ok_and(|answer| answer.status < 500);
        calls.note(is_up, self.clock.now());
        understand(&answer?)
    }

    async fn post(
        &self,
        endpoints: &Endpoints,
        request: &CodeRequest<'_>,
        secret: &Secret,
    ) -> Result<Answer, ProviderFault> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};

        let id = self.idp.client_id.as_str();
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", request.code), ("redirect_uri", request.redirect_uri)];
        form.extend(request.code_verifier.map(|verifier| ("code_verifier", verifier)));
        let basic = if endpoints.is_secret_in_form {
            form.extend([("client_id", id), ("client_secret", secret.expose())]);
            None
        } else {
            // Both are encoded before they are joined (RFC 6749 section 2.3.1).
            let encoded = |text| utf8_percent_encode(text, FORM);
            Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose())))))
        };
        let sent = self.outbound.exchange(&endpoints.token_endpoint, &form, basic.as_deref(), MAX_ANSWER).await;
        sent.map_err(|fault| away("its token endpoint", &fault))
    }
}

/// Reads the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2).
fn understand(answer: &Answer) -> Result<Redeemed, ProviderFault> {
    const WHAT: &str = "its token endpoint";
    let body = parse_json_object(&answer.body);
    let text = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
    match answer.status {
        200 => {
            let token = |name: &str| text(name).filter(|token| !token.is_empty()).map(str::to_owned);
            let is_bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
            match (token("access_token"), token("id_token")) {
                (Some(access_token), Some(id_token)) if is_bearer => {
                    Ok(Redeemed::Tokens(ProviderTokens { access_token, id_token }))
                }
                _ => Err(ProviderFault::Nonsense("its token endpoint answered without bearer and ID token")),
            }
        }
        401 => Err(ProviderFault::Client("invalid_client")),
        400 | 403 => match text("error") {
            Some("invalid_client") => Err(ProviderFault::Client("invalid_client")),
            Some("unauthorized_client") => Err(ProviderFault::Client("unauthorized_client")),
            Some("unsupported_grant_type") => Err(ProviderFault::Client("unsupported_grant_type")),
            Some("invalid_scope") => Err(ProviderFault::Client("invalid_scope")),
            Some("temporarily_unavailable" | "server_error") => Err(ProviderFault::Status(WHAT, answer.status)),
            Some("invalid_request") => Ok(Redeemed::Refused("invalid_request")),
            // Whatever else it calls it, it does not take this code.
            Some(_) => Ok(Redeemed::Refused("invalid_grant")),
            None => Err(ProviderFault::Status(WHAT, answer.status)),
        },
        status => Err(ProviderFault::Status(WHAT, status)),
    }
}

fn away(what: &'static str, fault: &OutboundFault) -> ProviderFault {
    let (OutboundFault::Refused(why) | OutboundFault::Unreachable(why)) = fault;
    ProviderFault::Away(what, why)
}

/// The origin of an issuer and its path, when it has one.
fn origin_and_path(issuer: &str) -> Option<(&str, &str)> {
    let host = issuer.find("://")? + 3;
    let path = host + issuer.get(host..)?.find('/')?;
    issuer.split_at_checked(path)
}

/// What ID tokens may be signed with, of what is `offered`.
pub(crate) fn algorithms(offered: Option<&[String]>) -> Vec<JwsAlgorithm> {
    match offered {
        None => ALGORITHMS.to_vec(),
        Some(offered) => offered.iter().filter_map(|word| word.parse().ok()).collect(),
    }
}

/// The keys of a set that can verify with one of `algorithms`. One that is broken, private or for something else is left out,
/// and spoils no other.
pub(crate) fn keys(jwks: &Value, algorithms: &[JwsAlgorithm]) -> Vec<PublicKey> {
    let set = jwks.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for jwk in set.iter().take(MAX_KEYS) {
        let is_open_rsa = jwk.get("kty").is_some_and(|kind| kind == "RSA") && jwk.get("alg").is_none();
        if is_open_rsa {
            let wanted = RSA_ALGORITHMS.iter().filter(|algorithm| algorithms.contains(algorithm));
            found.extend(wanted.filter_map(|algorithm| PublicKey::from_jwk_for(jwk, *algorithm).ok()));
        } else if let Ok(key) = PublicKey::from_jwk(jwk)
            && algorithms.contains(&key.algorithm())
        {
            found.push(key);
        }
    }
    found
}

#[cfg(test)]
mod tests;
