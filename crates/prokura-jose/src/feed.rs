//! What a server tells gateways elsewhere: keys, revocations, and the present standing of a token. The wire types of
//! `/gateway/v1/keys`, `/gateway/v1/revocations` and `/gateway/v1/resolve`, for both sides.

use crate::Audience;
use prokura_domain::{ActingFor, Revocation, Scopes, Standing, Subject, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// A message of the feed that makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the feed has a bad {0}")]
pub struct BadFeed(&'static str);

/// The answer of `GET /gateway/v1/keys`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct KeysFeed {
    /// Every tenant; one that is missing is gone.
    pub tenants: Vec<TenantKeys>,
}

/// The keys of one tenant.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TenantKeys {
    /// The tenant's id.
    pub tenant: String,
    /// The issuer of its tokens.
    pub issuer: String,
    /// The audience of its tokens.
    pub audience: String,
    /// The other names of its tokens, those of its dialects.
    #[serde(default)]
    pub accents: Vec<AccentNames>,
    /// Its public keys, as JWKs (RFC 7517).
    pub keys: Vec<Value>,
}

/// The names a dialect issues tokens under.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct AccentNames {
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
    /// `typ`
    pub token_type: String,
}

impl From<AccentNames> for crate::Names {
    fn from(names: AccentNames) -> Self {
        Self {
            issuer: names.issuer.into(),
            audience: Audience::from(names.audience.as_str()),
            token_type: names.token_type.into(),
        }
    }
}

/// The answer of `GET /gateway/v1/revocations?since=…`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RevocationsFeed {
    /// The server's time, in milliseconds.
    pub now: i64,
    /// Entries whose `at` is not before `since`.
    pub entries: Vec<RevocationEntry>,
}

/// One revocation; times in milliseconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct RevocationEntry {
    /// See [`Revocation::id`].
    pub id: String,
    /// See [`Revocation::tenant`].
    pub tenant: String,
    /// See [`Revocation::kind`].
    pub kind: String,
    /// See [`Revocation::value`].
    pub value: String,
    /// See [`Revocation::is_lifted`].
    pub lifted: bool,
    /// See [`Revocation::at`].
    pub at: i64,
    /// See [`Revocation::effective_at`].
    pub effective_at: i64,
    /// See [`Revocation::expires_at`].
    pub expires_at: i64,
}

impl From<&Revocation> for RevocationEntry {
    fn from(revocation: &Revocation) -> Self {
        Self {
            id: revocation.id.clone(),
            tenant: revocation.tenant.to_string(),
            kind: revocation.kind.as_str().to_owned(),
            value: revocation.value.clone(),
            lifted: revocation.is_lifted,
            at: revocation.at.millis(),
            effective_at: revocation.effective_at.millis(),
            expires_at: revocation.expires_at.millis(),
        }
    }
}

impl TryFrom<RevocationEntry> for Revocation {
    type Error = BadFeed;

    fn try_from(entry: RevocationEntry) -> Result<Self, BadFeed> {
        Ok(Self {
            tenant: entry.tenant.parse().map_err(|_| BadFeed("tenant"))?,
            kind: entry.kind.parse().map_err(|_| BadFeed("kind"))?,
            id: entry.id,
            value: entry.value,
            is_lifted: entry.lifted,
            at: Timestamp::from_millis(entry.at),
            effective_at: Timestamp::from_millis(entry.effective_at),
            expires_at: Timestamp::from_millis(entry.expires_at),
        })
    }
}

/// The body of `POST /gateway/v1/resolve`.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct ResolveRequest {
    /// The access token.
    pub token: String,
}

/// The body of `POST /gateway/v1/proofs`: a proof of a key that a gateway accepted (RFC 9449 section 11.1).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct UseProof {
    /// The tenant of the token beside it.
    pub tenant: String,
    /// See [`crate::dpop::Proof::id`].
    pub id: String,
    /// Until when it is to be remembered, in milliseconds.
    pub until: i64,
}

/// The answer of `POST /gateway/v1/proofs`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ProofUsed {
    /// Whether it came for the first time.
    pub is_first: bool,
}

/// The answer of `POST /gateway/v1/resolve`: a [`Standing`].
#[expect(clippy::struct_excessive_bools, reason = "the wire names each fact by itself")]
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct StandingRecord {
    /// The tenant.
    pub tenant: String,
    /// The storefront.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The client.
    pub client: String,
    /// `guest`, `customer` or `service`.
    pub subject: String,
    /// The customer; there is one exactly when `subject` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// For whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acting_for: Option<ActingForRecord>,
    /// Scopes, separated by blanks.
    pub scopes: String,
    /// Segments.
    pub segments: Vec<String>,
    /// Whether there are more.
    pub more_segments: bool,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// See [`Standing::visitor`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// The token family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// See [`Standing::epoch`].
    pub epoch: u32,
    /// When the customer proved who they are, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_at: Option<i64>,
    /// See [`Standing::is_multi_factor`].
    #[serde(default)]
    pub multi_factor: bool,
    /// Whether the session may never change its company.
    pub entity_locked: bool,
    /// See [`Standing::is_scope_limited`].
    #[serde(default)]
    pub scope_limited: bool,
}

/// A chosen legal entity.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ActingForRecord {
    /// The company.
    pub legal_entity: String,
    /// The contact assignment.
    pub assignment: String,
    /// The granting of it.
    pub grant: String,
}

