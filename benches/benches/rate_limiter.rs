//! How long does it take to ask the limiter in memory for one more, beside `governor`?

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use governor::clock::FakeRelativeClock;
use messaging_core::conformance::build::at;
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::id::{SessionId, TenantId, uuid_v7};
use messaging_core::domain::quota::Quota;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::rate_limiter::{RateKey, Reservation};

const KEYS: [usize; 3] = [1, 1000, 1_000_000];

/// One a microsecond for an hour at once: so much that at a standing clock all is admitted.
const PLENTY: Quota = Quota { limit: 3_600_000_000, window: Duration::from_secs(3600) };

/// Twenty a minute, as of a session.
const TWENTY: Quota = Quota { limit: 20, window: Duration::from_secs(60) };

/// As many ids as asked for, in no order.
fn ids(count: usize) -> Vec<TenantId> {
    let entropy = SeededEntropy::new(7);
    let mut ids: Vec<_> =
        (0..count).map(|n| TenantId(uuid_v7(at(n as u64 % 1000), entropy.next_u64()))).collect();
    ids.sort_by_cached_key(|_| entropy.next_u64());
    ids
}

/// The time that `ask` takes, called `iters` times by each of so many threads at once, with keys
/// in turn; each thread begins elsewhere.
fn timed<K: Copy + Sync>(
    threads: usize,
    iters: u64,
    keys: &[K],
    ask: impl Fn(K) + Sync,
) -> Duration {
    let started = WallTime.start();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let ask = &ask;
            let from = keys.len() / threads * thread;
            let keys = keys[from..].iter().chain(&keys[..from]).cycle();
            scope.spawn(move || keys.take(iters as usize).for_each(|key| ask(black_box(*key))));
        }
    });
    WallTime.end(started)
}

/// The cheap way: an instant a key.
fn admit(c: &mut Criterion) {
    let mut group = c.benchmark_group("admit");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for count in KEYS {
        let keys: Vec<_> = ids(count).into_iter().map(RateKey::Tenant).collect();
        let limiter = MemoryRateLimiter::new();
        let peer = governor::RateLimiter::dashmap_with_clock(
            governor::Quota::with_period(Duration::from_nanos(1))
                .unwrap()
                .allow_burst(NonZeroU32::MAX),
            FakeRelativeClock::default(),
        );
        for key in &keys {
            limiter.admit_now(*key, PLENTY, at(0));
            peer.check_key(key).unwrap();
        }
        for threads in [1, 2] {
            let parameter = format!("{count}_keys/{threads}_threads");
            group.bench_function(BenchmarkId::new("memory", &parameter), |b| {
                b.iter_custom(|iters| {
                    timed(threads, iters, &keys, |key| {
                        black_box(limiter.admit_now(key, PLENTY, at(0)));
                    })
                });
            });
            group.bench_function(BenchmarkId::new("governor", &parameter), |b| {
                b.iter_custom(|iters| {
                    timed(threads, iters, &keys, |key| drop(black_box(peer.check_key(&key))))
                });
            });
        }
    }
    group.finish();
}

/// The exact way: a permit is taken and settled, each key's quota being just used up.
fn reserve_and_settle(c: &mut Criterion) {
    let mut group = c.benchmark_group("reserve_and_settle");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for count in KEYS {
        let keys: Vec<_> =
            ids(count).into_iter().map(|id| RateKey::Sending(SessionId(id.0))).collect();
        let limiter = MemoryRateLimiter::new();
        keys.iter().for_each(|key| limiter.prime_now(*key, &[]));
        let mut turn = 0;
        let mut next = || {
            // All keys in turn, three seconds a round: exactly twenty a minute of each.
            let now = at(turn / count as u64 * 3000);
            let key = keys[turn as usize % count];
            let granted = limiter.reserve_now(key, TWENTY, now.plus(TWENTY.window), now);
            if let Reservation::Granted { permit, .. } = granted {
                limiter.settle_now(permit, now);
            }
            turn += 1;
            granted
        };
        for _ in 0..count.max(1000) {
            next();
        }
        group.bench_function(BenchmarkId::new("memory", format!("{count}_keys")), |b| {
            b.iter(|| assert!(matches!(next(), Reservation::Granted { .. })));
        });
    }
    group.finish();
}

/// The exact way, where the quota is used up.
fn refuse(c: &mut Criterion) {
    let limiter = MemoryRateLimiter::new();
    let key = RateKey::Sending(SessionId(ids(1)[0].0));
    limiter.prime_now(key, &[at(0); 20]);
    c.bench_function("refuse/memory/1_keys", |b| {
        b.iter(|| black_box(limiter.reserve_now(black_box(key), TWENTY, at(2000), at(1000))));
    });
}

criterion_group!(benches, admit, reserve_and_settle, refuse);
criterion_main!(benches);
