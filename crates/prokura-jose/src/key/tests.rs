//! Keys as they are written, read and published, and against a second implementation. Vectors are in `vectors`.

mod oracle;
mod vectors;

use super::*;
use crate::testing::{id, key};
use serde_json::{Value, json};

fn ec_jwk() -> Value {
    key(Algorithm::Es256, "k1").public().to_jwk()
}

fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
    jwk[name] = value.into();
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().expect("an object").remove(name).expect("the member was there");
    jwk
}

#[test]
fn a_key_survives_being_stored() {
    for algorithm in Algorithm::ALL {
        let key = key(*algorithm, "k1");
        let again = SigningKey::from_pkcs8(*algorithm, id("k1"), &key.to_pkcs8()).expect("the same key");
        assert_eq!(again.public(), key.public());
        let signature = again.sign(b"message").expect("a signature");
        assert!(key.public().verify(b"message", &signature));
        assert!(!key.public().verify(b"messagf", &signature));
        for other in Algorithm::ALL.iter().filter(|other| *other != algorithm) {
            let refused = SigningKey::from_pkcs8(*other, id("k1"), &key.to_pkcs8());
            assert_eq!(refused.expect_err("another kind of key"), KeyError::Rejected(*other));
        }
        let debug = format!("{key:?}");
        assert_eq!(debug, format!("SigningKey(k1, {algorithm})"));
    }
}

#[test]
fn names_of_algorithms_are_read_as_they_are_written() {
    for algorithm in JwsAlgorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
    }
    for bad in ["none", "NONE", "HS256", "HS384", "HS512", "es256", "RSA1_5", "ES256K", "", "EdDSA "] {
        assert_eq!(bad.parse::<JwsAlgorithm>(), Err(KeyError::UnknownAlgorithm(bad.to_owned())), "{bad}");
    }
}

