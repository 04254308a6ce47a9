//! The Redis servers that tests use, each test with keys of its own.
#![allow(dead_code, reason = "each test binary uses another part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

use std::time::Duration;

use messaging_store_redis::{RedisConnection, RedisOptions};

/// A connection to the one server.
pub(crate) async fn single(test: &str, partitions: u16) -> RedisConnection {
    connect(RedisOptions::single(variable("TEST_REDIS_URL")), test, partitions).await
}

/// A connection to the cluster.
pub(crate) async fn cluster(test: &str, partitions: u16) -> RedisConnection {
    let urls = variable("TEST_REDIS_CLUSTER_URLS");
    connect(RedisOptions::cluster(urls.split(',')), test, partitions).await
}

async fn connect(mut options: RedisOptions, test: &str, partitions: u16) -> RedisConnection {
    options.prefix = format!("{test}-{}", std::process::id());
    options.partitions = partitions;
    // Many tests at once on a small machine may have to wait for each other.
    options.response_timeout = Duration::from_secs(30);
    options.connection_timeout = Duration::from_secs(30);
    RedisConnection::connect(&options).await.unwrap()
}

/// The value of a variable that `scripts/with-services` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run this by `scripts/with-services cargo test …`")
    })
}

/// Loses all keys of a test, as if somebody had emptied the server.
pub(crate) async fn lose_everything(test: &str) {
    let client = redis::Client::open(variable("TEST_REDIS_URL")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let pattern = format!("{{{test}-{}:*", std::process::id());
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    assert!(!keys.is_empty(), "there was something to lose");
    let deleted = redis::cmd("DEL").arg(&keys).query_async::<usize>(&mut connection).await;
    assert_eq!(deleted.unwrap(), keys.len());
}

/// Fails where a test has left keys but those that end so.
pub(crate) async fn assert_nothing_is_left(test: &str, but: &[&str]) {
    let client = redis::Client::open(variable("TEST_REDIS_URL")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let pattern = format!("{{{test}-{}:*", std::process::id());
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    let left: Vec<&String> =
        keys.iter().filter(|key| !but.iter().any(|end| key.ends_with(end))).collect();
    assert!(left.is_empty(), "{left:?}");
}
