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
}
