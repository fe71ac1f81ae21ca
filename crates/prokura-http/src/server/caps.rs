//! How many connections there may be, in all and from one address (S-131).

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

/// Counts open connections.
#[derive(Debug)]
pub(super) struct Caps {
    total: usize,
    per_address: usize,
    counts_loopback: bool,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Caps {
    pub(super) fn new(total: usize, per_address: usize, counts_loopback: bool) -> Arc<Self> {
        Arc::new(Self { total, per_address, counts_loopback, open: Mutex::default() })
    }

    /// A place for one more connection, or `None` when there is none left. Loopback may count in the total only.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = prefix(address);
        let mut open = self.open.lock();
        if open.total >= self.total {
            return None;
        }
        if self.counts_loopback || !address.is_loopback() {
            let count = open.by_address.entry(address).or_default();
            if *count >= self.per_address {
                return None;
            }
            *count += 1;
        }
        open.total += 1;
        Some(Place { caps: Arc::clone(self), address })
    }
}

/// The place of one open connection; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Place {
    caps: Arc<Caps>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.caps.open.lock();
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// One subscriber: an IPv4 address, or the first 64 bits of an IPv6 address (S-135).
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s131_an_address_cannot_take_all_places() {
        let caps = Caps::new(3, 2, false);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = caps.enter(address("2001:db8::1"));
        let second = caps.enter(address("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(caps.enter(address("2001:db8::3")).is_none(), "the same /64");
        let third = caps.enter(address("::ffff:192.0.2.1"));
        assert!(third.is_some());
        assert!(caps.enter(address("127.0.0.1")).is_none(), "all places are taken");
        drop(first);
        assert!(caps.enter(address("2001:db8::3")).is_some());
    }
}
