//! Segments: who sees which goods.

use crate::{Timestamp, word::words};

words!(
    /// Whether a segment counts.
    SegmentState {
        /// It counts, inside its validity.
        Active = "active",
        /// It does not.
        Inactive = "inactive",
    }
);

words!(
    /// What can belong to a segment.
    SegmentItemKind {
        /// A product of the shop.
        Product = "PRODUCT",
        /// A category of the shop, with what hangs under it.
        Category = "CATEGORY",
    }
);

/// From when to when something holds; open ends are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first moment, inclusive.
    pub from: Option<Timestamp>,
    /// The end, exclusive.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether `now` lies in `[from, until)`.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// Whether there is a moment in it at all.
    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if until <= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_holds_its_first_moment_and_not_its_end() {
        let at = Timestamp::from_millis;
        let bounded = Validity { from: Some(at(10)), until: Some(at(20)) };
        for (moment, expected) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(bounded.contains(at(moment)), expected, "{moment}");
        }
        assert!(Validity::default().contains(at(0)));
        assert!(!bounded.is_empty());
        assert!(Validity { from: Some(at(20)), until: Some(at(20)) }.is_empty());
        assert!(!Validity { from: Some(at(20)), until: None }.is_empty());
    }
}
