//! Pausing sessions and forgetting messages.

use super::{
    assert_nothing_is_due, claim, claim_one, complete, drain, ids, item, of_session, push,
    retry_at, to_one,
};
use crate::conformance::build::{at, message_id, session_id};
use crate::domain::message::QueueItem;
use crate::ports::queue::{HeldBy, Pause, PauseScope, Queue};

async fn pause(queue: &dyn Queue, until_ms: u64) {
    let pause = Pause { until: at(until_ms), why: HeldBy::Rate };
    queue.pause(session_id(1), PauseScope::Session, pause).await.unwrap();
}

/// Until the pause ends by itself; other sessions go on.
pub async fn hands_out_nothing_of_a_paused_session(queue: &dyn Queue) {
    push(queue, &[item(1), of_session(2, 2)]).await;
    pause(queue, 1000).await;
    assert_eq!(drain(queue, at(0)).await, ids([2]));
    assert_eq!(assert_nothing_is_due(queue, at(999)).await.next_due, Some(at(1000)));
    assert_eq!(drain(queue, at(1000)).await, ids([1]));
}

/// What is pushed afterwards is held.
pub async fn pauses_a_session_without_messages(queue: &dyn Queue) {
    pause(queue, 1000).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, None);
    push(queue, &[item(1)]).await;
    assert_eq!(assert_nothing_is_due(queue, at(999)).await.next_due, Some(at(1000)));
    assert_eq!(drain(queue, at(1000)).await, ids([1]));
}

/// A pause belongs to the session, not to its messages.
pub async fn keeps_a_pause_when_the_last_message_is_gone(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(0)).await;
    pause(queue, 1000).await;
    complete(queue, &claimed).await;
    push(queue, &[item(2)]).await;
    queue.forget(session_id(1), &[message_id(2)]).await.unwrap();
    push(queue, &[item(3)]).await;
    assert_nothing_is_due(queue, at(999)).await;
    assert_eq!(drain(queue, at(1000)).await, ids([3]));
}

/// Whether it ends later or earlier.
pub async fn lets_the_second_of_two_pauses_stand(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    pause(queue, 1000).await;
    pause(queue, 2000).await;
    assert_eq!(assert_nothing_is_due(queue, at(1000)).await.next_due, Some(at(2000)));
    pause(queue, 1500).await;
    assert_eq!(assert_nothing_is_due(queue, at(1499)).await.next_due, Some(at(1500)));
    assert_eq!(drain(queue, at(1500)).await, ids([1, 2]));
}

/// At once; without a pause it changes nothing.
pub async fn ends_a_pause_by_resuming(queue: &dyn Queue) {
    queue.resume(session_id(1), PauseScope::Session).await.unwrap();
    push(queue, &[item(1), item(2)]).await;
    queue.resume(session_id(1), PauseScope::Session).await.unwrap();
    pause(queue, 1000).await;
    assert_nothing_is_due(queue, at(0)).await;
    queue.resume(session_id(1), PauseScope::Session).await.unwrap();
    assert_eq!(drain(queue, at(0)).await, ids([1, 2]));
    pause(queue, 1000).await;
    queue.resume(session_id(1), PauseScope::Session).await.unwrap();
    push(queue, &[item(3)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([3]));
}

/// Both must have come.
pub async fn waits_for_the_later_of_pause_and_due_time(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(500), ..item(1) }]).await;
    pause(queue, 1000).await;
    assert_nothing_is_due(queue, at(500)).await;
    pause(queue, 300).await;
    assert_nothing_is_due(queue, at(300)).await;
    assert_eq!(drain(queue, at(500)).await, ids([1]));
}

/// Its claimer can end it; then the pause holds the session.
pub async fn leaves_what_is_handed_out_to_its_claimer_in_a_pause(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    let claimed = claim_one(queue, at(0)).await;
    pause(queue, 1000).await;
    retry_at(queue, &claimed, at(0)).await;
    assert_nothing_is_due(queue, at(999)).await;
    let again = claim_one(queue, at(1000)).await;
    assert_eq!(again.item.message, message_id(1));
    pause(queue, 2000).await;
    complete(queue, &again).await;
    assert_nothing_is_due(queue, at(1999)).await;
    assert_eq!(drain(queue, at(2000)).await, ids([2]));
}

/// Due or not; unknown ones are ignored, and so are those of other sessions.
pub async fn forgets_what_waits(queue: &dyn Queue) {
    push(queue, &[of_session(2, 4)]).await;
    queue.forget(session_id(1), &[message_id(4)]).await.unwrap();
    assert_eq!(drain(queue, at(0)).await, ids([4]));
    push(queue, &[item(1), item(2), QueueItem { due_at: at(1000), ..item(3) }]).await;
    queue.forget(session_id(1), &[message_id(1), message_id(3), message_id(99)]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 1);
    assert_eq!(drain(queue, at(0)).await, ids([2]));
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, None);
    assert_nothing_is_due(queue, at(1000)).await;
}

/// It is its claimer's, who still has to end it.
pub async fn forgets_nothing_that_is_handed_out(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(0)).await;
    queue.forget(session_id(1), &[message_id(1)]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 1);
    complete(queue, &claimed).await;
}

/// Those to the same recipient no longer wait for it.
pub async fn lets_those_behind_a_forgotten_message_leave(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(1000), ..to_one(1) }, to_one(2), to_one(3)]).await;
    assert_nothing_is_due(queue, at(0)).await;
    queue.forget(session_id(1), &[message_id(1)]).await.unwrap();
    let second = claim(queue, 1, at(0)).await.items[0];
    assert_eq!(second.item.message, message_id(2));
    complete(queue, &second).await;
    assert_eq!(drain(queue, at(0)).await, ids([3]));
}
