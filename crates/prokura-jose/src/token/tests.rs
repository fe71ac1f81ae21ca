//! What a minted token says, claim by claim.

use super::*;
use crate::{
    Algorithm,
    testing::{NOW, anna, id, key, minter, token},
};
use prokura_domain::{CustomerId, Subject};
use serde_json::json;

fn decoded(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| base64url::decode(part).expect("base64url"));
    let mut json = || serde_json::from_slice(&parts.next().expect("three parts")).expect("JSON");
    (json(), json())
}

#[test]
fn s31_a_customers_token_says_exactly_this() {
    let key = key(Algorithm::Es256, "k1");
    let (header, claims) = decoded(&minter(&key, "acme").mint(&token(anna("acme"))).expect("minted"));
    assert_eq!(header, json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" }));
    let expected = json!({
        "iss": "http://127.0.0.1:8400/t/acme",
        "aud": "http://127.0.0.1:8400/t/acme",
        "sub": "anna",
        "exp": 1_760_000_300,
        "iat": 1_760_000_000,
        "jti": "jti1",
        "client_id": "web",
        "scope": "cart.write order.read",
        "tenant": "acme",
        "sid": "session1",
        "fam": "family1",
        "legal_entity_id": "E1",
        "standing": {
            "kind": "customer",
            "customer": "anna",
            "site": "main",
            "assignment": "A1",
            "grant": "G1",
            "segments": ["S1", "S2"],
            "epoch": 3,
            "auth_time": 1_759_999_998_766_i64,
        },
    });
    assert_eq!(claims, expected);
}

#[test]
fn s31_a_service_has_no_session_and_no_company() {
    let mut standing = anna("acme");
    standing.subject = Subject::Service;
    (standing.session, standing.family, standing.acting_for) = (None, None, None);
    (standing.site, standing.authenticated_at) = (None, None);
    standing.segments.clear();
    let key = key(Algorithm::EdDsa, "k1");
    let (_, claims) = decoded(&minter(&key, "acme").mint(&token(standing)).expect("minted"));
    let names: Vec<_> = claims.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["iss", "aud", "sub", "exp", "iat", "jti", "client_id", "scope", "tenant", "standing"]);
    assert_eq!(claims["standing"], json!({ "kind": "service", "epoch": 3 }));
}

#[test]
fn a_token_carries_no_more_segments_than_fit_and_says_so() {
    let key = key(Algorithm::EdDsa, "k1");
    let segments = |count: usize| {
        let mut standing = anna("acme");
        standing.segments = (0..count).map(|index| id(&format!("S{index}"))).collect();
        let (_, claims) = decoded(&minter(&key, "acme").mint(&token(standing)).expect("minted"));
        let standing = claims["standing"].clone();
        (standing["segments"].as_array().map(Vec::len), standing["more_segments"].as_bool())
    };
    assert_eq!(segments(0), (None, None));
    assert_eq!(segments(32), (Some(32), None));
    assert_eq!(segments(33), (Some(32), Some(true)));
}

#[test]
fn the_largest_token_there_can_be_is_read_back() {
    let long = "x".repeat(66);
    let mut standing = anna("acme");
    standing.subject = Subject::Customer(id::<CustomerId>(&long));
    standing.segments = (0..32).map(|index| id(&format!("{index:0>66}"))).collect();
    standing.has_more_segments = true;
    standing.scopes = (0..100).map(|index| id(&format!("scope.number.{index:0>20}"))).collect();
    let key = key(Algorithm::Rs256, "k1");
    let expected = token(standing);
    let text = minter(&key, "acme").mint(&expected).expect("minted");
    let verifier = crate::testing::verifier(&key, "acme");
    assert_eq!(verifier.verify(&text, NOW).expect("valid").token, expected);

    let mut too_long = expected;
    too_long.standing.scopes = (0..100).map(|index| id(&format!("{index:0>128}"))).collect();
    assert!(matches!(minter(&key, "acme").mint(&too_long), Err(KeyError::TooLong(_))));
}

#[test]
fn other_tokens_are_signed_with_their_own_type() {
    let key = key(Algorithm::EdDsa, "k1");
    let claims = json!({ "b": 1, "a": "ä\"" });
    let (header, payload) = decoded(&sign_jwt(&key, "logout+jwt", &claims).expect("signed"));
    assert_eq!(header, json!({ "alg": "EdDSA", "kid": "k1", "typ": "logout+jwt" }));
    assert_eq!(payload, claims);
}
