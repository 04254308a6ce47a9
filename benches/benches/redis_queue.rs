//! How many messages a second go through the queue on Redis (pushed, claimed, completed), and does
//! it matter how many wait?
//!
//! As in the service: 64 callers push one message each at a time, a worker claims what it has room
//! for, 64 at the most, and each message is completed by itself. The backlog of due messages stays
//! as it is.
//!
//! Needs a Redis: `scripts/with-services cargo bench -p benches --bench redis_queue`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use messaging_core::conformance::build::{session_id, tenant_id};
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::{MessageId, uuid_v7};
use messaging_core::domain::message::{Priority, QueueItem};
use messaging_core::domain::urgency::Lane;
use messaging_core::ports::clock::{Clock, SystemClock};
use messaging_core::ports::queue::Queue;
use messaging_store_redis::{RedisConnection, RedisOptions, RedisQueue};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const SESSIONS: u64 = 1000;
const TENANTS: u64 = 50;
const CALLERS: u64 = 64;
const LEASE: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The `n`th message, due now, to a recipient of its own.
fn item(n: u64) -> QueueItem {
    let session = n * 7919 % SESSIONS;
    let now = SystemClock.now();
    QueueItem {
        message: MessageId(uuid_v7(now, n << 2)),
        tenant: tenant_id(session % TENANTS),
        session: session_id(session),
        recipient: RecipientKey(n),
        priority: Priority::Normal,
        lane: Lane::Known,
        due_at: now,
    }
}

/// A queue with so many messages.
struct Filled {
    queue: Arc<RedisQueue>,
    pushed: AtomicU64,
}

impl Filled {
    async fn new(name: &str, partitions: u16, backlog: u64) -> Self {
        let url = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL is not set: run this by `scripts/with-services cargo bench …`");
        let mut options = RedisOptions::single(url);
        options.prefix = format!("bench-{name}-{}", std::process::id());
        options.partitions = partitions;
        let connection = RedisConnection::connect(&options).await.unwrap();
        let queue = Arc::new(RedisQueue::new(&connection));
        let mut first = 0;
        while first < backlog {
            let end = backlog.min(first + 1000);
            queue.push(&(first..end).map(item).collect::<Vec<_>>()).await.unwrap();
            first = end;
        }
        Self { queue, pushed: AtomicU64::new(backlog) }
    }

    async fn push(&self, count: u64) {
        join_all((0..CALLERS).map(|caller| async move {
            for _ in 0..count / CALLERS + u64::from(caller < count % CALLERS) {
                let n = self.pushed.fetch_add(1, Ordering::Relaxed);
                self.queue.push(&[item(n)]).await.unwrap();
            }
        }))
        .await;
    }

    async fn work(&self, count: u64) {
        let mut under_way = JoinSet::new();
        let mut claimed = 0;
        while claimed < count {
            let room = (CALLERS - under_way.len() as u64).min(count - claimed);
            let now = SystemClock.now();
            let claims = self.queue.claim(room as usize, LEASE, now).await.unwrap();
            claimed += claims.items.len() as u64;
            for claim in claims.items {
                let queue = Arc::clone(&self.queue);
                under_way.spawn(async move { assert!(queue.complete(&claim).await.unwrap()) });
            }
            if claims.next_due.is_none_or(|due| due > now) && under_way.is_empty() {
                self.queue.changed(claims.version).await;
            } else if under_way.len() as u64 > CALLERS / 2 {
                while under_way.len() as u64 > CALLERS / 2 {
                    under_way.join_next().await.unwrap().unwrap();
                }
            }
            while let Some(ended) = under_way.try_join_next() {
                ended.unwrap();
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended.unwrap();
        }
    }

    /// So many messages go through.
    async fn pass(&self, count: u64) -> Duration {
        let started = WallTime.start();
        tokio::join!(self.push(count), self.work(count));
        WallTime.end(started)
    }

    /// So many messages are claimed, by and by; the time it takes without what comes after.
    async fn claim(&self, count: u64) -> Duration {
        let (mut taken, mut claimed) = (Duration::ZERO, 0);
        while claimed < count {
            let started = WallTime.start();
            let max = CALLERS.min(count - claimed) as usize;
            let claims = self.queue.claim(max, LEASE, SystemClock.now()).await.unwrap();
            taken += WallTime.end(started);
            claimed += claims.items.len() as u64;
            let done = claims.items.len() as u64;
            join_all(claims.items.iter().map(|claim| self.queue.complete(claim))).await;
            self.push(done).await;
        }
        taken
    }
}

fn queue(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("redis_queue");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5))
        .throughput(Throughput::Elements(1));
    for partitions in [1, 16] {
        for backlog in [1000, 1_000_000] {
            let name = format!("{partitions}_partitions/{backlog}_due");
            let filled = LazyLock::new(|| {
                let filled = Filled::new(&name, partitions, backlog);
                runtime.block_on(filled)
            });
            group.bench_function(BenchmarkId::new("push_claim_complete", &name), |b| {
                let filled = &*filled;
                b.to_async(&runtime).iter_custom(|iters| filled.pass(iters));
            });
            group.bench_function(BenchmarkId::new("claim", &name), |b| {
                let filled = &*filled;
                b.to_async(&runtime).iter_custom(|iters| filled.claim(iters));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
