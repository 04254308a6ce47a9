//! Chats that are open and chats that are not.

use super::{
    assert_nothing_is_due, claim, claim_one, complete, drain, ids, item, of_session, only, push,
    retry_at, to_one,
};
use crate::conformance::build::{at, message_id, session_id};
use crate::domain::address::RecipientKey;
use crate::domain::message::{Priority, QueueItem};
use crate::domain::urgency::Lane;
use crate::ports::queue::{HeldBy, Pause, PauseScope, Queue, Standing};

/// The `n`th message, which would open a chat.
fn new(n: u64) -> QueueItem {
    QueueItem { lane: Lane::New, ..item(n) }
}

/// The same, to one recipient.
fn new_to_one(n: u64) -> QueueItem {
    QueueItem { lane: Lane::New, ..to_one(n) }
}

async fn pause_new_chats(queue: &dyn Queue, until_ms: u64) {
    let pause = Pause { until: at(until_ms), why: HeldBy::NewChats };
    queue.pause(session_id(1), PauseScope::NewChats, pause).await.unwrap();
}

async fn pause(queue: &dyn Queue, until_ms: u64) {
    let pause = Pause { until: at(until_ms), why: HeldBy::Rate };
    queue.pause(session_id(1), PauseScope::Session, pause).await.unwrap();
}

async fn open(queue: &dyn Queue, recipient: u64) {
    queue.open_chat(session_id(1), RecipientKey(recipient)).await.unwrap();
}

async fn lane(queue: &dyn Queue, item: &QueueItem) -> Lane {
    queue.position(item).await.unwrap().unwrap().lane
}

/// Answers before cold openings; urgency before both.
pub async fn hands_out_open_chats_before_new_ones(queue: &dyn Queue) {
    let high = QueueItem { priority: Priority::High, ..new(5) };
    push(queue, &[new(1), new(2), item(3), item(4), high]).await;
    let low = QueueItem { priority: Priority::Low, ..item(6) };
    push(queue, &[low]).await;
    assert_eq!(drain(queue, at(0)).await, ids([5, 3, 4, 1, 2, 6]));
}

/// Which is what its claimer goes by.
pub async fn tells_the_lane_of_what_is_handed_out(queue: &dyn Queue) {
    push(queue, &[new(1)]).await;
    assert_eq!(claim_one(queue, at(0)).await.item, new(1));
}

/// Known or new, what was accepted first leaves first.
pub async fn keeps_the_order_to_one_recipient_in_either_lane(queue: &dyn Queue) {
    push(queue, &[new_to_one(2), new_to_one(3), new_to_one(1), new(4)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([1, 2, 3, 4]));
    push(queue, &[new_to_one(2), to_one(3), new_to_one(1), new(4)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([1, 2, 3, 4]));
}

/// All that waits for its recipient stands with those whose chat is open from then on.
pub async fn opens_a_chat(queue: &dyn Queue) {
    push(queue, &[new_to_one(1), new_to_one(2), new(3), item(4)]).await;
    assert_eq!(lane(queue, &to_one(2)).await, Lane::New);
    for _ in 0..2 {
        open(queue, u64::MAX).await;
        open(queue, 99).await;
    }
    assert_eq!([lane(queue, &to_one(1)).await, lane(queue, &to_one(2)).await], [Lane::Known; 2]);
    assert_eq!(lane(queue, &item(3)).await, Lane::New);
    assert_eq!(claim_one(queue, at(0)).await.item, to_one(1));
    queue.open_chat(session_id(2), RecipientKey(3)).await.unwrap();
    assert_eq!(lane(queue, &item(3)).await, Lane::New);
}

/// Due, not due, or handed out.
pub async fn opens_a_chat_whatever_its_first_does(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(1000), ..new(1) }, new(2)]).await;
    open(queue, 1).await;
    let second = claim_one(queue, at(0)).await;
    assert_eq!(second.item, new(2));
    open(queue, 2).await;
    pause_new_chats(queue, 5000).await;
    retry_at(queue, &second, at(900)).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(900)));
    assert_eq!(drain(queue, at(1000)).await, ids([1, 2]));
}

