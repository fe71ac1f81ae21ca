//! Signing keys and their life: made at the start of a tenant, sealed with the master key, published before use and
//! kept after it (S-41).

use crate::{
    Actor, Engine, Error, Origin, Refusal, Tenant,
    audit::Entry,
    retrying,
    store::{KeyRow, Reader, from_json},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{KeyId, RevocationKind, TenantId, Timestamp};
use prokura_jose::{Algorithm, HmacKey, KeyLife, PublicKey, SigningKey};
use std::sync::Arc;

/// The word that stands for the key of companion tokens.
const COMPANION: &str = "HS256";

/// The keys of a tenant, opened.
pub(crate) struct TenantKeys {
    pub(crate) active: Arc<SigningKey>,
    pub(crate) public: Vec<PublicKey>,
    pub(crate) companion: HmacKey,
}

/// A signing key, as operators see it.
#[derive(Clone, Debug)]
pub struct KeySummary {
    /// Its `kid`.
    pub kid: KeyId,
    /// `ES256`, `EdDSA`, `RS256`, or `HS256` for the companion key.
    pub algorithm: String,
    /// `next`, `active`, `retired` or `compromised`.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when verifiers can know it.
    pub published_at: Timestamp,
    /// Since when it signs.
    pub activated_at: Option<Timestamp>,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
}

impl Engine {
    fn sealed_parts<'a>(tenant: &'a TenantId, kid: &'a KeyId) -> [&'a str; 3] {
        ["signing_keys.private_sealed", tenant.as_str(), kid.as_str()]
    }

    /// A new key, sealed.
    fn new_key(&self, tenant: &TenantId, algorithm: Algorithm, state: &str, now: Timestamp) -> Result<KeyRow, Error> {
        let kid: KeyId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let key = SigningKey::generate(algorithm, kid.clone()).map_err(Error::crypto)?;
        let private = key.to_pkcs8();
        let sealed = self.master_key.seal(&Self::sealed_parts(tenant, &kid), &private).map_err(Error::crypto)?;
        Ok(KeyRow {
            public_json: key.public().to_jwk().to_string(),
            kid,
            algorithm: algorithm.as_str().to_owned(),
            state: state.to_owned(),
            private_sealed: sealed,
            created_at: now,
            published_at: now,
            activated_at: (state == "active").then_some(now),
            retired_at: None,
        })
    }

    /// The keys a tenant starts with: one to sign with, one for companion tokens.
    pub(crate) fn first_keys(&self, tenant: &TenantId, algorithm: &str, now: Timestamp) -> Result<Vec<KeyRow>, Error> {
        let algorithm = algorithm.parse().map_err(|_| Refusal::invalid("algorithm", "one of ES256, EdDSA, RS256"))?;
        let signing = self.new_key(tenant, algorithm, "active", now)?;
        let kid: KeyId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        self.entropy.fill(&mut *secret)?;
        let sealed = self.master_key.seal(&Self::sealed_parts(tenant, &kid), &*secret).map_err(Error::crypto)?;
        let companion = KeyRow {
            kid,
            algorithm: COMPANION.to_owned(),
            state: "active".to_owned(),
            private_sealed: sealed,
            public_json: "{}".to_owned(),
            created_at: now,
            published_at: now,
            activated_at: Some(now),
            retired_at: None,
        };
        Ok(vec![signing, companion])
    }

    /// Opens the keys of a tenant.
    pub(crate) async fn read_keys(
        &self,
        reader: &mut Reader,
        tenant: &TenantId,
        algorithm: &str,
    ) -> Result<TenantKeys, Error> {
        let rows = reader.signing_keys(tenant).await?;
        let open = |row: &KeyRow| {
            self.master_key.open(&Self::sealed_parts(tenant, &row.kid), &row.private_sealed).map_err(Error::crypto)
        };
        let missing = |what: &str| crate::StoreError::Corrupt { what: format!("signing_keys: {what} of {tenant}") };
        let row = rows
            .iter()
            .find(|row| row.state == "active" && row.algorithm == algorithm)
            .or_else(|| rows.iter().find(|row| row.state == "active" && row.algorithm != COMPANION))
            .ok_or_else(|| missing("no active key"))?;
        let used: Algorithm = row.algorithm.parse().map_err(|_| missing("unknown algorithm"))?;
        let active = SigningKey::from_pkcs8(used, row.kid.clone(), &open(row)?).map_err(Error::crypto)?;
        let row = rows
            .iter()
            .find(|row| row.state == "active" && row.algorithm == COMPANION)
            .ok_or_else(|| missing("no companion key"))?;
        let companion = HmacKey::new(&open(row)?).map_err(Error::crypto)?;
        let public = rows
            .iter()
            .filter(|row| row.algorithm != COMPANION && row.state != "compromised")
            .map(|row| {
                let jwk: serde_json::Value = from_json(&row.public_json, "signing_keys.public_json")?;
                PublicKey::from_jwk(&jwk).map_err(Error::crypto)
            })
            .collect::<Result<_, Error>>()?;
        Ok(TenantKeys { active: Arc::new(active), public, companion })
    }

    /// The keys of a tenant, newest first.
    ///
    /// # Errors
    /// Only faults.
    pub async fn keys(&self, tenant: &Tenant) -> Result<Vec<KeySummary>, Error> {
        let rows = self.store.read().await?.signing_keys(&tenant.id).await?;
        Ok(rows.into_iter().map(summary).collect())
    }

    /// Makes the next key and publishes it. It takes over by itself once every verifier can have seen it; with
    /// `is_at_once` it takes over now, for the case that nobody caches the key set.
    ///
    /// # Errors
    /// [`Refusal::InUse`] when a next key waits already.
    pub async fn rotate_keys(
        &self,
        tenant: &Tenant,
        is_at_once: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<KeySummary, Error> {
        let key = retrying!(self.rotate_keys_once(tenant, is_at_once, actor, origin))?;
        self.load_tenant(&tenant.id).await?;
        Ok(summary(key))
    }

    async fn rotate_keys_once(
        &self,
        tenant: &Tenant,
        is_at_once: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<KeyRow, Error> {
        let now = self.clock.now();
        let algorithm = tenant.settings.algorithm.parse().map_err(|_| Refusal::invalid("algorithm", "unknown"))?;
        let mut key = self.new_key(&tenant.id, algorithm, "next", now)?;
        let mut tx = self.store.write().await?;
        let rows = tx.signing_keys(&tenant.id).await?;
        if rows.iter().any(|row| row.state == "next") {
            return Err(Refusal::InUse("a next key is published already").into());
        }
        tx.insert_signing_key(&tenant.id, &key).await?;
        if is_at_once {
            for row in rows.iter().filter(|row| row.state == "active" && row.algorithm != COMPANION) {
                tx.move_signing_key(&tenant.id, &row.kid, "active", "retired", now).await?;
            }
            tx.move_signing_key(&tenant.id, &key.kid, "next", "active", now).await?;
            "active".clone_into(&mut key.state);
            key.activated_at = Some(now);
        }
        self.publish_tenant(&mut tx, &tenant.id, RevocationKind::Keys, false, now).await?;
        let entry = Entry::new(actor, "key.rotate", "signing_key", key.kid.as_str());
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Takes a key out of the published set. A key that may still have live tokens is only removed as compromised, and
    /// then its tokens are refused at once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::InUse`] while tokens signed with it may live.
    pub async fn retire_key(
        &self,
        tenant: &Tenant,
        kid: &KeyId,
        is_compromised: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(self.retire_key_once(tenant, kid, is_compromised, actor, origin))?;
        self.load_tenant(&tenant.id).await?;
        Ok(())
    }

    async fn retire_key_once(
        &self,
        tenant: &Tenant,
        kid: &KeyId,
        is_compromised: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let rows = tx.signing_keys(&tenant.id).await?;
        let row = rows
            .iter()
            .find(|row| row.kid == *kid && row.algorithm != COMPANION && row.state != "compromised")
            .ok_or(Refusal::NotFound("key"))?;
        if is_compromised {
            tx.move_signing_key(&tenant.id, kid, &row.state, "compromised", now).await?;
            if row.state == "active" {
                // Somebody must sign from here on: the waiting key, or a new one nobody has seen yet.
                let waiting = rows.iter().find(|row| row.state == "next");
                let next = if let Some(next) = waiting {
                    next.kid.clone()
                } else {
                    let algorithm =
                        tenant.settings.algorithm.parse().map_err(|_| Refusal::invalid("algorithm", "unknown"))?;
                    let key = self.new_key(&tenant.id, algorithm, "next", now)?;
                    tx.insert_signing_key(&tenant.id, &key).await?;
                    key.kid
                };
                tx.move_signing_key(&tenant.id, &next, "next", "active", now).await?;
            }
        } else {
            let longest = tx.longest_access_seconds(&tenant.id).await?.ok_or(Refusal::UnknownTenant)?;
            let is_over = row
                .retired_at
                .is_some_and(|retired_at| KeyLife::Retired { retired_at }.may_remove(now, longest.into()));
            if !is_over {
                return Err(Refusal::InUse("tokens signed with this key may still live").into());
            }
            tx.delete_signing_key(&tenant.id, kid).await?;
        }
        self.publish_tenant(&mut tx, &tenant.id, RevocationKind::Keys, false, now).await?;
        let verb = if is_compromised { "key.compromised" } else { "key.remove" };
        self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, verb, "signing_key", kid.as_str()), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Lets published keys take over once every verifier can have seen them. Called from time to time on every node;
    /// whoever comes first does it.
    ///
    /// # Errors
    /// Only faults.
    pub async fn advance_keys(&self) -> Result<(), Error> {
        for tenant in self.loaded_tenants() {
            let now = self.clock.now();
            let rows = self.store.read().await?.signing_keys(&tenant.id).await?;
            let Some(next) = rows
                .iter()
                .find(|row| row.state == "next" && KeyLife::Next { published_at: row.published_at }.may_activate(now))
            else {
                continue;
            };
            let mut tx = self.store.write().await?;
            for row in rows.iter().filter(|row| row.state == "active" && row.algorithm != COMPANION) {
                tx.move_signing_key(&tenant.id, &row.kid, "active", "retired", now).await?;
            }
            if tx.move_signing_key(&tenant.id, &next.kid, "next", "active", now).await? {
                self.publish_tenant(&mut tx, &tenant.id, RevocationKind::Keys, false, now).await?;
                let origin = Origin::local("keys");
                let entry = Entry::new(&Actor::System, "key.activate", "signing_key", next.kid.as_str());
                self.audit(&mut tx, &tenant.id, &origin, entry, now).await?;
                tx.commit().await?;
                self.load_tenant(&tenant.id).await?;
            }
        }
        Ok(())
    }

    /// A client secret, an invitation, any opaque secret: 256 random bits behind a prefix that names its kind.
    pub(crate) fn new_secret(&self, prefix: &str) -> Result<prokura_jose::Secret, Error> {
        Ok(prokura_jose::Secret::generate(&*self.entropy, prefix)?)
    }

    /// A random value in base64url, for ids that must not be guessed.
    pub(crate) fn random_text(&self, bytes: usize) -> Result<String, Error> {
        let mut random = vec![0; bytes];
        self.entropy.fill(&mut random)?;
        Ok(URL_SAFE_NO_PAD.encode(random))
    }
}

fn summary(row: KeyRow) -> KeySummary {
    KeySummary {
        kid: row.kid,
        algorithm: row.algorithm,
        state: row.state,
        created_at: row.created_at,
        published_at: row.published_at,
        activated_at: row.activated_at,
        retired_at: row.retired_at,
    }
}
