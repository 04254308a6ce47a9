//! What is known is known once, and what is handed out comes back.

use std::time::Duration;

use super::{
    LEASE, assert_nothing_is_due, claim, claim_one, complete, drain, ids, item, of_session, push,
    retry_at, to_one,
};
use crate::conformance::build::{at, message_id};
use crate::domain::message::{Priority, QueueItem};
use crate::ports::queue::{Claim, Queue};

/// Neither doubled nor moved.
pub async fn leaves_a_waiting_message_as_it_is_when_pushed_again(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    push(queue, &[QueueItem { due_at: at(1000), priority: Priority::Low, ..item(1) }]).await;
    assert_eq!(queue.depth().await.unwrap(), 2);
    assert_eq!(drain(queue, at(0)).await, ids([1, 2]));
}

/// Neither now nor when it is completed.
pub async fn leaves_a_claimed_message_as_it_is_when_pushed_again(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(0)).await;
    push(queue, &[item(1)]).await;
    assert_nothing_is_due(queue, at(1)).await;
    complete(queue, &claimed).await;
    assert_nothing_is_due(queue, at(1)).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// It is not due before.
pub async fn leaves_a_message_in_retry_as_it_is_when_pushed_again(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(0)).await;
    retry_at(queue, &claimed, at(1000)).await;
    push(queue, &[item(1)]).await;
    assert_nothing_is_due(queue, at(999)).await;
    assert_eq!(drain(queue, at(1000)).await, ids([1]));
}

/// The first stands.
pub async fn takes_a_message_twice_in_one_push_as_one(queue: &dyn Queue) {
    push(queue, &[item(1), QueueItem { due_at: at(1000), ..item(1) }]).await;
    assert_eq!(queue.depth().await.unwrap(), 1);
    assert_eq!(drain(queue, at(0)).await, ids([1]));
}

/// It was forgotten, as a replay needs it.
pub async fn takes_a_completed_message_as_a_new_one(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([1]));
    push(queue, &[item(1)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([1]));
}

/// Not before the lease ends, and from that instant on.
pub async fn hands_out_again_what_was_not_completed_in_time(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let lost = claim_one(queue, at(0)).await;
    let just_before = lost.lease_until.minus(Duration::from_micros(1));
    assert_eq!(assert_nothing_is_due(queue, just_before).await.next_due, Some(lost.lease_until));
    let again = claim_one(queue, lost.lease_until).await;
    assert_eq!(again.item, lost.item);
    assert_eq!(again.lease_until, lost.lease_until.plus(LEASE));
    complete(queue, &again).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// It goes before those that stood behind it, and more urgent ones go before it.
pub async fn keeps_the_place_of_a_message_whose_lease_ended(queue: &dyn Queue) {
    push(queue, &[to_one(1), to_one(2)]).await;
    let lost = claim_one(queue, at(0)).await;
    push(queue, &[QueueItem { priority: Priority::High, ..to_one(3) }]).await;
    assert_eq!(drain(queue, lost.lease_until).await, ids([3, 1, 2]));
}

/// It neither completes nor moves what is somebody else's now.
pub async fn ignores_a_claim_whose_message_was_handed_out_again(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let stale = claim_one(queue, at(0)).await;
    let good = claim_one(queue, stale.lease_until).await;
    assert_ne!(stale.token, good.token);
    assert!(!queue.complete(&stale).await.unwrap());
    assert!(!queue.retry_at(&stale, at(0)).await.unwrap());
    assert_eq!(queue.depth().await.unwrap(), 1);
    assert_nothing_is_due(queue, stale.lease_until).await;
    retry_at(queue, &good, at(0)).await;
    let third = claim_one(queue, good.lease_until).await;
    assert!(!queue.complete(&stale).await.unwrap());
    assert!(!queue.complete(&good).await.unwrap());
    complete(queue, &third).await;
}

/// What was done counts as done, though late.
pub async fn takes_a_late_claim_while_nobody_else_got_the_message(queue: &dyn Queue) {
    push(queue, &[item(1), of_session(2, 2)]).await;
    let late = claim(queue, 2, at(0)).await.items;
    let after = late[0].lease_until.plus(LEASE);
    assert!(claim(queue, 0, after).await.items.is_empty());
    complete(queue, &late[0]).await;
    retry_at(queue, &late[1], after.plus(LEASE)).await;
    let next = assert_nothing_is_due(queue, after).await;
    assert_eq!(next.next_due, Some(after.plus(LEASE)));
    assert_eq!(drain(queue, after.plus(LEASE)).await, [late[1].item.message]);
}

/// A second end of the same claim is ignored.
pub async fn takes_the_end_of_a_claim_once(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(0)).await;
    retry_at(queue, &claimed, at(1000)).await;
    assert!(!queue.retry_at(&claimed, at(0)).await.unwrap());
    assert!(!queue.complete(&claimed).await.unwrap());
    assert_nothing_is_due(queue, at(999)).await;
    let again = claim_one(queue, at(1000)).await;
    complete(queue, &again).await;
    assert!(!queue.complete(&again).await.unwrap());
    assert!(!queue.retry_at(&again, at(0)).await.unwrap());
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// As after the queue has forgotten everything.
pub async fn ignores_a_claim_of_an_unknown_message(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let good = claim_one(queue, at(0)).await;
    let unknown = Claim { item: item(2), ..good };
    assert!(!queue.complete(&unknown).await.unwrap());
    assert!(!queue.retry_at(&unknown, at(0)).await.unwrap());
    assert_eq!(queue.depth().await.unwrap(), 1);
    assert_eq!(good.item.message, message_id(1));
    complete(queue, &good).await;
}
