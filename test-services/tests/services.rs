//! The services do as they are told.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use std::time::Duration;

use test_services::{Gate, Postgres, Redis, RedisCluster};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

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

/// A server that says everything back; its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    port
}

#[tokio::test]
async fn a_gate_carries_slows_down_and_cuts() {
    let gate = Gate::before(echo().await).await;
    let mut client = TcpStream::connect(("127.0.0.1", gate.port())).await.unwrap();
    let mut said = [0; 5];
    client.write_all(b"hello").await.unwrap();
    client.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");

    gate.slow_down(Duration::from_millis(60));
    let asked = Instant::now();
    client.write_all(b"again").await.unwrap();
    client.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"again");
    assert!(asked.elapsed() >= Duration::from_millis(120), "{:?}", asked.elapsed());

    gate.cut();
    assert!(matches!(client.read(&mut said).await, Ok(0) | Err(_)));
    gate.slow_down(Duration::ZERO);
    let mut client = TcpStream::connect(("127.0.0.1", gate.port())).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.read_exact(&mut said).await.unwrap();
}