/// The push may be of another message to the same recipient, or of the same again.
pub async fn takes_a_chat_for_open_as_soon_as_a_push_says_so(queue: &dyn Queue) {
    push(queue, &[new_to_one(2), to_one(3), new(5)]).await;
    assert_eq!([lane(queue, &to_one(2)).await, lane(queue, &to_one(3)).await], [Lane::Known; 2]);
    push(queue, &[new_to_one(4), new_to_one(2)]).await;
    assert_eq!([lane(queue, &to_one(2)).await, lane(queue, &to_one(4)).await], [Lane::Known; 2]);
    assert_eq!(lane(queue, &item(5)).await, Lane::New);
    push(queue, &[item(5)]).await;
    assert_eq!(lane(queue, &item(5)).await, Lane::Known);
    push(queue, &[new(9), item(9), new(9)]).await;
    assert_eq!(lane(queue, &item(9)).await, Lane::Known);
    queue.forget(session_id(1), &[message_id(9)]).await.unwrap();
    assert_eq!(drain(queue, at(0)).await, ids([2, 3, 4, 5]));
    // What was known of a chat goes with the last message to it.
    push(queue, &[new_to_one(6)]).await;
    assert_eq!(lane(queue, &to_one(6)).await, Lane::New);
}

/// The rest of the session goes on, and so do others.
pub async fn holds_only_what_would_open_a_chat(queue: &dyn Queue) {
    let elsewhere = QueueItem { lane: Lane::New, ..of_session(2, 5) };
    push(queue, &[new(1), item(2), new_to_one(3), elsewhere]).await;
    pause_new_chats(queue, 1000).await;
    push(queue, &[new_to_one(4), item(6)]).await;
    let mut order = drain(queue, at(0)).await;
    order.sort_unstable();
    assert_eq!(order, ids([2, 5, 6]));
    assert_eq!(assert_nothing_is_due(queue, at(999)).await.next_due, Some(at(1000)));
    assert_eq!(drain(queue, at(1000)).await, ids([1, 3, 4]));
}

/// The earlier, where only one is held; what is not due waits for that as well.
pub async fn waits_for_the_first_lane_that_goes_on(queue: &dyn Queue) {
    let due = |millis, item| QueueItem { due_at: at(millis), ..item };
    push(queue, &[due(700, item(1)), due(1500, new(2)), new(3)]).await;
    pause_new_chats(queue, 1000).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(700)));
    assert_eq!(drain(queue, at(700)).await, ids([1]));
    assert_eq!(assert_nothing_is_due(queue, at(700)).await.next_due, Some(at(1000)));
    assert_eq!(drain(queue, at(1000)).await, ids([3]));
    assert_eq!(assert_nothing_is_due(queue, at(1499)).await.next_due, Some(at(1500)));
    assert_eq!(drain(queue, at(1500)).await, ids([2]));
}

/// Also where the session went on meanwhile.
pub async fn lets_new_chats_go_on_while_the_session_does(queue: &dyn Queue) {
    let high = QueueItem { priority: Priority::High, ..new(4) };
    push(queue, &[item(1), item(2), item(3), high]).await;
    pause_new_chats(queue, 1000).await;
    complete(queue, &claim_one(queue, at(0)).await).await;
    assert_eq!(drain(queue, at(1000)).await, ids([4, 2, 3]));
}

/// Neither replaces or ends the other, and what is held by both waits for the later.
pub async fn pauses_a_session_and_its_new_chats_apart(queue: &dyn Queue) {
    push(queue, &[new(1), item(2)]).await;
    pause_new_chats(queue, 1000).await;
    pause(queue, 500).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(500)));
    queue.resume(session_id(1), PauseScope::Session).await.unwrap();
    assert_eq!(drain(queue, at(0)).await, ids([2]));
    assert_nothing_is_due(queue, at(0)).await;
    pause(queue, 2000).await;
    queue.resume(session_id(1), PauseScope::NewChats).await.unwrap();
    assert_eq!(assert_nothing_is_due(queue, at(1000)).await.next_due, Some(at(2000)));
    pause_new_chats(queue, 3000).await;
    pause_new_chats(queue, 2500).await;
    assert_eq!(assert_nothing_is_due(queue, at(2000)).await.next_due, Some(at(2500)));
    assert_eq!(drain(queue, at(2500)).await, ids([1]));
}

/// What is pushed afterwards is held, also when messages came and went meanwhile.
pub async fn pauses_new_chats_without_messages(queue: &dyn Queue) {
    pause_new_chats(queue, 1000).await;
    push(queue, &[item(1)]).await;
    assert_eq!(drain(queue, at(0)).await, ids([1]));
    push(queue, &[new(2)]).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(1000)));
    queue.forget(session_id(1), &[message_id(2)]).await.unwrap();
    push(queue, &[new(3)]).await;
    assert_nothing_is_due(queue, at(999)).await;
    assert_eq!(drain(queue, at(1000)).await, ids([3]));
}

/// Its claimer can end it; then it is held as well.
pub async fn leaves_a_new_chat_that_is_handed_out_to_its_claimer(queue: &dyn Queue) {
    push(queue, &[new(1), new(2)]).await;
    let first = claim_one(queue, at(0)).await;
    pause_new_chats(queue, 1000).await;
    retry_at(queue, &first, at(0)).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(1000)));
    let again = claim_one(queue, at(1000)).await;
    assert_eq!(again.item, new(1));
    complete(queue, &again).await;
    assert_eq!(drain(queue, at(1000)).await, ids([2]));
}

