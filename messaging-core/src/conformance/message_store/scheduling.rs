//! What is to be sent at a time is let into the queue then, and what has waited too long is named.

use super::{begin, found, moved, on};
use crate::conformance::build::{at, message, message_id};
use crate::domain::message::Message;
use crate::domain::status::StatusEvent;
use crate::ports::message_store::MessageStore;

/// A message that is to be sent `millis` after tests begin.
fn scheduled(n: u64, millis: u64) -> Message {
    Message { held: true, due_at: at(millis), ..message(n) }
}

async fn released(store: &dyn MessageStore, millis: u64, limit: u32) -> Vec<u64> {
    let items = store.release_scheduled(at(millis), limit).await.unwrap();
    let mut released = Vec::new();
    for item in items {
        let n = (1..10).find(|n| message_id(*n) == item.message).expect("one of ours");
        let expected = Message { held: false, ..found(store, n).await };
        assert_eq!(Some(item), expected.queue_item());
        released.push(n);
    }
    released.sort_unstable();
    released
}

/// A message that is to be sent at a time is not pending before, and is from then on.
pub async fn releases_a_scheduled_message_when_it_is_due(store: &dyn MessageStore) {
    store.insert(&[scheduled(1, 5000), message(2)]).await.unwrap();
    assert_eq!(found(store, 1).await, scheduled(1, 5000));
    assert_eq!(released(store, 4999, 10).await, [0; 0]);
    assert_eq!(store.pending(None, 10).await.unwrap().len(), 1);
    assert_eq!(released(store, 5000, 10).await, [1]);
    assert!(!found(store, 1).await.held);
    assert_eq!(store.pending(None, 10).await.unwrap().len(), 2);
    assert_eq!(released(store, 9000, 10).await, [0; 0]);
}

/// No more than asked for are let in, those that are due first before others.
pub async fn releases_those_due_first_before_others(store: &dyn MessageStore) {
    store.insert(&[scheduled(1, 300), scheduled(2, 100), scheduled(3, 200)]).await.unwrap();
    moved(store, on(2, StatusEvent::Cancel, 50)).await;
    assert_eq!(released(store, 1000, 1).await, [3]);
    assert_eq!(released(store, 1000, 1).await, [1]);
    assert_eq!(released(store, 1000, 1).await, [0; 0]);
}

fn expiring(n: u64, millis: u64) -> Message {
    Message { expires_at: Some(at(millis)), ..message(n) }
}

async fn overdue(store: &dyn MessageStore, millis: u64, limit: u32) -> Vec<u64> {
    let ids = store.overdue(at(millis), limit).await.unwrap();
    let number = |id| (1..10).find(|n| message_id(*n) == id).expect("one of ours");
    ids.into_iter().map(number).collect()
}

/// What is not to be sent from an instant on is named from that instant on, whoever holds it.
pub async fn names_what_is_overdue_in_order(store: &dyn MessageStore) {
    let held = Message { held: true, ..expiring(2, 2000) };
    store.insert(&[expiring(1, 3000), held.clone(), expiring(3, 1000), message(4)]).await.unwrap();
    assert_eq!(found(store, 2).await, held);
    assert_eq!(overdue(store, 999, 10).await, [0; 0]);
    assert_eq!(overdue(store, 2000, 10).await, [3, 2]);
    assert_eq!(overdue(store, 9000, 10).await, [3, 2, 1]);
    assert_eq!(overdue(store, 9000, 2).await, [3, 2]);
}

/// What is being sent, or has come to an end, is not overdue; what is to be tried again is.
pub async fn names_nothing_overdue_that_does_not_wait(store: &dyn MessageStore) {
    store.insert(&[expiring(1, 10), expiring(2, 10), expiring(3, 10)]).await.unwrap();
    for n in [1, 2] {
        moved(store, begin(n, 0, 20)).await;
    }
    moved(store, on(2, StatusEvent::Accept, 30)).await;
    moved(store, on(3, StatusEvent::Expire, 30)).await;
    assert_eq!(overdue(store, 9000, 10).await, [0; 0]);
    moved(store, on(1, StatusEvent::Defer, 40)).await;
    assert_eq!(overdue(store, 9000, 10).await, [1]);
}
