//! This node's view of the revocation feed: applied at once for what it commits itself, and by polling (hastened by
//! notifications) for what other nodes commit. Nothing here is the truth; the database is.

use parking_lot::Mutex;
use prokura_domain::{Revocation, RevocationKind, TenantId, Timestamp};
use prokura_jose::TokenVerifier;
use std::{collections::HashMap, sync::Arc};

/// How far back a poll reads again: transactions become visible later than the moment they are dated with, and clocks
/// of nodes differ by up to half a minute.
pub(crate) const OVERLAP_SECONDS: i64 = 90;

/// The same where no other node writes. A turn at the writer is waited for at most ten seconds.
pub(crate) const OVERLAP_SECONDS_ALONE: i64 = 20;

/// What this node has heard.
pub(crate) struct Feed {
    verifier: Arc<TokenVerifier>,
    /// Entries of the overlap, so that hearing one twice changes nothing.
    seen: Mutex<HashMap<String, Timestamp>>,
}

impl Feed {
    pub(crate) fn new(verifier: Arc<TokenVerifier>) -> Self {
        Self { verifier, seen: Mutex::default() }
    }

    pub(crate) fn verifier(&self) -> &Arc<TokenVerifier> {
        &self.verifier
    }

    /// Takes entries in; returns the tenants whose keys or settings must be read again.
    pub(crate) fn apply(&self, entries: &[Revocation]) -> Vec<TenantId> {
        let fresh: Vec<_> = {
            let mut seen = self.seen.lock();
            entries.iter().filter(|entry| seen.insert(entry.id.clone(), entry.at).is_none()).cloned().collect()
        };
        if !fresh.is_empty() {
            self.verifier.apply(&fresh);
        }
        let is_about_tenant = |entry: &&Revocation| matches!(entry.kind, RevocationKind::Keys | RevocationKind::Tenant);
        fresh.iter().filter(is_about_tenant).map(|entry| entry.tenant.clone()).collect()
    }

    /// Drops what no poll can bring again.
    pub(crate) fn forget(&self, now: Timestamp) {
        let horizon = now.plus_seconds(-4 * OVERLAP_SECONDS);
        self.seen.lock().retain(|_, at| *at > horizon);
        self.verifier.forget_expired(now);
    }
}
