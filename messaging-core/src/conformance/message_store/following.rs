//! Bulk requests are listed, and tell why messages failed; and what waits for somebody is found.

use std::collections::BTreeMap;

use super::{begin, moved, on};
use crate::conformance::build::{
    address, at, batch, batch_id, message, message_id, session_id, tenant_id,
};
use crate::domain::batch::Batch;
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::{BatchId, MessageId, SessionId};
use crate::domain::message::{Message, StatusChange};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::status::{Status, StatusEvent};
use crate::ports::message_store::MessageStore;

/// A message of the `of`th bulk request.
fn of_batch(n: u64, of: u64) -> Message {
    Message { batch: Some(batch_id(of)), ..message(n) }
}

async fn insert_batch(store: &dyn MessageStore, of: u64, ns: impl IntoIterator<Item = u64>) {
    let messages: Vec<_> = ns.into_iter().map(|n| of_batch(n, of)).collect();
    store.insert_batch(&batch(of), &messages).await.unwrap();
}

async fn fail(store: &dyn MessageStore, n: u64, code: FailureCode) {
    let failure = Some(Failure::new(code));
    moved(store, StatusChange { failure, ..on(n, StatusEvent::Fail, 500) }).await;
}

async fn failures(store: &dyn MessageStore, of: u64) -> BTreeMap<FailureCode, u64> {
    let found = store.find_batch(tenant_id(1), batch_id(of)).await.unwrap();
    let found = found.expect("the bulk request is there");
    let failed = found.by_status.get(&Status::Failed).copied().unwrap_or_default();
    assert_eq!(found.failures.values().sum::<u64>(), failed);
    found.failures
}

/// Each reason is counted by itself, and exactly.
pub async fn counts_why_messages_of_a_batch_failed(store: &dyn MessageStore) {
    insert_batch(store, 1, 1..=6).await;
    assert_eq!(failures(store, 1).await, BTreeMap::new());
    for n in [1, 2, 3] {
        fail(store, n, FailureCode::NotOnWhatsapp).await;
    }
    fail(store, 4, FailureCode::OptedOut).await;
    let expected = [(FailureCode::NotOnWhatsapp, 3), (FailureCode::OptedOut, 1)];
    assert_eq!(failures(store, 1).await, expected.into());
}

/// What is tried again has a reason too, and what was discarded; neither is failed.
pub async fn counts_no_reason_of_what_has_not_failed(store: &dyn MessageStore) {
    insert_batch(store, 1, 1..=4).await;
    moved(store, begin(1, 0, 100)).await;
    let failure = Some(Failure::new(FailureCode::ProviderError));
    moved(store, StatusChange { failure, ..on(1, StatusEvent::Defer, 200) }).await;
    for n in [2, 3, 4] {
        fail(store, n, FailureCode::ProviderRejected).await;
    }
    moved(store, on(2, StatusEvent::Discard, 600)).await;
    moved(store, on(3, StatusEvent::Replay, 600)).await;
    assert_eq!(failures(store, 1).await, [(FailureCode::ProviderRejected, 1)].into());
}

/// Failures of other bulk requests, and of messages of none, are not counted.
pub async fn counts_the_failures_of_each_batch_by_itself(store: &dyn MessageStore) {
    insert_batch(store, 1, [1, 2]).await;
    insert_batch(store, 2, [3]).await;
    store.insert(&[message(4)]).await.unwrap();
    for n in [1, 3, 4] {
        fail(store, n, FailureCode::MediaRejected).await;
    }
    assert_eq!(failures(store, 1).await, [(FailureCode::MediaRejected, 1)].into());
    assert_eq!(failures(store, 2).await, [(FailureCode::MediaRejected, 1)].into());
}

/// The numbers of the bulk requests of a portion, how many there are in all, and whether more follow.
async fn listed(store: &dyn MessageStore, portion: PortionBy<BatchId>) -> (Vec<u64>, u64, bool) {
    let Page { items, total, has_more } = store.batches(tenant_id(1), portion).await.unwrap();
    let number = |id| (1..100).find(|n| batch_id(*n) == id).expect("a known bulk request");
    (items.iter().map(|it| number(it.batch.id)).collect(), total, has_more)
}

