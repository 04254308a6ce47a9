//! In what order messages leave.

use super::{
    assert_nothing_is_due, claim, claim_one, complete, drain, ids, item, of_session, only, push,
    retry_at, to_one,
};
use crate::conformance::build::{at, message_id, session_id};
use crate::domain::message::{Priority, QueueItem};
use crate::domain::urgency::{AGE, Lane};
use crate::ports::queue::Queue;

/// Nothing is there, and nothing will be by itself.
pub async fn hands_out_nothing_when_empty(queue: &dyn Queue) {
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, None);
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// A claim carries the whole item, and its lease.
pub async fn hands_out_what_was_pushed(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(5)).await;
    assert_eq!(claimed.item, item(1));
    assert_eq!(claimed.lease_until, at(5).plus(super::LEASE));
}

/// Urgency goes before acceptance.
pub async fn hands_out_the_more_urgent_first(queue: &dyn Queue) {
    let of = |priority, n| QueueItem { priority, ..item(n) };
    push(queue, &[of(Priority::Low, 1), of(Priority::Normal, 2), of(Priority::High, 3)]).await;
    push(queue, &[of(Priority::High, 4), of(Priority::Normal, 5), of(Priority::Low, 6)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([3, 4, 2, 5, 1, 6]));
}

/// Acceptance is the order of ids, not of pushes or due times.
pub async fn hands_out_the_first_accepted_of_equals_first(queue: &dyn Queue) {
    let due = |millis, n| QueueItem { due_at: at(millis), ..item(n) };
    push(queue, &[due(1, 4), due(2, 3)]).await;
    push(queue, &[due(4, 1), due(3, 2)]).await;
    assert_eq!(drain(queue, at(10)).await, ids([1, 2, 3, 4]));
}

/// By one class after five minutes, by two after ten; of equals again the one accepted first leaves
/// first.
pub async fn takes_who_waited_long_for_more_urgent(queue: &dyn Queue) {
    const AGE_MS: u64 = AGE.as_millis() as u64;
    let of = |priority, n| QueueItem { priority, ..item(n) };
    let all = [
        of(Priority::Low, 1),
        of(Priority::Low, 2),
        of(Priority::Low, AGE_MS + 10),
        of(Priority::Normal, AGE_MS + 11),
        of(Priority::High, 2 * AGE_MS),
    ];
    push(queue, &all).await;
    // The first has waited long enough, the second not yet.
    let first = claim_one(queue, at(AGE_MS + 1)).await;
    assert_eq!(first.item, all[4]);
    complete(queue, &first).await;
    assert_eq!(claim_one(queue, at(AGE_MS + 1)).await.item, all[0]);
    queue.forget(session_id(1), &[message_id(2)]).await.unwrap();
    // A lease ends, and everybody is older.
    push(queue, &[all[4]]).await;
    let order = drain(queue, at(2 * AGE_MS + 10)).await;
    assert_eq!(order, ids([1, 2 * AGE_MS, AGE_MS + 10, AGE_MS + 11]));
}

/// Whatever else comes, and of the last kind.
pub async fn lets_nobody_wait_for_ever(queue: &dyn Queue) {
    let now = 4 * AGE.as_millis() as u64;
    let last = QueueItem { priority: Priority::Low, lane: Lane::New, ..item(1) };
    let urgent = |n| QueueItem { priority: Priority::High, ..item(n) };
    push(queue, &[urgent(now - 1), urgent(now), last]).await;
    assert_eq!(drain(queue, at(now)).await, ids([1, now - 1, now]));
}

/// A message that waits behind another to its recipient goes on waiting, and lifts it not.
pub async fn keeps_the_order_to_one_recipient_whatever_its_age(queue: &dyn Queue) {
    let now = 4 * AGE.as_millis() as u64;
    let low = QueueItem { priority: Priority::Low, ..to_one(1) };
    push(queue, &[low, to_one(now), item(now - 1)]).await;
    assert_eq!(drain(queue, at(now)).await, ids([now - 1, now, 1]));
}

/// `max` is kept, and what it left over is there at once.
pub async fn hands_out_at_most_as_many_as_asked_for(queue: &dyn Queue) {
    for session in 1..=5 {
        push(queue, &[of_session(session, session)]).await;
    }
    let none = claim(queue, 0, at(1)).await;
    assert_eq!((none.items.len(), none.next_due), (0, Some(at(1))));
    let three = claim(queue, 3, at(2)).await;
    assert_eq!((three.items.len(), three.next_due), (3, Some(at(2))));
    assert_eq!(claim(queue, 3, at(3)).await.items.len(), 2);
}

/// While one message of a session is out, no other of it is.
pub async fn hands_out_one_of_a_session_at_a_time(queue: &dyn Queue) {
    let urgent = QueueItem { priority: Priority::High, ..item(4) };
    push(queue, &[item(1), item(2), item(3), of_session(2, 10), of_session(2, 11)]).await;
    let claims = claim(queue, 100, at(0)).await;
    let of = |n| claims.items.iter().find(|claimed| claimed.item.session == session_id(n));
    assert_eq!(claims.items.len(), 2);
    let (first, _) = (of(1).unwrap(), of(2).unwrap());
    push(queue, &[urgent]).await;
    assert_nothing_is_due(queue, at(1)).await;
    complete(queue, first).await;
    assert_eq!(only(&claim(queue, 100, at(1)).await).item, urgent);
}

/// Not before, and from that instant on.
pub async fn waits_until_a_message_is_due(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(1000), ..item(1) }]).await;
    assert_eq!(assert_nothing_is_due(queue, at(999)).await.next_due, Some(at(1000)));
    assert_eq!(claim_one(queue, at(1000)).await.item.message, message_id(1));
}

