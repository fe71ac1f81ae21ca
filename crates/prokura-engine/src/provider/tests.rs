//! What a provider may answer, and what is made of it.

use super::*;
use prokura_jose::{Algorithm, SigningKey};
use serde_json::json;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.as_bytes().to_vec(), max_age_seconds: None }
}

#[test]
fn a_refused_code_is_told_from_a_provider_that_is_of_no_use() {
    let told = |status, body: &str| match understand(&answer(status, body)) {
        Ok(Redeemed::Tokens(_)) => "tokens",
        Ok(Redeemed::Refused(_)) => "refused",
        Err(ProviderFault::Client(_)) => "client",
        Err(ProviderFault::Status(..)) => "status",
        Err(_) => "nonsense",
    };
    for (status, body, expected) in [
        (200, r#"{"access_token":"a","id_token":"b","token_type":"bearer","expires_in":"60"}"#, "tokens"),
        (200, r#"{"access_token":"a","token_type":"Bearer"}"#, "nonsense"),
        (200, r#"{"access_token":"","id_token":"b","token_type":"Bearer"}"#, "nonsense"),
        (200, r#"{"access_token":"a","id_token":"b","token_type":"DPoP"}"#, "nonsense"),
        (200, r#"{"access_token":"a","id_token":"b","id_token":"c","token_type":"Bearer"}"#, "nonsense"),
        (200, r#"[{"access_token":"a"}]"#, "nonsense"),
        (200, "<html>", "nonsense"),
        (400, r#"{"error":"invalid_grant"}"#, "refused"),
        (403, r#"{"error":"invalid_grant"}"#, "refused"),
        (403, r#"{"error":"invalid_code"}"#, "refused"),
        (400, r#"{"error":"invalid_request"}"#, "refused"),
        (400, r#"{"error":"invalid_client"}"#, "client"),
        (403, r#"{"error":"unauthorized_client"}"#, "client"),
        (401, "", "client"),
        (400, "<html>", "status"),
        (302, "", "status"),
        (404, "", "status"),
        (429, r#"{"error":"slow_down"}"#, "status"),
        (500, r#"{"error":"invalid_grant"}"#, "status"),
    ] {
        assert_eq!(told(status, body), expected, "{status} {body}");
    }
}

#[test]
fn s88_keys_that_cannot_be_used_spoil_no_other() {
    let key = |algorithm, kid: &str| SigningKey::generate(algorithm, kid.parse().unwrap()).unwrap();
    let (ec, rsa) = (key(Algorithm::Es256, "ec"), key(Algorithm::Rs256, "rsa"));
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let (ec, rsa) = (ec.public().to_jwk(), rsa.public().to_jwk());
    let mut open = rsa.clone();
    open.as_object_mut().unwrap().remove("alg");
    let set = json!({ "keys": [
        "nonsense", with(&ec, "use", json!("enc")), with(&ec, "d", json!("AAAA")), with(&ec, "x", json!("AAAA")),
        { "kty": "oct", "k": "AAAA", "alg": "HS256", "kid": "shared" }, ec, open,
    ] });
    let spelled = |keys: Vec<PublicKey>| {
        keys.iter().map(|key| format!("{} {}", key.kid().unwrap(), key.algorithm())).collect::<Vec<_>>()
    };
    assert_eq!(spelled(keys(&set, &algorithms(None))), ["ec ES256", "rsa RS256", "rsa PS256"]);
    let only = algorithms(Some(&["PS256".to_owned(), "none".to_owned(), "HS256".to_owned()]));
    assert_eq!(spelled(keys(&set, &only)), ["rsa PS256"]);
    assert_eq!(keys(&json!({ "keys": vec![ec.clone(); 60] }), &algorithms(None)).len(), MAX_KEYS);
    for wrong in [json!({}), json!({ "keys": {} }), json!({ "keys": [] })] {
        assert_eq!(keys(&wrong, &algorithms(None)), []);
    }
}

#[test]
fn an_issuer_with_a_path_has_it_behind_the_well_known_part() {
    assert_eq!(origin_and_path("https://idp.example/t/a"), Some(("https://idp.example", "/t/a")));
    assert_eq!(origin_and_path("https://idp.example"), None);
}

#[test]
fn s122_a_provider_that_fails_again_and_again_is_left_alone_for_a_while() {
    let calls = Calls::default();
    let at = Timestamp::from_seconds;
    for _ in 1..FAILURES {
        calls.note(false, at(0));
    }
    assert!(!calls.is_resting(at(0)));
    calls.note(true, at(0));
    for _ in 0..FAILURES {
        assert!(!calls.is_resting(at(0)), "an answer in between begins the count anew");
        calls.note(false, at(0));
    }
    assert!(calls.is_resting(at(9)));
    assert!(!calls.is_resting(at(10)));
    calls.note(false, at(10));
    assert!(calls.is_resting(at(10)), "one more failure is enough then");
}
