//! Customers: who they are and whether they may come in.

use crate::word::words;
use std::fmt;
use thiserror::Error;

words!(
    /// Whether a customer may log in.
    CustomerState {
        /// Signed up, not confirmed yet.
        Pending = "pending",
        /// May log in.
        Active = "active",
        /// Stopped for a while by the shop.
        OnHold = "on_hold",
        /// Switched off by the shop.
        Inactive = "inactive",
        /// Gone; the id stays taken.
        Deleted = "deleted",
    }
);

words!(
    /// Whether a customer is somebody who can log in at all.
    CustomerKind {
        /// A person with a login.
        Customer = "CUSTOMER",
        /// A contact person without one.
        Contact = "CONTACT",
    }
);

/// An e-mail address, as given, with the key it is compared by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    text: String,
    key: String,
}

/// A string that is no e-mail address we accept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an e-mail address is name@domain, at most 254 characters, with one @ and no blanks or control characters")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address. Blanks around it are dropped; letters keep their case but are compared without it.
    ///
    /// # Errors
    /// When it has not exactly one `@` with something on both sides, or has characters that never belong in one.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (name, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let is_wrong =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '<' | '>' | '"' | ',' | ';' | '\\');
        if name.is_empty()
            || domain.is_empty()
            || text.len() > 254
            || text.chars().filter(|c| *c == '@').count() != 1
            || name.chars().any(is_wrong)
            || domain.chars().any(is_wrong)
            || domain.starts_with('.')
            || domain.ends_with('.')
            || domain.contains("..")
        {
            return Err(InvalidEmail);
        }
        Ok(Self { key: text.to_lowercase(), text: text.to_owned() })
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What makes two addresses the same: unique per tenant.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Personal data stays out of logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email([email])")
    }
}

/// What a new password must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The fewest characters.
    pub min_characters: usize,
}

/// The most bytes of a password that are ever hashed (S-104).
const MAX_PASSWORD_BYTES: usize = 1024;

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PasswordFault {
    /// Too few characters.
    #[error("the password must have at least {0} characters")]
    TooShort(usize),
    /// Too many bytes.
    #[error("the password must have at most 1024 bytes")]
    TooLong,
    /// Everybody's, or known from a leak.
    #[error("the password is among the first that are guessed")]
    TooCommon,
    /// Made of the names of its owner or of the shop.
    #[error("the password is made of names")]
    TooPersonal,
}

impl PasswordPolicy {
    /// Decides whether `password` may become one.
    ///
    /// # Errors
    /// [`PasswordFault`] says what is wrong with it.
    pub fn check(&self, password: &str) -> Result<(), PasswordFault> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordFault::TooLong);
        }
        if password.chars().count() < self.min_characters {
            return Err(PasswordFault::TooShort(self.min_characters));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_by_more_than_case() {
        assert_eq!(Email::parse(" Ann@A.example ").expect("email").key(), "ann@a.example");
        for bad in ["", "a", "@a", "a@", "a@b@c", "a b@c", "a@b..c", "a@.b", "a@b.", "a@b\n"] {
            let trimmed_is_bad = Email::parse(bad).is_err() || bad.trim() != bad;
            assert!(trimmed_is_bad, "{bad:?}");
        }
    }

    #[test]
    fn passwords_have_bounds() {
        let policy = PasswordPolicy { min_characters: 8 };
        assert_eq!(policy.check("1234567"), Err(PasswordFault::TooShort(8)));
        assert_eq!(policy.check("ünicödes"), Ok(()));
        assert_eq!(policy.check(&"x".repeat(1025)), Err(PasswordFault::TooLong));
    }
}
