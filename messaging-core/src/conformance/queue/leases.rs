//! What is known is known once, and what is handed out comes back.

use std::time::Duration;

use super::{
    LEASE, assert_nothing_is_due, claim, claim_one, complete, drain, ids, item, of_session, push,
    retry_at, to_one,
};
use crate::conformance::build::{at, message_id};
use crate::domain::message::{Priority, QueueItem};
use crate::domain::timestamp::Timestamp;
use crate::ports::queue::{Claim, HeldBy, Queue};

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
    assert!(!queue.retry_at(&stale, at(0), HeldBy::Retry).await.unwrap());
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
    assert!(!queue.retry_at(&claimed, at(0), HeldBy::Retry).await.unwrap());
    assert!(!queue.complete(&claimed).await.unwrap());
    assert_nothing_is_due(queue, at(999)).await;
    let again = claim_one(queue, at(1000)).await;
    complete(queue, &again).await;
    assert!(!queue.complete(&again).await.unwrap());
    assert!(!queue.retry_at(&again, at(0), HeldBy::Retry).await.unwrap());
    assert_eq!(queue.depth().await.unwrap(), 0);
}

async fn renew(queue: &dyn Queue, claim: &Claim, now: Timestamp) -> bool {
    let renewed = queue.renew(&[*claim], LEASE, now).await.unwrap();
    assert_eq!(renewed.len(), 1);
    renewed[0]
}

/// For a whole lease from then on.
pub async fn goes_on_with_a_claim_that_is_renewed(queue: &dyn Queue) {
    push(queue, &[item(1), item(2), of_session(2, 3)]).await;
    let claims = claim(queue, 100, at(0)).await.items;
    assert_eq!(queue.renew(&claims, LEASE, at(20_000)).await.unwrap(), [true, true]);
    assert_nothing_is_due(queue, at(49_999)).await;
    complete(queue, &claims[0]).await;
    complete(queue, &claims[1]).await;
    let next = claim_one(queue, at(49_999)).await;
    assert_eq!(next.item, item(2));
    assert!(renew(queue, &next, at(50_000)).await);
    assert_eq!(assert_nothing_is_due(queue, at(79_999)).await.next_due, Some(at(80_000)));
    assert_eq!(claim_one(queue, at(80_000)).await.item, item(2));
    assert!(queue.renew(&[], LEASE, at(80_000)).await.unwrap().is_empty());
}

/// Slow is not gone.
pub async fn goes_on_with_a_late_claim_while_nobody_else_got_the_message(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    let late = claim_one(queue, at(0)).await;
    let after = late.lease_until.plus(LEASE);
    assert!(claim(queue, 0, after).await.items.is_empty());
    assert!(renew(queue, &late, after).await);
    assert_nothing_is_due(queue, after).await;
    complete(queue, &late).await;
    assert_eq!(drain(queue, after).await, ids([2]));
}

/// It is somebody else's now.
pub async fn does_not_go_on_with_what_was_handed_out_again(queue: &dyn Queue) {
    push(queue, &[item(1), of_session(2, 2)]).await;
    let stale = claim(queue, 2, at(0)).await.items;
    let good = claim(queue, 2, stale[0].lease_until).await.items;
    assert_eq!(good.len(), 2);
    let renewed = queue.renew(&[stale[0], good[1]], LEASE, stale[0].lease_until).await.unwrap();
    assert_eq!(renewed, [false, true]);
    complete(queue, &good[0]).await;
    complete(queue, &good[1]).await;
}

/// One of a session at a time: the more urgent one that came meanwhile has taken its place.
pub async fn does_not_go_on_beside_another_of_the_session(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let stale = claim_one(queue, at(0)).await;
    push(queue, &[QueueItem { priority: Priority::High, ..item(2) }]).await;
    let good = claim_one(queue, stale.lease_until).await;
    assert_eq!(good.item.message, message_id(2));
    assert!(!renew(queue, &stale, stale.lease_until).await);
    let unknown = Claim { item: item(3), ..stale };
    assert!(!renew(queue, &unknown, stale.lease_until).await);
    complete(queue, &good).await;
    assert_eq!(drain(queue, stale.lease_until).await, ids([1]));
}

/// As after the queue has forgotten everything: what is under way is handed to nobody else.
pub async fn learns_what_is_under_way_by_renewing(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let elsewhere = claim_one(queue, at(0)).await;
    complete(queue, &elsewhere).await;
    assert!(renew(queue, &elsewhere, at(10)).await);
    assert_eq!(queue.depth().await.unwrap(), 1);
    push(queue, &[item(1), item(2)]).await;
    assert_nothing_is_due(queue, at(20)).await;
    complete(queue, &elsewhere).await;
    let next = claim_one(queue, at(20)).await;
    assert_eq!(next.item, item(2));
    assert_ne!(next.token, elsewhere.token);
    complete(queue, &next).await;
}

/// The same where whoever tells the queue again was faster.
pub async fn learns_what_is_under_way_although_it_was_pushed_again(queue: &dyn Queue) {
    push(queue, &[to_one(2)]).await;
    let elsewhere = claim_one(queue, at(0)).await;
    complete(queue, &elsewhere).await;
    push(queue, &[to_one(1), to_one(2)]).await;
    assert!(renew(queue, &elsewhere, at(10)).await);
    assert_nothing_is_due(queue, at(20)).await;
    retry_at(queue, &elsewhere, at(20)).await;
    assert_eq!(drain(queue, at(20)).await, ids([1, 2]));
}

/// As after the queue has forgotten everything.
pub async fn ignores_a_claim_of_an_unknown_message(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let good = claim_one(queue, at(0)).await;
    let unknown = Claim { item: item(2), ..good };
    assert!(!queue.complete(&unknown).await.unwrap());
    assert!(!queue.retry_at(&unknown, at(0), HeldBy::Retry).await.unwrap());
    assert_eq!(queue.depth().await.unwrap(), 1);
    assert_eq!(good.item.message, message_id(1));
    complete(queue, &good).await;
}
