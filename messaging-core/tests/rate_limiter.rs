//! The limiter in memory must behave like every other rate limiter.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use messaging_core::conformance::build::{at, session_id};
use messaging_core::conformance::rate_limiter;
use messaging_core::domain::quota::{Decision, Quota};
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::rate_limiter::{RateKey, Reservation};

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            rate_limiter::$name(&MemoryRateLimiter::new()).await;
        }
    };
}

messaging_core::for_each_rate_limiter_behavior!(behavior);

#[test]
fn threads_at_once_are_granted_exactly_the_quota() {
    let limiter = MemoryRateLimiter::new();
    let quota = Quota { limit: 100, window: Duration::from_secs(60) };
    limiter.prime_now(RateKey::Sending(session_id(1)), &[]);
    let (reserved, admitted) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let key = RateKey::Sending(session_id(1));
                    let answer = limiter.reserve_now(key, quota, at(1000), at(0));
                    if matches!(answer, Reservation::Granted { .. }) {
                        reserved.fetch_add(1, Ordering::Relaxed);
                    }
                    let answer = limiter.admit_now(RateKey::Admission(session_id(1)), quota, at(0));
                    if matches!(answer, Decision::Allowed { .. }) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!((reserved.into_inner(), admitted.into_inner()), (100, 100));
}
