//! Three nodes over PostgreSQL and Redis, and everything that can happen to them: nothing accepted
//! is lost, no session's quota is exceeded in any window, messages to a recipient keep their order.
//! Judged by what arrives at the simulated WAHA.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, to fail is to tell"
)]

#[path = "nodes/balancer.rs"]
mod balancer;
#[path = "nodes/cluster.rs"]
mod cluster;
#[path = "nodes/judge.rs"]
mod judge;
#[path = "process/mod.rs"]
mod process;
#[path = "nodes/traffic.rs"]
mod traffic;

use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster::{Cluster, RedisKind};
use test_services::{Redis, RedisCluster};

/// Read, as every message is in the end whose acks were not lost.
const READ: &[&str] = &["delivered", "read"];

async fn on_one_redis() -> Cluster {
    Cluster::start(RedisKind::Single(Box::new(Redis::start().await))).await
}

fn redis(cluster: &mut Cluster) -> &mut Redis {
    match &mut cluster.redis {
        RedisKind::Single(redis) => redis,
        RedisKind::Cluster(_) => unreachable!("these tests have one Redis"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed_in_the_middle_of_work() {
    let mut cluster = on_one_redis().await;
    for node in [1, 2, 1] {
        cluster.node(node).kill().await;
        cluster.recovers().await;
        cluster.traffic.accepted(30).await;
        cluster.restart(node).await;
    }
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_paused_for_longer_than_its_lease() {
    let mut cluster = on_one_redis().await;
    // Twice, as it may have had nothing under way.
    for node in [1, 2] {
        cluster.node(node).signal("STOP").await;
        let port = cluster.port(node);
        cluster.balancer.set_in(port, false);
        cluster.recovers().await;
        // A lease is 15 s; the node is asleep for longer, and others have sent what it had.
        tokio::time::sleep(Duration::from_secs(20)).await;
        cluster.node(node).signal("CONT").await;
        cluster.balancer.set_in(port, true);
        cluster.traffic.accepted(30).await;
    }
    cluster.recovers().await;
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_restarted_in_immediate_mode() {
    let mut cluster = on_one_redis().await;
    for _ in 0..2 {
        let before = cluster.traffic.record.refused.load(Ordering::SeqCst);
        cluster.postgres.stop_immediately().await;
        process::eventually("sends are refused", Duration::from_secs(30), async || {
            cluster.traffic.record.refused.load(Ordering::SeqCst) > before
        })
        .await;
        cluster.postgres.start_again().await;
        cluster.recovers().await;
    }
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_to_postgres_are_cut() {
    let mut cluster = on_one_redis().await;
    for _ in 0..10 {
        cluster.postgres.cut_connections().await;
        cluster.traffic.accepted(10).await;
    }
    cluster.recovers().await;
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back_empty() {
    let mut cluster = on_one_redis().await;
    for _ in 0..2 {
        redis(&mut cluster).kill().await;
        // What PostgreSQL keeps is accepted, and waits.
        cluster.traffic.accepted(40).await;
        redis(&mut cluster).start_again().await;
        cluster.recovers().await;
        cluster.traffic.accepted(30).await;
    }
    assert_eq!(cluster.traffic.record.refused.load(Ordering::SeqCst), 0);
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_refuses_the_nodes_for_a_while() {
    let mut cluster = on_one_redis().await;
    redis(&mut cluster).ask(&["config", "set", "requirepass", "x"]).await;
    redis(&mut cluster).ask(&["-a", "x", "client", "kill", "type", "normal"]).await;
    cluster.traffic.accepted(40).await;
    redis(&mut cluster).ask(&["-a", "x", "config", "set", "requirepass", ""]).await;
    cluster.recovers().await;
    assert_eq!(cluster.traffic.record.refused.load(Ordering::SeqCst), 0);
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_full_for_a_while() {
    let mut cluster = on_one_redis().await;
    redis(&mut cluster).ask(&["config", "set", "maxmemory", "1"]).await;
    cluster.traffic.accepted(40).await;
    // It still answers what only reads.
    let health = cluster.node(0).get("/health").await;
    assert_eq!(health["status"], "warn", "{health}");
    redis(&mut cluster).ask(&["config", "set", "maxmemory", "0"]).await;
    cluster.recovers().await;
    assert_eq!(cluster.traffic.record.refused.load(Ordering::SeqCst), 0);
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_forgets_everything_in_the_middle_of_a_run() {
    let mut cluster = on_one_redis().await;
    for _ in 0..8 {
        redis(&mut cluster).flush_all().await;
        cluster.traffic.accepted(15).await;
    }
    cluster.recovers().await;
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_the_redis_cluster_is_killed() {
    let mut cluster = Cluster::start(RedisKind::Cluster(RedisCluster::start().await)).await;
    if let RedisKind::Cluster(redis) = &mut cluster.redis {
        redis.kill_a_primary().await;
    }
    cluster.recovers().await;
    cluster.traffic.accepted(30).await;
    cluster.judge(READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waha_is_down_for_a_minute() {
    let mut cluster = on_one_redis().await;
    cluster.simulator.restart(Duration::from_secs(60)).await;
    cluster.recovers().await;
    // WAHA forgot what it had not told.
    cluster.judge(&["sent", "delivered", "read"]).await;
}
