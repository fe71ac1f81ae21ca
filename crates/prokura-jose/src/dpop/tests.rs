//! Proofs, claim by claim (S-11).

use super::*;
use crate::{
    Algorithm, SigningKey,
    testing::{NOW, key},
};
use serde_json::{Value, json};

const HERE: Target<'_> = Target { method: "POST", uri: "https://id.example/t/acme/token", access_token: None };

fn proof(key: &SigningKey, target: Target<'_>) -> String {
    ProofMaker { key }.make(target, "p1", None, NOW).expect("signed")
}

/// A proof whose header and claims are as written.
fn written(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let mut text = base64url::encode(header.to_string());
    text.push('.');
    base64url::encode_onto(claims.to_string().as_bytes(), &mut text);
    let signature = key.sign(text.as_bytes()).expect("signed");
    text.push('.');
    base64url::encode_onto(&signature, &mut text);
    text
}

fn header(key: &SigningKey) -> Value {
    let mut jwk = key.public().to_jwk();
    jwk.as_object_mut().expect("an object").remove("kid");
    json!({ "typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": jwk })
}

fn claims() -> Value {
    json!({ "htm": "POST", "htu": HERE.uri, "jti": "p1", "iat": NOW.seconds() })
}

#[test]
fn s11_a_proof_shows_its_key_for_one_request() {
    for algorithm in Algorithm::ALL {
        let key = key(*algorithm, "k1");
        let found = check_proof(&proof(&key, HERE), HERE, NOW).expect("a good proof");
        assert_eq!(found.thumbprint, key.public().thumbprint());
        assert_eq!(found.id, format!("{}/p1", found.thumbprint));
        let other = Target { method: "GET", ..HERE };
        assert_eq!(check_proof(&proof(&key, HERE), other, NOW), Err(ProofFault::Target));
        let other = Target { uri: "https://id.example/t/acme/par", ..HERE };
        assert_eq!(check_proof(&proof(&key, HERE), other, NOW), Err(ProofFault::Target));
    }
}

#[test]
fn s11_a_proof_is_fresh_for_a_minute_either_way() {
    let key = key(Algorithm::Es256, "k1");
    for (seconds, expected) in
        [(0, None), (60, None), (61, Some(ProofFault::Time)), (-60, None), (-61, Some(ProofFault::Time))]
    {
        let now = NOW.plus_seconds(seconds);
        let found = check_proof(&proof(&key, HERE), HERE, now);
        assert_eq!(found.as_ref().err().copied(), expected, "{seconds}");
        // As long as it could come again, it is remembered.
        assert!(found.is_err() || found.expect("good").until > now);
    }
}

#[test]
fn s11_an_algorithm_counts_by_the_names_that_are_told() {
    for (name, own) in [("ES256", Algorithm::Es256), ("Ed25519", Algorithm::EdDsa), ("EdDSA", Algorithm::EdDsa)] {
        assert!(DPOP_ALGORITHMS.contains(&name));
        let key = key(own, "k1");
        let mut header = header(&key);
        header["alg"] = json!(name);
        header["jwk"].as_object_mut().expect("an object").remove("alg");
        assert!(check_proof(&written(&key, &header, &claims()), HERE, NOW).is_ok(), "{name}");
    }
}

#[test]
fn s11_a_proof_belongs_to_its_access_token() {
    let key = key(Algorithm::EdDsa, "k1");
    let with = Target { access_token: Some("at-1"), ..HERE };
    let other = Target { access_token: Some("at-2"), ..HERE };
    assert!(check_proof(&proof(&key, with), with, NOW).is_ok());
    assert_eq!(check_proof(&proof(&key, other), with, NOW), Err(ProofFault::Token));
    assert_eq!(check_proof(&proof(&key, HERE), with, NOW), Err(ProofFault::Token), "a proof of the token endpoint");
}

