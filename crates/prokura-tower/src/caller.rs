//! Who asks, as the token says: what a handler finds in the extensions of a request.

use prokura_domain::{Standing, Timestamp};
use prokura_jose::{ActorClaim, VerifiedToken};
use std::{fmt, sync::Arc};

/// Who asks. Cheap to clone. It was made by a [`Guard`](crate::Guard), so whoever has one knows that the token was good.
#[derive(Clone)]
pub struct Caller(Arc<VerifiedToken>);

impl Caller {
    pub(crate) fn new(token: Arc<VerifiedToken>) -> Self {
        Self(token)
    }

    /// Who is here, for whom, and by what right. Scopes and segments are a copy as old as the token.
    pub fn standing(&self) -> &Standing {
        &self.0.token.standing
    }

    /// The `sub` of the token: stable, and never another one's.
    pub fn subject(&self) -> &str {
        &self.0.token.subject
    }

    /// Who acts for the subject, the latest first; empty when they act themselves.
    pub fn actors(&self) -> &[ActorClaim] {
        &self.0.token.actors
    }

    /// When the token ends.
    pub fn expires_at(&self) -> Timestamp {
        self.0.token.expires_at
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("standing", self.standing()).finish_non_exhaustive()
    }
}
