//! A bulk request lets only so many of its messages into the queue at a time, until it is taken
//! back.

use std::collections::BTreeMap;

use super::{assert_conflict, begin, changed, found, history, moved, on};
use crate::conformance::build::{at, batch, batch_id, message, message_id, tenant_id};
use crate::conformance::entropy::SeededEntropy;
use crate::domain::batch::{Batch, BatchProgress};
use crate::domain::id::MessageId;
use crate::domain::message::{ChangeOutcome, Message, QueueItem};
use crate::domain::status::{Status, StatusEvent};
use crate::domain::suspension::Suspension;
use crate::ports::entropy::Entropy;
use crate::ports::message_store::MessageStore;

/// A message that the `of`th bulk request holds back.
fn held(n: u64, of: u64) -> Message {
    Message { batch: Some(batch_id(of)), held: true, ..message(n) }
}

/// Inserts the first bulk request, two at a time, with these messages.
async fn insert_held(store: &dyn MessageStore, ns: impl IntoIterator<Item = u64>) {
    let messages: Vec<Message> = ns.into_iter().map(|n| held(n, 1)).collect();
    store.insert_batch(&batch(1), &messages).await.unwrap();
}

async fn released(store: &dyn MessageStore) -> Vec<MessageId> {
    let items = store.release_from_batch(batch_id(1), at(0)).await.unwrap();
    items.iter().map(|item| item.message).collect()
}

async fn cancelled(store: &dyn MessageStore, millis: u64) -> Vec<MessageId> {
    let moved = store.cancel_batch(tenant_id(1), batch_id(1), at(millis)).await.unwrap();
    let mut moved = moved.expect("the bulk request is there");
    moved.sort_unstable();
    moved
}

async fn progress(store: &dyn MessageStore) -> BatchProgress {
    store.find_batch(tenant_id(1), batch_id(1)).await.unwrap().expect("the bulk request is there")
}

fn nth<const N: usize>(ns: [u64; N]) -> [MessageId; N] {
    ns.map(message_id)
}

/// A bulk request is kept as it was given, with its messages and their histories.
pub async fn gives_back_a_batch_and_its_messages(store: &dyn MessageStore) {
    let given = Batch { batch_size: 7, accepted: 2, rejected: 3, ..batch(1) };
    store.insert_batch(&given, &[held(1, 1), held(2, 1)]).await.unwrap();
    let by_status = [(Status::Queued, 2)].into();
    let expected = BatchProgress { batch: given, by_status, failures: BTreeMap::new() };
    assert_eq!(progress(store).await, expected);
    assert_eq!(found(store, 2).await, held(2, 1));
    assert_eq!(history(store, 2).await.len(), 1);
}

/// A bulk request none of whose recipients was accepted is kept too.
pub async fn keeps_a_batch_without_messages(store: &dyn MessageStore) {
    store.insert_batch(&batch(1), &[]).await.unwrap();
    let expected =
        BatchProgress { batch: batch(1), by_status: BTreeMap::new(), failures: BTreeMap::new() };
    assert_eq!(progress(store).await, expected);
    assert_eq!(released(store).await, []);
}

/// As many messages as one bulk request may have fit into one call.
pub async fn inserts_a_batch_of_the_largest_size(store: &dyn MessageStore) {
    insert_held(store, 1..=10_000).await;
    assert_eq!(progress(store).await.by_status, [(Status::Queued, 10_000)].into());
    assert_eq!(released(store).await, nth([1, 2]));
}

/// Where one of its messages cannot be kept, neither the bulk request nor any other is.
pub async fn inserts_a_batch_and_all_its_messages_or_nothing(store: &dyn MessageStore) {
    store.insert(&[message(2)]).await.unwrap();
    let messages = [held(1, 1), held(2, 1), held(3, 1)];
    assert_conflict(&store.insert_batch(&batch(1), &messages).await);
    assert_eq!(store.find_batch(tenant_id(1), batch_id(1)).await.unwrap(), None);
    assert_eq!(store.load(&nth([1, 3])).await.unwrap(), []);
    assert_eq!(found(store, 2).await, message(2));
}

