//! Many small parts, each behind a lock of its own, swept in turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::domain::timestamp::Timestamp;
use crate::memory::rate_limiter::key::Hashing;
use crate::ports::rate_limiter::RateKey;

/// How many parts: many times as many as threads are likely to call at once.
const SHARDS: usize = 128;

/// The fewest calls between two sweeps that one part sets off.
const MIN_CALLS: usize = 64;

/// What can drop what no longer counts.
pub(super) trait Sweep {
    /// Drops what no longer counts at `now`.
    fn sweep(&mut self, now: Timestamp);

    /// How much a sweep has to look at.
    fn extent(&self) -> usize;
}

/// Parts of a whole, found by hash.
#[derive(Debug)]
pub(super) struct Shards<T> {
    hashing: Hashing,
    shards: Box<[Shard<T>]>,
    sweep_next: AtomicUsize,
}

/// A part, in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard<T>(Mutex<Counted<T>>);

#[derive(Debug, Default)]
struct Counted<T> {
    part: T,
    calls_left: usize,
}

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self {
            hashing: Hashing::default(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            sweep_next: AtomicUsize::new(0),
        }
    }
}

impl<T: Sweep> Shards<T> {
    /// Does something with the part that a key belongs to, at `now`.
    ///
    /// After as many calls as the part has entries, the next part in turn is swept. So all are
    /// swept, also those that are never called again, and sweeping costs each call a constant.
    pub(super) fn with<R>(
        &self,
        key: RateKey,
        now: Timestamp,
        work: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut shard = self.shard(key).0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut shard.part);
        if shard.calls_left == 0 {
            shard.calls_left = shard.part.extent().max(MIN_CALLS);
            drop(shard);
            self.sweep_one(now);
        } else {
            shard.calls_left -= 1;
        }
        result
    }

    /// Does something with the part that a key belongs to.
    pub(super) fn of<R>(&self, key: RateKey, work: impl FnOnce(&mut T) -> R) -> R {
        let shard = self.shard(key);
        work(&mut shard.0.lock().unwrap_or_else(PoisonError::into_inner).part)
    }

    /// A number over all parts.
    #[cfg(test)]
    pub(super) fn sum(&self, of: impl Fn(&T) -> usize) -> usize {
        let each = |shard: &Shard<T>| of(&shard.0.lock().unwrap().part);
        self.shards.iter().map(each).sum()
    }

    fn shard(&self, key: RateKey) -> &Shard<T> {
        &self.shards[self.hashing.hash(key) as usize % SHARDS]
    }

    fn sweep_one(&self, now: Timestamp) {
        let next = self.sweep_next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        // One that is in use is left to the next round.
        if let Ok(mut shard) = self.shards[next].0.try_lock() {
            shard.part.sweep(now);
        }
    }
}
