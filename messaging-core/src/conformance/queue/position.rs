//! What the queue tells about what waits.

use super::{claim, claim_one, complete, drain, ids, item, of_session, push, retry_at, to_one};
use crate::conformance::build::{at, message_id, session_id};
use crate::domain::message::{Priority, QueueItem};
use crate::domain::urgency::{AGE, Lane};
use crate::ports::queue::{HeldBy, MAX_POSITION, Pause, PauseScope, Position, Queue};

async fn position(queue: &dyn Queue, item: &QueueItem) -> Position {
    queue.position(item).await.unwrap().unwrap()
}

async fn ahead(queue: &dyn Queue, n: u64) -> u64 {
    position(queue, &item(n)).await.ahead
}

/// The more urgent, those accepted before, and the one that is out; due or not.
pub async fn counts_those_ahead(queue: &dyn Queue) {
    let high = QueueItem { priority: Priority::High, ..item(5) };
    let later = QueueItem { due_at: at(1000), ..item(2) };
    push(queue, &[item(1), later, item(3), QueueItem { priority: Priority::Low, ..item(0) }]).await;
    assert_eq!([ahead(queue, 1).await, ahead(queue, 2).await, ahead(queue, 3).await], [0, 1, 2]);
    assert_eq!(ahead(queue, 0).await, 3);
    let out = claim_one(queue, at(0)).await;
    assert_eq!(out.item, item(1));
    push(queue, &[high, of_session(2, 9)]).await;
    let of_out = position(queue, &item(1)).await;
    assert_eq!((of_out.ahead, of_out.claimed), (0, true));
    assert_eq!([ahead(queue, 5).await, ahead(queue, 2).await, ahead(queue, 3).await], [1, 2, 3]);
    complete(queue, &out).await;
    assert_eq!([ahead(queue, 5).await, ahead(queue, 3).await, ahead(queue, 0).await], [0, 2, 3]);
}

/// In the order in which they leave.
pub async fn counts_those_ahead_by_age_and_lane(queue: &dyn Queue) {
    let now = 4 * AGE.as_millis() as u64;
    let new = |n| QueueItem { lane: Lane::New, ..item(n) };
    let low = |n| QueueItem { priority: Priority::Low, ..item(n) };
    push(queue, &[new(now), item(now + 1), new(now + 2), low(1), low(now + 4)]).await;
    let later = QueueItem { due_at: at(now + 1000), ..new(now + 3) };
    push(queue, &[later]).await;
    claim(queue, 0, at(now)).await;
    let mut aheads = Vec::new();
    for n in [1, now + 1, now, now + 2, now + 3, now + 4] {
        aheads.push(ahead(queue, n).await);
    }
    assert_eq!(aheads, [0, 1, 2, 3, 4, 5]);
    assert_eq!(drain(queue, at(now)).await, ids([1, now + 1, now, now + 2, now + 4]));
}

/// A message leaves after the first to its recipient, whatever may be said of itself.
pub async fn counts_what_stands_before_the_first_to_the_same_recipient(queue: &dyn Queue) {
    let new = |n| QueueItem { lane: Lane::New, ..to_one(n) };
    push(queue, &[new(1), new(2), item(3), item(4)]).await;
    let behind = async || position(queue, &to_one(2)).await.ahead;
    assert_eq!(position(queue, &to_one(1)).await.ahead, 3);
    assert_eq!(behind().await, 3);
    for left in [2, 1] {
        complete(queue, &claim_one(queue, at(0)).await).await;
        assert_eq!(behind().await, left);
    }
    let out = claim_one(queue, at(0)).await;
    assert_eq!((out.item.message, behind().await), (message_id(1), 1));
    complete(queue, &out).await;
    assert_eq!(behind().await, 0);
}

/// A long line is not counted to its end.
pub async fn counts_no_further_than_the_limit(queue: &dyn Queue) {
    let items: Vec<QueueItem> = (0..MAX_POSITION + 10).map(item).collect();
    for chunk in items.chunks(1000) {
        push(queue, chunk).await;
    }
    assert_eq!(ahead(queue, MAX_POSITION - 1).await, MAX_POSITION - 1);
    assert_eq!(ahead(queue, MAX_POSITION + 9).await, MAX_POSITION);
    claim_one(queue, at(0)).await;
    assert_eq!(ahead(queue, MAX_POSITION + 9).await, MAX_POSITION);
}

/// When it is due, and that it keeps its place.
pub async fn tells_where_a_message_in_retry_stands(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    let claimed = claim_one(queue, at(0)).await;
    retry_at(queue, &claimed, at(1000)).await;
    let expected = Position {
        ahead: 0,
        due_at: at(1000),
        why: HeldBy::Retry,
        lane: Lane::Known,
        pause: None,
        claimed: false,
    };
    assert_eq!(position(queue, &item(1)).await, expected);
    assert_eq!(ahead(queue, 2).await, 1);
}

/// Until it is put back for something else.
pub async fn tells_what_a_message_was_put_back_for(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(100), ..item(1) }]).await;
    assert_eq!(position(queue, &item(1)).await.why, HeldBy::Retry);
    for why in [HeldBy::Recipient, HeldBy::Rate, HeldBy::Retry] {
        let claimed = claim_one(queue, at(100)).await;
        assert!(queue.retry_at(&claimed, at(100), why).await.unwrap());
        let position = position(queue, &item(1)).await;
        assert_eq!((position.due_at, position.why), (at(100), why));
    }
    // The end of a lease, and a second push, tell nothing new.
    let claimed = claim_one(queue, at(100)).await;
    assert!(queue.retry_at(&claimed, at(100), HeldBy::Recipient).await.unwrap());
    push(queue, &[item(1)]).await;
    assert_eq!(position(queue, &item(1)).await.why, HeldBy::Recipient);
}

/// Until when, and why.
pub async fn tells_what_pause_a_message_waits_for(queue: &dyn Queue) {
    push(queue, &[item(1), of_session(2, 2)]).await;
    let pause = Pause { until: at(1000), why: HeldBy::Session };
    queue.pause(session_id(1), PauseScope::Session, pause).await.unwrap();
    assert_eq!(position(queue, &item(1)).await.pause, Some(pause));
    assert_eq!(position(queue, &of_session(2, 2)).await.pause, None);
    queue.resume(session_id(1), PauseScope::Session).await.unwrap();
    assert_eq!(position(queue, &item(1)).await.pause, None);
}

/// Never pushed, or completed, or forgotten.
pub async fn knows_no_position_of_an_unknown_message(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    let claimed = claim_one(queue, at(0)).await;
    complete(queue, &claimed).await;
    queue.forget(session_id(1), &[message_id(2)]).await.unwrap();
    for n in 1..=3 {
        assert_eq!(queue.position(&item(n)).await.unwrap(), None);
    }
}

/// Those that are handed out among them.
pub async fn counts_its_messages(queue: &dyn Queue) {
    push(queue, &[item(1), item(2), QueueItem { due_at: at(1000), ..item(3) }]).await;
    push(queue, &[of_session(2, 4)]).await;
    let claimed = claim_one(queue, at(0)).await;
    assert_eq!(queue.depth().await.unwrap(), 4);
    assert_eq!(queue.session_depth(session_id(1)).await.unwrap(), 3);
    assert_eq!(queue.session_depth(session_id(2)).await.unwrap(), 1);
    assert_eq!(queue.session_depth(session_id(3)).await.unwrap(), 0);
    complete(queue, &claimed).await;
    assert_eq!(queue.depth().await.unwrap(), 3);
}
