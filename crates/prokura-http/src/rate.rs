//! How many requests an address, a tenant and a client may make of this node (S-135), so that nobody's rush uses up what
//! belongs to others. Each of them has a bucket that fills steadily; a request takes one drop out of it, and an empty
//! bucket is answered with 429 and the time until the next drop.
//!
//! Buckets are kept in memory, so limits hold for each node. Their number is bounded: full buckets are forgotten, for a
//! new one is just as full, and when none is, newcomers share one.

use parking_lot::Mutex;
use prokura_domain::{ClientId, TenantId};
use prokura_engine::{Error, Refusal};
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    net::IpAddr,
    time::{Duration, Instant},
};

/// Parts of a table, each behind a lock of its own.
const SHARDS: usize = 16;
/// The most buckets of a part; some 3 MB for a whole table.
const MAX_BUCKETS: usize = 8_192;
/// How often a part that is full looks for buckets it can forget.
const SWEEP_NANOS: u64 = 100_000_000;
/// The bucket of those there was no room for.
const SHARED: u64 = u64::MAX;

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run; 0 for no bound.
    pub per_second: u32,
    /// Requests at once after a pause; at least one.
    pub burst: u32,
}

impl Rate {
    /// No bound.
    pub const NONE: Self = Self { per_second: 0, burst: 0 };
}

/// What each of them may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// An address: one of IPv4, a /64 of IPv6.
    pub address: Rate,
    /// A tenant.
    pub tenant: Rate,
    /// A client of a tenant.
    pub client: Rate,
}

impl Rates {
    /// No bounds.
    pub const NONE: Self = Self { address: Rate::NONE, tenant: Rate::NONE, client: Rate::NONE };
}

/// Too many requests: refused, to be repeated after so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Seconds until the next request is let in, if nobody else takes its place.
    pub retry_after_seconds: u32,
}

impl From<TooMany> for Error {
    fn from(too_many: TooMany) -> Self {
        Self::Refused(too_many.into())
    }
}

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        Self::Throttled { retry_after_seconds: too_many.retry_after_seconds }
    }
}

/// What a bucket gives from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    rate: Rate,
    /// Drops that were taken and have not come back.
    missing: u64,
    /// Seconds until all of them have.
    pub full_in_seconds: u64,
}

impl Supply {
    /// The most requests let in within so many seconds, which are those after a pause.
    pub fn limit(&self, seconds: u32) -> u64 {
        u64::from(self.rate.burst.max(1)) + u64::from(self.rate.per_second) * u64::from(seconds)
    }

    /// How many are let in within the next seconds.
    pub fn remaining(&self, seconds: u32) -> u64 {
        self.limit(seconds).saturating_sub(self.missing)
    }
}

/// The buckets of a node.
#[derive(Debug)]
pub struct Limiter {
    begun: Instant,
    hasher: RandomState,
    addresses: Buckets,
    tenants: Buckets,
    clients: Buckets,
}

impl Limiter {
    /// Full buckets.
    pub fn new(rates: Rates) -> Self {
        Self {
            begun: Instant::now(),
            hasher: RandomState::new(),
            addresses: Buckets::new(rates.address),
            tenants: Buckets::new(rates.tenant),
            clients: Buckets::new(rates.client),
        }
    }

