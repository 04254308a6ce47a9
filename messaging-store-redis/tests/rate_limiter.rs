//! Redis must behave like every other rate limiter, on one server and on a cluster.

mod support;

use messaging_core::conformance::rate_limiter;
use messaging_store_redis::RedisRateLimiter;

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