/// A session's other messages go on.
pub async fn holds_up_nobody_for_a_message_that_is_not_due(queue: &dyn Queue) {
    let later = QueueItem { due_at: at(1000), priority: Priority::High, ..item(1) };
    push(queue, &[later, item(2), item(3)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([2, 3]));
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(1000)));
    assert_eq!(drain(queue, at(1000)).await, ids([1]));
}

/// Also when later ones would be due before.
pub async fn keeps_the_order_to_one_recipient(queue: &dyn Queue) {
    let due = |millis, n| QueueItem { due_at: at(millis), ..to_one(n) };
    push(queue, &[due(100, 3), due(200, 2), due(300, 1)]).await;
    assert_eq!(assert_nothing_is_due(queue, at(299)).await.next_due, Some(at(300)));
    assert_eq!(drain(queue, at(300)).await, ids([1, 2, 3]));
}

/// Later ones to the same recipient wait for it, others do not.
pub async fn keeps_the_place_of_a_message_in_retry(queue: &dyn Queue) {
    push(queue, &[to_one(1), to_one(2), item(3)]).await;
    let first = claim_one(queue, at(0)).await;
    assert_eq!(first.item.message, message_id(1));
    retry_at(queue, &first, at(1000)).await;
    assert_eq!(drain(queue, at(0)).await, ids([3]));
    assert_eq!(assert_nothing_is_due(queue, at(999)).await.next_due, Some(at(1000)));
    let again = claim_one(queue, at(1000)).await;
    assert_eq!(again.item.message, message_id(1));
    assert_nothing_is_due(queue, at(1000)).await;
    complete(queue, &again).await;
    assert_eq!(drain(queue, at(1000)).await, ids([2]));
}

/// Less urgent ones to the same recipient wait as well, even when accepted before.
pub async fn holds_the_less_urgent_behind_a_message_in_retry(queue: &dyn Queue) {
    let low = QueueItem { priority: Priority::Low, ..to_one(1) };
    push(queue, &[low, to_one(2)]).await;
    let first = claim_one(queue, at(0)).await;
    assert_eq!(first.item.message, message_id(2));
    retry_at(queue, &first, at(1000)).await;
    assert_nothing_is_due(queue, at(999)).await;
    assert_eq!(drain(queue, at(1000)).await, ids([2, 1]));
}

/// It leaves at once, and the one in retry still waits for its time.
pub async fn lets_a_more_urgent_one_overtake_a_message_in_retry(queue: &dyn Queue) {
    push(queue, &[to_one(1)]).await;
    let first = claim_one(queue, at(0)).await;
    retry_at(queue, &first, at(1000)).await;
    push(queue, &[QueueItem { priority: Priority::High, ..to_one(2) }, to_one(3)]).await;
    assert_eq!(drain(queue, at(1)).await, ids([2]));
    assert_eq!(assert_nothing_is_due(queue, at(1)).await.next_due, Some(at(1000)));
    assert_eq!(drain(queue, at(1000)).await, ids([1, 3]));
}

/// As when recovery finds one that was never pushed: those behind it wait for it, and so does the
/// one that was out meanwhile.
pub async fn gives_a_message_pushed_late_its_place_by_acceptance(queue: &dyn Queue) {
    push(queue, &[to_one(2), to_one(3)]).await;
    let second = claim_one(queue, at(0)).await;
    push(queue, &[QueueItem { due_at: at(1000), ..to_one(1) }]).await;
    retry_at(queue, &second, at(0)).await;
    assert_nothing_is_due(queue, at(999)).await;
    assert_eq!(drain(queue, at(1000)).await, ids([1, 2, 3]));
}

/// What waits in one session holds up nothing in another.
pub async fn tells_recipients_of_different_sessions_apart(queue: &dyn Queue) {
    push(queue, &[to_one(1)]).await;
    let first = claim_one(queue, at(0)).await;
    retry_at(queue, &first, at(1000)).await;
    push(queue, &[QueueItem { session: session_id(2), ..to_one(2) }]).await;
    assert_eq!(drain(queue, at(0)).await, ids([2]));
}
