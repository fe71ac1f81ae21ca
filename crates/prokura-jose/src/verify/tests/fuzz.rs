//! What strangers make of a token (S-133): no variation of a good one is good, and none brings the verifier down.

use super::*;
use crate::{base64url, sign_jwt};
use prokura_fuzz::{examples, near, near_any};
use proptest::prelude::*;
use std::sync::LazyLock;

const PAYLOADS: &str = include_str!("payloads.txt");
const TOKENS: &str = include_str!("tokens.txt");

static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| key(Algorithm::EdDsa, "k1"));
static GOOD: LazyLock<String> = LazyLock::new(|| minted(&KEY, anna("acme")));
static VERIFIER: LazyLock<Arc<TokenVerifier>> = LazyLock::new(|| Arc::new(verifier(&KEY, "acme")));

/// A token with this payload, signed by the right key whatever it says.
fn signed(payload: &str) -> String {
    let header = base64url::encode(r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k1"}"#);
    let signed = format!("{header}.{}", base64url::encode(payload));
    let signature = KEY.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", base64url::encode(signature))
}

#[test]
fn s133_no_token_of_the_corpus_is_good() {
    for token in examples(TOKENS) {
        assert!(VERIFIER.verify(&token, NOW).is_err(), "{token}");
    }
    for payload in examples(PAYLOADS) {
        let _ = VERIFIER.verify(&signed(&payload), NOW);
    }
    let deep = format!("{{\"iss\":{}", "[".repeat(100_000));
    assert!(VERIFIER.verify(&signed(&deep), NOW).is_err());
    assert!(sign_jwt(&KEY, "at+jwt", &serde_json::json!({})).is_ok_and(|token| VERIFIER.verify(&token, NOW).is_err()));
}

proptest! {
    #[test]
    fn s133_no_variation_of_a_good_token_is_good(
        token in prop_oneof![near(TOKENS), near_any(vec![GOOD.clone(), minted(&KEY, guest())])]
    ) {
        let is_minted = token == *GOOD || token == minted(&KEY, guest());
        prop_assert_eq!(VERIFIER.verify(&token, NOW).is_ok(), is_minted, "{}", token);
    }

    #[test]
    fn s133_whatever_is_signed_is_read_or_refused(payload in near(PAYLOADS)) {
        if let Ok(verified) = VERIFIER.verify(&signed(&payload), NOW) {
            prop_assert_eq!(verified.token.standing.tenant.as_str(), "acme");
        }
    }
}
