//! Opaque secrets: refresh tokens, client secrets, one-time links. They are handed out once and kept as a hash; a
//! database that leaks gives nobody a way in.

use crate::base64url;
use aws_lc_rs::{digest, hmac};
use prokura_domain::{Entropy, EntropyUnavailable};
use std::{fmt, str::FromStr};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

/// Random bytes in a secret: 256 bits (S-20, S-24).
const SECRET_BYTES: usize = 32;

/// A text nobody may read in a log; overwritten in memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Draws a new secret: `prefix` and 256 random bits in base64url.
    pub fn generate(entropy: &dyn Entropy, prefix: &str) -> Result<Self, EntropyUnavailable> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self::spell(prefix, bytes.as_ref()))
    }

    /// The secret that follows `predecessor`: always the same for the same arguments, unpredictable without `key`. So
    /// a lost answer can be given again without storing the successor in clear (S-26).
    #[must_use]
    pub fn derive_successor(key: &[u8; 32], predecessor: &Self, salt: &str, prefix: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let mut context = hmac::Context::with_key(&key);
        for part in ["prokura successor v1", predecessor.expose(), salt, prefix] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Self::spell(prefix, context.sign().as_ref())
    }

    /// The text itself, to be sent to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn spell(prefix: &str, bytes: &[u8]) -> Self {
        // Sized at once: a growing string would leave unerased copies behind.
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + bytes.len().div_ceil(3) * 4));
        text.push_str(prefix);
        base64url::encode_onto(bytes, &mut text);
        Self(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret in base64url; what is stored and looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretHash(String);

/// A text that is not the hash of a secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the hash of a secret is 43 characters of base64url")]
pub struct InvalidSecretHash;

impl SecretHash {
    /// The hash of `secret`. Fast on purpose: it is for 256 random bits, never for what a person chose.
    pub fn of(secret: &str) -> Self {
        Self(base64url::encode(digest::digest(&digest::SHA256, secret.as_bytes())))
    }

    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl FromStr for SecretHash {
    type Err = InvalidSecretHash;

    fn from_str(text: &str) -> Result<Self, InvalidSecretHash> {
        let bytes = base64url::decode(text).ok_or(InvalidSecretHash)?;
        if bytes.len() == digest::SHA256_OUTPUT_LEN { Ok(Self(text.to_owned())) } else { Err(InvalidSecretHash) }
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BrokenEntropy, CountingEntropy};

    #[test]
    fn a_secret_has_its_prefix_and_256_bits_and_hides_from_debug() {
        let entropy = CountingEntropy::default();
        let secret = Secret::generate(&entropy, "pkr_rt_").expect("entropy");
        let random = secret.expose().strip_prefix("pkr_rt_").expect("prefix");
        assert_eq!(base64url::decode(random).expect("base64url").len(), 32);
        assert!(!format!("{secret:?}").contains(random));
        assert_ne!(secret.expose(), Secret::generate(&entropy, "pkr_rt_").expect("entropy").expose());
    }

    #[test]
    fn without_entropy_there_is_no_secret() {
        assert!(Secret::generate(&BrokenEntropy, "pkr_rt_").is_err());
    }

    #[test]
    fn a_successor_depends_on_every_argument() {
        let derive = |key: u8, predecessor: &str, salt: &str, prefix: &str| {
            let predecessor = Secret::from(predecessor.to_owned());
            Secret::derive_successor(&[key; 32], &predecessor, salt, prefix).expose().to_owned()
        };
        let one = derive(1, "ab", "c", "p_");
        assert_eq!(one, derive(1, "ab", "c", "p_"));
        for other in [
            derive(2, "ab", "c", "p_"),
            derive(1, "a", "bc", "p_"),
            derive(1, "ab", "d", "p_"),
            derive(1, "ab", "c", "q_"),
        ] {
            assert_ne!(one.get(2..), other.get(2..));
        }
    }

    #[test]
    fn a_hash_is_found_again_and_nothing_else_is_a_hash() {
        let hash = SecretHash::of("abc");
        assert_eq!(hash.as_str(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(hash.to_string().parse(), Ok(hash.clone()));
        assert!(hash.matches(&SecretHash::of("abc")) && !hash.matches(&SecretHash::of("abd")));
        for bad in [
            "",
            "ungWv48Bz",
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa1",
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=",
        ] {
            assert_eq!(bad.parse::<SecretHash>(), Err(InvalidSecretHash), "{bad:?}");
        }
    }
}