/// A bulk request that is kept already is refused with its messages.
pub async fn refuses_a_batch_that_is_kept_already(store: &dyn MessageStore) {
    store.insert_batch(&batch(1), &[held(1, 1)]).await.unwrap();
    let other = Batch { batch_size: 50, ..batch(1) };
    assert_conflict(&store.insert_batch(&other, &[held(2, 1)]).await);
    assert_eq!(progress(store).await.batch, batch(1));
    assert_eq!(store.load(&[message_id(2)]).await.unwrap(), []);
}

/// Progress counts where the messages stand now.
pub async fn counts_where_the_messages_of_a_batch_stand(store: &dyn MessageStore) {
    insert_held(store, 1..=5).await;
    store.insert(&[message(6), held(7, 2)]).await.unwrap();
    moved(store, on(1, StatusEvent::Read, 10)).await;
    moved(store, on(2, StatusEvent::Read, 10)).await;
    moved(store, begin(3, 0, 10)).await;
    let expected = [(Status::Read, 2), (Status::Sending, 1), (Status::Queued, 2)];
    assert_eq!(progress(store).await.by_status, expected.into());
}

/// No tenant sees or takes back another's bulk request.
pub async fn hides_a_batch_from_other_tenants(store: &dyn MessageStore) {
    insert_held(store, 1..=2).await;
    assert_eq!(store.find_batch(tenant_id(2), batch_id(1)).await.unwrap(), None);
    assert_eq!(store.cancel_batch(tenant_id(2), batch_id(1), at(10)).await.unwrap(), None);
    assert_eq!(store.find_batch(tenant_id(1), batch_id(2)).await.unwrap(), None);
    assert_eq!(store.cancel_batch(tenant_id(1), batch_id(2), at(10)).await.unwrap(), None);
    assert_eq!(progress(store).await.batch.cancelled_at, None);
    assert_eq!(found(store, 1).await, held(1, 1));
}

/// As many are let in as the size says, in order of id, and what a queue needs of them is given.
pub async fn releases_as_many_as_the_size_says(store: &dyn MessageStore) {
    insert_held(store, [3, 1, 2]).await;
    let items = store.release_from_batch(batch_id(1), at(0)).await.unwrap();
    let expected: Vec<QueueItem> = [1, 2].iter().filter_map(|n| message(*n).queue_item()).collect();
    assert_eq!(items, expected);
    assert!(!found(store, 1).await.held);
    assert!(found(store, 3).await.held);
    assert_eq!(released(store).await, []);
    assert_eq!(history(store, 1).await.len(), 1);
}

/// What is let in takes room while it is queued, sending or to be tried again; once it is sent,
/// has failed or is taken back the next comes in.
pub async fn releases_the_next_once_one_is_past_sending(store: &dyn MessageStore) {
    insert_held(store, 1..=6).await;
    assert_eq!(released(store).await, nth([1, 2]));
    moved(store, begin(1, 0, 10)).await;
    assert_eq!(released(store).await, []);
    moved(store, on(1, StatusEvent::Defer, 20)).await;
    assert_eq!(released(store).await, []);
    moved(store, begin(1, 1, 30)).await;
    moved(store, on(1, StatusEvent::Accept, 40)).await;
    assert_eq!(released(store).await, nth([3]));
    moved(store, on(2, StatusEvent::Cancel, 50)).await;
    moved(store, on(3, StatusEvent::Fail, 50)).await;
    assert_eq!(released(store).await, nth([4, 5]));
    // One that never waited, since it was taken back while it was held, leaves no room behind.
    moved(store, on(6, StatusEvent::Cancel, 60)).await;
    assert_eq!(released(store).await, []);
}

