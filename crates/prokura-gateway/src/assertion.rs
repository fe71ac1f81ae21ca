//! A signed assertion lets an upstream on another host check that a request came through the gateway, and who it is
//! from: a JWT for that upstream alone, 60 seconds at most (S-60).
//!
//! The key is the gateway's own and lives as long as the process; upstreams find the public half at
//! [`JWKS_PATH`].

use crate::resolve::Current;
use http::HeaderValue;
use prokura_domain::{KeyId, LegalEntityId, SessionId, Subject, Timestamp};
use prokura_jose::{Algorithm, Jwks, KeyError, SigningKey, sign_jwt};
use serde_json::json;
use std::sync::Arc;

/// Where the public key is.
pub(crate) const JWKS_PATH: &str = "/.well-known/prokura-gateway-jwks.json";
/// The `typ`: nothing that takes an access token takes this.
const TYPE: &str = "prokura-assertion+jwt";
/// The `iss`.
const ISSUER: &str = "prokura-gateway";
const LIFETIME_SECONDS: i64 = 60;
/// An assertion is used again while it has half its life left.
const REUSE_SECONDS: i64 = 30;

/// Signs assertions.
#[derive(Debug)]
pub(crate) struct Assertor {
    key: SigningKey,
    pub(crate) jwks: Jwks,
}

impl Assertor {
    /// With a new key, named after the moment so that an upstream's cache of the old one misses.
    pub(crate) fn generate(now: Timestamp) -> Result<Self, KeyError> {
        let kid: KeyId = format!("gateway-{:x}", now.millis()).parse().map_err(|_| KeyError::Generation)?;
        let key = SigningKey::generate(Algorithm::Es256, kid)?;
        let jwks = Jwks::new(std::slice::from_ref(key.public()));
        Ok(Self { key, jwks })
    }

    /// The assertion about `current` for `upstream`.
    pub(crate) fn assert(
        &self,
        current: &Current,
        upstream: &Arc<str>,
        now: Timestamp,
    ) -> Result<HeaderValue, KeyError> {
        current.assertion(upstream, now, || {
            let standing = &current.standing;
            let subject = match &standing.subject {
                Subject::Customer(customer) => customer.as_str(),
                Subject::Guest => "guest",
                Subject::Service => standing.client.as_str(),
            };
            let kind = match standing.subject {
                Subject::Customer(_) => "customer",
                Subject::Guest => "guest",
                Subject::Service => "service",
            };
            let mut claims = json!({
                "iss": ISSUER,
                "aud": &**upstream,
                "sub": subject,
                "iat": now.seconds(),
                "exp": now.seconds() + LIFETIME_SECONDS,
                "tenant": standing.tenant.as_str(),
                "subject": kind,
                "client_id": standing.client.as_str(),
                "scope": standing.scopes.to_string(),
            });
            let maybe = [
                ("legal_entity_id", standing.legal_entity().map(LegalEntityId::as_str)),
                ("visitor", standing.visitor()),
                ("sid", standing.session.as_ref().map(SessionId::as_str)),
            ];
            if let Some(claims) = claims.as_object_mut() {
                claims.extend(maybe.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
            }
            let token = sign_jwt(&self.key, TYPE, &claims)?;
            let value = HeaderValue::from_str(&token).map_err(|_| KeyError::Signing)?;
            Ok((value, now.plus_seconds(REUSE_SECONDS)))
        })
    }
}
