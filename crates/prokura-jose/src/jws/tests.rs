//! Forged and malformed tokens, of the kinds the public vectors for JWS have, made with our own keys.

use super::*;
use crate::{
    Algorithm, HmacKey, SigningKey, mint_hs256, sign_jwt,
    testing::{NOW, key},
};
use proptest::prelude::*;
use serde_json::json;
use std::sync::{Arc, LazyLock};

static KEYS: LazyLock<Vec<Arc<SigningKey>>> =
    LazyLock::new(|| Algorithm::ALL.iter().map(|algorithm| key(*algorithm, "k1")).collect());

/// A signed token with any header and payload.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let signature = key.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", base64url::encode(signature))
}

fn verify(token: &str, key: &SigningKey) -> Result<VerifiedJws, Rejection> {
    verify_jws(token, &[key.public().clone()], JwsAlgorithm::ALL, None)
}

#[test]
fn s43_a_good_token_is_accepted() {
    for key in KEYS.iter() {
        let header = format!(r#"{{"alg":"{}","kid":"k1","x5t":"a","cty":"b"}}"#, key.algorithm());
        let verified = verify(&signed(key, &header, "foo"), key).expect("accepted");
        assert_eq!(verified.payload, b"foo");
        assert_eq!(verified.kid.as_deref(), Some("k1"));
        assert_eq!((verified.alg, verified.typ), (key.algorithm().into(), None));
        assert_eq!(verify(&signed(key, &header, ""), key).expect("accepted").payload, b"");
    }
}

#[test]
fn s43_a_token_with_a_part_missing_moved_or_added_is_refused() {
    for key in KEYS.iter() {
        let token = signed(key, &format!(r#"{{"alg":"{}","kid":"k1"}}"#, key.algorithm()), "foo");
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        for bad in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "...".to_owned(),
            header.to_owned(),
            payload.to_owned(),
            format!("{header}.{payload}"),
            format!("{payload}.{signature}"),
            format!("{header}.{signature}"),
            format!(".{payload}.{signature}"),
            format!(".{payload}."),
            format!("{token}."),
            format!("{token}.foo"),
            format!(".{token}"),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}="),
            format!("{header}=.{payload}.{signature}"),
            format!("{header}.{payload}=.{signature}"),
            format!("{header}.{payload}\u{0}.{signature}"),
            format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
            format!(r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#),
            "A".repeat(MAX_TOKEN + 1),
        ] {
            assert_eq!(verify(&bad, key), Err(Rejection::Malformed), "{bad}");
        }
        for bad in [
            format!("{header}..{signature}"),
            format!("{header}.{payload}."),
            format!("{header}.{header}.{signature}"),
            format!("{header}.{payload}.{payload}"),
        ] {
            assert_eq!(verify(&bad, key), Err(Rejection::BadSignature), "{bad}");
        }
    }
}

#[test]
fn s43_a_header_that_names_no_allowed_algorithm_is_refused() {
    for key in KEYS.iter() {
        for alg in ["none", "None", "nOnE", "NONE", "", "HS256", "HS384", "HS512", "es256", "ES256K", "RSA-OAEP"] {
            let token = signed(key, &format!(r#"{{"alg":"{alg}","kid":"k1"}}"#), "foo");
            assert_eq!(verify(&token, key), Err(Rejection::UnknownKey), "{alg}");
            let unsigned = format!("{}.", token.rsplit_once('.').expect("three parts").0);
            assert_eq!(verify(&unsigned, key), Err(Rejection::UnknownKey), "{alg} unsigned");
        }
        // Every algorithm but the key's own, though each of them is allowed.
        for alg in JwsAlgorithm::ALL.iter().filter(|alg| **alg != key.algorithm().into()) {
            let token = signed(key, &format!(r#"{{"alg":"{alg}","kid":"k1"}}"#), "foo");
            assert_eq!(verify(&token, key), Err(Rejection::UnknownKey), "{alg}");
        }
        let token = signed(key, &format!(r#"{{"alg":"{}","kid":"k1"}}"#, key.algorithm()), "foo");
        let others: Vec<_> = JwsAlgorithm::ALL.iter().copied().filter(|alg| *alg != key.algorithm().into()).collect();
        let keys = [key.public().clone()];
        assert_eq!(verify_jws(&token, &keys, &others, None), Err(Rejection::UnknownKey));
        assert_eq!(verify_jws(&token, &keys, &[], None), Err(Rejection::UnknownKey));
        assert_eq!(verify_jws(&token, &[], JwsAlgorithm::ALL, None), Err(Rejection::UnknownKey));
    }
}

#[test]
fn s43_a_public_key_is_never_taken_for_a_shared_one() {
    for key in KEYS.iter() {
        let jwk = key.public().to_jwk();
        let secrets = ["x", "n"].iter().filter_map(|name| base64url::decode(jwk[*name].as_str()?));
        for secret in secrets.chain([jwk.to_string().into_bytes()]) {
            let mut token = base64url::encode(r#"{"alg":"HS256","kid":"k1"}"#) + ".Zm9v";
            HmacKey::new(&secret).expect("long enough").sign_onto(&mut token);
            assert_eq!(verify(&token, key), Err(Rejection::UnknownKey));
        }
    }
}

#[test]
fn s43_a_header_that_brings_its_key_or_changes_the_reading_is_refused() {
    let attacker = key(Algorithm::Es256, "k1");
    let jwk = attacker.public().to_jwk();
    for member in [
        format!(r#""jwk":{jwk}"#),
        r#""jku":"https://example.com/keys""#.to_owned(),
        r#""x5u":"https://example.com/cert""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""crit":["exp"],"exp":1"#.to_owned(),
        r#""crit":["b64"],"b64":true"#.to_owned(),
        r#""crit":[]"#.to_owned(),
        r#""b64":false"#.to_owned(),
        r#""b64":true"#.to_owned(),
        r#""zip":"DEF""#.to_owned(),
        r#""enc":"A128GCM""#.to_owned(),
        r#""jku":null"#.to_owned(),
        r#""\u006aku":"https://example.com/keys""#.to_owned(),
        r#""alg":"ES256""#.to_owned(),
        r#""kid":"k1""#.to_owned(),
        r#""x":{"a":1,"a":2}"#.to_owned(),
        r#""typ":1"#.to_owned(),
        r#""typ":null"#.to_owned(),
    ] {
        let token = signed(&attacker, &format!(r#"{{"alg":"ES256","kid":"k1",{member}}}"#), "foo");
        assert_eq!(verify(&token, &attacker), Err(Rejection::Malformed), "{member}");
    }
    for header in [
        r#"{"kid":"k1"}"#,
        r#"{"alg":["ES256"],"kid":"k1"}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","kid":"k1"},"#,
        r#"{"alg":"ES256","kid":"k1"}{}"#,
        r#"{"alg":"ES256","kid":"k1""#,
        r#"["ES256"]"#,
        "null",
        "",
        "\u{feff}{\"alg\":\"ES256\",\"kid\":\"k1\"}",
    ] {
        assert_eq!(verify(&signed(&attacker, header, "foo"), &attacker), Err(Rejection::Malformed), "{header}");
    }
}

#[test]
fn s43_base64url_has_one_spelling() {
    let key = &KEYS[0];
    let token = signed(key, r#"{"alg":"ES256","kid":"k1"}"#, "foo!");
    assert!(verify(&token, key).is_ok());
    let (head, signature) = token.rsplit_once('.').expect("three parts");
    // 64 bytes leave four loose bits in the last of 86 characters; 4 bytes of payload leave four as well.
    let last = signature.chars().last().expect("a signature");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet.find(last).expect("base64url");
    for loose in 1..16 {
        let other = alphabet.chars().nth(value | loose).expect("in range");
        if other != last {
            let forged = format!("{head}.{}{other}", &signature[..85]);
            assert_eq!(verify(&forged, key), Err(Rejection::Malformed), "{forged}");
        }
    }
    for (from, to) in [("-", "+"), ("_", "/")] {
        assert_eq!(verify(&token.replacen(from, to, 1), key).is_ok(), !token.contains(from));
    }
}

#[test]
fn s43_the_key_must_be_meant_unmistakably() {
    let (one, two) = (key(Algorithm::Es256, "k1"), key(Algorithm::Es256, "k2"));
    let mut jwk = one.public().to_jwk();
    jwk.as_object_mut().expect("an object").remove("kid");
    let nameless = PublicKey::from_jwk(&jwk).expect("a key");
    let verify = |token: &str, keys: &[&PublicKey]| {
        let keys: Vec<_> = keys.iter().map(|key| (*key).clone()).collect();
        verify_jws(token, &keys, &[JwsAlgorithm::Es256], None).map(|verified| verified.kid)
    };
    let named = signed(&one, r#"{"alg":"ES256","kid":"k1"}"#, "foo");
    let anonymous = signed(&one, r#"{"alg":"ES256"}"#, "foo");

    assert_eq!(verify(&named, &[two.public(), one.public()]), Ok(Some("k1".to_owned())));
    assert_eq!(verify(&named, &[two.public()]), Err(Rejection::UnknownKey));
    assert_eq!(verify(&named, &[&nameless]), Err(Rejection::UnknownKey));
    assert_eq!(verify(&anonymous, &[one.public(), two.public()]), Err(Rejection::UnknownKey));
    assert_eq!(verify(&anonymous, &[one.public()]), Ok(Some("k1".to_owned())));
    assert_eq!(verify(&anonymous, &[&nameless]), Ok(None));
    assert_eq!(verify(&anonymous, &[two.public()]), Err(Rejection::BadSignature));
    let empty = signed(&one, r#"{"alg":"ES256","kid":""}"#, "foo");
    assert_eq!(verify(&empty, &[&nameless]), Err(Rejection::UnknownKey));
}

#[test]
fn s32_the_type_must_be_the_expected_one() {
    let key = &KEYS[0];
    let check = |typ: &str, expected: &str| {
        let token = sign_jwt(key, typ, &json!({})).expect("signed");
        verify_jws(&token, &[key.public().clone()], &[JwsAlgorithm::Es256], Some(expected)).map(|_| ())
    };
    for typ in ["logout+jwt", "Logout+JWT", "application/logout+jwt"] {
        assert_eq!(check(typ, "logout+jwt"), Ok(()), "{typ}");
    }
    for typ in ["JWT", "at+jwt", "", "logout+jwt ", "text/logout+jwt"] {
        assert_eq!(check(typ, "logout+jwt"), Err(Rejection::WrongType), "{typ}");
    }
    let without = signed(key, r#"{"alg":"ES256","kid":"k1"}"#, "{}");
    let refused = verify_jws(&without, &[key.public().clone()], &[JwsAlgorithm::Es256], Some("JWT"));
    assert_eq!(refused, Err(Rejection::WrongType));
}

#[test]
fn s44_claims_are_typed_and_required() {
    let good = json!({ "iss": "i", "sub": "s", "aud": "a", "exp": 10, "iat": 5, "more": { "x": 1 } });
    let read = Claims::parse(good.to_string().as_bytes()).expect("claims");
    assert_eq!((read.expires_at, read.issued_at), (Timestamp::from_seconds(10), Timestamp::from_seconds(5)));
    assert_eq!((read.audience, read.not_before), (vec!["a".to_owned()], None));
    assert_eq!(Value::Object(read.others), json!({ "more": { "x": 1 } }));

    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(name);
        assert_eq!(Claims::parse(claims.to_string().as_bytes()), Err(Rejection::BadClaims), "without {name}");
    }
    for (name, values) in [
        (
            "exp",
            vec![json!("9999999999"), json!(null), json!(1.5), json!(1e30), json!(u64::MAX), json!([1]), json!(true)],
        ),
        ("iat", vec![json!("1"), json!(null), json!(0.5), json!({})]),
        ("nbf", vec![json!("9"), json!(null), json!(1e3), json!(u64::MAX)]),
        ("iss", vec![json!(null), json!(1), json!(["i"]), json!({})]),
        ("sub", vec![json!(null), json!(1), json!(["s"])]),
        ("aud", vec![json!(null), json!(1), json!([]), json!({ "0": "x" }), json!([1]), json!(["a", null])]),
    ] {
        for value in values {
            let mut claims = good.clone();
            claims[name] = value;
            assert_eq!(Claims::parse(claims.to_string().as_bytes()), Err(Rejection::BadClaims), "{claims}");
        }
    }
    for raw in [
        r#"{"iss":"i","sub":"s","sub":"t","aud":"a","exp":10,"iat":5}"#,
        r#"{"iss":"i","sub":"s","\u0073ub":"s","aud":"a","exp":10,"iat":5}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":NaN,"iat":5}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":9223372036854775808,"iat":5}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":1e400,"iat":5}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":10,"iat":5}}"#,
        r#"[{"iss":"i"}]"#,
        "",
    ] {
        assert_eq!(Claims::parse(raw.as_bytes()), Err(Rejection::BadClaims), "{raw}");
    }
}

#[test]
fn a_token_lives_from_its_beginning_to_its_end() {
    let check = |exp: i64, iat: i64, nbf: Option<i64>, now: i64| {
        let claims = json!({ "iss": "i", "sub": "s", "aud": "a", "exp": exp, "iat": iat, "nbf": nbf.unwrap_or(iat) });
        Claims::parse(claims.to_string().as_bytes()).expect("claims").check_time(Timestamp::from_seconds(now))
    };
    assert_eq!(check(1300, 1000, None, 1299), Ok(()));
    assert_eq!(check(1300, 1000, None, 1300), Err(Rejection::Expired));
    assert_eq!(check(1300, 1000, None, 940), Ok(()));
    assert_eq!(check(1300, 1000, None, 939), Err(Rejection::NotYetValid));
    assert_eq!(check(1300, 900, Some(1000), 940), Ok(()));
    assert_eq!(check(1300, 900, Some(1000), 939), Err(Rejection::NotYetValid));
    assert_eq!(check(-5, -10, None, 0), Err(Rejection::Expired));
    assert_eq!(check(i64::MAX, 0, None, 0), Ok(()));
    assert_eq!(check(i64::MIN, 0, None, 0), Err(Rejection::Expired));
}

#[test]
fn a_shared_key_signs_and_verifies() {
    let (key, other) = (HmacKey::new(&[1; 32]).expect("a key"), HmacKey::new(&[2; 32]).expect("a key"));
    let now = NOW.seconds();
    let claims = json!({ "exp": now + 10, "x": "ä" });
    let token = mint_hs256(&key, &claims);
    assert_eq!(verify_hs256(&key, &token, NOW).map(Value::Object), Ok(claims));
    assert_eq!(verify_hs256(&other, &token, NOW), Err(Rejection::BadSignature));
    assert_eq!(verify_hs256(&key, &token, NOW.plus_seconds(10)), Err(Rejection::Expired));

    for (claims, expected) in [
        (json!({}), Rejection::BadClaims),
        (json!({ "exp": (now + 10).to_string() }), Rejection::BadClaims),
        (json!({ "exp": now + 10, "nbf": now + 61 }), Rejection::NotYetValid),
        (json!({ "exp": now + 10, "iat": "1" }), Rejection::BadClaims),
        (json!([]), Rejection::BadClaims),
    ] {
        assert_eq!(verify_hs256(&key, &mint_hs256(&key, &claims), NOW), Err(expected), "{claims}");
    }
    for alg in ["none", "HS384", "HS512", "hs256", "ES256"] {
        let mut token = base64url::encode(format!(r#"{{"alg":"{alg}"}}"#)) + ".";
        base64url::encode_onto(json!({ "exp": now + 10 }).to_string().as_bytes(), &mut token);
        key.sign_onto(&mut token);
        assert_eq!(verify_hs256(&key, &token, NOW), Err(Rejection::UnknownKey), "{alg}");
    }
    // A token signed with a key pair is none of these, whoever sends it.
    let asymmetric = sign_jwt(&KEYS[0], "JWT", &json!({ "exp": now + 10 })).expect("signed");
    assert_eq!(verify_hs256(&key, &asymmetric, NOW), Err(Rejection::UnknownKey));
}

proptest! {
    #[test]
    fn s43_no_token_with_one_byte_changed_verifies(which in 0..3_usize, position: prop::sample::Index, byte: u8) {
        let key = &KEYS[which];
        let token = sign_jwt(key, "JWT", &json!({ "sub": "anna", "exp": 1 })).expect("signed");
        let mut bytes = token.clone().into_bytes();
        let index = position.index(bytes.len());
        prop_assume!(bytes[index] != byte);
        bytes[index] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(verify(&changed, key).is_err(), "{changed}");
        }
    }

    #[test]
    fn s43_nothing_a_stranger_writes_is_a_token_or_a_panic(text: String, header: String, payload: Vec<u8>) {
        prop_assert!(verify(&text, &KEYS[0]).is_err());
        let token = format!("{}.{}.{}", base64url::encode(header), base64url::encode(&payload), "AAAA");
        prop_assert!(verify(&token, &KEYS[0]).is_err());
        let _ = Claims::parse(&payload);
    }
}
