//! Segments: who sees which goods. A member is a customer alone, a customer acting for a company, or everybody who acts
//! for a company; an item is a product or a category of the shop.

use prokura_domain::{CustomerId, LegalEntityId, SegmentId, SegmentState, SiteId, Timestamp, Validity};
use serde_json::{Map, Value};

/// A segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its id.
    pub id: SegmentId,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// Its description by language.
    pub description: Map<String, Value>,
    /// The storefront it is for; `None` for all.
    pub site: Option<SiteId>,
    /// Whether it counts.
    pub state: SegmentState,
    /// From when to when it counts.
    pub validity: Validity,
    /// Free objects by name, stored and handed back untouched.
    pub details: Map<String, Value>,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// Who belongs to a segment. At least one of the two is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SegmentMember {
    /// The customer; `None` for everybody who acts for the company.
    pub customer: Option<CustomerId>,
    /// The company; `None` for the customer as a private person.
    pub legal_entity: Option<LegalEntityId>,
}

/// What belongs to a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentItem {
    /// `PRODUCT` or `CATEGORY`.
    pub kind: String,
    /// The shop's id of it.
    pub item: String,
    /// What else the shop said about it: code, name by language, free objects.
    pub details: Map<String, Value>,
}
