//! Public keys and the set of them a tenant publishes.

use super::{JwsAlgorithm, KeyError};
use crate::{base64url, dpop::Thumbprint};
use aws_lc_rs::{
    digest,
    rsa::PublicKeyComponents,
    signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm},
};
use std::{fmt, sync::Arc};

/// What RSA keys may have, in bits (S-45).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key with its name and its one algorithm, ready to verify. Cloning shares it.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    kid: Option<Box<str>>,
    algorithm: JwsAlgorithm,
    parsed: ParsedPublicKey,
    material: Material,
}

/// The members a JWK tells the key by.
#[derive(PartialEq, Eq)]
pub(super) enum Material {
    Ec { crv: &'static str, x: Vec<u8>, y: Vec<u8> },
    Okp { x: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    /// The name, when the key has one. Our own keys always do; a partner's single key may not.
    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// The one algorithm it verifies.
    pub fn algorithm(&self) -> JwsAlgorithm {
        self.0.algorithm
    }

    /// Whether `signature` is this key's for `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.parsed.verify_sig(message, signature).is_ok()
    }

    /// The SHA-256 thumbprint of the key (RFC 7638): its required members, in their one order and spelling.
    pub fn thumbprint(&self) -> Thumbprint {
        let spell = |bytes: &[u8]| base64url::encode(bytes);
        let text = match &self.0.material {
            Material::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#, spell(x), spell(y))
            }
            Material::Okp { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, spell(x)),
            Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, spell(e), spell(n)),
        };
        Thumbprint::of(text.as_bytes())
    }

    pub(super) fn material(&self) -> &Material {
        &self.0.material
    }

    /// A key on one of the NIST curves; `point` is uncompressed (SEC 1 section 2.3.3).
    pub(super) fn ec(kid: Option<&str>, algorithm: JwsAlgorithm, point: &[u8]) -> Result<Self, KeyError> {
        let (verification, crv, length): (&'static dyn VerificationAlgorithm, _, _) = match algorithm {
            JwsAlgorithm::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, "P-256", 32),
            JwsAlgorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, "P-384", 48),
            JwsAlgorithm::Es512 => (&signature::ECDSA_P521_SHA512_FIXED, "P-521", 66),
            JwsAlgorithm::EdDsa
            | JwsAlgorithm::Rs256
            | JwsAlgorithm::Rs384
            | JwsAlgorithm::Rs512
            | JwsAlgorithm::Ps256
            | JwsAlgorithm::Ps384
            | JwsAlgorithm::Ps512 => return Err(KeyError::Misfit(algorithm)),
        };
        let Some((4, coordinates)) = point.split_first().map(|(tag, rest)| (*tag, rest)) else {
            return Err(KeyError::OffCurve);
        };
        let (x, y) = coordinates.split_at_checked(length).ok_or(KeyError::Member("x"))?;
        if y.len() != length {
            return Err(KeyError::Member("y"));
        }
        let material = Material::Ec { crv, x: x.to_vec(), y: y.to_vec() };
        Self::parse(kid, algorithm, verification, point, material)
    }

    pub(super) fn ed25519(kid: Option<&str>, x: &[u8]) -> Result<Self, KeyError> {
        if x.len() != 32 {
            return Err(KeyError::Member("x"));
        }
        Self::parse(kid, JwsAlgorithm::EdDsa, &signature::ED25519, x, Material::Okp { x: x.to_vec() })
    }

    /// An RSA key; both numbers are big-endian.
    pub(super) fn rsa(kid: Option<&str>, algorithm: JwsAlgorithm, n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let parameters: &'static RsaParameters = match algorithm {
            JwsAlgorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            JwsAlgorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            JwsAlgorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            JwsAlgorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            JwsAlgorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            JwsAlgorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            JwsAlgorithm::Es256 | JwsAlgorithm::Es384 | JwsAlgorithm::Es512 | JwsAlgorithm::EdDsa => {
                return Err(KeyError::Misfit(algorithm));
            }
        };
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize(bits));
        }
        // Exponents of 1 and even ones are no keys; longer ones only make verifying slow.
        if e.len() > 8 || e == [1] || e.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::Member("e"));
        }
        let parsed =
            PublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| KeyError::Member("n"))?;
        let material = Material::Rsa { n: n.to_vec(), e: e.to_vec() };
        Ok(Self(Arc::new(Inner { kid: kid.map(Into::into), algorithm, parsed, material })))
    }

    fn parse(
        kid: Option<&str>,
        algorithm: JwsAlgorithm,
        verification: &'static dyn VerificationAlgorithm,
        bytes: &[u8],
        material: Material,
    ) -> Result<Self, KeyError> {
        let parsed = ParsedPublicKey::new(verification, bytes).map_err(|_| KeyError::OffCurve)?;
        Ok(Self(Arc::new(Inner { kid: kid.map(Into::into), algorithm, parsed, material })))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.0.kid == other.0.kid && self.0.algorithm == other.0.algorithm && self.0.material == other.0.material
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kid().unwrap_or("no kid"), self.algorithm())
    }
}

/// The JWK set of a tenant (RFC 7517 section 5), the same bytes on every node (S-42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// The document.
    pub bytes: Arc<[u8]>,
    /// Its entity tag, with the quotes.
    pub etag: String,
}

impl Jwks {
    /// The set of `keys`, ordered by `kid`.
    pub fn new(keys: &[PublicKey]) -> Self {
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort_by(|a, b| a.kid().cmp(&b.kid()).then_with(|| a.algorithm().as_str().cmp(b.algorithm().as_str())));
        let keys: Vec<_> = keys.into_iter().map(PublicKey::to_jwk).collect();
        let bytes = serde_json::json!({ "keys": keys }).to_string().into_bytes();
        let hash = base64url::encode(digest::digest(&digest::SHA256, &bytes));
        Self { bytes: bytes.into(), etag: format!("\"{hash}\"") }
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
