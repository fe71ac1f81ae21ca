//! The cache of verified tokens: small sets of slots, found by a randomly keyed hash of a token's end and confirmed
//! by its whole text. It never grows, and making room looks at one set only.

use super::VerifiedToken;
use parking_lot::RwLock;
use prokura_domain::Timestamp;
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, atomic::Ordering},
};

/// Slots a token may be in.
const WAYS: usize = 8;
/// Parts with a lock each.
const SHARDS: usize = 64;
/// How much of a token's end is hashed: the signature, the part with the most chance in it.
const HASHED_BYTES: usize = 48;

pub(super) struct Cache {
    hasher: RandomState,
    shards: Vec<RwLock<Vec<Set>>>,
}

type Set = [Slot; WAYS];

#[derive(Clone, Default)]
struct Slot {
    hash: u64,
    token: Option<Arc<VerifiedToken>>,
}

impl Cache {
    /// A cache of about `capacity` tokens, rounded up to whole sets; none at all for 0.
    pub(super) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS);
        let shards = sets.min(SHARDS);
        let per_shard = sets.div_ceil(shards.max(1));
        let shard = || RwLock::new(vec![Set::default(); per_shard]);
        Self { hasher: RandomState::new(), shards: std::iter::repeat_with(shard).take(shards).collect() }
    }

    pub(super) fn get(&self, text: &str) -> Option<Arc<VerifiedToken>> {
        let hash = self.hash(text);
        let shard = self.shard(hash)?.read();
        let slot = shard.get(within(hash, shard.len()))?.iter().find(|slot| slot.holds(hash, text))?;
        let token = slot.token.as_ref()?;
        if !token.is_used.load(Ordering::Relaxed) {
            token.is_used.store(true, Ordering::Relaxed);
        }
        Some(token.clone())
    }

    pub(super) fn insert(&self, token: &Arc<VerifiedToken>, now: Timestamp) {
        let hash = self.hash(&token.text);
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.write();
        let index = within(hash, shard.len());
        let Some(slot) = shard.get_mut(index).and_then(|set| room(set, hash, &token.text, now)) else { return };
        *slot = Slot { hash, token: Some(token.clone()) };
    }

    pub(super) fn remove(&self, text: &str) {
        let hash = self.hash(text);
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.write();
        let index = within(hash, shard.len());
        let slot = shard.get_mut(index).and_then(|set| set.iter_mut().find(|slot| slot.holds(hash, text)));
        if let Some(slot) = slot {
            *slot = Slot::default();
        }
    }

    pub(super) fn forget_expired(&self, now: Timestamp) {
        for shard in &self.shards {
            for slot in shard.write().iter_mut().flatten().filter(|slot| slot.is_free(now)) {
                *slot = Slot::default();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let tokens =
            |shard: &RwLock<Vec<Set>>| shard.read().iter().flatten().filter(|slot| slot.token.is_some()).count();
        self.shards.iter().map(tokens).sum()
    }

    fn hash(&self, text: &str) -> u64 {
        match text.as_bytes().last_chunk::<HASHED_BYTES>() {
            Some(end) => self.hasher.hash_one(end),
            None => self.hasher.hash_one(text),
        }
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<Vec<Set>>> {
        self.shards.get(within(hash.rotate_left(32), self.shards.len()))
    }
}

impl Slot {
    fn holds(&self, hash: u64, text: &str) -> bool {
        self.hash == hash && self.token.as_ref().is_some_and(|token| *token.text == *text)
    }

    /// Whether nothing is lost by using the slot for another token.
    fn is_free(&self, now: Timestamp) -> bool {
        self.token.as_ref().is_none_or(|token| token.token.expires_at <= now)
    }
}

/// The slot for a new token: where it already is, else a free one, else one that was not asked for lately, else any.
fn room<'s>(set: &'s mut Set, hash: u64, text: &str, now: Timestamp) -> Option<&'s mut Slot> {
    let unused = |slot: &Slot| slot.token.as_ref().is_none_or(|token| !token.is_used.load(Ordering::Relaxed));
    let index = set
        .iter()
        .position(|slot| slot.holds(hash, text))
        .or_else(|| set.iter().position(|slot| slot.is_free(now)))
        .or_else(|| set.iter().position(unused))
        .unwrap_or_else(|| {
            for token in set.iter().filter_map(|slot| slot.token.as_ref()) {
                token.is_used.store(false, Ordering::Relaxed);
            }
            within(hash.rotate_left(16), WAYS)
        });
    set.get_mut(index)
}

/// Maps the low half of a hash evenly onto `0..length`.
fn within(hash: u64, length: usize) -> usize {
    let scaled = (hash & 0xffff_ffff).wrapping_mul(length as u64) >> 32;
    usize::try_from(scaled).unwrap_or(0)
}
