//! A webhook has its effect once, together with the record that it has it.

use super::{done, due_ids, effect};
use crate::conformance::build::{
    address, at, inbound, inbox_entry, inbox_id, message, message_id, session, session_id,
    tenant_id,
};
use crate::domain::address::RecipientKey;
use crate::domain::id::ProviderMessageId;
use crate::domain::inbox::{Applied, InboxEffect, InboxEntry};
use crate::domain::message::{Message, MessageRef, StatusChange};
use crate::domain::session::{Session, SessionStatus};
use crate::domain::status::{Status, StatusEvent};
use crate::ports::inbox_store::{InboxDepth, InboxStore};
use crate::ports::message_store::MessageStore;
use crate::ports::session_store::SessionStore;

async fn keep(inbox: &dyn InboxStore, ns: impl IntoIterator<Item = u64>) {
    let entries: Vec<InboxEntry> = ns.into_iter().map(inbox_entry).collect();
    inbox.keep(&entries).await.unwrap();
}

fn receive(message: Message) -> InboxEffect {
    InboxEffect::Receive(Box::new(message))
}

/// What an ack of `event` does to the message of this id at the provider, in session 1.
fn ack(id: &str, event: StatusEvent, millis: u64) -> InboxEffect {
    let message = MessageRef::Provider(session_id(1), ProviderMessageId(id.into()));
    InboxEffect::Change(StatusChange::new(message, event, at(millis)))
}

fn status(status: SessionStatus, millis: u64) -> InboxEffect {
    InboxEffect::Session { status, at: at(millis), own_address: None }
}

/// Inserts the `n`th message as one that is being sent under this id at the provider.
async fn insert_sending(messages: &dyn MessageStore, n: u64, id: &str) {
    messages.insert(&[message(n)]).await.unwrap();
    let begin = StatusChange {
        provider_message_id: Some(ProviderMessageId(id.into())),
        ..StatusChange::new(MessageRef::Id(message_id(n)), StatusEvent::Begin, at(50))
    };
    messages.change(&[begin]).await.unwrap();
}

async fn found(messages: &dyn MessageStore, n: u64) -> Option<Message> {
    messages.find(tenant_id(1), message_id(n)).await.unwrap()
}

async fn lines(messages: &dyn MessageStore, n: u64) -> usize {
    messages.events(tenant_id(1), message_id(n)).await.unwrap().map_or(0, |lines| lines.len())
}

/// An applied webhook is no longer due, and neither pending nor dead.
pub async fn is_done_with_a_webhook_that_is_applied(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [1, 2]).await;
    assert_eq!(effect(inbox, 1, InboxEffect::Nothing).await, done());
    assert_eq!(due_ids(inbox, 1000).await, [inbox_id(2)]);
    assert_eq!(inbox.depth().await.unwrap(), InboxDepth { pending: 1, dead: 0 });
    assert_eq!(inbox.apply(&[]).await.unwrap(), []);
}

/// Whoever wrote to a session has a chat with it, which the session did not open.
pub async fn opens_a_chat_with_a_message_that_came_in(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [1, 2]).await;
    let session = session_id(1);
    let chat = (session, RecipientKey::of(session, &address(1)));
    assert_eq!(messages.open_chats(&[chat]).await.unwrap(), []);
    assert_eq!(effect(inbox, 1, receive(inbound(5))).await, done());
    assert_eq!(messages.open_chats(&[chat]).await.unwrap(), [chat]);
    let other = RecipientKey::of(session, &address(9));
    let opened = messages.chats_opened(session, at(0), other, at(100)).await.unwrap();
    assert_eq!(opened, []);
    assert_eq!(effect(inbox, 2, receive(inbound(6))).await, done());
    assert_eq!(messages.open_chats(&[chat]).await.unwrap(), [chat]);
}

/// A message that came in is kept as any other, with its history.
pub async fn keeps_a_message_that_came_in(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [1]).await;
    assert_eq!(effect(inbox, 1, receive(inbound(5))).await, done());
    assert_eq!(found(messages, 5).await, Some(inbound(5)));
    let history = messages.events(tenant_id(1), message_id(5)).await.unwrap().unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].event, history[0].status), (None, Status::Received));
}

