//! Callers that come at once share statements, and none of them can hurt another.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use futures::future::join_all;
use messaging_core::conformance::build::{at, batch, inbox_entry, message, message_id, tenant_id};
use messaging_core::domain::inbox::Kept;
use messaging_core::domain::message::{ChangeOutcome, MessageRef, StatusChange};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use messaging_store_postgres::PostgresStore;
use support::Database;

fn begin(n: u64) -> StatusChange {
    StatusChange::new(MessageRef::Id(message_id(n)), StatusEvent::Begin, at(n))
}

async fn insert(store: &PostgresStore, n: u64) -> Result<(), StoreError> {
    MessageStore::insert(store, &[message(n)]).await
}

async fn kept(store: &PostgresStore, n: u64) -> bool {
    MessageStore::find(store, tenant_id(1), message_id(n)).await.unwrap().is_some()
}

// On one thread all callers have asked before the first transaction is begun.
#[tokio::test]
async fn callers_that_come_at_once_share_statements() {
    let database = Database::new().await;
    let store = database.store().await;
    let inserted = join_all((1..=64).map(|n| insert(&store, n))).await;
    assert!(inserted.iter().all(Result::is_ok));
    let inserts = store.write_statistics();
    assert_eq!(inserts.calls, 64);
    assert!(inserts.statements <= 2, "{inserts:?}");

    let changes = (1..=64).map(|n| [begin(n)]);
    let changes: Vec<_> = changes.collect();
    for outcomes in join_all(changes.iter().map(|change| store.change(change))).await {
        assert!(matches!(outcomes.unwrap()[..], [ChangeOutcome::Moved { .. }]));
    }
    let changes = store.write_statistics();
    assert_eq!(changes.calls, 128);
    // Beginning, locking, writing, committing.
    assert!(changes.statements - inserts.statements <= 8, "{changes:?}");

    let entries: Vec<_> = (1..=64).map(|n| [inbox_entry(n)]).collect();
    for kept in join_all(entries.iter().map(|entry| store.keep(entry))).await {
        assert_eq!(kept.unwrap(), [Kept::New]);
    }
    let keeps = store.write_statistics();
    assert!(keeps.statements - changes.statements <= 2, "{keeps:?}");
}

#[tokio::test]
async fn what_the_database_refuses_of_one_caller_fails_nobody_else() {
    let database = Database::new().await;
    let store = database.store().await;
    insert(&store, 32).await.unwrap();
    let inserted = join_all((1..=64).map(|n| insert(&store, n))).await;
    for (n, inserted) in (1..=64).zip(inserted) {
        match inserted {
            Ok(()) => assert_ne!(n, 32),
            Err(StoreError::Conflict { entity }) => assert_eq!((n, entity), (32, "message")),
            Err(error) => panic!("{n}: {error}"),
        }
        assert!(kept(&store, n).await, "{n}");
    }
}

#[tokio::test]
async fn of_many_that_begin_one_message_at_once_one_does() {
    let database = Database::new().await;
    let (here, there) = (database.store().await, database.store().await);
    insert(&here, 1).await.unwrap();
    let change = [StatusChange { generation: Some(0), ..begin(1) }];
    let stores = [&here, &there].into_iter().cycle().take(32);
    let outcomes = join_all(stores.map(|store| store.change(&change))).await;
    let moved = outcomes.into_iter().map(|outcomes| outcomes.unwrap().remove(0));
    let (moved, refused): (Vec<_>, Vec<_>) =
        moved.partition(|outcome| matches!(outcome, ChangeOutcome::Moved { .. }));
    assert_eq!(moved.len(), 1);
    assert!(refused.iter().all(|each| *each == ChangeOutcome::Refused(Status::Sending)));
}

/// Two nodes that change the same messages in opposite orders never wait for one another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_change_the_same_messages_do_not_lock_one_another_out() {
    let database = Database::new().await;
    let (here, there) = (database.store().await, database.store().await);
    let messages: Vec<_> = (1..=20).map(message).collect();
    MessageStore::insert(&here, &messages).await.unwrap();
    let kept = |n| StatusChange::new(MessageRef::Id(message_id(n)), StatusEvent::Begin, at(n));
    let up: Vec<_> = (1..=20).map(kept).collect();
    let down: Vec<_> = (1..=20).rev().map(kept).collect();
    for _ in 0..20 {
        let (up, down) = tokio::join!(here.change(&up), there.change(&down));
        assert_eq!((up.unwrap().len(), down.unwrap().len()), (20, 20));
    }
}

/// A bulk request is let in no further than its size, however many nodes look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_release_at_once_fill_the_same_room_once() {
    let database = Database::new().await;
    let (here, there) = (database.store().await, database.store().await);
    let batch = batch(1);
    let mut messages: Vec<_> = (1..=100).map(message).collect();
    for message in &mut messages {
        message.batch = Some(batch.id);
        message.held = true;
    }
    here.insert_batch(&batch, &messages).await.unwrap();
    let stores = [&here, &there].into_iter().cycle().take(8);
    let released = join_all(stores.map(|store| store.release_from_batch(batch.id, at(0)))).await;
    let released: usize = released.into_iter().map(|items| items.unwrap().len()).sum();
    assert_eq!(released, batch.batch_size as usize);
}