/// A list of bulk requests tells of each how far it has come.
pub async fn lists_the_newest_batches_first(store: &dyn MessageStore) {
    assert_eq!(listed(store, PortionBy::Page { page: 1, limit: 2 }).await, (vec![], 0, false));
    insert_batch(store, 1, [1, 2]).await;
    insert_batch(store, 2, [3]).await;
    insert_batch(store, 3, []).await;
    fail(store, 1, FailureCode::NotOnWhatsapp).await;
    for (page, expected, has_more) in
        [(1, vec![3, 2], true), (2, vec![1], false), (3, vec![], false)]
    {
        let portion = PortionBy::Page { page, limit: 2 };
        assert_eq!(listed(store, portion).await, (expected, 3, has_more));
    }
    let all = store.batches(tenant_id(1), PortionBy::Page { page: 1, limit: 9 }).await.unwrap();
    for each in all.items {
        let alone = store.find_batch(tenant_id(1), each.batch.id).await.unwrap();
        assert_eq!(Some(each), alone);
    }
}

/// Whoever goes on from the last one sees each once, whatever comes in meanwhile.
pub async fn lists_batches_on_from_one(store: &dyn MessageStore) {
    for of in 1..=4 {
        insert_batch(store, of, []).await;
    }
    let behind = |of| PortionBy::OlderThan { last: batch_id(of), limit: 2 };
    insert_batch(store, 5, []).await;
    assert_eq!(listed(store, behind(4)).await, (vec![3, 2], 5, true));
    assert_eq!(listed(store, behind(2)).await, (vec![1], 5, false));
    assert_eq!(listed(store, behind(1)).await, (vec![], 5, false));
}

/// No tenant sees another's bulk requests.
pub async fn lists_only_the_tenants_own_batches(store: &dyn MessageStore) {
    insert_batch(store, 1, [1]).await;
    let others = Batch { tenant: tenant_id(2), ..batch(2) };
    store.insert_batch(&others, &[]).await.unwrap();
    assert_eq!(listed(store, PortionBy::Page { page: 1, limit: 9 }).await, (vec![1], 1, false));
}

async fn waiting(
    store: &dyn MessageStore,
    sessions: &[SessionId],
    person: u64,
    limit: u32,
) -> Vec<MessageId> {
    let found = store.waiting_to(sessions, &address(person), limit).await.unwrap();
    let mut ids: Vec<_> = found.iter().map(|message| message.id).collect();
    ids.sort_unstable();
    ids
}

fn nth<const N: usize>(ns: [u64; N]) -> [MessageId; N] {
    ns.map(message_id)
}

/// In the queue or held back, scheduled or of a bulk request, through any of the sessions named.
pub async fn finds_what_waits_for_somebody(store: &dyn MessageStore) {
    let scheduled = Message { held: true, due_at: at(9000), ..message(2) };
    let elsewhere = Message { session: session_id(2), ..message(4) };
    let unasked = Message { session: session_id(3), ..message(5) };
    let to_another = Message { to: Some(address(2)), ..message(6) };
    let to_another_held = Message { held: true, to: Some(address(2)), ..message(7) };
    let messages = [message(1), scheduled.clone(), elsewhere, unasked, to_another, to_another_held];
    store.insert(&messages).await.unwrap();
    let held = Message { held: true, ..of_batch(3, 1) };
    store.insert_batch(&batch(1), &[held]).await.unwrap();
    let sessions = [session_id(1), session_id(2)];
    assert_eq!(waiting(store, &sessions, 1, 100).await, nth([1, 2, 3, 4]));
    assert_eq!(waiting(store, &sessions[..1], 1, 100).await, nth([1, 2, 3]));
    assert_eq!(waiting(store, &sessions, 2, 100).await, nth([6, 7]));
    assert_eq!(waiting(store, &sessions, 3, 100).await, []);
    assert_eq!(waiting(store, &[], 1, 100).await, []);
    let found = store.waiting_to(&sessions, &address(1), 100).await.unwrap();
    assert!(found.contains(&scheduled));
}

/// What is under way, or over, does not wait; what is tried again does.
pub async fn finds_only_what_waits(store: &dyn MessageStore) {
    let messages: Vec<_> = (1..=5).map(message).collect();
    store.insert(&messages).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    moved(store, begin(2, 0, 10)).await;
    moved(store, on(2, StatusEvent::Defer, 20)).await;
    moved(store, on(3, StatusEvent::Cancel, 20)).await;
    moved(store, on(4, StatusEvent::Deliver, 20)).await;
    assert_eq!(waiting(store, &[session_id(1)], 1, 100).await, nth([2, 5]));
}

/// However many wait.
pub async fn finds_no_more_than_are_asked_for_of_what_waits(store: &dyn MessageStore) {
    let held = |n| Message { held: n % 2 == 0, ..message(n) };
    store.insert(&(1..=10).map(held).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(waiting(store, &[session_id(1)], 1, 3).await.len(), 3);
    assert_eq!(waiting(store, &[session_id(1)], 1, 10).await.len(), 10);
}