    /// Takes a request of `address` into account. Loopback has no bound: who comes from there is a proxy in front of us
    /// as a rule, and its clients are many.
    ///
    /// # Errors
    /// The bucket is empty.
    pub fn address(&self, address: IpAddr) -> Result<(), TooMany> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Ok(());
        }
        let prefix = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        };
        self.take(&self.addresses, "address", prefix)
    }

    /// Takes a request to `tenant` into account. Only tenants there are: made-up names would push them out.
    ///
    /// # Errors
    /// The bucket is empty.
    pub fn tenant(&self, tenant: &TenantId) -> Result<(), TooMany> {
        self.take(&self.tenants, "tenant", tenant)
    }

    /// Takes a request of a client into account. The name may be made up: a bucket that was hit once is full again at
    /// once, and forgotten.
    ///
    /// # Errors
    /// The bucket is empty.
    pub fn client(&self, tenant: &TenantId, client: &ClientId) -> Result<(), TooMany> {
        self.take(&self.clients, "client", (tenant, client))
    }

    /// What a client gets from now on: of its tenant's bucket and its own, the one that gives less within a minute. `None`
    /// where neither is bounded. Asking costs nothing.
    pub fn supply(&self, tenant: &TenantId, client: Option<&ClientId>) -> Option<Supply> {
        let now = self.now();
        let tenants = self.tenants.supply(self.hasher.hash_one(tenant), now);
        let clients = client.and_then(|client| self.clients.supply(self.hasher.hash_one((tenant, client)), now));
        tenants.into_iter().chain(clients).min_by_key(|supply| supply.remaining(60))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn take(&self, buckets: &Buckets, by: &'static str, key: impl Hash) -> Result<(), TooMany> {
        if !buckets.is_bounded() {
            return Ok(());
        }
        buckets.take(self.hasher.hash_one(key), self.now()).map_err(|wait| {
            metrics::counter!("prokura_rate_limited_total", "by" => by).increment(1);
            let seconds = wait.as_nanos().div_ceil(1_000_000_000).max(1);
            TooMany { retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
        })
    }
}

/// Buckets of one kind, found by the hash of whom they belong to. The hash is keyed, so nobody chooses whose bucket is
/// hit; for each of them it is kept when it will be full again, in nanoseconds.
#[derive(Debug)]
struct Buckets {
    rate: Rate,
    /// Nanoseconds from drop to drop; 0 for no bound.
    drop_nanos: u64,
    /// From empty to full.
    fill_nanos: u64,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    full_at: HashMap<u64, u64>,
    next_sweep: u64,
}

impl Buckets {
    fn new(rate: Rate) -> Self {
        let drop_nanos = match rate.per_second {
            0 => 0,
            per_second => 1_000_000_000 / u64::from(per_second),
        };
        Self { rate, drop_nanos, fill_nanos: drop_nanos * u64::from(rate.burst.max(1)), shards: Default::default() }
    }

    fn is_bounded(&self) -> bool {
        self.drop_nanos != 0
    }

    fn shard(&self, key: u64) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::try_from(key % SHARDS as u64).unwrap_or_default())
    }

    /// What there is; `None` where there is no bound.
    fn supply(&self, key: u64, now: u64) -> Option<Supply> {
        let shard = self.shard(key).filter(|_| self.is_bounded())?.lock();
        let is_newcomer = shard.full_at.len() >= MAX_BUCKETS && !shard.full_at.contains_key(&key);
        let full_at = shard.full_at.get(if is_newcomer { &SHARED } else { &key }).copied();
        let wait = full_at.unwrap_or(now).saturating_sub(now);
        let missing = wait.div_ceil(self.drop_nanos);
        Some(Supply { rate: self.rate, missing, full_in_seconds: wait.div_ceil(1_000_000_000) })
    }

    /// Takes a drop, or tells how long until there is one.
    fn take(&self, key: u64, now: u64) -> Result<(), Duration> {
        let Some(shard) = self.shard(key) else { return Ok(()) };
        let mut shard = shard.lock();
        let is_newcomer = shard.full_at.len() >= MAX_BUCKETS && !shard.full_at.contains_key(&key);
        let key = if is_newcomer && !shard.makes_room(now) { SHARED } else { key };
        let full_at = shard.full_at.entry(key).or_insert(now);
        let then = (*full_at).max(now) + self.drop_nanos;
        match (then - now).checked_sub(self.fill_nanos) {
            None | Some(0) => {
                *full_at = then;
                Ok(())
            }
            Some(missing) => Err(Duration::from_nanos(missing)),
        }
    }
}

