//! An authenticator in software (Web Authentication Level 3, section 6): one key, which verifies its user without asking.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// The user is there, and is who they are; the third says that a credential follows (section 6.1).
const PRESENT_AND_VERIFIED: u8 = 0b101;
const WITH_CREDENTIAL: u8 = 0b0100_0101;

pub(crate) struct Authenticator {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    origin: &'static str,
    host: &'static str,
    uses: AtomicU32,
}

impl Authenticator {
    pub(crate) fn new(host: &'static str, origin: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id = digest(&SHA256, key.public_key().as_ref()).as_ref()[..16].to_vec();
        Self { key, id, origin, host, uses: AtomicU32::new(0) }
    }

    /// The credential's id, as it is spelled.
    pub(crate) fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["challenge"].as_str().expect("a challenge");
        let data = json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false });
        data.to_string().into_bytes()
    }

    /// What is signed about the authenticator itself.
    fn data(&self, flags: u8) -> Vec<u8> {
        let uses = self.uses.fetch_add(1, Ordering::SeqCst) + 1;
        [digest(&SHA256, self.host.as_bytes()).as_ref(), &[flags], &uses.to_be_bytes()].concat()
    }

    /// Makes the passkey.
    pub(crate) fn make(&self, options: &Value) -> Value {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        // A key of ES256 as COSE spells it (RFC 9053 section 7.1.1).
        let key = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20][..], x, &[0x22, 0x58, 0x20], y].concat();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let data = [self.data(WITH_CREDENTIAL), vec![0; 16], length.to_vec(), self.id.clone(), key].concat();
        let attestation = [
            &[0xa3, 0x63][..],
            b"fmt",
            &[0x64],
            b"none",
            &[0x67],
            b"attStmt",
            &[0xa0, 0x68],
            b"authData",
            &[0x58, u8::try_from(data.len()).unwrap()],
            &data,
        ]
        .concat();
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", options)),
                "attestationObject": URL_SAFE_NO_PAD.encode(attestation),
            },
        })
    }

    /// Shows it, as the user with this handle.
    pub(crate) fn show(&self, options: &Value, handle: &str) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(PRESENT_AND_VERIFIED);
        let signed = [&data[..], digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
                "userHandle": handle,
            },
        })
    }
}