#[test]
fn s42_a_jwk_has_public_members_only_and_is_read_back() {
    let members = |key: &SigningKey| -> Vec<String> {
        key.public().to_jwk().as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(members(&key(Algorithm::Es256, "k1")), ["kid", "use", "alg", "kty", "crv", "x", "y"]);
    assert_eq!(members(&key(Algorithm::EdDsa, "k1")), ["kid", "use", "alg", "kty", "crv", "x"]);
    assert_eq!(members(&key(Algorithm::Rs256, "k1")), ["kid", "use", "alg", "kty", "n", "e"]);
    for algorithm in Algorithm::ALL {
        let key = key(*algorithm, "k1");
        let jwk = key.public().to_jwk();
        assert_eq!((&jwk["kid"], &jwk["use"], &jwk["alg"]), (&json!("k1"), &json!("sig"), &json!(algorithm.as_str())));
        let read = PublicKey::from_jwk(&jwk).expect("our own JWK");
        assert_eq!(&read, key.public());
        assert!(read.verify(b"m", &key.sign(b"m").expect("a signature")));
    }
}

#[test]
fn s42_the_set_is_the_same_from_every_node() {
    let keys: Vec<_> = ["k2", "k1", "k3"].iter().map(|kid| key(Algorithm::EdDsa, kid).public().clone()).collect();
    let set = Jwks::new(&keys);
    let reversed: Vec<_> = keys.iter().rev().cloned().collect();
    assert_eq!(set, Jwks::new(&reversed));
    let document: Value = serde_json::from_slice(&set.bytes).expect("JSON");
    let kids: Vec<_> = document["keys"].as_array().expect("keys").iter().map(|jwk| jwk["kid"].clone()).collect();
    assert_eq!(kids, ["k1", "k2", "k3"]);
    assert!(set.etag.starts_with('"') && set.etag.ends_with('"') && set.etag.len() == 45, "{}", set.etag);
    assert_ne!(set.etag, Jwks::new(&keys[1..]).etag);
    assert_eq!(&*Jwks::new(&[]).bytes, br#"{"keys":[]}"#);
}

#[test]
fn s43_a_jwk_that_is_not_what_it_says_is_refused() {
    let good = ec_jwk();
    let (rsa, okp) = (key(Algorithm::Rs256, "k1").public().to_jwk(), key(Algorithm::EdDsa, "k1").public().to_jwk());
    let x = good["x"].as_str().expect("x").to_owned();
    let short = base64url::encode(&base64url::decode(&x).expect("base64url")[1..]);
    let misfit = KeyError::Misfit;
    for (jwk, expected) in [
        (json!(null), KeyError::Member("kty")),
        (json!([]), KeyError::Member("kty")),
        (json!({}), KeyError::Member("kty")),
        (json!({ "kty": "oct" }), KeyError::Member("kty")),
        (json!({ "kty": "oct", "k": "AAAA" }), KeyError::Private("k")),
        (with(good.clone(), "d", "AAAA"), KeyError::Private("d")),
        (with(rsa.clone(), "p", "AAAA"), KeyError::Private("p")),
        (with(rsa.clone(), "qi", Value::Null), KeyError::Private("qi")),
        (with(good.clone(), "kty", "RSA"), KeyError::Member("n")),
        (with(good.clone(), "kty", "ec"), KeyError::Member("kty")),
        (with(good.clone(), "kty", 1), KeyError::Member("kty")),
        (with(good.clone(), "use", "enc"), KeyError::Member("use")),
        (with(good.clone(), "key_ops", json!(["sign"])), KeyError::Member("key_ops")),
        (with(good.clone(), "key_ops", "verify"), KeyError::Member("key_ops")),
        (with(good.clone(), "alg", "none"), KeyError::UnknownAlgorithm("none".to_owned())),
        (with(good.clone(), "alg", "HS256"), KeyError::UnknownAlgorithm("HS256".to_owned())),
        (with(good.clone(), "alg", 7), KeyError::Member("alg")),
        (with(good.clone(), "alg", "ES384"), misfit(JwsAlgorithm::Es384)),
        (with(good.clone(), "alg", "RS256"), misfit(JwsAlgorithm::Rs256)),
        (with(rsa.clone(), "alg", "ES256"), misfit(JwsAlgorithm::Es256)),
        (with(okp.clone(), "alg", "ES256"), misfit(JwsAlgorithm::Es256)),
        (with(okp.clone(), "crv", "X25519"), KeyError::Member("crv")),
        (with(okp.clone(), "crv", "Ed448"), KeyError::Member("crv")),
        (with(okp, "x", short.clone()), KeyError::Member("x")),
        (with(good.clone(), "crv", "P-384"), misfit(JwsAlgorithm::Es256)),
        (with(good.clone(), "crv", "secp256k1"), KeyError::Member("crv")),
        (without(good.clone(), "crv"), KeyError::Member("crv")),
        (without(good.clone(), "y"), KeyError::Member("y")),
        (with(good.clone(), "x", short), KeyError::Member("y")),
        (with(good.clone(), "x", format!("{x}=")), KeyError::Member("x")),
        (with(good.clone(), "y", x), KeyError::OffCurve),
        (with(good.clone(), "kid", 5), KeyError::Member("kid")),
        (with(good.clone(), "kid", ""), KeyError::Member("kid")),
        (with(good, "kid", "k".repeat(257)), KeyError::Member("kid")),
        (with(rsa.clone(), "e", "AQ"), KeyError::Member("e")),
        (with(rsa.clone(), "e", "AAAA"), KeyError::Member("e")),
        (with(rsa.clone(), "e", "AQAA"), KeyError::Member("e")),
        (with(rsa, "e", ""), KeyError::Member("e")),
    ] {
        assert_eq!(PublicKey::from_jwk(&jwk).expect_err("refused"), expected, "{jwk}");
    }
}

#[test]
fn a_jwk_without_algorithm_gets_the_one_its_kind_has() {
    let without_alg = |algorithm| without(key(algorithm, "k1").public().to_jwk(), "alg");
    let read = |jwk: &Value| PublicKey::from_jwk(jwk).expect("a key").algorithm();
    assert_eq!(read(&without_alg(Algorithm::Es256)), JwsAlgorithm::Es256);
    assert_eq!(read(&without_alg(Algorithm::EdDsa)), JwsAlgorithm::EdDsa);
    let rsa = without_alg(Algorithm::Rs256);
    assert_eq!(read(&rsa), JwsAlgorithm::Rs256);

    let configured = |jwk: &Value, algorithm| PublicKey::from_jwk_for(jwk, algorithm).map(|key| key.algorithm());
    assert_eq!(configured(&rsa, JwsAlgorithm::Ps384), Ok(JwsAlgorithm::Ps384));
    assert_eq!(configured(&rsa, JwsAlgorithm::Es256), Err(KeyError::Misfit(JwsAlgorithm::Es256)));
    assert_eq!(configured(&ec_jwk(), JwsAlgorithm::Rs256), Err(KeyError::Misfit(JwsAlgorithm::Rs256)));
    let says_rs256 = with(rsa, "alg", "RS256");
    let refused = Err(KeyError::Misfit(JwsAlgorithm::Ps256));
    assert_eq!(configured(&says_rs256, JwsAlgorithm::Ps256), refused, "the JWK's word holds");
}

#[test]
fn partners_names_and_extra_members_are_taken() {
    let jwk = with(with(ec_jwk(), "kid", "a+b/c=. ä"), "x5t", "abc");
    assert_eq!(PublicKey::from_jwk(&jwk).expect("a key").kid(), Some("a+b/c=. ä"));
    assert_eq!(PublicKey::from_jwk(&without(ec_jwk(), "kid")).expect("a key").kid(), None);
    let operations = with(ec_jwk(), "key_ops", json!(["sign", "verify"]));
    assert!(PublicKey::from_jwk(&operations).is_ok());
}

#[test]
fn s45_an_rsa_key_of_the_wrong_size_is_refused_with_a_clear_message() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits / 8];
        if !bits.is_multiple_of(8) {
            bytes.insert(0, 0xff >> (8 - bits % 8));
        }
        json!({ "kty": "RSA", "alg": "RS256", "e": "AQAB", "n": base64url::encode(bytes) })
    };
    for bits in [8, 512, 1024, 2040, 2047, 8193, 16_384] {
        assert_eq!(PublicKey::from_jwk(&modulus(bits)).expect_err("refused"), KeyError::RsaSize(bits), "{bits}");
    }
    for bits in [2048, 3072, 4096, 8192] {
        assert!(PublicKey::from_jwk(&modulus(bits)).is_ok(), "{bits}");
    }
    assert_eq!(KeyError::RsaSize(1024).to_string(), "an RSA key must have 2048 to 8192 bits, not 1024");
    let empty = json!({ "kty": "RSA", "alg": "RS256", "e": "AQAB", "n": "" });
    assert_eq!(PublicKey::from_jwk(&empty).expect_err("refused"), KeyError::RsaSize(0));
}

#[test]
fn a_shared_key_has_at_least_256_bits() {
    assert_eq!(HmacKey::new(&[7; 31]).expect_err("refused"), KeyError::HmacSize(31));
    assert_eq!(format!("{:?}", HmacKey::new(&[7; 32]).expect("a key")), "HmacKey(…)");
}
