//! A clock that moves only when told.

use prokura_domain::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// Stands at 2026-11-02T09:00:00Z until it is advanced.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_793_610_000_000))
    }
}

impl TestClock {
    /// Lets `seconds` pass.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
