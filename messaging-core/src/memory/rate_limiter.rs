//! The limiter of the embedded mode: it counts for one process, in memory.

mod cells;
mod key;
mod shards;
mod windows;

use async_trait::async_trait;

use crate::domain::quota::{Decision, Quota, gcra};
use crate::domain::timestamp::Timestamp;
use crate::memory::rate_limiter::cells::Cells;
use crate::memory::rate_limiter::shards::Shards;
use crate::memory::rate_limiter::windows::Windows;
use crate::ports::rate_limiter::{Permit, RateKey, RateLimiter, RateLimiterError, Reservation};

/// A [`RateLimiter`] in memory, for one process.
///
/// Cells are changed without a lock; windows are spread over many, each held for one decision. Keys
/// that no longer count are dropped along the way, by the calls for others; of those that were primed, that they were is
/// kept. Nothing here waits, so what the port offers is also there without a future, for hot paths.
#[derive(Debug, Default)]
pub struct MemoryRateLimiter {
    cells: Cells,
    windows: Shards<Windows>,
}

impl MemoryRateLimiter {
    /// A limiter that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`RateLimiter::admit`], at once.
    pub fn admit_now(&self, key: RateKey, quota: Quota, now: Timestamp) -> Decision {
        self.cells.update(key, now, |cell| gcra(cell, quota, now))
    }

    /// [`RateLimiter::reserve`], at once.
    pub fn reserve_now(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Reservation {
        self.windows.with(key, now, |windows| windows.reserve(key, quota, until, now))
    }

    /// [`RateLimiter::settle`], at once.
    pub fn settle_now(&self, permit: Permit, at: Timestamp) {
        self.windows.of(permit.key, |windows| windows.settle(permit, at));
    }

    /// [`RateLimiter::release`], at once.
    pub fn release_now(&self, permit: Permit) {
        self.windows.of(permit.key, |windows| windows.release(permit));
    }

    /// [`RateLimiter::prime`], at once.
    pub fn prime_now(&self, key: RateKey, done: &[Timestamp]) {
        self.prime_begun_now(key, done, &[]);
    }

    /// [`RateLimiter::prime_begun`], at once.
    pub fn prime_begun_now(&self, key: RateKey, done: &[Timestamp], begun_until: &[Timestamp]) {
        self.windows.of(key, |windows| windows.prime(key, done, begun_until));
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
        self.settle_now(permit, at);
        Ok(())
    }

    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError> {
        self.release_now(permit);
        Ok(())
    }

    async fn prime_begun(
        &self,
        key: RateKey,
        _ticket: u64,
        done: &[Timestamp],
        begun_until: &[Timestamp],
    ) -> Result<(), RateLimiterError> {
        // It loses nothing but with its process.
        self.prime_begun_now(key, done, begun_until);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::conformance::build::{at, session_id, tenant_id};

    const QUOTA: Quota = Quota { limit: 2, window: Duration::from_secs(60) };
    const KEYS: u64 = 20_000;

    #[test]
    fn idle_cells_are_dropped_while_others_are_used() {
        let limiter = MemoryRateLimiter::new();
        for n in 0..KEYS {
            limiter.admit_now(RateKey::Tenant(tenant_id(n)), QUOTA, at(0));
        }
        assert_eq!(limiter.cells.len(), KEYS as usize);
        for step in 0..2 * KEYS {
            limiter.admit_now(RateKey::Tenant(tenant_id(step % 10)), QUOTA, at(30_000 + step));
        }
        assert!(limiter.cells.len() < 100);
        assert!(limiter.cells.size_bytes() < 100_000);
    }

    #[test]
    fn idle_windows_are_dropped_while_others_are_used() {
        let limiter = MemoryRateLimiter::new();
        for n in 0..KEYS {
            limiter.prime_now(RateKey::Sending(session_id(n)), &[at(0)]);
            let _ = limiter.reserve_now(RateKey::Sending(session_id(n)), QUOTA, at(1), at(0));
        }
        assert_eq!(limiter.windows.sum(Windows::len), KEYS as usize);
        for step in 0..2 * KEYS {
            let now = at(60_001 + step);
            let _ = limiter.reserve_now(RateKey::Sending(session_id(step % 10)), QUOTA, now, now);
        }
        assert!(limiter.windows.sum(Windows::len) < 100);
    }

    #[test]
    fn a_million_keys_take_at_most_forty_bytes_each() {
        let limiter = MemoryRateLimiter::new();
        for n in 0..1_000_000 {
            limiter.admit_now(RateKey::Tenant(tenant_id(n)), QUOTA, at(0));
        }
        assert!(limiter.cells.size_bytes() <= 40_000_000);
    }
}
