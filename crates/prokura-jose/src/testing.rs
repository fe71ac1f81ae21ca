//! What the tests of this crate share.

use crate::{AccessToken, Algorithm, Names, SigningKey, TokenMinter, TokenVerifier};
use prokura_domain::{ActingFor, Entropy, EntropyUnavailable, Scopes, Standing, Subject, Timestamp};
use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

/// Entropy that never repeats and is the same in every run.
#[derive(Default)]
pub(crate) struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

/// Entropy of a system that has none.
pub(crate) struct BrokenEntropy;

impl Entropy for BrokenEntropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyUnavailable> {
        Err(EntropyUnavailable)
    }
}

/// A moment in 2025 that all tests begin at.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

/// Parses an id; tests only use good ones.
pub(crate) fn id<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a good id")
}

/// Anna of `tenant`, acting for E1.
pub(crate) fn anna(tenant: &str) -> Standing {
    Standing {
        tenant: id(tenant),
        site: Some(id("main")),
        client: id("web"),
        subject: Subject::Customer(id("anna")),
        acting_for: Some(ActingFor { legal_entity: id("E1"), assignment: id("A1"), grant: id("G1") }),
        scopes: Scopes::parse("cart.write order.read").expect("scopes"),
        segments: vec![id("S1"), id("S2")],
        has_more_segments: false,
        session: Some(id("session1")),
        visitor: None,
        family: Some(id("family1")),
        epoch: 3,
        authenticated_at: Some(Timestamp::from_millis(NOW.millis() - 1234)),
        is_multi_factor: false,
        is_entity_locked: false,
        is_scope_limited: false,
    }
}

/// The issuer of `tenant`.
pub(crate) fn issuer(tenant: &str) -> Arc<str> {
    format!("http://127.0.0.1:8400/t/{tenant}").into()
}

/// A token of five minutes for `standing`.
pub(crate) fn token(standing: Standing) -> AccessToken {
    let issuer = issuer(standing.tenant.as_str());
    AccessToken {
        audience: issuer.clone().into(),
        issuer,
        subject: "anna".to_owned(),
        id: id("jti1"),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(300),
        bound_to: None,
        actors: Vec::new(),
        standing,
    }
}

/// A new signing key.
pub(crate) fn key(algorithm: Algorithm, kid: &str) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm, id(kid)).expect("a key"))
}

/// What mints tokens of `tenant` with `key`.
pub(crate) fn minter(key: &Arc<SigningKey>, tenant: &str) -> TokenMinter {
    TokenMinter::new(key.clone(), issuer(tenant), issuer(tenant))
}

/// A verifier that trusts `key` for `tenant`.
pub(crate) fn verifier(key: &SigningKey, tenant: &str) -> TokenVerifier {
    let verifier = TokenVerifier::new(100);
    verifier.set_keys(id(tenant), vec![Names::native(issuer(tenant), issuer(tenant))], vec![key.public().clone()]);
    verifier
}
