//! What a store says while its server is away, and that it works again by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging_core::conformance::build::message;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use support::Database;
use test_services::Postgres;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A network between a store and its server that can stop carrying anything, without a word.
struct Network {
    url: String,
    is_silent: Arc<AtomicBool>,
}

impl Network {
    async fn before(url: &str) -> Self {
        let (rest, database) = url.rsplit_once('/').unwrap();
        let (user, server) = rest.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let is_silent = Arc::new(AtomicBool::new(false));
        let (server, silent) = (server.to_owned(), Arc::clone(&is_silent));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let ((client_in, client_out), (server_in, server_out)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(carry(client_in, server_out, Arc::clone(&silent)));
                tokio::spawn(carry(server_in, client_out, Arc::clone(&silent)));
            }
        });
        Self { url: format!("{user}@{here}/{database}"), is_silent }
    }
}

/// Carries bytes until one side ends; what comes while the network is silent is lost.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    is_silent: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !is_silent.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

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
    network.is_silent.store(true, Ordering::SeqCst);
    for n in 2..8 {
        let kept = MessageStore::insert(&store, &[message(n)]).await;
        assert!(matches!(kept, Err(StoreError::Unavailable(_))), "{kept:?}");
    }
    network.is_silent.store(false, Ordering::SeqCst);
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
