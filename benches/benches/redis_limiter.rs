//! How many checks a second does the limiter on Redis make, with 64 callers at once?
//!
//! Needs a Redis: `scripts/with-services cargo bench -p benches --bench redis_limiter`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use messaging_core::conformance::build::{at, session_id};
use messaging_core::domain::quota::Quota;
use messaging_core::ports::rate_limiter::{RateKey, RateLimiter, Reservation};
use messaging_store_redis::{RedisConnection, RedisOptions, RedisRateLimiter};
use tokio::runtime::{Builder, Runtime};

const PLENTY: Quota = Quota { limit: 1_000_000, window: Duration::from_secs(60) };
const TWENTY: Quota = Quota { limit: 20, window: Duration::from_secs(60) };

/// How many keys are asked for in turn.
const KEYS: u64 = 1000;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn connect() -> RedisConnection {
    let url = std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL is not set: run this by `scripts/with-services cargo bench …`");
    let mut options = RedisOptions::single(url);
    options.prefix = format!("bench-{}", std::process::id());
    RedisConnection::connect(&options).await.unwrap()
}

/// So many callers, each making its share of the checks one after the other.
async fn checks(limiter: &RedisRateLimiter, callers: u64, iters: u64, exact: bool) -> Duration {
    let started = WallTime.start();
    join_all((0..callers).map(|caller| async move {
        let share = iters / callers + u64::from(caller < iters % callers);
        for n in 0..share {
            let session = session_id((caller * 7919 + n * 31) % KEYS);
            let now = at(n * 3000);
            if exact {
                let key = RateKey::Sending(session);
                let granted = limiter.reserve(key, TWENTY, now, now).await.unwrap();
                assert!(!matches!(granted, Reservation::Unprimed { .. }));
            } else {
                limiter.admit(RateKey::Admission(session), PLENTY, now).await.unwrap();
            }
        }
    }))
    .await;
    WallTime.end(started)
}

/// A check is a call of `admit` (GCRA), or of `reserve` (the exact window).
fn limiter(c: &mut Criterion) {
    let runtime = runtime();
    let limiter = runtime.block_on(async {
        let limiter = RedisRateLimiter::new(&connect().await);
        for n in 0..KEYS {
            let key = RateKey::Sending(session_id(n));
            let asked = limiter.reserve(key, TWENTY, at(0), at(0)).await.unwrap();
            if let Reservation::Unprimed { ticket } = asked {
                limiter.prime(key, ticket, &[]).await.unwrap();
            }
        }
        limiter
    });
    let mut group = c.benchmark_group("redis_limiter");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(1));
    for (name, exact) in [("admit", false), ("reserve", true)] {
        for callers in [1, 64] {
            group.bench_function(BenchmarkId::new(name, format!("{callers}_callers")), |b| {
                b.to_async(&runtime).iter_custom(|iters| checks(&limiter, callers, iters, exact));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, limiter);
criterion_main!(benches);
