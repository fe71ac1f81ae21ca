//! This node's view of the revocation feed: applied at once for what it commits itself, and by polling (hastened by
//! notifications) for what other nodes commit. Nothing here is the truth; the database is.

use parking_lot::{Mutex, RwLock};
use prokura_domain::{CustomerId, Revocation, RevocationKind, TenantId, Timestamp};
use prokura_jose::TokenVerifier;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How far back a poll reads again: transactions become visible later than the moment they are dated with, and clocks
/// of nodes differ by up to half a minute.
pub(crate) const OVERLAP_SECONDS: i64 = 90;

/// What this node has heard.
pub(crate) struct Feed {
    verifier: Arc<TokenVerifier>,
    /// Counts what was heard about rights; a copy of rights read before a change was heard is stale.
    heard: AtomicU64,
    rights: RwLock<HashMap<TenantId, RightsHeard>>,
    seen: Mutex<HashMap<String, Timestamp>>,
}

#[derive(Default)]
struct RightsHeard {
    everybody: u64,
    customers: HashMap<String, u64>,
}

impl Feed {
    pub(crate) fn new(verifier: Arc<TokenVerifier>) -> Self {
        Self { verifier, heard: AtomicU64::new(0), rights: RwLock::default(), seen: Mutex::default() }
    }

    pub(crate) fn verifier(&self) -> &Arc<TokenVerifier> {
        &self.verifier
    }

    /// The number to remember a copy of rights with, drawn before it is read.
    pub(crate) fn mark(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Whether a copy drawn at `mark` is older than a change heard of since.
    pub(crate) fn is_stale(&self, tenant: &TenantId, customer: &CustomerId, mark: u64) -> bool {
        let rights = self.rights.read();
        rights.get(tenant).is_some_and(|heard| {
            heard.everybody > mark || heard.customers.get(customer.as_str()).is_some_and(|changed| *changed > mark)
        })
    }

    /// Takes entries in; returns the tenants whose keys or settings must be read again.
    pub(crate) fn apply(&self, entries: &[Revocation]) -> Vec<TenantId> {
        let mut changed_tenants = Vec::new();
        let fresh: Vec<_> = {
            let mut seen = self.seen.lock();
            entries.iter().filter(|entry| seen.insert(entry.id.clone(), entry.at).is_none()).cloned().collect()
        };
        for entry in &fresh {
            match entry.kind {
                RevocationKind::Rights => {
                    let number = self.heard.fetch_add(1, Ordering::AcqRel) + 1;
                    let mut rights = self.rights.write();
                    let heard = rights.entry(entry.tenant.clone()).or_default();
                    if entry.value == "*" {
                        heard.everybody = number;
                    } else {
                        heard.customers.insert(entry.value.clone(), number);
                    }
                }
                RevocationKind::Keys | RevocationKind::Tenant => changed_tenants.push(entry.tenant.clone()),
                RevocationKind::Token
                | RevocationKind::Family
                | RevocationKind::Epoch
                | RevocationKind::Session
                | RevocationKind::Grant
                | RevocationKind::LegalEntity
                | RevocationKind::Client => {}
            }
        }
        if !fresh.is_empty() {
            self.verifier.apply(&fresh);
        }
        changed_tenants
    }

    /// Drops what no poll can bring again.
    pub(crate) fn forget(&self, now: Timestamp) {
        let horizon = now.plus_seconds(-4 * OVERLAP_SECONDS);
        self.seen.lock().retain(|_, at| *at > horizon);
        self.verifier.forget_expired(now);
    }
}
