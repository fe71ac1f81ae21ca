//! What the gateway counts. Counters are per thread or nearly so: no request waits for another one's count.

use http::StatusCode;
use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

const SHARDS: usize = 16;

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Went to an upstream and was answered.
    Forwarded,
    /// Became another protocol.
    Upgraded,
    /// A forward-auth request was allowed.
    Allowed,
    /// Refused with 400, 404, 405 or 421.
    BadRequest,
    /// Refused with 401.
    Unauthorized,
    /// Refused with 403.
    Forbidden,
    /// Refused with 503: the server is away.
    ServerAway,
    /// Refused with 502 or 504.
    UpstreamFailed,
    /// The values of the token were at hand.
    Seen,
    /// The values of the token had to be made.
    Unseen,
    /// The rights of a token were asked for anew.
    Resolved,
}

const EVENTS: usize = Event::Resolved as usize + 1;

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([AtomicU64; EVENTS]);

/// The counters of one gateway.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    shards: [Shard; SHARDS],
}

/// A reading of all counters since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests answered by an upstream.
    pub forwarded: u64,
    /// Requests that became WebSocket connections.
    pub upgraded: u64,
    /// Forward-auth requests that were allowed.
    pub allowed: u64,
    /// Requests refused as ambiguous or unroutable.
    pub bad_request: u64,
    /// Requests refused with 401.
    pub unauthorized: u64,
    /// Requests refused with 403.
    pub forbidden: u64,
    /// Requests refused with 503 because the server is away.
    pub server_away: u64,
    /// Requests refused with 502 or 504.
    pub upstream_failed: u64,
    /// Tokens whose values were at hand.
    pub tokens_seen: u64,
    /// Tokens whose values had to be made.
    pub tokens_unseen: u64,
    /// Tokens whose rights were asked for anew.
    pub tokens_resolved: u64,
}

impl Metrics {
    pub(crate) fn count(&self, event: Event) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        let counter = self.shards.get(MINE.get()).and_then(|shard| shard.0.get(event as usize));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn refused(&self, status: StatusCode) {
        self.count(match status {
            StatusCode::UNAUTHORIZED => Event::Unauthorized,
            StatusCode::FORBIDDEN => Event::Forbidden,
            StatusCode::SERVICE_UNAVAILABLE => Event::ServerAway,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Event::UpstreamFailed,
            _ => Event::BadRequest,
        });
    }

    pub(crate) fn read(&self) -> Counts {
        let sum = |event: Event| {
            let counters = self.shards.iter().filter_map(|shard| shard.0.get(event as usize));
            counters.map(|counter| counter.load(Ordering::Relaxed)).sum()
        };
        Counts {
            forwarded: sum(Event::Forwarded),
            upgraded: sum(Event::Upgraded),
            allowed: sum(Event::Allowed),
            bad_request: sum(Event::BadRequest),
            unauthorized: sum(Event::Unauthorized),
            forbidden: sum(Event::Forbidden),
            server_away: sum(Event::ServerAway),
            upstream_failed: sum(Event::UpstreamFailed),
            tokens_seen: sum(Event::Seen),
            tokens_unseen: sum(Event::Unseen),
            tokens_resolved: sum(Event::Resolved),
        }
    }
}
