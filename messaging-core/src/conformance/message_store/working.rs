//! What a worker asks after a restart: what is to be sent, and what was attempted lately.

use super::{begin, changed, moved, on};
use crate::conformance::build::{
    address, at, batch_id, inbound, message, message_id, session_id, tenant_id,
};
use crate::domain::id::MessageId;
use crate::domain::message::{Message, MessageRef, Priority, QueueItem, StatusChange};
use crate::domain::status::{Status, StatusEvent};
use crate::domain::timestamp::Timestamp;
use crate::ports::message_store::MessageStore;

async fn pending(store: &dyn MessageStore, after: Option<u64>, limit: u32) -> Vec<MessageId> {
    let items = store.pending(after.map(message_id), limit).await.unwrap();
    items.iter().map(|item| item.message).collect()
}

/// Only outbound messages that wait or are `sending` are pending.
pub async fn names_what_a_queue_ought_to_know(store: &dyn MessageStore) {
    let mut messages: Vec<Message> = (1..)
        .zip(Status::ALL)
        .map(|(n, status)| Message { status: *status, ..message(n) })
        .collect();
    messages.push(inbound(50));
    messages.push(Message { status: Status::Queued, ..inbound(51) });
    store.insert(&messages).await.unwrap();
    // The first three statuses: queued, sending, retry.
    assert_eq!(pending(store, None, 100).await, [1, 2, 3].map(message_id));
}

/// What its bulk request holds back is not pending until it is let in.
pub async fn names_nothing_that_its_batch_holds_back(store: &dyn MessageStore) {
    let held = Message { batch: Some(batch_id(1)), held: true, ..message(1) };
    let let_in = Message { batch: Some(batch_id(1)), ..message(2) };
    let batch = crate::conformance::build::batch(1);
    store.insert_batch(&batch, &[held, let_in]).await.unwrap();
    assert_eq!(pending(store, None, 10).await, [message_id(2)]);
    store.release_from_batch(batch_id(1), at(0)).await.unwrap();
    assert_eq!(pending(store, None, 10).await, [1, 2].map(message_id));
}

/// Pending messages are given page by page in order of id, of all tenants.
pub async fn names_what_is_pending_page_by_page(store: &dyn MessageStore) {
    let messages: Vec<Message> = [5, 2, 4, 1, 3]
        .map(|n| Message { tenant: tenant_id(1 + n % 2), session: session_id(n), ..message(n) })
        .into();
    store.insert(&messages).await.unwrap();
    assert_eq!(pending(store, None, 2).await, [1, 2].map(message_id));
    assert_eq!(pending(store, Some(2), 2).await, [3, 4].map(message_id));
    assert_eq!(pending(store, Some(4), 2).await, [message_id(5)]);
    assert_eq!(pending(store, Some(5), 2).await, []);
}

/// What is pending is given as a queue takes it, as the message stands now.
pub async fn gives_what_is_pending_as_a_queue_takes_it(store: &dyn MessageStore) {
    let urgent = Message {
        tenant: tenant_id(2),
        session: session_id(3),
        to: Some(address(7)),
        priority: Priority::High,
        ..message(1)
    };
    store.insert(std::slice::from_ref(&urgent)).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    let mut defer = on(1, StatusEvent::Defer, 20);
    defer.due_at = Some(at(900));
    moved(store, defer).await;
    let expected = QueueItem { due_at: at(900), ..urgent.queue_item().unwrap() };
    assert_eq!(store.pending(None, 10).await.unwrap(), [expected]);
}

/// A message is pending as long as it can be sent, and again once it is replayed.
pub async fn names_a_message_while_it_can_be_sent(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let steps = [
        (StatusEvent::Begin, true),
        (StatusEvent::Hold, true),
        (StatusEvent::Begin, true),
        (StatusEvent::Fail, false),
        (StatusEvent::Replay, true),
        (StatusEvent::Begin, true),
        (StatusEvent::Accept, false),
    ];
    for (event, is_pending) in steps {
        moved(store, on(1, event, 10)).await;
        assert_eq!(pending(store, None, 10).await.len(), usize::from(is_pending), "{event}");
    }
}

async fn before(store: &dyn MessageStore, n: u64) -> Option<MessageId> {
    let behind = store.behind(&[message_id(n)]).await.unwrap();
    let told: Vec<_> = behind.iter().map(|(id, _)| *id).collect();
    assert!(told.is_empty() || told == [message_id(n)]);
    behind.first().map(|(_, first)| first.message)
}

