//! Refresh policies: what happens to a refresh token when it is used, and what a second use means.

use crate::Timestamp;

/// How long after its rotation the direct predecessor is answered with the same successor, in seconds, where nothing
/// else is configured (S-26 a).
pub const DEFAULT_LEEWAY_SECONDS: u32 = 10;
/// The same, however it is configured (S-26 b).
pub const MAX_LEEWAY_SECONDS: u32 = 60;

/// What using a refresh token does to it. Set per client; each dialect has its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshPolicy {
    /// Single use. The direct predecessor gets the same successor again for `leeway_seconds`; any later use of a
    /// rotated token revokes the family (S-25 to S-27).
    Rotate {
        /// Seconds after the rotation, at most [`MAX_LEEWAY_SECONDS`]; 0 allows no second use.
        leeway_seconds: u32,
    },
    /// Single use as well, but a later use of a rotated token is refused and noted, and ends nothing: for dialects whose
    /// clients race with themselves by design.
    Once {
        /// As of [`RefreshPolicy::Rotate`].
        leeway_seconds: u32,
    },
    /// The same string until it ends.
    Reuse,
    /// A new string each time; older ones of the family stay usable until the family ends as one.
    Family,
}

/// Where a refresh token is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenState {
    /// The newest of its family.
    Active,
    /// Followed by a successor.
    Rotated {
        /// When.
        at: Timestamp,
        /// Whether the active token of the family is its direct successor.
        is_direct_predecessor: bool,
    },
    /// Ended with its family.
    Revoked,
}

/// What presenting a refresh token leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// A successor is made and the family's newest token is marked as rotated.
    Rotate,
    /// The token stays as it is and is handed out again.
    Keep,
    /// The answer was lost or a second tab raced: the same successor is handed out again.
    Repeat,
}

/// Why a refresh token is not redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// It has expired or was revoked; nothing further follows.
    Dead,
    /// It was used before, outside any grace, and that ends nothing.
    Refused,
    /// It was used before, outside any grace: the whole family must be revoked (S-27).
    Reused,
}

impl RefreshPolicy {
    /// Decides what presenting a token in `state` leads to at `now`.
    ///
    /// # Errors
    /// [`Replay`] says why not, and whether the family must die.
    pub fn redeem(self, state: RefreshTokenState, expires_at: Timestamp, now: Timestamp) -> Result<Redemption, Replay> {
        match (self, state) {
            (_, RefreshTokenState::Revoked) => Err(Replay::Dead),
            (_, RefreshTokenState::Active) if expires_at <= now => Err(Replay::Dead),
            (Self::Rotate { .. } | Self::Once { .. } | Self::Family, RefreshTokenState::Active) => {
                Ok(Redemption::Rotate)
            }
            (Self::Reuse, RefreshTokenState::Active) => Ok(Redemption::Keep),
            (Self::Family, RefreshTokenState::Rotated { .. }) if expires_at <= now => Err(Replay::Dead),
            (Self::Family, RefreshTokenState::Rotated { .. }) => Ok(Redemption::Rotate),
            (
                Self::Rotate { leeway_seconds } | Self::Once { leeway_seconds },
                RefreshTokenState::Rotated { at, is_direct_predecessor: true },
            ) if now.millis_since(at) < i64::from(leeway_seconds.min(MAX_LEEWAY_SECONDS)) * 1000 => {
                Ok(Redemption::Repeat)
            }
            (Self::Once { .. }, RefreshTokenState::Rotated { .. }) => Err(Replay::Refused),
            (Self::Rotate { .. } | Self::Reuse, RefreshTokenState::Rotated { .. }) => Err(Replay::Reused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);
    const LATER: Timestamp = Timestamp::from_seconds(2_000);

    fn rotated(seconds_ago: i64, is_direct_predecessor: bool) -> RefreshTokenState {
        RefreshTokenState::Rotated { at: NOW.plus_seconds(-seconds_ago), is_direct_predecessor }
    }

    #[test]
    fn each_policy_answers_each_state() {
        let rotate = RefreshPolicy::Rotate { leeway_seconds: 10 };
        let strict = RefreshPolicy::Rotate { leeway_seconds: 0 };
        for (policy, state, expires_at, expected) in [
            (rotate, RefreshTokenState::Active, LATER, Ok(Redemption::Rotate)),
            (rotate, RefreshTokenState::Active, NOW, Err(Replay::Dead)),
            (rotate, RefreshTokenState::Revoked, LATER, Err(Replay::Dead)),
            (rotate, rotated(9, true), LATER, Ok(Redemption::Repeat)),
            (rotate, rotated(10, true), LATER, Err(Replay::Reused)),
            (rotate, rotated(1, false), LATER, Err(Replay::Reused)),
            (strict, rotated(0, true), LATER, Err(Replay::Reused)),
            (RefreshPolicy::Once { leeway_seconds: 0 }, RefreshTokenState::Active, LATER, Ok(Redemption::Rotate)),
            (RefreshPolicy::Once { leeway_seconds: 0 }, rotated(0, true), LATER, Err(Replay::Refused)),
            (RefreshPolicy::Once { leeway_seconds: 3 }, rotated(2, true), LATER, Ok(Redemption::Repeat)),
            (RefreshPolicy::Reuse, RefreshTokenState::Active, LATER, Ok(Redemption::Keep)),
            (RefreshPolicy::Reuse, RefreshTokenState::Active, NOW, Err(Replay::Dead)),
            (RefreshPolicy::Family, RefreshTokenState::Active, LATER, Ok(Redemption::Rotate)),
            (RefreshPolicy::Family, rotated(500, false), LATER, Ok(Redemption::Rotate)),
            (RefreshPolicy::Family, rotated(500, false), NOW, Err(Replay::Dead)),
            (RefreshPolicy::Family, RefreshTokenState::Revoked, LATER, Err(Replay::Dead)),
        ] {
            assert_eq!(policy.redeem(state, expires_at, NOW), expected, "{policy:?} {state:?}");
        }
    }
}