/// However its messages fare, no more of a bulk request are under way than its size says, and in
/// the end each was let in once, in order.
pub async fn never_releases_more_than_the_size(store: &dyn MessageStore) {
    insert_held(store, 1..=30).await;
    let entropy = SeededEntropy::new(3);
    let mut let_in = Vec::new();
    for step in 0..400 {
        let_in.extend(released(store).await);
        let under_way: Vec<Message> = store
            .load(&let_in)
            .await
            .unwrap()
            .into_iter()
            .filter(|message| message.status <= Status::Retry)
            .collect();
        assert!(under_way.len() <= 2, "{} are under way", under_way.len());
        let Some(one) = under_way.get(entropy.next_u64() as usize % under_way.len().max(1)) else {
            break;
        };
        let event = match (one.status, entropy.next_u64() % 4) {
            (Status::Sending, 0) => StatusEvent::Defer,
            (Status::Sending, 1) => StatusEvent::Hold,
            (Status::Sending, 2) => StatusEvent::Fail,
            (Status::Sending, _) => StatusEvent::Accept,
            (_, _) => StatusEvent::Begin,
        };
        let mut change = on(0, event, 100 + step);
        change.message = crate::domain::message::MessageRef::Id(one.id);
        moved(store, change).await;
    }
    let_in.extend(released(store).await);
    assert_eq!(let_in, (1..=30).map(message_id).collect::<Vec<_>>());
}

/// Many workers that release at once let no more in than one.
pub async fn releases_no_more_when_many_ask_at_once(store: &dyn MessageStore) {
    insert_held(store, 1..=40).await;
    let asked = (0..16).map(|_| store.release_from_batch(batch_id(1), at(0)));
    let let_in: usize =
        futures::future::join_all(asked).await.into_iter().map(|items| items.unwrap().len()).sum();
    assert_eq!(let_in, 2);
}

/// Each bulk request has its own room; of one that is not there nothing is let in.
pub async fn releases_each_batch_by_itself(store: &dyn MessageStore) {
    insert_held(store, 1..=3).await;
    let wide = Batch { batch_size: 100, ..batch(2) };
    store.insert_batch(&wide, &[held(11, 2), held(12, 2), held(13, 2)]).await.unwrap();
    assert_eq!(released(store).await, nth([1, 2]));
    assert_eq!(store.release_from_batch(batch_id(2), at(0)).await.unwrap().len(), 3);
    assert_eq!(store.release_from_batch(batch_id(3), at(0)).await.unwrap(), []);
}

/// A cancellation takes back what waits, held or not, and leaves what is under way or done.
pub async fn cancels_what_of_a_batch_still_waits(store: &dyn MessageStore) {
    let sent = Message { status: Status::Sent, held: false, ..held(1, 1) };
    let sending = Message { status: Status::Sending, ..sent.clone() };
    let retry = Message { status: Status::Retry, ..sent.clone() };
    let let_in = Message { status: Status::Queued, ..sent.clone() };
    let messages = [
        sent,
        Message { id: message_id(2), ..sending },
        Message { id: message_id(3), ..retry },
        Message { id: message_id(4), ..let_in },
        held(5, 1),
    ];
    store.insert_batch(&batch(1), &messages).await.unwrap();
    store.insert(&[message(6), held(7, 2)]).await.unwrap();
    assert_eq!(cancelled(store, 90).await, nth([3, 4, 5]));
    let after = progress(store).await;
    assert_eq!(after.batch, Batch { cancelled_at: Some(at(90)), ..batch(1) });
    let expected = [(Status::Sent, 1), (Status::Sending, 1), (Status::Cancelled, 3)];
    assert_eq!(after.by_status, expected.into());
    let last = history(store, 5).await.pop().unwrap();
    assert_eq!((last.event, last.status), (Some(StatusEvent::Cancel), Status::Cancelled));
    assert_eq!((last.at, found(store, 5).await.updated_at), (at(90), at(90)));
    assert_eq!(found(store, 6).await.status, Status::Queued);
    assert_eq!(found(store, 7).await.status, Status::Queued);
}

/// After a cancellation nothing more is let in, nor held back.
pub async fn releases_nothing_of_a_cancelled_batch(store: &dyn MessageStore) {
    insert_held(store, 1..=6).await;
    assert_eq!(released(store).await, nth([1, 2]));
    moved(store, begin(1, 0, 10)).await;
    assert_eq!(cancelled(store, 20).await, nth([2, 3, 4, 5, 6]));
    moved(store, on(1, StatusEvent::Accept, 30)).await;
    assert_eq!(released(store).await, []);
    assert_eq!(store.batches_holding(None, 10).await.unwrap(), []);
}