/// The most urgent first, and of equals the one accepted first; as the queue takes it.
pub async fn names_what_must_leave_before_a_message(store: &dyn MessageStore) {
    let to_one = |n, priority| Message { to: Some(address(1)), priority, ..message(n) };
    let (high, normal, low) = (Priority::High, Priority::Normal, Priority::Low);
    store
        .insert(&[
            to_one(1, low),
            to_one(2, normal),
            to_one(3, normal),
            to_one(4, high),
            to_one(5, low),
            to_one(6, normal),
        ])
        .await
        .unwrap();
    for (n, first) in
        [(1, None), (2, None), (3, Some(2)), (4, None), (5, Some(4)), (6, Some(4)), (7, None)]
    {
        assert_eq!(before(store, n).await, first.map(message_id), "{n}");
    }
    moved(store, begin(4, 0, 10)).await;
    assert_eq!(before(store, 6).await, Some(message_id(4)));
    let defer = StatusChange { due_at: Some(at(900)), ..on(4, StatusEvent::Defer, 20) };
    moved(store, defer).await;
    let told = store.behind(&[1, 3, 5, 9].map(message_id)).await.unwrap();
    let item = |n, priority| to_one(n, priority).queue_item().unwrap();
    let last = QueueItem { due_at: at(900), ..item(4, high) };
    assert_eq!(told, [(message_id(3), item(2, normal)), (message_id(5), last)]);
    moved(store, begin(4, 1, 30)).await;
    moved(store, on(4, StatusEvent::Accept, 40)).await;
    moved(store, on(2, StatusEvent::Cancel, 40)).await;
    for (n, first) in [(3, None), (5, Some(3)), (6, Some(3))] {
        assert_eq!(before(store, n).await, first.map(message_id), "{n}");
    }
}

/// Another recipient, session or direction, and what is done or held back, hold up nothing.
pub async fn names_nothing_before_what_others_may_not_hold_up(store: &dyn MessageStore) {
    let to_one = |n| Message { to: Some(address(1)), ..message(n) };
    let mut before_it: Vec<Message> = [Status::Sent, Status::Delivered, Status::Read]
        .into_iter()
        .chain([Status::Failed, Status::Cancelled, Status::Expired])
        .zip(1..)
        .map(|(status, n)| Message { status, ..to_one(n) })
        .collect();
    before_it.push(Message { to: Some(address(2)), ..message(10) });
    before_it.push(Message { session: session_id(2), ..to_one(11) });
    before_it.push(Message { to: Some(address(1)), ..inbound(12) });
    store.insert(&before_it).await.unwrap();
    let held = Message { batch: Some(batch_id(1)), held: true, ..to_one(13) };
    store.insert_batch(&crate::conformance::build::batch(1), &[held]).await.unwrap();
    store.insert(&[to_one(20)]).await.unwrap();
    assert_eq!(before(store, 20).await, None);
    assert!(store.behind(&[]).await.unwrap().is_empty());
}

async fn attempts(store: &dyn MessageStore, since: u64) -> Vec<Timestamp> {
    store.attempts_since(session_id(1), at(since), at(10_000)).await.unwrap()
}

/// An attempt counts when it ended, however it ended.
pub async fn counts_attempts_when_they_ended(store: &dyn MessageStore) {
    let ends = [
        StatusEvent::Accept,
        StatusEvent::Defer,
        StatusEvent::Fail,
        StatusEvent::Deliver,
        StatusEvent::Read,
        StatusEvent::Bounce,
    ];
    for (n, event) in (1..).zip(ends) {
        store.insert(&[message(n)]).await.unwrap();
        moved(store, begin(n, 0, 50)).await;
        moved(store, on(n, event, n * 100)).await;
    }
    assert_eq!(attempts(store, 0).await, [100, 200, 300, 400, 500, 600].map(at));
}

/// Attempts are counted from the instant asked for, that one included, oldest first.
pub async fn counts_attempts_from_an_instant_on(store: &dyn MessageStore) {
    for (n, ended) in [(1, 400), (2, 200), (3, 300), (4, 100), (5, 300)] {
        store.insert(&[message(n)]).await.unwrap();
        moved(store, begin(n, 0, 50)).await;
        moved(store, on(n, StatusEvent::Accept, ended)).await;
    }
    assert_eq!(attempts(store, 200).await, [200, 300, 300, 400].map(at));
    assert_eq!(attempts(store, 201).await, [300, 300, 400].map(at));
    assert_eq!(attempts(store, 401).await, []);
}

