//! A client proves who it is: by nothing, its secret, or a token it signed (S-01 to S-03). One answer for unknown,
//! disabled and wrong.

use crate::{AuthMethod, Client, Engine, Error, Origin, Refusal, Tenant, store::ClientRow};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{ClientId, ClientKind, Timestamp};
use prokura_jose::{Claims, JwsAlgorithm, PublicKey, Secret, SecretHash, VerifiedJws, verify_jws};
use serde_json::Value;

/// What a client may sign its assertions with.
const ASSERTION_ALGORITHMS: [JwsAlgorithm; 3] = [JwsAlgorithm::Es256, JwsAlgorithm::Ps256, JwsAlgorithm::EdDsa];
/// The longest life of an assertion, in seconds; a little more is allowed for clocks.
const ASSERTION_SECONDS: i64 = 300;
const SKEW_SECONDS: i64 = 60;

/// What a client came with.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// Nothing but its id.
    Nothing,
    /// A secret in the `Authorization` header.
    Basic(Secret),
    /// A secret in the form.
    Post(Secret),
    /// A token it signed (RFC 7523).
    Assertion(Secret),
}

impl Engine {
    /// Checks a client's proof by the one method it registered.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`] for unknown, disabled and wrong alike.
    pub async fn prove_client(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        proof: &ClientProof,
        origin: &Origin,
    ) -> Result<Client, Error> {
        let row = self.store.read().await?.client(&tenant.id, id).await?.filter(|row| row.is_active);
        let Some(row) = row else {
            return Err(self.refuse_client(tenant, id, proof, origin).await?);
        };
        let is_right = match (row.kind, row.registration.auth_method, proof) {
            (ClientKind::Public, _, ClientProof::Nothing) => true,
            (
                ClientKind::Confidential,
                AuthMethod::Secret | AuthMethod::ClientSecretBasic,
                ClientProof::Basic(secret),
            )
            | (
                ClientKind::Confidential,
                AuthMethod::Secret | AuthMethod::ClientSecretPost,
                ClientProof::Post(secret),
            ) => has_secret(&row, secret, self.clock.now()),
            (ClientKind::Confidential, AuthMethod::PrivateKeyJwt, ClientProof::Assertion(assertion)) => {
                self.check_assertion(tenant, &row, assertion).await?
            }
            (ClientKind::Public | ClientKind::Confidential, _, _) => false,
        };
        if is_right {
            Ok(crate::client::client(row))
        } else {
            Err(self.refuse_client(tenant, id, proof, origin).await?)
        }
    }

    /// Checks a client's secret, however it came.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`] for unknown, disabled, public and wrong alike.
    pub async fn authenticate_client(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        secret: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let row = self.store.read().await?.client(&tenant.id, client).await?;
        let now = self.clock.now();
        let is_right = row
            .is_some_and(|row| row.is_active && row.kind == ClientKind::Confidential && has_secret(&row, secret, now));
        if is_right {
            return Ok(());
        }
        Err(self.refuse_client(tenant, client, &ClientProof::Post(secret.clone()), origin).await?)
    }

    /// Secrets are 256 random bits, so a wrong one is refused by a throttled budget of its own only to keep guessers
    /// busy elsewhere; a right one never waits.
    async fn refuse_client(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        proof: &ClientProof,
        origin: &Origin,
    ) -> Result<Error, Error> {
        match proof {
            ClientProof::Nothing => {}
            ClientProof::Basic(secret) | ClientProof::Post(secret) | ClientProof::Assertion(secret) => {
                self.take_attempt(tenant, "client_secret", id.as_str(), secret, origin).await?;
            }
        }
        Ok(Refusal::InvalidClient.into())
    }

    /// An assertion is for this issuer and nobody else, lives for minutes, and is used once on all nodes (S-03).
    async fn check_assertion(&self, tenant: &Tenant, row: &ClientRow, assertion: &Secret) -> Result<bool, Error> {
        let Some(verified) = self.verify_assertion(tenant, row, assertion.expose()).await? else { return Ok(false) };
        let Some((id, expires_at)) = what_it_says(tenant, row, &verified.payload, self.clock.now()) else {
            return Ok(false);
        };
        self.use_once(tenant, "client_assertion", &format!("{}/{id}", row.id), expires_at).await
    }

    /// Verifies the signature alone; `None` when it is not the client's.
    async fn verify_assertion(
        &self,
        tenant: &Tenant,
        row: &ClientRow,
        text: &str,
    ) -> Result<Option<VerifiedJws>, Error> {
        if let Some(uri) = &row.registration.jwks_uri {
            // Nobody is asked for keys for what would not hold by any. Only a verified payload is believed.
            let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
            if what_it_says(tenant, row, &payload, self.clock.now()).is_none() {
                return Ok(None);
            }
            return self.verify_by_published_keys(tenant, &row.id, uri, (text, &ASSERTION_ALGORITHMS)).await;
        }
        let keys = row.registration.jwks.as_ref().and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
        let keys: Vec<PublicKey> = keys.into_iter().flatten().filter_map(|jwk| PublicKey::from_jwk(jwk).ok()).collect();
        Ok(verify_jws(text, &keys, &ASSERTION_ALGORITHMS, None).ok())
    }

    /// Uses a value up on all nodes; `false` when it was used before (S-22).
    pub(crate) async fn use_once(
        &self,
        tenant: &Tenant,
        kind: &'static str,
        value: &str,
        expires_at: Timestamp,
    ) -> Result<bool, Error> {
        let hash = SecretHash::of(value);
        crate::retrying!(async {
            let mut tx = self.store.write().await?;
            let is_first = tx.use_once(&tenant.id, kind, &hash, expires_at).await?;
            tx.commit().await?;
            Ok::<_, Error>(is_first)
        })
    }
}

/// The id of an assertion and its end, when what it says is what we ask for.
fn what_it_says(tenant: &Tenant, row: &ClientRow, payload: &[u8], now: Timestamp) -> Option<(String, Timestamp)> {
    let claims = Claims::parse(payload).ok()?;
    let is_text =
        serde_json::from_slice::<Value>(payload).is_ok_and(|payload| payload.get("aud").is_some_and(Value::is_string));
    let is_for_us = is_text && claims.audience.iter().all(|audience| **audience == *tenant.issuer);
    let is_of_client = claims.issuer == row.id.as_str() && claims.subject == row.id.as_str();
    let is_short = claims.expires_at <= now.plus_seconds(ASSERTION_SECONDS + SKEW_SECONDS);
    let id = claims.others.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty())?;
    let is_good = is_for_us && is_of_client && is_short && claims.check_time(now).is_ok();
    is_good.then(|| (id.to_owned(), claims.expires_at))
}

/// Whether `secret` is the client's, the present one or the one before.
pub(crate) fn has_secret(row: &ClientRow, secret: &Secret, now: Timestamp) -> bool {
    let presented = SecretHash::of(secret.expose());
    let matches = |stored: Option<&str>| {
        stored.and_then(|text| text.parse::<SecretHash>().ok()).is_some_and(|stored| stored.matches(&presented))
    };
    let is_previous_valid = row.previous_secret_until.is_some_and(|until| now < until);
    let is_current = matches(row.secret_hash.as_deref());
    let is_previous = is_previous_valid && matches(row.previous_secret_hash.as_deref());
    is_current || is_previous
}
