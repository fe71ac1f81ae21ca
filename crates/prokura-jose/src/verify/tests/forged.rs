//! Access tokens that are not ours, not yet, no more, or not what they say.

use super::*;
use crate::{base64url, sign_jwt};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| key(Algorithm::EdDsa, "k1"));

/// The claims of Anna's token, to be changed and signed again.
fn claims() -> Value {
    let minted = minted(&KEY, anna("acme"));
    let payload = minted.split('.').nth(1).and_then(base64url::decode).expect("a payload");
    serde_json::from_slice(&payload).expect("JSON")
}

fn verify_claims(claims: &Value) -> Result<(), Rejection> {
    verdict(&verifier(&KEY, "acme"), &sign_jwt(&KEY, "at+jwt", claims).expect("signed"), NOW)
}

#[test]
fn s32_only_access_tokens_are_access_tokens() {
    let verifier = verifier(&KEY, "acme");
    assert_eq!(verify_claims(&claims()), Ok(()));
    for typ in ["JWT", "logout+jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "", "secevent+jwt"] {
        let token = sign_jwt(&KEY, typ, &claims()).expect("signed");
        assert_eq!(verdict(&verifier, &token, NOW), Err(Rejection::WrongType), "{typ}");
    }
}

#[test]
fn s43_a_token_without_the_name_of_its_key_is_refused() {
    let signed = |header: &str| {
        let signed = format!("{}.{}", base64url::encode(header), base64url::encode(claims().to_string()));
        format!("{signed}.{}", base64url::encode(KEY.sign(signed.as_bytes()).expect("signed")))
    };
    let verifier = verifier(&KEY, "acme");
    assert_eq!(verdict(&verifier, &signed(r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#), NOW), Ok(()));
    for header in [
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"k2","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"none","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#,
    ] {
        assert_eq!(verdict(&verifier, &signed(header), NOW), Err(Rejection::UnknownKey), "{header}");
    }
    let embedded = signed(r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","jku":"https://example.com"}"#);
    assert_eq!(verdict(&verifier, &embedded, NOW), Err(Rejection::Malformed));
}

#[test]
fn s44_every_claim_is_required_and_typed() {
    for name in
        ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "tenant", "standing", "legal_entity_id"]
    {
        let mut changed = claims();
        changed.as_object_mut().expect("an object").remove(name).expect("it was there");
        assert_eq!(verify_claims(&changed), Err(Rejection::BadClaims), "without {name}");
    }
    for (pointer, value) in [
        ("/exp", json!("9999999999")),
        ("/exp", json!(1.8e9)),
        ("/nbf", json!("9")),
        ("/aud", json!([])),
        ("/aud", json!({ "0": "x" })),
        ("/jti", json!(1)),
        ("/jti", json!("not an id")),
        ("/client_id", json!("")),
        ("/scope", json!(["a"])),
        ("/scope", json!("a\"b")),
        ("/tenant", json!("Acme")),
        ("/tenant", json!("other")),
        ("/sid", json!(null)),
        ("/fam", json!("a b")),
        ("/legal_entity_id", json!("")),
        ("/standing", json!([])),
        ("/standing/kind", json!("operator")),
        ("/standing/kind", json!("guest")),
        ("/standing/kind", json!(null)),
        ("/standing/customer", json!(7)),
        ("/standing/grant", json!(null)),
        ("/standing/segments", json!("S1")),
        ("/standing/segments", json!(["S1", 2])),
        ("/standing/more_segments", json!("true")),
        ("/standing/epoch", json!(-1)),
        ("/standing/epoch", json!(4_294_967_296_u64)),
        ("/standing/epoch", json!("3")),
        ("/standing/auth_time", json!("1")),
        ("/standing/locked", json!(1)),
    ] {
        let mut changed = claims();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        changed.pointer_mut(parent).expect("a parent")[name] = value;
        assert_eq!(verify_claims(&changed), Err(Rejection::BadClaims), "{pointer}: {changed}");
    }
    for name in ["assignment", "grant", "customer", "kind", "epoch"] {
        let mut changed = claims();
        changed["standing"].as_object_mut().expect("an object").remove(name).expect("it was there");
        assert_eq!(verify_claims(&changed), Err(Rejection::BadClaims), "without standing.{name}");
    }
    // A company nobody granted.
    let mut changed = claims();
    changed["standing"] = json!({ "kind": "customer", "customer": "anna", "epoch": 3 });
    assert_eq!(verify_claims(&changed), Err(Rejection::BadClaims));
}

#[test]
fn s44_a_second_subject_is_refused() {
    let head = base64url::encode(r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#);
    let doubled = claims().to_string().replacen('{', r#"{"sub":"mallory","#, 1);
    let signed = format!("{head}.{}", base64url::encode(doubled));
    let signed = format!("{signed}.{}", base64url::encode(KEY.sign(signed.as_bytes()).expect("signed")));
    assert_eq!(verdict(&verifier(&KEY, "acme"), &signed, NOW), Err(Rejection::BadClaims));
}

#[test]
fn a_token_counts_from_its_issue_to_its_expiry() {
    let verifier = verifier(&KEY, "acme");
    let text = minted(&KEY, anna("acme"));
    assert_eq!(verdict(&verifier, &text, NOW.plus_seconds(-61)), Err(Rejection::NotYetValid));
    assert_eq!(verdict(&verifier, &text, NOW.plus_seconds(-60)), Ok(()));
    assert_eq!(verdict(&verifier, &text, Timestamp::from_millis(NOW.millis() + 299_999)), Ok(()));
    for _ in 0..2 {
        assert_eq!(verdict(&verifier, &text, NOW.plus_seconds(300)), Err(Rejection::Expired));
    }
}

/// A stranger's flood must not cost signatures: these are refused although their signature is rubbish.
#[test]
fn what_costs_nothing_is_checked_before_the_signature() {
    let verifier = verifier(&KEY, "acme");
    let spoiled = |typ: &str, name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        let token = sign_jwt(&KEY, typ, &claims).expect("signed");
        format!("{}.AAAA", token.rsplit_once('.').expect("three parts").0)
    };
    for (typ, name, value, expected) in [
        ("JWT", "x", json!(1), Rejection::WrongType),
        ("at+jwt", "iss", json!("https://example.com"), Rejection::WrongIssuer),
        ("at+jwt", "aud", json!("https://example.com"), Rejection::WrongAudience),
        ("at+jwt", "exp", json!(1), Rejection::Expired),
        ("at+jwt", "exp", json!("1"), Rejection::BadClaims),
        ("at+jwt", "iat", json!(NOW.seconds() + 61), Rejection::NotYetValid),
        ("at+jwt", "x", json!(1), Rejection::BadSignature),
    ] {
        assert_eq!(verdict(&verifier, &spoiled(typ, name, value), NOW), Err(expected), "{name}");
    }
}

proptest! {
    #[test]
    fn s43_no_token_with_one_byte_changed_is_accepted(position: prop::sample::Index, byte in 0..128_u8) {
        let verifier = verifier(&KEY, "acme");
        let text = minted(&KEY, anna("acme"));
        prop_assert!(verifier.verify(&text, NOW).is_ok());
        let mut bytes = text.clone().into_bytes();
        let index = position.index(bytes.len());
        prop_assume!(bytes[index] != byte);
        bytes[index] = byte;
        let changed = String::from_utf8(bytes).expect("ASCII");
        prop_assert!(verifier.verify(&changed, NOW).is_err(), "{}", changed);
    }
}