/// Of what follows the one that is gone the first would open it.
pub async fn keeps_a_chat_new_while_nothing_is_known_of_it(queue: &dyn Queue) {
    push(queue, &[new_to_one(1), new_to_one(2), new_to_one(3), item(4)]).await;
    queue.forget(session_id(1), &[message_id(1)]).await.unwrap();
    assert_eq!(drain(queue, at(0)).await, ids([4, 2, 3]));
    push(queue, &[new_to_one(1), new_to_one(2)]).await;
    let lost = claim_one(queue, at(0)).await;
    let again = only(&claim(queue, 1, lost.lease_until).await);
    assert_eq!(again.item, new_to_one(1));
}

/// The one that ends later, and only where it holds the message.
pub async fn tells_which_pause_holds_a_new_chat(queue: &dyn Queue) {
    push(queue, &[new(1), item(2), new_to_one(3), new_to_one(4)]).await;
    let of_lane = Pause { until: at(1000), why: HeldBy::Restricted };
    queue.pause(session_id(1), PauseScope::NewChats, of_lane).await.unwrap();
    let told = |n: u64, item: QueueItem| async move {
        let position = queue.position(&item).await.unwrap().unwrap();
        (n, position.lane, position.pause)
    };
    assert_eq!(told(1, item(1)).await, (1, Lane::New, Some(of_lane)));
    assert_eq!(told(2, item(2)).await, (2, Lane::Known, None));
    assert_eq!(told(4, to_one(4)).await, (4, Lane::New, Some(of_lane)));
    let of_session = Pause { until: at(500), why: HeldBy::Rate };
    queue.pause(session_id(1), PauseScope::Session, of_session).await.unwrap();
    assert_eq!(told(1, item(1)).await.2, Some(of_lane));
    assert_eq!(told(2, item(2)).await.2, Some(of_session));
    let later = Pause { until: at(2000), ..of_session };
    queue.pause(session_id(1), PauseScope::Session, later).await.unwrap();
    assert_eq!(told(1, item(1)).await.2, Some(later));
}

/// Wherever the first accepted stands: behind another, to come, or handed out.
pub async fn tells_which_message_of_a_session_is_the_oldest(queue: &dyn Queue) {
    let oldest = async || queue.standings(&[session_id(1)]).await.unwrap()[0].oldest;
    let low = |n| QueueItem { priority: Priority::Low, ..to_one(n) };
    push(queue, &[low(1), to_one(2), new(4), QueueItem { due_at: at(1000), ..item(3) }]).await;
    assert_eq!(oldest().await, Some(message_id(1)));
    queue.forget(session_id(1), &[message_id(1)]).await.unwrap();
    let second = claim_one(queue, at(0)).await;
    assert_eq!((second.item, oldest().await), (to_one(2), Some(message_id(2))));
    complete(queue, &second).await;
    assert_eq!(oldest().await, Some(message_id(3)));
    queue.forget(session_id(1), &[message_id(3)]).await.unwrap();
    assert_eq!(oldest().await, Some(message_id(4)));
    queue.forget(session_id(1), &[message_id(4)]).await.unwrap();
    assert_eq!(oldest().await, None);
}

/// How many messages and new chats there are, whether one is out, and what holds them.
pub async fn tells_how_sessions_stand(queue: &dyn Queue) {
    push(queue, &[new_to_one(1), new_to_one(2), new(3), item(4), of_session(2, 5)]).await;
    let out = claim(queue, 1, at(0)).await.items[0].item.session;
    pause_new_chats(queue, 1000).await;
    let sessions = [session_id(3), session_id(2), session_id(1)];
    let standings = queue.standings(&sessions).await.unwrap();
    let of = |session, oldest| Standing {
        claimed: out == session,
        oldest: Some(message_id(oldest)),
        ..Standing::default()
    };
    let new_chats_pause = Some(Pause { until: at(1000), why: HeldBy::NewChats });
    assert_eq!(standings[0], Standing::default());
    assert_eq!(standings[1], Standing { depth: 1, ..of(session_id(2), 5) });
    let of_first = Standing { depth: 4, new_chats: 2, new_chats_pause, ..of(session_id(1), 1) };
    assert_eq!(standings[2], of_first);
    pause(queue, 500).await;
    open(queue, 3).await;
    let pause = Some(Pause { until: at(500), why: HeldBy::Rate });
    let of_first = Standing { new_chats: 1, pause, ..of_first };
    assert_eq!(queue.standings(&[session_id(1)]).await.unwrap(), [of_first]);
    assert_eq!(queue.standings(&[]).await.unwrap(), []);
}
