//! Redis must behave like every other rate limiter, on one server and on a cluster.

#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod support;

use std::time::Duration;

use messaging_core::conformance::rate_limiter;
use messaging_core::ports::clock::{Clock, SystemClock};
use messaging_core::ports::rate_limiter::RateLimiter;
use messaging_store_redis::RedisRateLimiter;

const SECOND: Duration = Duration::from_secs(1);

mod on_one_server {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let redis = super::support::single(stringify!($name), 16).await;
                super::rate_limiter::$name(&super::RedisRateLimiter::new(&redis)).await;
            }
        };
    }
    messaging_core::for_each_rate_limiter_behavior!(behavior);
}

mod on_a_cluster {
    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let redis = super::support::cluster(stringify!($name), 16).await;
                super::rate_limiter::$name(&super::RedisRateLimiter::new(&redis)).await;
            }
        };
    }
    messaging_core::for_each_rate_limiter_behavior!(behavior);
}

#[tokio::test]
async fn the_time_is_that_of_the_server() {
    let limiter = RedisRateLimiter::new(&support::single("the_time", 1).await);
    let (before, told) = (SystemClock.now(), limiter.time().await.unwrap().unwrap());
    let after = SystemClock.now();
    // It runs on the same machine.
    assert!(before.minus(SECOND) <= told && told <= after.plus(SECOND), "{told}");
}
