//! What a store says while its server is away, and that it works again by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use messaging_core::conformance::build::message;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use support::{Database, Network};
use test_services::Postgres;

async fn eventually_keeps(store: &PostgresStore, from: u64) {
    let keeps = async {
        let mut n = from;
        while MessageStore::insert(store, &[message(n)]).await.is_err() {
            n += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), keeps).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_not_waited_for_for_ever() {
    let database = Database::new().await;
    let network = Network::before(&database.url).await;
    let options = PostgresOptions {
        answer_timeout: Duration::from_millis(300),
        acquire_timeout: Duration::from_millis(300),
        ..PostgresOptions::default()
    };
    let store = PostgresStore::open(&network.url, &options).await.unwrap();
    MessageStore::insert(&store, &[message(1)]).await.unwrap();
    network.fall_silent();
    for n in 2..8 {
        let kept = MessageStore::insert(&store, &[message(n)]).await;
        assert!(matches!(kept, Err(StoreError::Unavailable(_))), "{kept:?}");
    }
    network.carry_again();
    eventually_keeps(&store, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_is_there_after_a_server_that_stopped_at_once() {
    let mut postgres = Postgres::start().await;
    let store = PostgresStore::open(&postgres.url(), &PostgresOptions::default()).await.unwrap();
    for n in 1..=20 {
        MessageStore::insert(&store, &[message(n)]).await.unwrap();
    }
    postgres.stop_immediately().await;
    let refused = MessageStore::insert(&store, &[message(21)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    postgres.start_again().await;
    eventually_keeps(&store, 100).await;
    let ids: Vec<_> = (1..=20).map(|n| message(n).id).collect();
    assert_eq!(store.load(&ids).await.unwrap().len(), 20);
}