/// Each attempt of a message counts by itself, those before a replay too.
pub async fn counts_every_attempt_of_a_message(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let steps = [
        (StatusEvent::Begin, 100),
        (StatusEvent::Defer, 110),
        (StatusEvent::Begin, 200),
        (StatusEvent::Fail, 220),
        (StatusEvent::Replay, 300),
        (StatusEvent::Begin, 400),
        (StatusEvent::Accept, 440),
    ];
    for (event, millis) in steps {
        moved(store, on(1, event, millis)).await;
    }
    assert_eq!(attempts(store, 0).await, [110, 220, 440].map(at));
}

/// An attempt that reached nobody does not count.
pub async fn counts_no_attempt_that_was_held(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let steps = [
        (StatusEvent::Begin, 100),
        (StatusEvent::Hold, 110),
        (StatusEvent::Begin, 200),
        (StatusEvent::Accept, 220),
    ];
    for (event, millis) in steps {
        moved(store, on(1, event, millis)).await;
    }
    assert_eq!(attempts(store, 0).await, [at(220)]);
}

/// An attempt under way may end at any moment, so it counts at present; once it is taken up again
/// the former has ended, and nobody knows whether it reached anybody.
pub async fn counts_an_attempt_under_way_at_present(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 100)).await;
    assert_eq!(attempts(store, 0).await, [at(10_000)]);
    assert_eq!(attempts(store, 9_000).await, [at(10_000)]);
    moved(store, begin(1, 1, 200)).await;
    assert_eq!(attempts(store, 0).await, [at(200), at(10_000)]);
    moved(store, on(1, StatusEvent::Accept, 300)).await;
    assert_eq!(attempts(store, 0).await, [at(200), at(300)]);
}

/// What happens to a message that is not being tried ends no attempt: neither a failure before
/// the first, nor an ack that comes after the attempt was given up or ended.
pub async fn counts_nothing_that_ended_no_attempt(store: &dyn MessageStore) {
    store.insert(&[message(1), message(2), message(3), message(4)]).await.unwrap();
    moved(store, on(1, StatusEvent::Fail, 100)).await;
    moved(store, on(2, StatusEvent::Cancel, 100)).await;
    for (event, millis) in [
        (StatusEvent::Begin, 100),
        (StatusEvent::Defer, 110),
        (StatusEvent::Accept, 120),
        (StatusEvent::Deliver, 130),
        (StatusEvent::Accept, 140),
        (StatusEvent::Read, 150),
    ] {
        changed(store, on(3, event, millis)).await;
    }
    moved(store, on(4, StatusEvent::Deliver, 160)).await;
    assert_eq!(attempts(store, 0).await, [at(110)]);
}

/// Each session's attempts are its own.
pub async fn counts_attempts_of_one_session(store: &dyn MessageStore) {
    let elsewhere = Message { session: session_id(2), ..message(2) };
    let under_way = Message { session: session_id(2), ..message(3) };
    store.insert(&[message(1), elsewhere, under_way]).await.unwrap();
    for n in [1, 2] {
        moved(store, begin(n, 0, 50)).await;
        moved(store, on(n, StatusEvent::Accept, n * 100)).await;
    }
    moved(store, begin(3, 0, 50)).await;
    assert_eq!(attempts(store, 0).await, [at(100)]);
    let there = store.attempts_since(session_id(2), at(0), at(900)).await.unwrap();
    assert_eq!(there, [200, 900].map(at));
    assert_eq!(store.attempts_since(session_id(3), at(0), at(900)).await.unwrap(), []);
}

/// An ack that names the message by its id at the provider ends its attempt as an answer would.
pub async fn counts_an_attempt_that_an_ack_ended(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let id = crate::domain::id::ProviderMessageId("A".into());
    let mut first = begin(1, 0, 50);
    first.provider_message_id = Some(id.clone());
    moved(store, first).await;
    let mut ack = on(1, StatusEvent::Deliver, 100);
    ack.message = MessageRef::Provider(session_id(1), id);
    moved(store, ack).await;
    assert_eq!(attempts(store, 0).await, [at(100)]);
}