/// Two webhooks about the same message keep it once, in one call or in two.
pub async fn keeps_a_message_once_though_two_webhooks_tell_of_it(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 1..=3).await;
    let told = |n| receive(Message { id: message_id(n), ..inbound(5) });
    let effects = [(inbox_id(1), told(5)), (inbox_id(2), told(6))];
    assert_eq!(inbox.apply(&effects).await.unwrap(), [done(), Applied::Known]);
    assert_eq!(effect(inbox, 3, told(7)).await, Applied::Known);
    assert!(found(messages, 5).await.is_some());
    assert_eq!((found(messages, 6).await, found(messages, 7).await), (None, None));
    assert_eq!(due_ids(inbox, 1000).await, []);
}

/// Webhooks about the same message that are applied at once keep it once.
pub async fn keeps_a_message_once_however_many_tell_of_it_at_once(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 1..=16).await;
    let told = |n| [(inbox_id(n), receive(Message { id: message_id(n), ..inbound(5) }))];
    let effects: Vec<_> = (1..=16).map(told).collect();
    let applied = futures::future::join_all(effects.iter().map(|each| inbox.apply(each))).await;
    let kept = applied.into_iter().flat_map(Result::unwrap).filter(|each| *each == done()).count();
    let ids: Vec<_> = (1..=16).map(message_id).collect();
    assert_eq!((kept, messages.load(&ids).await.unwrap().len()), (1, 1));
}

/// The same id at the provider in another session is another message, and so is one without.
pub async fn keeps_messages_apart_by_session_and_provider_id(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 1..=4).await;
    let elsewhere = Message { id: message_id(6), session: session_id(2), ..inbound(5) };
    let nameless = |n| Message { provider_message_id: None, ..inbound(n) };
    for (n, told) in (1..).zip([inbound(5), elsewhere, nameless(7), nameless(8)]) {
        assert_eq!(effect(inbox, n, receive(told)).await, done(), "{n}");
    }
    for n in 5..=8 {
        assert!(found(messages, n).await.is_some(), "{n}");
    }
}

/// What is kept already is known, also when it was sent from here and the provider tells of it
/// as of a message.
pub async fn knows_a_message_that_was_sent_from_here(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    insert_sending(messages, 1, "3EB0").await;
    keep(inbox, [1]).await;
    let echo =
        Message { provider_message_id: Some(ProviderMessageId("3EB0".into())), ..inbound(2) };
    assert_eq!(effect(inbox, 1, receive(echo)).await, Applied::Known);
    assert_eq!(found(messages, 2).await, None);
    assert_eq!(found(messages, 1).await.unwrap().status, Status::Sending);
}

/// An ack moves the message it names, as a change of the message store would, and gives it.
pub async fn moves_the_message_an_ack_names(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    insert_sending(messages, 1, "3EB0").await;
    keep(inbox, [1]).await;
    let applied = effect(inbox, 1, ack("3EB0", StatusEvent::Deliver, 100)).await;
    let after = found(messages, 1).await.unwrap();
    assert_eq!(
        (after.status, after.sent_at, after.delivered_at),
        (Status::Delivered, Some(at(100)), Some(at(100)),)
    );
    assert_eq!(applied, Applied::Done(Some(Box::new(after))));
    assert_eq!(lines(messages, 1).await, 3);
    let ended = messages.attempts_since(session_id(1), at(0), at(900)).await.unwrap();
    assert_eq!(ended, [at(100)]);
    assert_eq!(messages.pending(None, 10).await.unwrap(), []);
}

/// A late ack is recorded and moves nothing.
pub async fn records_a_late_ack(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    insert_sending(messages, 1, "3EB0").await;
    keep(inbox, [1, 2]).await;
    effect(inbox, 1, ack("3EB0", StatusEvent::Read, 100)).await;
    let before = found(messages, 1).await;
    assert_eq!(effect(inbox, 2, ack("3EB0", StatusEvent::Deliver, 110)).await, done());
    assert_eq!(found(messages, 1).await, before);
    assert_eq!(lines(messages, 1).await, 4);
}

