//! Identifiers: opaque, URL-safe, one type per noun, so that a customer can never be passed where a company belongs.

use std::{fmt, str::FromStr, sync::Arc};
use thiserror::Error;

/// The longest identifier, in bytes.
const MAX_LENGTH: usize = 66;

/// A string that cannot be an identifier.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidId {
    /// It is empty.
    #[error("an id must not be empty")]
    Empty,
    /// It is longer than 66 characters.
    #[error("an id has at most 66 characters")]
    TooLong,
    /// It has a character outside `A-Z a-z 0-9 _ -`.
    #[error("an id has only the characters A-Z, a-z, 0-9, _ and -, not {0:?}")]
    Character(char),
    /// It is no tenant name.
    #[error("a tenant id starts with a lower-case letter and has 3 to 16 lower-case letters and digits")]
    Tenant,
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_LENGTH {
        return Err(InvalidId::TooLong);
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
        Some(c) => Err(InvalidId::Character(c)),
        None => Ok(()),
    }
}

fn check_tenant(text: &str) -> Result<(), InvalidId> {
    let lower = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if lower && starts && (3..=16).contains(&text.len()) { Ok(()) } else { Err(InvalidId::Tenant) }
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => { id!($(#[$meta])* $name, check); };
    ($(#[$meta:meta])* $name:ident, $check:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                $check(text)?;
                Ok(Self(Arc::from(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(/// A shop and its belongings: lower-case letters and digits, 3 to 16 of them.
    TenantId, check_tenant);
id!(/// A person's browser or device, before and after they log in. Knowing it proves nothing.
    VisitorId);
id!(/// A storefront of a tenant.
    SiteId);
id!(/// A person who buys. Never used again, not even after erasure (S-31).
    CustomerId);
id!(/// A postal address of a customer.
    AddressId);
id!(/// A company or subsidiary a customer may act for.
    LegalEntityId);
id!(/// A customer's right to act for a legal entity, as clients name it.
    AssignmentId);
id!(/// One very granting of a contact assignment. Unlike the assignment's id it is never used again, so a revoked
    /// grant stays revoked when somebody is assigned anew under the same id.
    GrantId);
id!(/// A place of a legal entity.
    LocationId);
id!(/// A customer group and the scopes it gives.
    GroupId);
id!(/// Who sees which goods.
    SegmentId);
id!(/// An application that asks for tokens.
    ClientId);
id!(/// One customer or guest who came through one door.
    SessionId);
id!(/// The tokens of a session for one client, acting for at most one legal entity.
    FamilyId);
id!(/// A client's request at the authorization endpoint.
    AuthorizationId);
id!(/// An invitation into a company.
    InvitationId);
id!(/// A partner's identity provider.
    PartnerIdpId);
id!(/// The `jti` of an access token.
    TokenId);
id!(/// The `kid` of a signing key.
    KeyId);
id!(/// Somebody who runs a tenant or the whole installation.
    OperatorId);
id!(/// An entry of the audit trail.
    AuditEventId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_url_safe_and_bounded() {
        for good in ["a", "LE_1", "13869000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] {
            assert_eq!(good.parse::<LegalEntityId>().expect(good).as_str(), good);
        }
        assert_eq!("".parse::<LegalEntityId>(), Err(InvalidId::Empty));
        assert_eq!("a".repeat(67).parse::<LegalEntityId>(), Err(InvalidId::TooLong));
        assert_eq!("a b".parse::<LegalEntityId>(), Err(InvalidId::Character(' ')));
        assert_eq!("ä".parse::<LegalEntityId>(), Err(InvalidId::Character('ä')));
    }

    #[test]
    fn tenants_follow_the_pattern_the_sdk_demands() {
        for good in ["acme", "t01", "abcdefghij123456"] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        for bad in ["", "ab", "1ab", "Acme", "a-b-c", "abcdefghij1234567"] {
            assert_eq!(bad.parse::<TenantId>(), Err(InvalidId::Tenant), "{bad}");
        }
    }
}
