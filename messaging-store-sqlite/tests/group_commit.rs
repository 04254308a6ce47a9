//! Callers that come at once share a commit, and none of them can hurt another.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use messaging_core::conformance::build::{batch, message, message_id, tenant_id};
use messaging_core::domain::message::Message;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

type Call<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

fn open() -> (TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, SqliteStore::open(path, SqliteOptions::default()).unwrap())
}

fn insert(store: &SqliteStore, messages: Vec<Message>) -> Call<'_> {
    Box::pin(async move { MessageStore::insert(store, &messages).await })
}

/// Makes all calls while the writer cannot write, so that all are queued before any is done.
async fn at_once(store: &SqliteStore, mut calls: Vec<Call<'_>>) -> Vec<Result<(), StoreError>> {
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    poll_fn(|context| {
        for call in &mut calls {
            assert!(call.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    other.execute_batch("ROLLBACK").unwrap();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await);
    }
    results
}

async fn kept(store: &SqliteStore, n: u64) -> bool {
    MessageStore::find(store, tenant_id(1), message_id(n)).await.unwrap().is_some()
}

#[tokio::test]
async fn callers_that_come_at_once_share_a_commit() {
    let (_directory, store) = open();
    let before = store.write_statistics();
    let calls = (1..=64).map(|n| insert(&store, vec![message(n)])).collect();
    assert!(at_once(&store, calls).await.iter().all(Result::is_ok));
    let after = store.write_statistics();
    assert_eq!(after.calls - before.calls, 64);
    // One for those the writer had taken up before it was held, one for all others.
    assert!(after.commits - before.commits <= 2, "{after:?}");
    for n in 1..=64 {
        assert!(kept(&store, n).await);
    }
}

#[tokio::test]
async fn no_transaction_serves_more_calls_than_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { group_limit: 4, ..SqliteOptions::default() };
    let store = SqliteStore::open(directory.path().join("store.db"), options).unwrap();
    let before = store.write_statistics();
    let calls = (1..=64).map(|n| insert(&store, vec![message(n)])).collect();
    assert!(at_once(&store, calls).await.iter().all(Result::is_ok));
    assert!(store.write_statistics().commits - before.commits >= 16);
}

#[tokio::test]
async fn a_conflict_hurts_nobody_else_in_the_transaction() {
    let (_directory, store) = open();
    let calls = vec![
        insert(&store, vec![message(1)]),
        // Fails before it has written anything.
        insert(&store, vec![message(1)]),
        insert(&store, vec![message(2)]),
        // Fails when it has written two already.
        insert(&store, vec![message(3), message(4), message(2)]),
        insert(&store, vec![message(5)]),
        insert(&store, vec![message(6), message(6)]),
        insert(&store, vec![message(3)]),
    ];
    let results = at_once(&store, calls).await;
    let conflicts: Vec<bool> = results
        .iter()
        .map(|result| matches!(result, Err(StoreError::Conflict { entity: "message" })))
        .collect();
    assert_eq!(conflicts, [false, true, false, true, false, true, false]);
    assert!(results.iter().zip(conflicts).all(|(result, conflict)| result.is_ok() != conflict));
    for (n, expected) in [(1, true), (2, true), (3, true), (4, false), (5, true), (6, false)] {
        assert_eq!(kept(&store, n).await, expected, "message {n}");
    }
}

#[tokio::test]
async fn a_bulk_request_is_kept_with_all_its_messages_or_not_at_all() {
    let (_directory, store) = open();
    MessageStore::insert(&store, &[message(2)]).await.unwrap();
    let failed = store.insert_batch(&batch(1), &[message(1), message(2)]).await;
    assert!(matches!(failed, Err(StoreError::Conflict { .. })));
    assert!(!kept(&store, 1).await);
    assert_eq!(store.find_batch(tenant_id(1), batch(1).id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_the_queue_has_room_for_all_get_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { queue_capacity: 2, ..SqliteOptions::default() };
    let store = SqliteStore::open(directory.path().join("store.db"), options).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=200 {
        let store = store.clone();
        tasks.spawn(async move { MessageStore::insert(&store, &[message(n)]).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(
        store.load(&(1..=200).map(message_id).collect::<Vec<_>>()).await.unwrap().len(),
        200
    );
}