/// What the message's status refuses changes nothing, and the webhook is done with.
pub async fn is_done_with_what_a_message_refuses(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let queued = Message { provider_message_id: Some(ProviderMessageId("A".into())), ..message(1) };
    messages.insert(std::slice::from_ref(&queued)).await.unwrap();
    keep(inbox, [1]).await;
    assert_eq!(effect(inbox, 1, ack("A", StatusEvent::Bounce, 100)).await, Applied::Known);
    assert_eq!(found(messages, 1).await, Some(queued));
    assert_eq!((lines(messages, 1).await, due_ids(inbox, 1000).await), (1, Vec::new()));
}

/// An ack for a message nobody knows yet leaves its webhook as it was, to be tried again.
pub async fn leaves_a_webhook_that_names_no_known_message(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    messages.insert(&[message(1), inbound(2)]).await.unwrap();
    keep(inbox, [1, 2]).await;
    let of_inbound = inbound(2).provider_message_id.unwrap();
    let early = ack("3EB0", StatusEvent::Deliver, 100);
    let effects = [
        (inbox_id(1), early.clone()),
        (inbox_id(2), ack(of_inbound.as_str(), StatusEvent::Deliver, 100)),
    ];
    assert_eq!(inbox.apply(&effects).await.unwrap(), [Applied::Unmatched, Applied::Unmatched]);
    assert_eq!(inbox.due(at(1000), 10).await.unwrap(), [inbox_entry(1), inbox_entry(2)]);
    assert_eq!(found(messages, 2).await, Some(inbound(2)));

    insert_sending(messages, 3, "3EB0").await;
    assert!(matches!(effect(inbox, 1, early).await, Applied::Done(Some(_))));
    assert_eq!(found(messages, 3).await.unwrap().status, Status::Delivered);
    assert_eq!(due_ids(inbox, 1000).await, [inbox_id(2)]);
}

/// An ack finds no message of another session, though it have the same id there.
pub async fn matches_no_message_of_another_session(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let id = Some(ProviderMessageId("3EB0".into()));
    let elsewhere = Message { session: session_id(2), provider_message_id: id, ..message(1) };
    messages.insert(std::slice::from_ref(&elsewhere)).await.unwrap();
    keep(inbox, [1]).await;
    let applied = effect(inbox, 1, ack("3EB0", StatusEvent::Deliver, 100)).await;
    assert_eq!(applied, Applied::Unmatched);
    assert_eq!(found(messages, 1).await, Some(elsewhere));
}

/// A webhook that is applied has no second effect, be it the same or another.
pub async fn applies_a_webhook_once(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    insert_sending(messages, 1, "3EB0").await;
    keep(inbox, [1, 2]).await;
    let deliver = ack("3EB0", StatusEvent::Deliver, 100);
    let twice = [(inbox_id(1), deliver.clone()), (inbox_id(1), deliver.clone())];
    let applied = inbox.apply(&twice).await.unwrap();
    assert!(matches!(applied[0], Applied::Done(Some(_))));
    assert_eq!(applied[1], Applied::Known);
    for again in [deliver, ack("3EB0", StatusEvent::Read, 110), receive(inbound(9))] {
        assert_eq!(effect(inbox, 1, again).await, Applied::Known);
    }
    assert_eq!(found(messages, 1).await.unwrap().status, Status::Delivered);
    assert_eq!((lines(messages, 1).await, found(messages, 9).await), (3, None));
}

/// Of many workers that apply the same webhook at once one gives it its effect.
pub async fn applies_a_webhook_once_however_many_try(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    insert_sending(messages, 1, "3EB0").await;
    messages
        .change(&[StatusChange::new(MessageRef::Id(message_id(1)), StatusEvent::Read, at(90))])
        .await
        .unwrap();
    keep(inbox, [1]).await;
    // A late ack: each application would add a line to the history.
    let late = [(inbox_id(1), ack("3EB0", StatusEvent::Deliver, 100))];
    let calls = (0..16).map(|_| inbox.apply(&late));
    let applied = futures::future::join_all(calls).await.into_iter().flat_map(Result::unwrap);
    assert_eq!(applied.filter(|each| *each == done()).count(), 1);
    assert_eq!(lines(messages, 1).await, 4);
}

/// Of a webhook that was never kept nothing takes effect.
pub async fn applies_nothing_that_was_never_kept(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    assert_eq!(effect(inbox, 1, receive(inbound(5))).await, Applied::Known);
    assert_eq!(found(messages, 5).await, None);
}

