//! How long does a message take through the queue in memory, with few and with a million waiting?

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use messaging_core::conformance::build::{at, message_id, session_id, tenant_id};
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::message::{Priority, QueueItem};
use messaging_core::domain::urgency::Lane;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::queue::{Claim, HeldBy, Queue};
use tokio::runtime::{Builder, Runtime};

const DEPTHS: [u64; 2] = [1000, 1_000_000];

const LEASE: Duration = Duration::from_secs(30);

/// How many messages are taken in one go, as a busy worker does.
const GO: usize = 64;

/// So many messages of a hundred tenants with ten sessions each, some more urgent, some to the
/// same recipient.
fn items(count: u64) -> Vec<QueueItem> {
    let entropy = SeededEntropy::new(11);
    let item = |n| {
        let session = entropy.next_u64() % 1000;
        QueueItem {
            message: message_id(n),
            tenant: tenant_id(session / 10),
            session: session_id(session),
            recipient: RecipientKey(entropy.next_u64() % (count / 2)),
            priority: [Priority::Normal, Priority::High, Priority::Low, Priority::Normal]
                [(entropy.next_u64() % 4) as usize],
            lane: Lane::Known,
            due_at: at(0),
        }
    };
    (0..count).map(item).collect()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// A queue in which so many messages wait, all of them due.
fn filled(runtime: &Runtime, depth: u64) -> MemoryQueue {
    let queue = MemoryQueue::new();
    runtime.block_on(async {
        queue.push(&items(depth)).await.unwrap();
        // The first claim of a session finds out which of its messages are due.
        for _ in 0..100 {
            for claim in claim(&queue).await {
                queue.retry_at(&claim, claim.item.due_at, HeldBy::Retry).await.unwrap();
            }
        }
    });
    queue
}

async fn claim(queue: &dyn Queue) -> Vec<Claim> {
    queue.claim(GO, LEASE, at(1)).await.unwrap().items
}

async fn complete(queue: &dyn Queue, claims: &[Claim]) {
    for claim in claims {
        assert!(queue.complete(claim).await.unwrap());
    }
}

async fn push(queue: &dyn Queue, claims: &[Claim]) {
    let items: Vec<QueueItem> = claims.iter().map(|claim| claim.item).collect();
    queue.push(&items).await.unwrap();
}

/// One step of the way of 64 messages; what is claimed and completed is pushed again, so that as
/// many wait as before. Times are of all 64.
fn steps(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("queue");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(GO as u64));
    for depth in DEPTHS {
        let queue = &filled(&runtime, depth);
        group.bench_function(BenchmarkId::new("claim", depth), |b| {
            b.to_async(&runtime).iter_custom(async |iters| {
                let mut timed = Duration::ZERO;
                for _ in 0..iters {
                    let started = WallTime.start();
                    let claims = black_box(claim(queue).await);
                    timed += WallTime.end(started);
                    complete(queue, &claims).await;
                    push(queue, &claims).await;
                }
                timed
            });
        });
        group.bench_function(BenchmarkId::new("complete", depth), |b| {
            b.to_async(&runtime).iter_custom(async |iters| {
                let mut timed = Duration::ZERO;
                for _ in 0..iters {
                    let claims = claim(queue).await;
                    let started = WallTime.start();
                    complete(queue, &claims).await;
                    timed += WallTime.end(started);
                    push(queue, &claims).await;
                }
                timed
            });
        });
        group.bench_function(BenchmarkId::new("push", depth), |b| {
            b.to_async(&runtime).iter_custom(async |iters| {
                let mut timed = Duration::ZERO;
                for _ in 0..iters {
                    let claims = claim(queue).await;
                    complete(queue, &claims).await;
                    let started = WallTime.start();
                    push(queue, &claims).await;
                    timed += WallTime.end(started);
                }
                timed
            });
        });
        group.bench_function(BenchmarkId::new("claim_complete_push", depth), |b| {
            b.to_async(&runtime).iter(async || {
                let claims = claim(queue).await;
                complete(queue, &claims).await;
                push(queue, &claims).await;
            });
        });
    }
    group.finish();
}

/// The time from nothing to a queue that knows them all, as after a restart.
fn fill(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("queue");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for depth in DEPTHS {
        let items = items(depth);
        group.throughput(Throughput::Elements(depth));
        group.bench_function(BenchmarkId::new("fill", depth), |b| {
            b.to_async(&runtime).iter(async || {
                let queue = MemoryQueue::new();
                queue.push(&items).await.unwrap();
                queue
            });
        });
    }
    group.finish();
}

/// Where the last of a line stands, which looks at ten thousand before it at the most.
fn position(c: &mut Criterion) {
    let runtime = runtime();
    let queue = MemoryQueue::new();
    let of_one = |item: QueueItem| QueueItem {
        session: session_id(1),
        tenant: tenant_id(1),
        priority: Priority::Normal,
        ..item
    };
    let items: Vec<QueueItem> = items(20_000).into_iter().map(of_one).collect();
    runtime.block_on(queue.push(&items)).unwrap();
    c.bench_function("queue/position/20000", |b| {
        b.to_async(&runtime).iter(async || queue.position(&items[19_999]).await.unwrap());
    });
}

criterion_group!(benches, steps, fill, position);
criterion_main!(benches);
