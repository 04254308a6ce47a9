//! A rate limiter in memory, for one process.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::quota::{Decision, Quota, SlidingWindow, gcra};
use crate::domain::timestamp::Timestamp;
use crate::ports::rate_limiter::{Permit, RateKey, RateLimiter, RateLimiterError, Reservation};

/// So many keys of different shards can be counted at the same time.
const SHARDS: usize = 64;

/// A shard looks for keys it can forget when it has doubled since it looked last.
const FIRST_SWEEP: usize = 1024;

/// A rate limiter in memory. It knows of nothing that other processes do, and forgets everything
/// with its own: see [`RateLimiter::prime`].
///
/// Keys that count nothing any more are forgotten.
#[derive(Debug)]
pub struct MemoryRateLimiter {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    last_id: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    windows: HashMap<RateKey, Counted>,
    cells: HashMap<RateKey, Timestamp>,
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Counted {
    window: SlidingWindow,
    /// As asked for last; `None` before anybody asked.
    quota: Option<Quota>,
}

impl Default for MemoryRateLimiter {
    fn default() -> Self {
        let shard =
            || Shard { windows: HashMap::new(), cells: HashMap::new(), sweep_at: FIRST_SWEEP };
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            last_id: AtomicU64::new(0),
        }
    }
}

impl MemoryRateLimiter {
    /// A limiter that has counted nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`RateLimiter::admit`], without a future to wait for.
    pub fn admit_now(&self, key: RateKey, quota: Quota, now: Timestamp) -> Decision {
        let mut shard = self.shard(&key);
        shard.sweep(now);
        let cell = shard.cells.entry(key).or_insert(Timestamp::EPOCH);
        let (decision, next) = gcra(*cell, quota, now);
        *cell = next;
        decision
    }

    /// [`RateLimiter::reserve`], without a future to wait for.
    pub fn reserve_now(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Reservation {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let mut shard = self.shard(&key);
        shard.sweep(now);
        let counted = shard.windows.entry(key).or_default();
        counted.quota = Some(quota);
        match counted.window.reserve(quota, id, until, now) {
            Decision::Allowed { remaining } => {
                Reservation::Granted { permit: Permit { key, id }, remaining }
            }
            Decision::Limited { retry_after } => Reservation::Limited { retry_after },
        }
    }

    fn shard(&self, key: &RateKey) -> MutexGuard<'_, Shard> {
        let mut hash = self.hasher.hash_one(Spread(key));
        hash ^= hash >> 32;
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        // Nothing panics while a shard is held.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes otherwise than the maps within the shards do, or each would see only keys whose hashes
/// have an end in common.
struct Spread<'a>(&'a RateKey);

impl Hash for Spread<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        state.write_u8(0xA5);
    }
}

impl Shard {
    /// Forgets what counts nothing any more, once in a while: each key pays for a few others.
    fn sweep(&mut self, now: Timestamp) {
        if self.windows.len() + self.cells.len() < self.sweep_at {
            return;
        }
        self.cells.retain(|_, cell| *cell > now);
        self.windows.retain(|_, counted| match counted.quota {
            Some(quota) => !counted.window.is_idle(quota, now),
            None => true,
        });
        self.sweep_at = (2 * (self.windows.len() + self.cells.len())).max(FIRST_SWEEP);
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn reserve(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        Ok(self.reserve_now(key, quota, until, now))
    }

    async fn settle(&self, permit: Permit, at: Timestamp) -> Result<(), RateLimiterError> {
        if let Some(counted) = self.shard(&permit.key).windows.get_mut(&permit.key) {
            counted.window.settle(permit.id, at);
        }
        Ok(())
    }

    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError> {
        if let Some(counted) = self.shard(&permit.key).windows.get_mut(&permit.key) {
            counted.window.release(permit.id);
        }
        Ok(())
    }

    async fn prime(&self, key: RateKey, done: &[Timestamp]) -> Result<(), RateLimiterError> {
        if done.is_empty() {
            return Ok(());
        }
        let mut shard = self.shard(&key);
        let window = &mut shard.windows.entry(key).or_default().window;
        for at in done {
            window.record(*at);
        }
        Ok(())
    }

    async fn admit(
        &self,
        key: RateKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Decision, RateLimiterError> {
        Ok(self.admit_now(key, quota, now))
    }
}
