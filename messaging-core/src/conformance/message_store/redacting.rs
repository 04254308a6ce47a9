//! Messages whose personal data is taken from what is kept.

use super::{MessageStore, StatusEvent};
use crate::conformance::build::{address, at, message, message_id, tenant_id};
use crate::domain::content::Content;
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::id::MessageId;
use crate::domain::message::{ChangeOutcome, Message, MessageRef, Redaction, StatusChange};
use crate::domain::status::Status;

fn due(n: u64, status: Status) -> Message {
    Message { redaction: Some(Redaction::Due), status, ..message(n) }
}

fn redacted(message: &Message) -> Message {
    Message { content: Content::text("[email]"), ..message.clone() }
}

async fn redactable(store: &dyn MessageStore) -> Vec<MessageId> {
    store.redactable(100).await.unwrap().iter().map(|message| message.id).collect()
}

/// And those alone that are marked: a failed one may be sent again.
pub async fn names_what_is_to_be_redacted_once_nobody_will_send_it(store: &dyn MessageStore) {
    let mut all = Vec::new();
    for (n, status) in (1..).zip(Status::ALL) {
        all.push(due(n, *status));
        all.push(Message { status: *status, ..message(100 + n) });
    }
    store.insert(&all).await.unwrap();
    let expected: Vec<_> = all.iter().filter(|it| it.is_redactable()).map(|it| it.id).collect();
    assert_eq!(expected.len(), Status::SAID.len());
    assert_eq!(redactable(store).await, expected);
    assert_eq!(store.redactable(2).await.unwrap(), [all[6].clone(), all[8].clone()]);
    let waiting = all.iter().find(|it| it.status == Status::Queued).unwrap();
    for event in [StatusEvent::Begin, StatusEvent::Accept] {
        let change = StatusChange::new(MessageRef::Id(waiting.id), event, at(50));
        store.change(&[change]).await.unwrap();
    }
    assert!(redactable(store).await.contains(&waiting.id));
}

/// Once: what is redacted is as it was given but for its mark, and is found by what it says now.
pub async fn redacts_what_is_to_be_and_nothing_else_about_it(store: &dyn MessageStore) {
    let given = Message {
        content: Content::text("jo@example.com"),
        to: Some(address(7)),
        ..due(1, Status::Sent)
    };
    let other = Message { content: Content::text("jo@example.com"), ..due(2, Status::Queued) };
    let unmarked = Message { redaction: None, ..due(3, Status::Sent) };
    store.insert(&[given.clone(), other.clone(), unmarked.clone()]).await.unwrap();
    let mut changed: Vec<_> = [&given, &other, &unmarked].map(redacted).into();
    changed.push(redacted(&due(4, Status::Sent)));
    // What is told of its state here is not what counts.
    changed[0].status = Status::Queued;
    assert_eq!(store.redact(&changed).await.unwrap(), 1);
    let kept = Message { redaction: Some(Redaction::Done), ..redacted(&given) };
    for (id, expected) in [(1, &kept), (2, &other), (3, &unmarked)] {
        let found = store.find(tenant_id(1), message_id(id)).await.unwrap();
        assert_eq!(found.as_ref(), Some(expected));
    }
    assert_eq!(store.find(tenant_id(1), message_id(4)).await.unwrap(), None);
    assert_eq!(redactable(store).await, []);
    let again = Message { content: Content::text("again"), ..given };
    assert_eq!(store.redact(&[again]).await.unwrap(), 0);
    let found = async |text: &str| {
        let filter = MessageFilter { search: Some(text.into()), ..Default::default() };
        let all = Portion::Page { page: 1, limit: 10 };
        let page = store.list(tenant_id(1), &filter, all).await.unwrap();
        page.messages.iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(found("email").await, [message_id(1)]);
    assert_eq!(found("jo@example.com").await, [message_id(2)]);
}

/// What it said is not known any more.
pub async fn sends_nothing_again_that_was_redacted(store: &dyn MessageStore) {
    store.insert(&[due(1, Status::Sent), due(2, Status::Sent)]).await.unwrap();
    store.redact(&[redacted(&due(1, Status::Sent))]).await.unwrap();
    for (n, is_refused) in [(1, true), (2, false)] {
        let change = |event| StatusChange::new(MessageRef::Id(message_id(n)), event, at(50));
        store.change(&[change(StatusEvent::Bounce)]).await.unwrap();
        let outcome = store.change(&[change(StatusEvent::Replay)]).await.unwrap().pop().unwrap();
        assert_eq!(outcome == ChangeOutcome::Refused(Status::Failed), is_refused, "{outcome:?}");
    }
}

/// Whoever did so read it before.
pub async fn seals_nothing_over_what_was_redacted_meanwhile(store: &dyn MessageStore) {
    let given = due(1, Status::Sent);
    store.insert(std::slice::from_ref(&given)).await.unwrap();
    store.redact(&[redacted(&given)]).await.unwrap();
    assert_eq!(store.reseal(&[(None, given.clone())]).await.unwrap(), 0);
    let kept = Message { redaction: Some(Redaction::Done), ..redacted(&given) };
    assert_eq!(store.reseal(&[(None, kept.clone())]).await.unwrap(), 1);
    assert_eq!(store.find(tenant_id(1), given.id).await.unwrap(), Some(kept));
}