/// Effects of one call come one after the other, each with its own outcome; one that finds no
/// message does not hold up the others.
pub async fn applies_each_webhook_in_the_order_given(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    sessions: &dyn SessionStore,
) {
    sessions.insert(&session(1)).await.unwrap();
    insert_sending(messages, 1, "3EB0").await;
    keep(inbox, 1..=6).await;
    let effects = [
        (inbox_id(4), ack("3EB0", StatusEvent::Accept, 100)),
        (inbox_id(2), ack("unknown", StatusEvent::Accept, 100)),
        (inbox_id(3), ack("3EB0", StatusEvent::Read, 110)),
        (inbox_id(1), receive(inbound(9))),
        (inbox_id(5), status(SessionStatus::Failed, 100)),
        (inbox_id(6), InboxEffect::Nothing),
    ];
    let applied = inbox.apply(&effects).await.unwrap();
    let statuses: Vec<_> = applied
        .iter()
        .map(|each| match each {
            Applied::Done(Some(message)) => Some(message.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [Some(Status::Sent), None, Some(Status::Read), None, None, None]);
    assert_eq!(applied[1], Applied::Unmatched);
    assert_eq!(applied[3..], [done(), done(), done()]);
    assert_eq!(due_ids(inbox, 1000).await, [inbox_id(2)]);
    assert!(found(messages, 9).await.is_some());
}

/// The state of the session that the webhook is about is recorded, and of no other.
pub async fn records_the_state_of_the_webhooks_session(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    sessions: &dyn SessionStore,
) {
    sessions.insert(&session(1)).await.unwrap();
    sessions.insert(&session(2)).await.unwrap();
    keep(inbox, [1]).await;
    let told = InboxEffect::Session {
        status: SessionStatus::ScanQr,
        at: at(100),
        own_address: Some(address(7)),
    };
    assert_eq!(effect(inbox, 1, told).await, done());
    let expected = Session {
        status: SessionStatus::ScanQr,
        status_at: at(100),
        own_address: Some(address(7)),
        updated_at: at(100),
        ..session(1)
    };
    assert_eq!(sessions.find_any(session_id(1)).await.unwrap(), Some(expected));
    assert_eq!(sessions.find_any(session_id(2)).await.unwrap(), Some(session(2)));
}

/// A state older than the one known changes nothing, and its webhook is done with.
pub async fn ignores_an_older_state_of_a_session(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    sessions: &dyn SessionStore,
) {
    sessions.insert(&session(1)).await.unwrap();
    keep(inbox, 1..=3).await;
    assert_eq!(effect(inbox, 1, status(SessionStatus::Failed, 200)).await, done());
    let before = sessions.find_any(session_id(1)).await.unwrap();
    let older = status(SessionStatus::Working, 199);
    assert_eq!(effect(inbox, 2, older).await, Applied::Known);
    assert_eq!(sessions.find_any(session_id(1)).await.unwrap(), before);
    // The same state, told again later, takes effect: it is newer.
    assert_eq!(effect(inbox, 3, status(SessionStatus::Failed, 300)).await, done());
    let after = sessions.find_any(session_id(1)).await.unwrap().unwrap();
    assert_eq!(after.status_at, at(300));
}

/// A webhook about a session that is gone is done with.
pub async fn is_done_with_the_state_of_a_session_that_is_gone(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    sessions: &dyn SessionStore,
) {
    keep(inbox, [1]).await;
    let told = status(SessionStatus::Working, 100);
    assert_eq!(effect(inbox, 1, told).await, Applied::Known);
    assert_eq!(due_ids(inbox, 1000).await, []);
    assert_eq!(sessions.find_any(session_id(1)).await.unwrap(), None);
}

/// Messages stay when their session is deleted, and are still followed.
pub async fn follows_messages_of_a_session_that_is_gone(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    sessions: &dyn SessionStore,
) {
    sessions.insert(&session(1)).await.unwrap();
    insert_sending(messages, 1, "3EB0").await;
    keep(inbox, [1]).await;
    assert!(sessions.delete(tenant_id(1), session_id(1)).await.unwrap());
    assert_eq!(found(messages, 1).await.unwrap().status, Status::Sending);
    effect(inbox, 1, ack("3EB0", StatusEvent::Read, 100)).await;
    assert_eq!(found(messages, 1).await.unwrap().status, Status::Read);
}
