//! Our tokens through another implementation, and its tokens through ours.

use super::*;
use crate::{Claims, sign_jwt, testing, verify_jws};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken as other;

fn pair(algorithm: Algorithm) -> (other::Algorithm, std::sync::Arc<SigningKey>) {
    let theirs = match algorithm {
        Algorithm::Es256 => other::Algorithm::ES256,
        Algorithm::EdDsa => other::Algorithm::EdDSA,
        Algorithm::Rs256 => other::Algorithm::RS256,
    };
    (theirs, key(algorithm, "k1"))
}

fn their_decoding_key(key: &SigningKey) -> other::DecodingKey {
    let jwk = serde_json::from_value(key.public().to_jwk()).expect("they read our JWK");
    other::DecodingKey::from_jwk(&jwk).expect("they take our key")
}

fn their_encoding_key(key: &SigningKey) -> other::EncodingKey {
    let der = STANDARD.encode(&*key.to_pkcs8());
    let lines: Vec<_> = der.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    match key.algorithm() {
        Algorithm::Es256 => other::EncodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::EdDsa => other::EncodingKey::from_ed_pem(pem.as_bytes()),
        Algorithm::Rs256 => other::EncodingKey::from_rsa_pem(pem.as_bytes()),
    }
    .expect("they read our PKCS#8")
}

#[test]
fn another_implementation_accepts_what_we_sign() {
    for algorithm in Algorithm::ALL {
        let (theirs, key) = pair(*algorithm);
        let claims = json!({ "iss": "i", "aud": "a", "sub": "s", "exp": 4_000_000_000_u64, "ä\"\n": [1, null] });
        let token = sign_jwt(&key, "JWT", &claims).expect("signed");
        let mut validation = other::Validation::new(theirs);
        validation.set_audience(&["a"]);
        let decoded = other::decode::<Value>(&token, &their_decoding_key(&key), &validation).expect("accepted");
        assert_eq!(decoded.claims, claims);
        assert_eq!((decoded.header.kid.as_deref(), decoded.header.typ.as_deref()), (Some("k1"), Some("JWT")));

        let access_token = testing::token(testing::anna("acme"));
        let token = testing::minter(&key, "acme").mint(&access_token).expect("minted");
        validation.set_audience(&access_token.audience.names().collect::<Vec<_>>());
        validation.validate_exp = false;
        let decoded = other::decode::<Value>(&token, &their_decoding_key(&key), &validation).expect("accepted");
        assert_eq!(decoded.claims["tenant"], "acme");
        assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
    }
}

#[test]
fn we_accept_what_another_implementation_signs() {
    for algorithm in Algorithm::ALL {
        let (theirs, key) = pair(*algorithm);
        let mut header = other::Header::new(theirs);
        header.kid = Some("k1".to_owned());
        let claims = json!({ "iss": "i", "aud": ["a", "b"], "sub": "s", "exp": 2, "iat": 1, "x": "y" });
        let token = other::encode(&header, &claims, &their_encoding_key(&key)).expect("signed");
        let verified = verify_jws(&token, &[key.public().clone()], &[(*algorithm).into()], Some("JWT"));
        let read = Claims::parse(&verified.expect("accepted").payload).expect("claims");
        assert_eq!((read.issuer.as_str(), read.subject.as_str()), ("i", "s"));
        assert_eq!(read.audience, ["a", "b"]);
        assert_eq!(read.others["x"], "y");

        // The same for an access token of ours, re-encoded by them.
        let minted = testing::minter(&key, "acme").mint(&testing::token(testing::anna("acme"))).expect("minted");
        let payload = minted.split('.').nth(1).and_then(base64url::decode).expect("a payload");
        let claims: Value = serde_json::from_slice(&payload).expect("JSON");
        header.typ = Some("at+jwt".to_owned());
        let token = other::encode(&header, &claims, &their_encoding_key(&key)).expect("signed");
        let accepted = testing::verifier(&key, "acme").verify(&token, testing::NOW).expect("accepted");
        assert_eq!(accepted.token, testing::token(testing::anna("acme")));
    }
}
