//! Codes of authenticator apps (RFC 6238): six digits, SHA-1 and half a minute, because every app knows these.

use std::fmt;
use thiserror::Error;
use totp_rs::{Builder, Secret};

/// Bytes of a secret (RFC 4226 section 4 recommends 160 bits).
const SECRET_BYTES: usize = 20;

/// An app's secret that cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no secret of an authenticator app")]
pub struct TotpFault;

/// The secret an app shares with us.
pub struct Totp([u8; SECRET_BYTES]);

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp([secret])")
    }
}

impl Totp {
    /// How many random bytes a secret is made of.
    pub const RANDOM_BYTES: usize = SECRET_BYTES;

    /// A secret of random bytes.
    pub fn of_random(random: [u8; SECRET_BYTES]) -> Self {
        Self(random)
    }

    /// A secret that was kept.
    ///
    /// # Errors
    /// When it has another length.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, TotpFault> {
        Ok(Self(bytes.try_into().map_err(|_| TotpFault)?))
    }

    /// What is to be kept, sealed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret in base32, to type in.
    pub fn base32(&self) -> String {
        Secret::new(Box::new(self.0)).to_base32()
    }

    /// The `otpauth://` address an app reads from the QR code.
    ///
    /// # Errors
    /// When the names cannot be written into one.
    pub fn uri(&self, issuer: &str, account: &str) -> Result<String, TotpFault> {
        // A colon divides issuer and account; names never need one.
        let plain = |text: &str| text.replace(':', " ");
        let totp = self.builder().with_account_name(plain(account)).with_issuer(Some(plain(issuer)));
        totp.build().and_then(|totp| totp.to_url()).map_err(|_| TotpFault)
    }

    /// The time step `code` is of, if it is one of now or of the step before or after (RFC 6238 section 5.2). Whoever
    /// asks must take no step twice.
    pub fn step_of(&self, code: &str, unix_seconds: i64) -> Option<i64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(7).collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let now = u64::try_from(unix_seconds).ok()?;
        let step = self.builder().build_noncompliant().check(&digits, now)?;
        i64::try_from(step).ok()
    }

    fn builder(&self) -> Builder {
        Builder::new().with_secret(Secret::new(Box::new(self.0)))
    }

    /// The code of a moment, as an app would show it.
    pub fn code_at(&self, unix_seconds: i64) -> String {
        let now = u64::try_from(unix_seconds).unwrap_or_default();
        self.builder().build_noncompliant().generate(now).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> Totp {
        Totp::of_random(*b"12345678901234567890")
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, the last six of its eight digits.
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(rfc().code_at(seconds), code);
            assert_eq!(rfc().step_of(code, seconds), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_one_step_around_now_and_tells_its_step() {
        let code = rfc().code_at(3_000);
        assert_eq!(rfc().step_of(&code, 2_970), Some(100));
        assert_eq!(rfc().step_of(&code, 3_059), Some(100));
        assert_eq!(rfc().step_of(&code, 3_060), None);
        assert_eq!(rfc().step_of(&format!(" {} {} ", &code[..3], &code[3..]), 3_000), Some(100));
        for wrong in ["", "12345", "1234567", "١٢٣٤٥٦", "abcdef", "123456789012345678901234567890"] {
            assert_eq!(rfc().step_of(wrong, 3_000), None, "{wrong}");
        }
    }

    #[test]
    fn the_address_for_apps_names_the_shop() {
        let uri = rfc().uri("Acme: the shop", "ann@a.example").unwrap();
        assert!(uri.starts_with("otpauth://totp/") && uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert!(Totp::of_bytes(b"short").is_err());
    }
}
