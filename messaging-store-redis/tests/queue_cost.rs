//! What a message costs Redis: one call for each thing that is asked, and no more work with a long
//! backlog than with a short one. Counted, not timed; and as a queue now and then asks all its
//! partitions how they are, of several rounds the one that costs least counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use messaging_core::conformance::build::{at, session_id, tenant_id};
use messaging_core::conformance::queue::item;
use messaging_core::domain::message::QueueItem;
use messaging_core::ports::queue::{Claim, Queue};
use messaging_store_redis::{RedisConnection, RedisOptions, RedisQueue};
use test_services::Redis;

const LEASE: Duration = Duration::from_secs(30);
const SESSIONS: u64 = 200;

/// More than the messages of any test.
const FAR: u64 = 10_000_000;

fn nth(n: u64) -> QueueItem {
    let session = n % SESSIONS;
    QueueItem { session: session_id(session), tenant: tenant_id(session % 10), ..item(n) }
}

async fn queue(redis: &Redis, partitions: u16) -> RedisQueue {
    let mut options = RedisOptions::single(redis.url());
    options.partitions = partitions;
    // Long enough for a machine that is busy with other tests.
    options.response_timeout = Duration::from_secs(30);
    RedisQueue::new(&RedisConnection::connect(&options).await.unwrap())
}

/// How often Redis ran each command since it was asked last.
async fn commands(redis: &Redis) -> BTreeMap<String, u64> {
    let told = redis.ask(&["info", "commandstats"]).await;
    redis.ask(&["config", "resetstat"]).await;
    told.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split_once(',')?.0.parse().ok()?))
        })
        .collect()
}

fn calls(of: &BTreeMap<String, u64>) -> u64 {
    ["evalsha", "eval"].iter().filter_map(|name| of.get(*name)).sum()
}

/// All commands of scripts, and none of the test's own.
fn work(of: &BTreeMap<String, u64>) -> u64 {
    let of_scripts = |name: &str| name.starts_with(['z', 'h']) && name != "hello";
    of.iter().filter(|(name, _)| of_scripts(name)).map(|(_, calls)| calls).sum()
}

/// Fills a queue, and lets it hand out some so that it knows the time and all scripts.
async fn filled(redis: &Redis, partitions: u16, backlog: u64) -> RedisQueue {
    let queue = queue(redis, partitions).await;
    let items: Vec<QueueItem> = (0..backlog).map(nth).collect();
    for chunk in items.chunks(2000) {
        queue.push(chunk).await.unwrap();
    }
    let claims = queue.claim(10, LEASE, at(FAR)).await.unwrap().items;
    complete(&queue, &claims).await;
    queue
}

async fn complete(queue: &RedisQueue, claims: &[Claim]) {
    for completed in join_all(claims.iter().map(|claim| queue.complete(claim))).await {
        assert!(completed.unwrap());
    }
}

/// What a claim of 50 and what ending and replacing these costs.
async fn cost(partitions: u16, backlog: u64) -> [u64; 2] {
    let redis = Redis::start().await;
    let queue = filled(&redis, partitions, backlog).await;
    let mut next = backlog;
    let mut costs = [u64::MAX; 2];
    for _ in 0..16 {
        commands(&redis).await;
        let claims = queue.claim(50, LEASE, at(FAR)).await.unwrap().items;
        assert_eq!(claims.len(), 50);
        costs[0] = costs[0].min(work(&commands(&redis).await));
        complete(&queue, &claims).await;
        let items: Vec<QueueItem> = (next..next + 50).map(nth).collect();
        next += 50;
        queue.push(&items).await.unwrap();
        costs[1] = costs[1].min(work(&commands(&redis).await));
    }
    costs
}

/// A backlog a hundred times as long does not cost twice as much. Closer cannot be asked for: whether
/// a claim first asks partitions for their state depends on when it hears that they changed.
fn assert_alike(short: [u64; 2], long: [u64; 2]) {
    for (short, long) in short.into_iter().zip(long) {
        assert!(long <= 2 * short, "{short} commands with 1 000, {long} with 100 000");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_costs_the_same_with_a_long_backlog() {
    assert_alike(cost(1, 1000).await, cost(1, 100_000).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_costs_the_same_with_a_long_backlog_in_many_partitions() {
    assert_alike(cost(16, 1000).await, cost(16, 100_000).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_is_one_call() {
    let redis = Redis::start().await;
    let queue = filled(&redis, 16, 0).await;
    let mut least = [u64::MAX; 4];
    for round in 0..8 {
        commands(&redis).await;
        queue.push(&[nth(round)]).await.unwrap();
        least[0] = least[0].min(calls(&commands(&redis).await));
        let claims = queue.claim(10, LEASE, at(FAR + round)).await.unwrap().items;
        least[1] = least[1].min(calls(&commands(&redis).await));
        complete(&queue, &claims).await;
        least[2] = least[2].min(calls(&commands(&redis).await));
        let nothing = queue.claim(10, LEASE, at(FAR + round)).await.unwrap();
        assert!(nothing.items.is_empty());
        least[3] = least[3].min(calls(&commands(&redis).await));
    }
    // A claim asks the one partition that has something, and none where nothing is known to be.
    assert_eq!(least, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_at_once_shares_calls() {
    let redis = Redis::start().await;
    let queue = filled(&redis, 1, 10).await;
    commands(&redis).await;
    let items: Vec<QueueItem> = (1000..1064).map(nth).collect();
    let pushed = join_all(items.chunks(1).map(|item| queue.push(item))).await;
    assert!(pushed.iter().all(Result::is_ok));
    let together = calls(&commands(&redis).await);
    assert!(together <= 8, "{together} calls for 64 pushes at once");
    let claims = queue.claim(64, LEASE, at(FAR)).await.unwrap().items;
    assert!(calls(&commands(&redis).await) <= 2);
    complete(&queue, &claims).await;
    let together = calls(&commands(&redis).await);
    assert!(together <= 8, "{together} calls for 64 completions at once");
}