/// A second cancellation moves nothing, and the first stays marked.
pub async fn cancels_a_batch_once(store: &dyn MessageStore) {
    insert_held(store, 1..=3).await;
    assert_eq!(cancelled(store, 20).await, nth([1, 2, 3]));
    assert_eq!(cancelled(store, 30).await, []);
    assert_eq!(progress(store).await.batch.cancelled_at, Some(at(20)));
    assert_eq!(history(store, 1).await.len(), 2);
}

/// What was `sending` at the first cancellation and waits again is taken back by a second.
pub async fn cancels_what_has_come_back_since(store: &dyn MessageStore) {
    insert_held(store, 1..=2).await;
    assert_eq!(released(store).await, nth([1, 2]));
    moved(store, begin(1, 0, 10)).await;
    assert_eq!(cancelled(store, 20).await, nth([2]));
    moved(store, on(1, StatusEvent::Defer, 30)).await;
    assert_eq!(cancelled(store, 40).await, nth([1]));
}

/// Of an attempt that begins and a cancellation at the same moment, one comes after the other: the
/// message is either sent or taken back.
pub async fn cancels_or_begins_but_not_both(store: &dyn MessageStore) {
    insert_held(store, 1..=2).await;
    released(store).await;
    let begun = [begin(1, 0, 10), begin(2, 0, 10)];
    let (outcomes, cancelled) =
        futures::future::join(store.change(&begun), cancelled(store, 10)).await;
    for (n, outcome) in (1..).zip(outcomes.unwrap()) {
        let was_begun = matches!(outcome, ChangeOutcome::Moved { .. });
        assert_ne!(was_begun, cancelled.contains(&message_id(n)));
        let expected = if was_begun { Status::Sending } else { Status::Cancelled };
        assert_eq!(found(store, n).await.status, expected);
    }
}

/// Bulk requests that hold messages back are named page by page, in order; others are not.
pub async fn names_the_batches_that_hold_messages_back(store: &dyn MessageStore) {
    for n in [4, 2, 5, 1] {
        let of_either = Batch { tenant: tenant_id(1 + n % 2), ..batch(n) };
        let messages = [held(n * 10, n), held(n * 10 + 1, n), held(n * 10 + 2, n)];
        store.insert_batch(&of_either, &messages).await.unwrap();
    }
    let through = Message { held: false, ..held(30, 3) };
    store.insert_batch(&batch(3), &[through]).await.unwrap();
    let named = |after: Option<u64>, limit| async move {
        store.batches_holding(after.map(batch_id), limit).await.unwrap()
    };
    assert_eq!(named(None, 10).await, [1, 2, 4, 5].map(batch_id));
    assert_eq!(named(None, 2).await, [1, 2].map(batch_id));
    assert_eq!(named(Some(2), 2).await, [4, 5].map(batch_id));
    assert_eq!(named(Some(3), 1).await, [batch_id(4)]);
    assert_eq!(named(Some(5), 10).await, []);
}

/// A bulk request whose last held message was let in or has moved holds nothing back.
pub async fn names_no_batch_that_has_let_all_in(store: &dyn MessageStore) {
    insert_held(store, 1..=3).await;
    released(store).await;
    assert_eq!(store.batches_holding(None, 10).await.unwrap(), [batch_id(1)]);
    changed(store, on(3, StatusEvent::Cancel, 10)).await;
    assert_eq!(store.batches_holding(None, 10).await.unwrap(), []);
}

/// A bulk request is given back as it was kept, without a count.
pub async fn gives_back_a_batch_alone(store: &dyn MessageStore) {
    let given = Batch { send_at: Some(at(9000)), ..batch(1) };
    store.insert_batch(&given, &[held(1, 1)]).await.unwrap();
    assert_eq!(store.batch(tenant_id(1), batch_id(1)).await.unwrap(), Some(given));
    assert_eq!(store.batch(tenant_id(2), batch_id(1)).await.unwrap(), None);
    assert_eq!(store.batch(tenant_id(1), batch_id(2)).await.unwrap(), None);
}

