//! A limiter that can lose all that it has counted, or be away, as one on another server can.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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
    /// How many sends it will not hear of.
    deaf_to: AtomicU32,
    time: Mutex<Option<Timestamp>>,
}

impl ForgetfulLimiter {
    /// Loses everything.
    pub(crate) fn forget(&self) {
        *self.counted.lock().unwrap() = Arc::default();
    }

    /// Loses everything, and is told by another node that nothing was sent, which then takes one.
    pub(crate) fn begin_anew_with_another(&self, key: RateKey, quota: Quota, now: Timestamp) {
        let anew = MemoryRateLimiter::new();
        anew.prime_now(key, &[]);
        if let Reservation::Granted { permit, .. } = anew.reserve_now(key, quota, now, now) {
            anew.settle_now(permit, now);
        }
        *self.counted.lock().unwrap() = Arc::new(anew);
    }

    /// Does not hear of the next sends.
    pub(crate) fn go_deaf_to(&self, sends: u32) {
        self.deaf_to.store(sends, Ordering::Relaxed);
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
        let deaf = |to: u32| to.checked_sub(1);
        if self.deaf_to.fetch_update(Ordering::Relaxed, Ordering::Relaxed, deaf).is_ok() {
            return Err(RateLimiterError("did not hear".into()));
        }
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
