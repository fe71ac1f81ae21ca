//! Scopes (RFC 6749 section 3.3) and sets of them.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};
use thiserror::Error;

/// One scope token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

/// A string that is no scope token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a scope is 1 to 128 visible ASCII characters without quote and backslash")]
pub struct InvalidScope;

/// Scopes that say what a client may know about the customer (OpenID Connect Core section 5.4), and how long. Clients are
/// granted them; customers need no right to them.
const IDENTITY_SCOPES: [&str; 7] = ["openid", "profile", "email", "phone", "address", "legal_entity", "offline_access"];

impl Scope {
    /// Whether it is about who the customer is, not about what they may do.
    pub fn is_about_identity(&self) -> bool {
        IDENTITY_SCOPES.contains(&self.as_str())
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let token = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if (1..=128).contains(&text.len()) && text.bytes().all(token) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidScope)
        }
    }
}

impl std::borrow::Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scopes, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads a blank-separated list. Empty text is the empty set.
    ///
    /// # Errors
    /// When a token is not a scope.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `scope` is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether at least one of `scopes` is in the set.
    pub fn contains_any(&self, scopes: &[&str]) -> bool {
        scopes.iter().any(|scope| self.contains(scope))
    }

    /// Whether every scope of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The scopes in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What is left of these granted scopes for a customer with `rights`.
    #[must_use]
    pub fn within(&self, rights: &Self) -> Self {
        self.iter().filter(|scope| scope.is_about_identity() || rights.contains(scope.as_str())).cloned().collect()
    }

    /// Adds every scope of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Adds one scope.
    pub fn insert(&mut self, scope: Scope) {
        self.0.insert(scope);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_in_a_fixed_order() {
        let scopes = Scopes::parse("b a  b c").expect("scopes");
        assert_eq!(scopes.to_string(), "a b c");
        assert!(scopes.contains("b") && !scopes.contains("d"));
        assert!(Scopes::parse("a\"b").is_err());
    }
}