/// Nothing of a bulk request is let in before its time.
pub async fn releases_nothing_before_its_time(store: &dyn MessageStore) {
    let later = Batch { send_at: Some(at(5000)), ..batch(1) };
    store.insert_batch(&later, &[held(1, 1), held(2, 1)]).await.unwrap();
    assert_eq!(store.release_from_batch(batch_id(1), at(4999)).await.unwrap(), []);
    assert_eq!(store.release_from_batch(batch_id(1), at(5000)).await.unwrap().len(), 2);
}

fn suspension(until: Option<u64>) -> Suspension {
    Suspension { since: at(50), until: until.map(at), reason: Some("Wartung, 'kurz'".into()) }
}

async fn suspended(store: &dyn MessageStore, until: Option<u64>) -> Vec<MessageId> {
    let held = store.suspend_batch(tenant_id(1), batch_id(1), suspension(until)).await.unwrap();
    let mut held = held.expect("the bulk request is there");
    held.sort_unstable();
    held
}

/// What of a suspended bulk request waits in the queue is held back again; what is being sent, or
/// over, is left alone.
pub async fn holds_back_what_of_a_suspended_batch_waits(store: &dyn MessageStore) {
    let large = Batch { batch_size: 4, ..batch(1) };
    let messages: Vec<Message> = (1..=5).map(|n| held(n, 1)).collect();
    store.insert_batch(&large, &messages).await.unwrap();
    assert_eq!(released(store).await, nth([1, 2, 3, 4]));
    for n in [1, 2, 3] {
        moved(store, begin(n, 0, 10)).await;
    }
    moved(store, on(1, StatusEvent::Accept, 20)).await;
    moved(store, on(2, StatusEvent::Defer, 20)).await;
    assert_eq!(suspended(store, None).await, nth([2, 4]));
    assert_eq!(progress(store).await.batch.suspension, Some(suspension(None)));
    for (n, is_held) in [(1, false), (2, true), (3, false), (4, true), (5, true)] {
        assert_eq!(found(store, n).await.held, is_held, "{n}");
    }
    let pending = store.pending(None, 10).await.unwrap();
    assert_eq!(pending.iter().map(|item| item.message).collect::<Vec<_>>(), nth([3]));
    assert_eq!(suspended(store, Some(900)).await, nth([]));
    assert_eq!(progress(store).await.batch.suspension, Some(suspension(Some(900))));
}

/// A suspended bulk request lets nothing in until its time is over, or somebody resumes it.
pub async fn releases_nothing_of_a_suspended_batch(store: &dyn MessageStore) {
    insert_held(store, 1..=3).await;
    suspended(store, Some(5000)).await;
    assert_eq!(store.release_from_batch(batch_id(1), at(4999)).await.unwrap(), []);
    assert_eq!(store.release_from_batch(batch_id(1), at(5000)).await.unwrap().len(), 2);
    assert_eq!(suspended(store, None).await, nth([1, 2]));
    assert_eq!(store.release_from_batch(batch_id(1), at(9_999_000)).await.unwrap(), []);
    assert!(store.resume_batch(tenant_id(1), batch_id(1)).await.unwrap());
    assert_eq!(progress(store).await.batch.suspension, None);
    assert_eq!(released(store).await, nth([1, 2]));
}

/// Another tenant's bulk request is not there, whatever is to be done with it.
pub async fn suspends_and_resumes_only_the_tenants_own_batch(store: &dyn MessageStore) {
    insert_held(store, 1..=2).await;
    let stranger = store.suspend_batch(tenant_id(2), batch_id(1), suspension(None)).await.unwrap();
    assert_eq!(stranger, None);
    assert!(!store.resume_batch(tenant_id(2), batch_id(1)).await.unwrap());
    suspended(store, None).await;
    assert!(!store.resume_batch(tenant_id(2), batch_id(1)).await.unwrap());
    assert_eq!(progress(store).await.batch.suspension, Some(suspension(None)));
}
