//! Which chats are open, and when a session opened some.

use super::{begin, changed, found, moved, on};
use crate::conformance::build::{address, at, message, message_id, session_id};
use crate::domain::address::RecipientKey;
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::SessionId;
use crate::domain::message::{Message, StatusChange};
use crate::domain::status::StatusEvent;
use crate::ports::message_store::MessageStore;

/// The chat of a session with the `n`th person.
fn chat(session: u64, n: u64) -> (SessionId, RecipientKey) {
    (session_id(session), RecipientKey::of(session_id(session), &address(n)))
}

fn to(n: u64, person: u64) -> Message {
    Message { to: Some(address(person)), ..message(n) }
}

async fn open(store: &dyn MessageStore, persons: &[u64]) -> Vec<u64> {
    let asked: Vec<_> = persons.iter().map(|person| chat(1, *person)).collect();
    let open = store.open_chats(&asked).await.unwrap();
    persons.iter().copied().filter(|person| open.contains(&chat(1, *person))).collect()
}

/// What session 1 opened since then, in milliseconds; what perhaps opens one counts at 9000, but for
/// the one with person 9.
async fn opened(store: &dyn MessageStore, since: u64) -> Vec<u64> {
    let but = chat(1, 9).1;
    let opened = store.chats_opened(session_id(1), at(since), but, at(9000)).await.unwrap();
    opened.into_iter().map(|it| it.since(at(0)).as_millis() as u64).collect()
}

fn unknown(n: u64, event: StatusEvent, millis: u64) -> StatusChange {
    let failure = Some(Failure::new(FailureCode::OutcomeUnknown));
    StatusChange { failure, ..on(n, event, millis) }
}

/// A chat is open from the first message on that was sent in it.
pub async fn opens_a_chat_with_the_message_that_is_sent(store: &dyn MessageStore) {
    store.insert(&[to(1, 1), to(2, 2)]).await.unwrap();
    assert_eq!(store.open_chats(&[]).await.unwrap(), []);
    moved(store, begin(1, 0, 10)).await;
    assert_eq!(open(store, &[1, 2]).await, [0; 0]);
    moved(store, on(1, StatusEvent::Accept, 20)).await;
    assert_eq!(open(store, &[1, 2, 1]).await, [1, 1]);
    assert_eq!(open(store, &[2]).await, [0; 0]);
    assert_eq!(store.open_chats(&[chat(2, 1)]).await.unwrap(), []);
    // Whatever becomes of it.
    moved(store, on(1, StatusEvent::Bounce, 30)).await;
    assert_eq!((open(store, &[1]).await, opened(store, 0).await), (vec![1], vec![20]));
}

/// What was refused, put back or taken back opens nothing.
pub async fn opens_no_chat_with_what_is_not_sent(store: &dyn MessageStore) {
    store.insert(&[to(1, 1), to(2, 2), to(3, 3)]).await.unwrap();
    for n in [1, 2] {
        moved(store, begin(n, 0, 10)).await;
    }
    moved(store, on(1, StatusEvent::Fail, 20)).await;
    moved(store, on(2, StatusEvent::Hold, 20)).await;
    moved(store, on(3, StatusEvent::Cancel, 20)).await;
    assert_eq!(open(store, &[1, 2, 3]).await, [0; 0]);
    assert_eq!(opened(store, 0).await, [0; 0]);
}

/// An ack proves it, also one that comes when the message was given up.
pub async fn opens_a_chat_with_what_proves_the_sending(store: &dyn MessageStore) {
    store.insert(&[to(1, 1), to(2, 2)]).await.unwrap();
    for n in [1, 2] {
        moved(store, begin(n, 0, 10)).await;
    }
    moved(store, on(1, StatusEvent::Deliver, 20)).await;
    moved(store, on(2, StatusEvent::Fail, 20)).await;
    changed(store, on(2, StatusEvent::Deliver, 30)).await;
    assert_eq!((open(store, &[1, 2]).await, opened(store, 0).await), (vec![1, 2], vec![20, 30]));
    assert!(found(store, 2).await.sent_at.is_some());
}

/// A message that was given up and may have been sent may have opened its chat.
pub async fn opens_a_chat_with_what_may_have_been_sent(store: &dyn MessageStore) {
    store.insert(&[to(1, 1), to(2, 2)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    moved(store, unknown(1, StatusEvent::Fail, 20)).await;
    moved(store, begin(2, 0, 10)).await;
    moved(store, unknown(2, StatusEvent::Defer, 20)).await;
    assert_eq!(open(store, &[1, 2]).await, [1]);
    moved(store, on(2, StatusEvent::Expire, 30)).await;
    assert_eq!((open(store, &[1, 2]).await, opened(store, 0).await), (vec![1, 2], vec![20, 30]));
}

/// A chat is opened once, and stays as old as it is.
pub async fn opens_a_chat_once(store: &dyn MessageStore) {
    store.insert(&[to(1, 1), to(2, 1), to(3, 2)]).await.unwrap();
    for (n, millis) in [(1, 20), (2, 40), (3, 60)] {
        moved(store, begin(n, 0, millis - 10)).await;
        moved(store, on(n, StatusEvent::Accept, millis)).await;
    }
    assert_eq!(opened(store, 0).await, [20, 60]);
    assert_eq!(opened(store, 20).await, [20, 60]);
    assert_eq!(opened(store, 21).await, [60]);
    assert_eq!(opened(store, 61).await, [0; 0]);
}

/// What may be on its way counts at present, each recipient once and but for one.
pub async fn counts_a_chat_that_is_perhaps_being_opened(store: &dyn MessageStore) {
    store.insert(&[to(1, 1), to(2, 1), to(3, 2), to(4, 9), to(5, 3), to(6, 4)]).await.unwrap();
    for n in [1, 2, 3, 4, 6] {
        moved(store, begin(n, 0, 10)).await;
    }
    moved(store, unknown(3, StatusEvent::Defer, 20)).await;
    moved(store, on(6, StatusEvent::Defer, 20)).await;
    assert_eq!(opened(store, 8000).await, [9000, 9000]);
    // In a chat that is open nothing opens it.
    moved(store, on(1, StatusEvent::Accept, 30)).await;
    assert_eq!(opened(store, 0).await, [30, 9000]);
    let elsewhere = store.chats_opened(session_id(2), at(0), chat(2, 9).1, at(9000)).await;
    assert_eq!(elsewhere.unwrap(), []);
    assert_eq!(found(store, 2).await.id, message_id(2));
}
