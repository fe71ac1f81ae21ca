//! When a signing key may begin and when it may go (S-41): verifiers must have had time to see a key before it signs,
//! and every token it signed must be over before it disappears. Pure rules; a table of cases tests them.

use prokura_domain::Timestamp;

/// How long a JWK set may be cached, in seconds; the `max-age` we publish (S-42).
pub const JWKS_MAX_AGE_SECONDS: i64 = 300;

/// How far the clock of a verifier may be off, in seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 60;

/// How long a key is published before it signs, in seconds: every cache was renewed at least once.
pub const PUBLISH_AHEAD_SECONDS: i64 = 2 * JWKS_MAX_AGE_SECONDS;

/// Where in its life a signing key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLife {
    /// Published, and will sign.
    Next {
        /// When it was first published.
        published_at: Timestamp,
    },
    /// Signs. Exactly one key of a tenant does.
    Active,
    /// Still published, for tokens it signed; signs no more.
    Retired {
        /// When it signed last.
        retired_at: Timestamp,
    },
}

impl KeyLife {
    /// Whether the key may begin to sign.
    pub fn may_activate(self, now: Timestamp) -> bool {
        self.activates_at().is_some_and(|at| at <= now)
    }

    /// From when on the key may begin to sign; `None` when it is past that.
    pub fn activates_at(self) -> Option<Timestamp> {
        match self {
            Self::Next { published_at } => Some(published_at.plus_seconds(PUBLISH_AHEAD_SECONDS)),
            Self::Active | Self::Retired { .. } => None,
        }
    }

    /// Whether no token of the key can be alive, so that it may go. `longest_token_seconds` is the longest life of any
    /// token the tenant issued while the key was active. A key that never signed may go at any time.
    pub fn may_remove(self, now: Timestamp, longest_token_seconds: i64) -> bool {
        match self {
            Self::Next { .. } => true,
            Self::Active => false,
            Self::Retired { .. } => self.removable_at(longest_token_seconds).is_some_and(|at| at <= now),
        }
    }

    /// From when on a retired key may go; `None` for one that is not retired.
    pub fn removable_at(self, longest_token_seconds: i64) -> Option<Timestamp> {
        match self {
            Self::Next { .. } | Self::Active => None,
            Self::Retired { retired_at } => {
                let kept = longest_token_seconds.saturating_add(CLOCK_SKEW_SECONDS + JWKS_MAX_AGE_SECONDS);
                Some(retired_at.plus_seconds(kept))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn s41_a_key_is_published_for_ten_minutes_before_it_signs() {
        let next = KeyLife::Next { published_at: at(1000) };
        for (now, expected) in [(0, false), (1000, false), (1599, false), (1600, true), (9999, true)] {
            assert_eq!(next.may_activate(at(now)), expected, "at {now}");
        }
        assert!(!next.may_activate(Timestamp::from_millis(1_599_999)));
        assert!(!KeyLife::Active.may_activate(at(9999)));
        assert!(!KeyLife::Retired { retired_at: at(0) }.may_activate(at(9999)));
    }

    #[test]
    fn s41_a_retired_key_stays_until_its_last_token_is_over_everywhere() {
        let retired = KeyLife::Retired { retired_at: at(1000) };
        for (life, now, expected) in [
            (300, 1000, false),
            (300, 1659, false),
            (300, 1660, true),
            (28_800, 30_159, false),
            (28_800, 30_160, true),
            (i64::MAX, i64::MAX / 2000, false),
        ] {
            assert_eq!(retired.may_remove(at(now), life), expected, "a life of {life} s at {now}");
        }
        assert!(!KeyLife::Active.may_remove(at(i64::MAX / 2000), 0));
        assert!(KeyLife::Next { published_at: at(0) }.may_remove(at(0), 300));
    }
}
