//! The services do as they are told.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use std::time::Duration;

use test_services::{Postgres, Redis, RedisCluster};

async fn eventually(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

#[tokio::test]
async fn postgres_keeps_what_it_committed_through_an_immediate_stop() {
    let mut postgres = Postgres::start().await;
    postgres.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)").await;
    postgres.stop_immediately().await;
    postgres.start_again().await;
    postgres.cut_connections().await;
    assert_eq!(postgres.sql("SELECT n FROM kept").await, "7");
}

#[tokio::test]
async fn redis_forgets_when_it_is_told_to_and_when_it_is_killed() {
    let mut redis = Redis::start().await;
    redis.ask(&["set", "key", "value"]).await;
    assert_eq!(redis.ask(&["get", "key"]).await, "value");
    redis.flush_all().await;
    assert_eq!(redis.ask(&["dbsize"]).await, "0");
    redis.ask(&["set", "key", "value"]).await;
    redis.kill().await;
    redis.start_again().await;
    assert_eq!(redis.ask(&["dbsize"]).await, "0");
}

#[tokio::test]
async fn a_cluster_outlives_one_of_its_primaries() {
    let mut cluster = RedisCluster::start().await;
    assert_eq!(cluster.urls().len(), 6);
    assert!(cluster.serves_all_slots().await);
    cluster.kill_a_primary().await;
    assert_eq!(cluster.primaries().await, 2);
    eventually(async || cluster.primaries().await == 3).await;
    eventually(async || cluster.serves_all_slots().await).await;
    cluster.start_all_again().await;
    eventually(async || cluster.serves_all_slots().await).await;
}
