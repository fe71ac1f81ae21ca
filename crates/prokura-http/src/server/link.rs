//! What the two halves of one connection tell each other: the reader that follows the bytes, and the service that
//! knows how a request ended.

use futures_util::task::AtomicWaker;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

const UNDECIDED: u8 = 0;
const STAYS: u8 = 1;
const SWITCHES: u8 = 2;

/// Shared by the reader and the service of one connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    upgrade: AtomicU8,
    reader: AtomicWaker,
    in_flight: AtomicU32,
    /// How many requests have begun on this connection.
    begun: AtomicU32,
}

impl Link {
    /// Counts a request that is being answered until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Tells the reader how a request that asked for another protocol was answered.
    pub(super) fn decide_upgrade(&self, is_switching: bool) {
        self.upgrade.store(if is_switching { SWITCHES } else { STAYS }, Ordering::Release);
        self.reader.wake();
    }

    /// Waits for [`Self::decide_upgrade`], and forgets the decision.
    pub(super) fn poll_upgrade(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.reader.register(cx.waker());
        match self.upgrade.swap(UNDECIDED, Ordering::AcqRel) {
            UNDECIDED => Poll::Pending,
            decision => Poll::Ready(decision == SWITCHES),
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Link>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
