//! Keys that whoever asks for tokens, or brings one, shows to have (DPoP, RFC 9449). What a proof says is checked in
//! `prokura_jose::dpop`; here it is used up, on all nodes, and held against the nonce of the server.

use crate::{Client, Engine, Error, Refusal, SecurityProfile, Tenant, Unverified, store::Tx};
use prokura_domain::{TenantId, Timestamp};
use prokura_jose::{
    JwsAlgorithm, SecretHash, VerifiedToken,
    dpop::{Proof, Target, Thumbprint, check_proof},
};
use std::sync::Arc;

/// What a proof that was seen is called among the things that come once.
const GUARD: &str = "dpop_proof";

/// A key somebody showed, with the proof of it, which counts once.
#[derive(Clone, Debug)]
pub struct KeyProof {
    /// Which key.
    pub thumbprint: Thumbprint,
    hash: SecretHash,
    until: Timestamp,
}

/// Why a proof is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// It does not prove what it should.
    Invalid,
    /// It must hold this nonce (RFC 9449 section 8).
    NonceNeeded(String),
}

impl KeyProof {
    /// Remembers the proof until it is too old; `false` when it came before (S-11).
    pub(crate) async fn use_up(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<bool, Error> {
        Ok(tx.use_once(tenant, GUARD, &self.hash, self.until).await?)
    }
}

impl From<Proof> for KeyProof {
    fn from(proof: Proof) -> Self {
        Self { hash: SecretHash::of(&proof.id), thumbprint: proof.thumbprint, until: proof.until }
    }
}

impl Engine {
    /// Checks a proof for a request; it is not used up yet. `client` is who proved to be it, where there is one.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    pub fn check_key(
        &self,
        tenant: &Tenant,
        client: Option<&Client>,
        proof: &str,
        target: Target<'_>,
    ) -> Result<KeyProof, KeyRefusal> {
        let now = self.clock.now();
        let proof = check_proof(proof, target, now).map_err(|fault| {
            tracing::debug!(tenant = %tenant.id, %fault, "a DPoP proof was refused");
            KeyRefusal::Invalid
        })?;
        let is_fapi = client.is_some_and(|client| client.registration.profile == SecurityProfile::Fapi2);
        if is_fapi && proof.algorithm == JwsAlgorithm::Rs256 {
            // FAPI 2.0 section 5.4.1.
            return Err(KeyRefusal::Invalid);
        }
        if Self::needs_dpop_nonce(tenant, client) {
            let is_known = |nonce: &str| self.nonces.knows(nonce, tenant.id.as_str(), now);
            if !proof.nonce.as_deref().is_some_and(is_known) {
                return Err(KeyRefusal::NonceNeeded(self.dpop_nonce(tenant)));
            }
        }
        Ok(proof.into())
    }

    /// Whether proofs must hold a nonce of ours.
    pub fn needs_dpop_nonce(tenant: &Tenant, client: Option<&Client>) -> bool {
        tenant.settings.needs_dpop_nonce || client.is_some_and(|client| client.registration.needs_dpop_nonce)
    }

    /// The nonce for the next proof; the same on every node.
    pub fn dpop_nonce(&self, tenant: &Tenant) -> String {
        self.nonces.current(tenant.id.as_str(), self.clock.now())
    }

    /// Uses a proof up where nothing is issued.
    ///
    /// # Errors
    /// [`Refusal::InvalidProof`] when it came before.
    pub async fn use_key(&self, tenant: &Tenant, proof: &KeyProof) -> Result<(), Error> {
        crate::retrying!(async {
            let mut tx = self.store.write().await?;
            if !proof.use_up(&mut tx, &tenant.id).await? {
                return Err(Refusal::InvalidProof.into());
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Remembers a proof that a gateway accepted; `false` when it came before, wherever that was.
    ///
    /// # Errors
    /// Only faults.
    pub async fn use_proof_of(&self, tenant: &TenantId, id: &str, until: Timestamp) -> Result<bool, Error> {
        let hash = SecretHash::of(id);
        crate::retrying!(async {
            let mut tx = self.store.write().await?;
            let is_first = tx.use_once(tenant, GUARD, &hash, until).await?;
            tx.commit().await?;
            Ok::<_, Error>(is_first)
        })
    }

    /// Verifies a token that somebody brings together with a proof of its key. A token that is bound to none is refused:
    /// who brings a proof expects one to be asked for (RFC 9449 section 7.1).
    ///
    /// # Errors
    /// [`Unverified`].
    pub fn verify_bound(&self, token: &str, key: &KeyProof) -> Result<Arc<VerifiedToken>, Unverified> {
        let verified = self.examine(token)?;
        if !verified.is_for_everything() {
            return Err(prokura_jose::Rejection::WrongAudience.into());
        }
        if verified.token.bound_to.as_ref() != Some(&key.thumbprint) {
            return Err(prokura_jose::Rejection::Bound.into());
        }
        Ok(verified)
    }
}