#[test]
fn s11_what_is_no_proof_proves_nothing() {
    let (own, other) = (key(Algorithm::Es256, "k1"), key(Algorithm::Es256, "k2"));
    let header = header(&own);
    let with = |name: &str, value: Value| {
        let mut changed = header.clone();
        changed[name] = value;
        written(&own, &changed, &claims())
    };
    let claiming = |name: &str, value: Value| {
        let mut changed = claims();
        changed[name] = value;
        written(&own, &header, &changed)
    };
    let mut private = header["jwk"].clone();
    private["d"] = json!("AAAA");
    for (text, expected) in [
        (with("typ", json!("JWT")), ProofFault::Malformed),
        (with("typ", Value::Null), ProofFault::Malformed),
        (with("alg", json!("none")), ProofFault::Algorithm),
        (with("alg", json!("HS256")), ProofFault::Algorithm),
        (with("alg", json!("PS256")), ProofFault::Algorithm),
        (with("alg", json!("EdDSA")), ProofFault::Malformed),
        (with("jwk", private), ProofFault::Malformed),
        (with("jwk", json!({ "kty": "oct", "k": "AAAA" })), ProofFault::Malformed),
        (with("jwk", Value::Null), ProofFault::Malformed),
        (with("jwk", other.public().to_jwk()), ProofFault::Signature),
        (with("crit", json!(["b64"])), ProofFault::Malformed),
        (with("jku", json!("https://evil.example")), ProofFault::Malformed),
        (claiming("jti", Value::Null), ProofFault::Claims),
        (claiming("jti", json!("")), ProofFault::Claims),
        (claiming("jti", json!("x".repeat(257))), ProofFault::Claims),
        (claiming("iat", json!(NOW.seconds().to_string())), ProofFault::Claims),
        (claiming("iat", json!(i64::MIN)), ProofFault::Time),
        (claiming("iat", json!(i64::MAX)), ProofFault::Time),
        (claiming("htm", json!(["POST"])), ProofFault::Claims),
        (claiming("htm", json!("post")), ProofFault::Target),
        (claiming("htu", json!("/t/acme/token")), ProofFault::Target),
        (claiming("htu", json!("https://id.example@evil.example/t/acme/token")), ProofFault::Target),
        ("a.b.c".to_owned(), ProofFault::Malformed),
        (String::new(), ProofFault::Malformed),
        ("x".repeat(MAX_PROOF + 1), ProofFault::Malformed),
    ] {
        assert_eq!(check_proof(&text, HERE, NOW), Err(expected), "{text}");
    }
    let mut without = header.clone();
    without.as_object_mut().expect("an object").remove("jwk");
    assert_eq!(check_proof(&written(&own, &without, &claims()), HERE, NOW), Err(ProofFault::Malformed));
}

#[test]
fn addresses_are_the_same_however_they_are_spelled() {
    for (one, other, expected) in [
        ("https://id.example/a", "HTTPS://ID.example:443/a?x=1#y", true),
        ("http://id.example", "http://id.example:80/", true),
        ("https://id.example/%7Ea%2fb", "https://id.example/~a%2Fb", true),
        ("https://id.example/a%2Fb", "https://id.example/a/b", false),
        ("https://id.example/a", "https://id.example/A", false),
        ("https://id.example/a", "https://id.example/a/", false),
        ("https://id.example/a", "http://id.example/a", false),
        ("https://id.example/ä%", "https://id.example/ä%", true),
    ] {
        assert_eq!(normalized(one) == normalized(other), expected, "{one} {other}");
        assert!(normalized(one).is_some() && normalized(other).is_some());
    }
    for bad in ["", "id.example/a", "ftp://id.example/a", "https:///a", "https://u@id.example/a"] {
        assert_eq!(normalized(bad), None, "{bad}");
    }
}

#[test]
fn a_nonce_is_known_for_five_to_ten_minutes_and_for_whom_it_was_made() {
    let source = NonceSource::new(&[7; 32]);
    let nonce = source.current("acme", NOW);
    assert_eq!(nonce, NonceSource::new(&[7; 32]).current("acme", NOW), "the same on every node");
    for (seconds, is_known) in [(0, true), (300, true), (601, false), (-601, false)] {
        assert_eq!(source.knows(&nonce, "acme", NOW.plus_seconds(seconds)), is_known, "{seconds}");
    }
    assert!(!source.knows(&nonce, "beta", NOW));
    assert!(!NonceSource::new(&[8; 32]).knows(&nonce, "acme", NOW));
    assert!(!source.knows("", "acme", NOW));
}

#[test]
fn the_thumbprint_is_that_of_the_rfc() {
    // RFC 7638 section 3.1, and the key of RFC 9449 section 4.1 with the thumbprint of section 6.
    let rsa = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
              tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI\
              SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let rsa = PublicKey::from_jwk(&rsa).expect("a key");
    assert_eq!(rsa.thumbprint().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    let ec = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    let ec = PublicKey::from_jwk(&ec).expect("a key");
    assert_eq!(ec.thumbprint().as_str(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let text = ec.thumbprint().to_string();
    assert_eq!(text.parse(), Ok(ec.thumbprint()));
    for bad in
        ["", "0ZcO", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I="]
    {
        assert_eq!(bad.parse::<Thumbprint>(), Err(InvalidThumbprint), "{bad}");
    }
}
