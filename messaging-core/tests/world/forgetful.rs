//! A limiter that can lose all that it has counted, or be away, as one on another server can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use messaging_core::domain::quota::{Decision, Quota};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::rate_limiter::{
    Permit, RateKey, RateLimiter, RateLimiterError, Reservation,
};

/// Counts in memory until it is told to forget.
#[derive(Debug, Default)]
pub(crate) struct ForgetfulLimiter {
    counted: Mutex<Arc<MemoryRateLimiter>>,
    away: AtomicBool,
    time: Mutex<Option<Timestamp>>,
}

impl ForgetfulLimiter {
    /// Loses everything.
    pub(crate) fn forget(&self) {
        *self.counted.lock().unwrap() = Arc::default();
    }

    /// Cannot be asked from now on, or can again.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Has a clock of its own, which stands.
    pub(crate) fn set_time(&self, time: Option<Timestamp>) {
        *self.time.lock().unwrap() = time;
    }

    fn counted(&self) -> Result<Arc<MemoryRateLimiter>, RateLimiterError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(RateLimiterError("away".into()));
        }
        Ok(Arc::clone(&self.counted.lock().unwrap()))
    }
}

#[async_trait]
impl RateLimiter for ForgetfulLimiter {
    async fn reserve(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        self.counted()?.reserve(key, quota, until, now).await
    }

    async fn settle(&self, permit: Permit, at: Timestamp) -> Result<(), RateLimiterError> {
        self.counted()?.settle(permit, at).await
    }

    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError> {
        self.counted()?.release(permit).await
    }

    async fn prime_begun(
        &self,
        key: RateKey,
        ticket: u64,
        done: &[Timestamp],
        begun_until: &[Timestamp],
    ) -> Result<(), RateLimiterError> {
        self.counted()?.prime_begun(key, ticket, done, begun_until).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, RateLimiterError> {
        self.counted().map(|_| *self.time.lock().unwrap())
    }

    async fn admit(
        &self,
        key: RateKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Decision, RateLimiterError> {
        self.counted()?.admit(key, quota, now).await
    }
}
