//! Signing keys: a private key signs with one algorithm, a public key verifies with one algorithm (RFC 8725 section
//! 3.1). Keys are parsed and checked once, when they are read; afterwards only signatures cost anything.

mod jwk;
mod public;

pub use public::{Jwks, PublicKey};

use crate::base64url;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac, rand, rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use prokura_domain::KeyId;
use std::{fmt, str::FromStr};
use thiserror::Error;
use zeroize::Zeroizing;

/// A key that is none, or could not do its work.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The name is no algorithm we know.
    #[error("the signature algorithm \"{0}\" is not supported")]
    UnknownAlgorithm(String),
    /// No key could be generated.
    #[error("no key could be generated")]
    Generation,
    /// The bytes are not a PKCS#8 private key of the algorithm.
    #[error("not a PKCS#8 private key for {0}")]
    Rejected(Algorithm),
    /// The signature could not be made.
    #[error("the signature could not be made")]
    Signing,
    /// The token would be longer than any verifier of ours reads.
    #[error("the token would have {0} bytes, more than fit in a header")]
    TooLong(usize),
    /// A JWK lacks a member, or a member is malformed.
    #[error("the JWK member \"{0}\" is missing or malformed")]
    Member(&'static str),
    /// A JWK shows what must stay secret.
    #[error("the JWK has the private member \"{0}\"; only public keys belong here")]
    Private(&'static str),
    /// The algorithm of a JWK does not belong to its kind of key.
    #[error("the algorithm {0} does not fit the key")]
    Misfit(JwsAlgorithm),
    /// The point of a JWK is not on its curve.
    #[error("the public key is not a point on its curve")]
    OffCurve,
    /// An RSA key has the wrong size (S-45).
    #[error("an RSA key must have 2048 to 8192 bits, not {0}")]
    RsaSize(usize),
    /// A shared key is too short for HS256 (RFC 7518 section 3.2).
    #[error("a key for HS256 needs at least 32 bytes, not {0}")]
    HmacSize(usize),
}

macro_rules! algorithms {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every algorithm, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in a JOSE header.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(KeyError::UnknownAlgorithm(text.chars().take(32).collect())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

algorithms!(
    /// What we sign with (S-45).
    Algorithm {
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// RSASSA-PKCS1-v1_5 with SHA-256, for verifiers that know nothing else.
        Rs256 = "RS256",
    }
);

algorithms!(
    /// What we verify, in tokens of partners as well (RFC 7518 section 3.1, RFC 8037). `none` and the HMAC family
    /// are absent on purpose: a public key can never be taken for a shared one.
    JwsAlgorithm {
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384",
        /// ECDSA on P-521 with SHA-512.
        Es512 = "ES512",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        Rs384 = "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        Rs512 = "RS512",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// RSASSA-PSS with SHA-384.
        Ps384 = "PS384",
        /// RSASSA-PSS with SHA-512.
        Ps512 = "PS512",
    }
);

impl From<Algorithm> for JwsAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::Es256,
            Algorithm::EdDsa => Self::EdDsa,
            Algorithm::Rs256 => Self::Rs256,
        }
    }
}

/// A private key with its name and its one algorithm.
pub struct SigningKey {
    kid: KeyId,
    algorithm: Algorithm,
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

impl SigningKey {
    /// Makes a new key with the randomness of the operating system. An RSA key takes up to a second.
    pub fn generate(algorithm: Algorithm, kid: KeyId) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ecdsa),
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Algorithm::Rs256 => rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map(Pair::Rsa),
        };
        Self::with_pair(algorithm, kid, pair.map_err(|_| KeyError::Generation)?)
    }

    /// Reads a key in PKCS#8 (RFC 5208).
    pub fn from_pkcs8(algorithm: Algorithm, kid: KeyId, der: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ecdsa)
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
            Algorithm::Rs256 => rsa::KeyPair::from_pkcs8(der).map(Pair::Rsa),
        };
        Self::with_pair(algorithm, kid, pair.map_err(|_| KeyError::Rejected(algorithm))?)
    }

    /// The key in PKCS#8, to be sealed and stored.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let der = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec()),
        };
        Zeroizing::new(der.expect("a key that was parsed or generated can be written"))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The name of the key.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The one algorithm it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `message`; the signature is as JOSE wants it (RFC 7518 section 3.4: r and s side by side).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Signing;
        let random = rand::SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.try_sign(message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    fn with_pair(algorithm: Algorithm, kid: KeyId, pair: Pair) -> Result<Self, KeyError> {
        let name = Some(kid.as_str());
        let public = match &pair {
            Pair::Ecdsa(pair) => PublicKey::ec(name, algorithm.into(), pair.public_key().as_ref())?,
            Pair::Ed25519(pair) => PublicKey::ed25519(name, pair.public_key().as_ref())?,
            Pair::Rsa(pair) => PublicKey::rsa(
                name,
                algorithm.into(),
                pair.public_key().modulus().big_endian_without_leading_zero(),
                pair.public_key().exponent().big_endian_without_leading_zero(),
            )?,
        };
        Ok(Self { kid, algorithm, pair, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.kid, self.algorithm)
    }
}

/// A key two parties share, for HS256. It signs what only the other party reads; it is never published.
#[derive(Clone)]
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// The key with these bytes, at least 32.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() < 32 {
            return Err(KeyError::HmacSize(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// A value that only who knows the key can make of `text`, in base64url. Begin `text` with what it is for.
    pub fn mark(&self, text: &str) -> String {
        base64url::encode(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }

    pub(crate) fn sign_onto(&self, text: &mut String) {
        let tag = hmac::sign(&self.0, text.as_bytes());
        text.push('.');
        base64url::encode_onto(tag.as_ref(), text);
    }

    pub(crate) fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(…)")
    }
}

#[cfg(test)]
mod tests;
