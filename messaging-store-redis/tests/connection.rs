//! A Redis that could not be used is used again when it can be, whatever was wrong with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

use std::time::Duration;

use messaging_core::conformance::queue::item;
use messaging_core::ports::queue::Queue;
use messaging_store_redis::{RedisConnection, RedisFault, RedisOptions, RedisQueue};
use test_services::{Gate, Passage, Redis, RedisCluster};

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn behind_a_gate(redis: &Redis) -> (Gate, RedisConnection) {
    let gate = Gate::before(redis.port()).await;
    let mut options = RedisOptions::single(format!("redis://127.0.0.1:{}", gate.port()));
    options.response_timeout = Duration::from_millis(300);
    (gate, RedisConnection::connect(&options).await.unwrap())
}

/// Asks until this is why it fails: it was found while connecting anew.
async fn fails_with(connection: &RedisConnection, fault: RedisFault) {
    let asking = async {
        while connection.ping().await != Err(fault.clone()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

async fn works_again(connection: &RedisConnection) {
    let asking = async {
        while connection.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

/// Whatever Redis answers for a while to those who connect, it is used again afterwards.
async fn works_again_after(answer: &'static str, fault: RedisFault) {
    let redis = Redis::start().await;
    let (gate, connection) = behind_a_gate(&redis).await;
    gate.set(Passage::Answers(answer));
    fails_with(&connection, fault).await;
    gate.set(Passage::Open);
    works_again(&connection).await;
}

#[tokio::test]
async fn after_a_greeting_that_was_refused() {
    let refused = RedisFault::Refused("NOAUTH".into());
    works_again_after("-NOAUTH Authentication required.\r\n", refused).await;
}

#[tokio::test]
async fn after_a_password_that_was_refused() {
    let refused = RedisFault::Refused("WRONGPASS".into());
    works_again_after("-WRONGPASS invalid username-password pair.\r\n", refused).await;
}

#[tokio::test]
async fn after_an_answer_of_something_else() {
    works_again_after("HTTP/1.1 400 Bad Request\r\n\r\n", RedisFault::Answer).await;
}

#[tokio::test]
async fn on_a_new_connection_where_nothing_comes_out_of_the_old_one() {
    let redis = Redis::start().await;
    let (gate, connection) = behind_a_gate(&redis).await;
    gate.set(Passage::Silent);
    assert!(connection.ping().await.is_err());
    gate.set(Passage::Open);
    works_again(&connection).await;
    assert!(gate.silenced() > 0, "the old one is still open");
}

#[tokio::test]
async fn where_it_is_away_the_next_are_told_at_once() {
    let redis = Redis::start().await;
    let (gate, connection) = behind_a_gate(&redis).await;
    gate.set(Passage::Silent);
    assert!(connection.ping().await.is_err());
    let before = gate.silenced();
    for _ in 0..1000 {
        assert!(connection.ping().await.is_err());
    }
    // Each that asks waits for 300 ms, and no other asks for 250 ms.
    assert!(gate.silenced() - before < 100, "{} asked", gate.silenced() - before);
}

#[tokio::test]
async fn a_password_that_was_set_and_removed_at_a_server() {
    let redis = Redis::start().await;
    let connection = RedisConnection::connect(&RedisOptions::single(redis.url())).await.unwrap();
    redis.ask(&["config", "set", "requirepass", "x"]).await;
    redis.ask(&["-a", "x", "client", "kill", "type", "normal"]).await;
    fails_with(&connection, RedisFault::Refused("NOAUTH".into())).await;
    redis.ask(&["-a", "x", "config", "set", "requirepass", ""]).await;
    works_again(&connection).await;
}

#[tokio::test]
async fn a_password_that_was_set_and_removed_at_a_cluster() {
    let cluster = RedisCluster::start().await;
    let options = RedisOptions::cluster(cluster.urls());
    let queue = RedisQueue::new(&RedisConnection::connect(&options).await.unwrap());
    queue.push(&[item(1)]).await.unwrap();
    for node in cluster.nodes() {
        node.ask(&["config", "set", "requirepass", "x"]).await;
        node.ask(&["-a", "x", "client", "kill", "type", "normal"]).await;
    }
    // Long enough for connecting anew to be refused at each of the nodes.
    let refused = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < refused {
        let _ = queue.push(&[item(1)]).await;
        tokio::task::yield_now().await;
    }
    assert!(queue.push(&[item(1)]).await.is_err());
    for node in cluster.nodes() {
        node.ask(&["-a", "x", "config", "set", "requirepass", ""]).await;
    }
    let pushing = async {
        while queue.push(&[item(1)]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, pushing).await.unwrap();
}

#[tokio::test]
async fn another_number_of_partitions_is_refused_while_one_is_in_use() {
    let redis = Redis::start().await;
    let with = |partitions| {
        let mut options = RedisOptions::single(redis.url());
        options.partitions = partitions;
        async move { RedisConnection::connect(&options).await.map(|_| ()) }
    };
    assert_eq!(with(4).await, Ok(()));
    assert_eq!(with(4).await, Ok(()));
    assert_eq!(with(8).await, Err(RedisFault::OtherPartitions(4)));
    // As after half a minute in which nobody said so again.
    redis.ask(&["del", "{messaging}:partitions"]).await;
    assert_eq!(with(8).await, Ok(()));
}