impl From<&Standing> for StandingRecord {
    fn from(standing: &Standing) -> Self {
        let subject = match standing.subject {
            Subject::Guest => "guest",
            Subject::Customer(_) => "customer",
            Subject::Service => "service",
        };
        Self {
            tenant: standing.tenant.to_string(),
            site: standing.site.as_ref().map(ToString::to_string),
            client: standing.client.to_string(),
            subject: subject.to_owned(),
            customer: standing.customer().map(ToString::to_string),
            acting_for: standing.acting_for.as_ref().map(|acting_for| ActingForRecord {
                legal_entity: acting_for.legal_entity.to_string(),
                assignment: acting_for.assignment.to_string(),
                grant: acting_for.grant.to_string(),
            }),
            scopes: standing.scopes.to_string(),
            segments: standing.segments.iter().map(ToString::to_string).collect(),
            more_segments: standing.has_more_segments,
            session: standing.session.as_ref().map(ToString::to_string),
            visitor: standing.visitor.as_ref().map(ToString::to_string),
            family: standing.family.as_ref().map(ToString::to_string),
            epoch: standing.epoch,
            authenticated_at: standing.authenticated_at.map(Timestamp::millis),
            multi_factor: standing.is_multi_factor,
            entity_locked: standing.is_entity_locked,
            scope_limited: standing.is_scope_limited,
        }
    }
}

impl TryFrom<StandingRecord> for Standing {
    type Error = BadFeed;

    fn try_from(record: StandingRecord) -> Result<Self, BadFeed> {
        fn id<T: std::str::FromStr>(text: &str, name: &'static str) -> Result<T, BadFeed> {
            text.parse().map_err(|_| BadFeed(name))
        }
        fn maybe<T: std::str::FromStr>(text: Option<&String>, name: &'static str) -> Result<Option<T>, BadFeed> {
            text.map(|text| id(text, name)).transpose()
        }
        let subject = match (record.subject.as_str(), &record.customer) {
            ("guest", None) => Subject::Guest,
            ("service", None) => Subject::Service,
            ("customer", Some(customer)) => Subject::Customer(id(customer, "customer")?),
            _ => return Err(BadFeed("subject")),
        };
        let acting_for = match &record.acting_for {
            Some(acting_for) => Some(ActingFor {
                legal_entity: id(&acting_for.legal_entity, "legal entity")?,
                assignment: id(&acting_for.assignment, "assignment")?,
                grant: id(&acting_for.grant, "grant")?,
            }),
            None => None,
        };
        Ok(Self {
            tenant: id(&record.tenant, "tenant")?,
            site: maybe(record.site.as_ref(), "site")?,
            client: id(&record.client, "client")?,
            subject,
            acting_for,
            scopes: Scopes::parse(&record.scopes).map_err(|_| BadFeed("scope"))?,
            segments: record.segments.iter().map(|segment| id(segment, "segment")).collect::<Result<_, _>>()?,
            has_more_segments: record.more_segments,
            session: maybe(record.session.as_ref(), "session")?,
            visitor: maybe(record.visitor.as_ref(), "visitor")?,
            family: maybe(record.family.as_ref(), "family")?,
            epoch: record.epoch,
            authenticated_at: record.authenticated_at.map(Timestamp::from_millis),
            is_multi_factor: record.multi_factor,
            is_entity_locked: record.entity_locked,
            is_scope_limited: record.scope_limited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_survives_the_wire() {
        let standing = Standing {
            tenant: "demo".parse().unwrap(),
            site: Some("main".parse().unwrap()),
            client: "web".parse().unwrap(),
            subject: Subject::Customer("anna".parse().unwrap()),
            acting_for: Some(ActingFor {
                legal_entity: "LE_1".parse().unwrap(),
                assignment: "a".parse().unwrap(),
                grant: "g".parse().unwrap(),
            }),
            scopes: Scopes::parse("a b").unwrap(),
            segments: vec!["x".parse().unwrap()],
            has_more_segments: true,
            session: Some("s".parse().unwrap()),
            visitor: Some("v".parse().unwrap()),
            family: Some("f".parse().unwrap()),
            epoch: 7,
            authenticated_at: Some(Timestamp::from_millis(1)),
            is_multi_factor: true,
            is_entity_locked: true,
            is_scope_limited: false,
        };
        let wire = serde_json::to_string(&StandingRecord::from(&standing)).unwrap();
        let read: StandingRecord = serde_json::from_str(&wire).unwrap();
        assert_eq!(Standing::try_from(read.clone()), Ok(standing));
        let forged = StandingRecord { subject: "guest".to_owned(), ..read };
        assert_eq!(Standing::try_from(forged), Err(BadFeed("subject")));
    }

    #[test]
    fn a_revocation_survives_the_wire() {
        let wire = r#"{"id":"1","tenant":"demo","kind":"grant","value":"g","lifted":false,"at":1,"effective_at":2,"expires_at":3}"#;
        let entry: RevocationEntry = serde_json::from_str(wire).unwrap();
        let revocation = Revocation::try_from(entry.clone()).unwrap();
        assert_eq!(RevocationEntry::from(&revocation), entry);
        assert_eq!(serde_json::to_string(&entry).unwrap(), wire);
    }
}
