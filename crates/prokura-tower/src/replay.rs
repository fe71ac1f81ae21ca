//! Proofs that were seen (RFC 9449 section 11.1), in the memory of this process: bounded, and full means no.

use parking_lot::Mutex;
use prokura_domain::Timestamp;
use prokura_jose::dpop::Proof;
use std::collections::HashMap;

/// How many proofs are remembered at once; a proof lives for a minute.
const CAPACITY: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Seen {
    capacity: usize,
    proofs: Mutex<HashMap<String, Timestamp>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { capacity: CAPACITY, proofs: Mutex::default() }
    }
}

impl Seen {
    /// Remembers a proof; `false` when it came before, or when no more can be remembered.
    pub(crate) fn is_first(&self, proof: &Proof, now: Timestamp) -> bool {
        let mut proofs = self.proofs.lock();
        if proofs.len() >= self.capacity {
            proofs.retain(|_, until| *until > now);
        }
        if proofs.len() >= self.capacity || proofs.contains_key(&proof.id) {
            return false;
        }
        proofs.insert(proof.id.clone(), proof.until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prokura_jose::{
        Algorithm, SigningKey,
        dpop::{ProofMaker, Target, check_proof},
    };

    #[test]
    fn s11_a_proof_counts_once_and_memory_is_bounded() {
        let key = SigningKey::generate(Algorithm::EdDsa, "k".parse().unwrap()).unwrap();
        let target = Target { method: "GET", uri: "https://orders.example/", access_token: None };
        let proof = |id: &str, now: Timestamp| {
            let text = ProofMaker { key: &key }.make(target, id, None, now).unwrap();
            check_proof(&text, target, now).unwrap()
        };
        let seen = Seen { capacity: 2, ..Seen::default() };
        let now = Timestamp::from_seconds(1_000_000);
        assert!(seen.is_first(&proof("1", now), now));
        assert!(!seen.is_first(&proof("1", now), now));
        assert!(seen.is_first(&proof("2", now), now));
        assert!(!seen.is_first(&proof("3", now), now), "full");
        let later = now.plus_seconds(100);
        assert!(seen.is_first(&proof("3", later), later), "the old ones are forgotten");
    }
}