impl Shard {
    /// Forgets full buckets; `false` when there are none, or it was just looked for some.
    fn makes_room(&mut self, now: u64) -> bool {
        if now < self.next_sweep {
            return false;
        }
        self.next_sweep = now + SWEEP_NANOS;
        self.full_at.retain(|_, full_at| *full_at > now);
        let wanted = self.full_at.len() * 2;
        self.full_at.shrink_to(wanted);
        self.full_at.len() < MAX_BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// From key to key of one part.
    const STEP: u64 = SHARDS as u64;

    fn buckets(per_second: u32, burst: u32) -> Buckets {
        Buckets::new(Rate { per_second, burst })
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = buckets(10, 5);
        for _ in 0..5 {
            assert_eq!(buckets.take(1, SECOND), Ok(()));
        }
        let wait = buckets.take(1, SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        let soon = SECOND + u64::try_from(wait.as_nanos()).unwrap();
        assert!(buckets.take(1, soon - 1).is_err(), "what was refused costs nothing, and no time was forgotten");
        assert_eq!(buckets.take(1, soon), Ok(()), "the wait is honest");
        assert!(buckets.take(1, soon).is_err());
        assert_eq!(buckets.take(2, soon), Ok(()), "nobody else waits");
        let allowed = (0..10_000).filter(|n| buckets.take(1, 20 * SECOND + n * SECOND / 1_000).is_ok()).count();
        assert_eq!(allowed, 104, "in ten seconds at a hundred times the rate");
    }

    #[test]
    fn s135_what_is_told_of_a_bucket_is_what_it_gives() {
        let buckets = buckets(10, 5);
        let told = |now| buckets.supply(1, now).map(|supply| (supply.limit(60), supply.remaining(60)));
        assert_eq!(told(SECOND), Some((605, 605)), "nobody asked yet");
        for _ in 0..5 {
            buckets.take(1, SECOND).unwrap();
        }
        assert_eq!(told(SECOND), Some((605, 600)), "asking twice costs nothing");
        assert_eq!(buckets.supply(1, SECOND).unwrap().full_in_seconds, 1);
        let let_in = |from: u64| (0..=60_000).filter(|n| buckets.take(1, from + n * SECOND / 1_000).is_ok()).count();
        assert_eq!(let_in(SECOND), 600, "as many as it said");
        assert_eq!(told(200 * SECOND), Some((605, 605)), "it is full again");
        assert_eq!(let_in(200 * SECOND), 605);
        assert_eq!(buckets_without_bound(), None);
    }

    fn buckets_without_bound() -> Option<Supply> {
        Buckets::new(Rate::NONE).supply(1, SECOND)
    }

    #[test]
    fn the_tighter_bucket_of_tenant_and_client_is_told() {
        let tenant = Rate { per_second: 100, burst: 100 };
        let limiter = Limiter::new(Rates { tenant, client: Rate { per_second: 1, burst: 3 }, ..Rates::NONE });
        let (acme, sf) = ("acme".parse().unwrap(), "sf".parse().unwrap());
        assert_eq!(limiter.supply(&acme, Some(&sf)).unwrap().limit(60), 63);
        assert_eq!(limiter.supply(&acme, None).unwrap().limit(300), 30_100);
        assert_eq!(Limiter::new(Rates::NONE).supply(&acme, Some(&sf)), None);
    }

    #[test]
    fn memory_is_bounded_and_known_ones_keep_their_buckets() {
        let buckets = buckets(1, 1);
        assert!(buckets.take(16, 0).is_ok());
        for stranger in 2..20_000 {
            let _ = buckets.take(stranger * STEP, 1);
        }
        let held = || buckets.shards[0].lock().full_at.len();
        assert_eq!(held(), MAX_BUCKETS + 1, "and the shared one");
        assert!(buckets.take(16, 1).is_err(), "its own bucket is still there, and empty");
        assert!(buckets.take(30_000 * STEP, SECOND / 2).is_err(), "newcomers share one");
        assert!(buckets.take(30_000 * STEP, 2 * SECOND).is_ok(), "until others are full again");
        assert_eq!(held(), 1, "they are forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_loopback_has_no_bound() {
        let rate = Rate { per_second: 1, burst: 1 };
        let limiter = Limiter::new(Rates { address: rate, ..Rates::NONE });
        let take = |address: &str| limiter.address(address.parse().unwrap());
        assert_eq!(take("2001:db8::1"), Ok(()));
        assert_eq!(take("2001:db8::ffff:1"), Err(TooMany { retry_after_seconds: 1 }));
        assert_eq!(take("2001:db8:0:1::1"), Ok(()));
        assert_eq!(take("192.0.2.1"), Ok(()));
        assert_eq!(take("192.0.2.2"), Ok(()));
        assert!(take("::ffff:192.0.2.1").is_err());
        for _ in 0..9 {
            assert_eq!(take("127.0.0.1"), Ok(()));
            assert_eq!(limiter.tenant(&"acme".parse().unwrap()), Ok(()), "unbounded");
        }
    }

    #[test]
    fn waits_are_told_in_whole_seconds() {
        let limiter = Limiter::new(Rates { client: Rate { per_second: 1, burst: 1 }, ..Rates::NONE });
        let (tenant, client) = ("acme".parse().unwrap(), "sf".parse().unwrap());
        assert_eq!(limiter.client(&tenant, &client), Ok(()));
        assert_eq!(limiter.client(&tenant, &client), Err(TooMany { retry_after_seconds: 1 }));
        assert_eq!(limiter.client(&"other".parse().unwrap(), &client), Ok(()), "a client is one of its tenant");
    }
}
