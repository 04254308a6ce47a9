//! How every store of what is kept of one person must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{
    address, at, batch, inbox_entry, inbox_id, message, message_id, session_id, tenant_id,
};
use crate::domain::address::{Address, Alias, PersonKey, RecipientKey};
use crate::domain::content::{Attachment, ContactCard, Content, Location, Media, MediaKind};
use crate::domain::content::{MediaSource, Poll};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::id::{InboxId, ProviderMessageId};
use crate::domain::inbox::{InboxEffect, InboxEntry, InboxVerdict, Kept};
use crate::domain::message::{ChangeOutcome, Direction, Message, MessageRef, StatusChange};
use crate::domain::sealed::{Sealed, Terms};
use crate::domain::statistics::StatisticsRange;
use crate::domain::status::{Status, StatusEvent};
use crate::ports::inbox_store::InboxStore;
use crate::ports::message_store::MessageStore;
use crate::ports::person_store::{PersonStore, WebhooksSeen};

/// Calls the given macro with the name of every behavior of
/// [`PersonStore`](crate::ports::person_store::PersonStore). Each is a function of this module that
/// takes an empty store, three times.
#[macro_export]
macro_rules! for_each_person_store_behavior {
    ($test:ident) => {
        $test!(finds_what_was_exchanged_with_a_person);
        $test!(finds_nothing_for_other_tenants);
        $test!(goes_on_behind_a_message);
        $test!(takes_from_a_message_what_it_says_and_to_whom);
        $test!(erases_every_kind_of_content);
        $test!(counts_what_was_erased_as_before);
        $test!(leaves_alone_what_is_still_to_be_sent);
        $test!(erases_no_other_tenants_messages);
        $test!(takes_from_a_history_what_was_said_in_it);
        $test!(still_knows_what_was_erased_at_the_provider);
        $test!(does_not_queue_again_what_was_erased);
        $test!(looks_at_webhooks_portion_by_portion);
        $test!(takes_the_bodies_from_webhooks_and_still_knows_repeats);
        $test!(finds_and_erases_what_is_sealed);
        $test!(forgets_chats);
        $test!(keeps_other_bodies_in_place_of_those_of_webhooks);
    };
}

type Messages<'a> = &'a dyn MessageStore;
type Inbox<'a> = &'a dyn InboxStore;
type Persons<'a> = &'a dyn PersonStore;

/// The nth message, over, to the first person.
fn sent(n: u64) -> Message {
    Message {
        to: Some(address(1)),
        status: Status::Read,
        provider_message_id: Some(ProviderMessageId(format!("3EB0{n}"))),
        ..message(n)
    }
}

fn received(n: u64) -> Message {
    Message {
        direction: Direction::Inbound,
        from: Some(address(1)),
        to: Some(address(99)),
        status: Status::Received,
        ..sent(n)
    }
}

async fn with(persons: Persons<'_>, n: u64) -> Vec<Message> {
    persons.messages_with(tenant_id(1), &address(n), None, 100).await.unwrap()
}

async fn with_ids(persons: Persons<'_>, n: u64) -> Vec<crate::domain::id::MessageId> {
    with(persons, n).await.iter().map(|message| message.id).collect()
}

/// Whichever way, through whatever session, whether it waits or is over.
pub async fn finds_what_was_exchanged_with_a_person(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let other_session = Message { session: session_id(2), ..sent(2) };
    let waiting = Message { to: Some(address(1)), ..message(4) };
    let to_other = Message { to: Some(address(2)), ..message(5) };
    // What came to the account of this number is from somebody else.
    let from_other = Message { from: Some(address(2)), to: Some(address(1)), ..received(6) };
    let all = [sent(1), other_session, received(3), waiting, to_other, from_other];
    messages.insert(&all).await.unwrap();
    assert_eq!(with(persons, 1).await, all[..4]);
    assert_eq!(with_ids(persons, 2).await, [message_id(5), message_id(6)]);
    assert!(with(persons, 3).await.is_empty());
    let hidden = Address::from_stored("199887766554433@lid");
    let of_hidden = Message { to: Some(hidden.clone()), ..sent(7) };
    messages.insert(std::slice::from_ref(&of_hidden)).await.unwrap();
    let found = persons.messages_with(tenant_id(1), &hidden, None, 9).await.unwrap();
    assert_eq!(found, [of_hidden]);
}

/// Of the same person.
pub async fn finds_nothing_for_other_tenants(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let theirs = Message { tenant: tenant_id(2), session: session_id(2), ..sent(2) };
    messages.insert(&[sent(1), theirs]).await.unwrap();
    assert_eq!(with_ids(persons, 1).await, [message_id(1)]);
}

/// In order of id, as many as are asked for.
pub async fn goes_on_behind_a_message(messages: Messages<'_>, _: Inbox<'_>, persons: Persons<'_>) {
    messages.insert(&(1..=5).map(sent).collect::<Vec<_>>()).await.unwrap();
    let ids = async |after: Option<u64>, limit| {
        let after = after.map(message_id);
        let found = persons.messages_with(tenant_id(1), &address(1), after, limit).await.unwrap();
        found.iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 2).await, [message_id(1), message_id(2)]);
    assert_eq!(ids(Some(2), 2).await, [message_id(3), message_id(4)]);
    assert_eq!(ids(Some(4), 9).await, [message_id(5)]);
}

/// It is there, says nothing, and is found under no name.
pub async fn takes_from_a_message_what_it_says_and_to_whom(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let metadata = Some(serde_json::json!({ "campaignId": "spring", "name": "Ana" }));
    let failure =
        Failure { detail: Some("so and so".into()), ..Failure::new(FailureCode::ProviderRejected) };
    let all = [
        Message { metadata, failure: Some(failure), status: Status::Failed, ..sent(1) },
        received(2),
        Message { to: Some(address(2)), ..sent(3) },
    ];
    messages.insert(&all).await.unwrap();
    let ids = [message_id(1), message_id(2), message_id(7)];
    assert_eq!(persons.erase_messages(tenant_id(1), &ids).await.unwrap(), 2);
    for each in &all[..2] {
        let found = messages.find(tenant_id(1), each.id).await.unwrap();
        assert_eq!(found, Some(each.clone().erased()));
    }
    assert!(with(persons, 1).await.is_empty());
    assert_eq!(messages.find(tenant_id(1), message_id(3)).await.unwrap(), Some(all[2].clone()));
    // And no search finds what it said.
    for text in [&*all[1].content.body, address(1).as_str()] {
        let filter = MessageFilter { search: Some(text.to_owned()), ..MessageFilter::default() };
        let page = Portion::Page { page: 1, limit: 9 };
        let found = messages.list(tenant_id(1), &filter, page).await.unwrap();
        assert!(found.messages.iter().all(|found| found.id == message_id(3)), "{text}");
    }
}

/// Each stays of its kind.
pub async fn erases_every_kind_of_content(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let media = Media {
        kind: MediaKind::Image,
        source: MediaSource::Data("aGVsbG8=".into()),
        mimetype: Some("image/png".into()),
        filename: Some("ana.png".into()),
    };
    let location = Location { latitude: 1.0, longitude: 2.0, title: Some("home".into()) };
    let contact = ContactCard { name: "Ana".into(), phone: Some("+5511988887777".into()) };
    let poll = Poll {
        question: "Tea?".into(),
        options: vec!["yes".into(), "no".into()],
        multiple_answers: true,
    };
    let attachments = [
        Attachment::Media(media),
        Attachment::Location(location),
        Attachment::Contact(contact),
        Attachment::Poll(poll),
        Attachment::Unsupported,
    ];
    for (attachment, n) in attachments.into_iter().zip(1..) {
        let content = Content { body: "caption".into(), attachment: Some(attachment) };
        let given = Message { content, ..sent(n) };
        messages.insert(std::slice::from_ref(&given)).await.unwrap();
        persons.erase_messages(tenant_id(1), &[given.id]).await.unwrap();
        let found = messages.find(tenant_id(1), given.id).await.unwrap().unwrap();
        assert_eq!(found.content.kind(), given.content.kind());
        assert_eq!(found, given.erased());
    }
}

/// Nothing of a number that was told changes.
pub async fn counts_what_was_erased_as_before(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let media = Media {
        kind: MediaKind::Voice,
        source: MediaSource::Missing,
        mimetype: None,
        filename: None,
    };
    let content = Content { body: String::new(), attachment: Some(Attachment::Media(media)) };
    let all = [sent(1), Message { content, ..received(2) }, sent(3)];
    messages.insert(&all).await.unwrap();
    let range = StatisticsRange::default();
    let before = messages.statistics(tenant_id(1), &range).await.unwrap();
    persons.erase_messages(tenant_id(1), &all.each_ref().map(|it| it.id)).await.unwrap();
    assert_eq!(messages.statistics(tenant_id(1), &range).await.unwrap(), before);
}

/// By what stands for the person, and by nothing else; and nothing of what was sealed stays.
pub async fn finds_and_erases_what_is_sealed(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let sealed = |n, person| {
        let terms = Terms::from_bytes(vec![7; 16]);
        Message {
            from: None,
            to: Some(Address::Sealed(Alias::new(5, ""))),
            content: Content::text(""),
            sealed: Some(Sealed { key: 1, bytes: vec![1, 2, 3], terms, person }),
            ..sent(n)
        }
    };
    // A key above half of all, for columns whose numbers have a sign.
    let key = PersonKey(u64::MAX - 1);
    let all = [sealed(1, Some(key)), sealed(2, Some(PersonKey(9))), sealed(3, None), sent(4)];
    messages.insert(&all).await.unwrap();
    let person = Address::Sealed(Alias::new(key.0, ""));
    let found = persons.messages_with(tenant_id(1), &person, None, 9).await.unwrap();
    assert_eq!(found, all[..1]);
    assert_eq!(with_ids(persons, 1).await, [message_id(4)]);
    assert_eq!(persons.erase_messages(tenant_id(1), &[message_id(1)]).await.unwrap(), 1);
    let erased = messages.find(tenant_id(1), message_id(1)).await.unwrap().unwrap();
    assert_eq!((&erased.sealed, &erased.to), (&None, &None));
    assert_eq!(erased, all[0].clone().erased());
    // Not even by who read it before it was erased.
    assert_eq!(messages.reseal(&[(None, all[0].clone())]).await.unwrap(), 0);
    assert_eq!(messages.find(tenant_id(1), message_id(1)).await.unwrap(), Some(erased));
    assert!(persons.messages_with(tenant_id(1), &person, None, 9).await.unwrap().is_empty());
    assert_eq!(messages.find(tenant_id(1), message_id(2)).await.unwrap(), Some(all[1].clone()));
}

/// It is taken back first, or sent.
pub async fn leaves_alone_what_is_still_to_be_sent(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let mut held =
        Message { status: Status::Queued, batch: Some(batch(1).id), held: true, ..sent(4) };
    held.provider_message_id = None;
    let all = [
        Message { status: Status::Queued, ..sent(1) },
        Message { status: Status::Retry, ..sent(2) },
        Message { status: Status::Sending, ..sent(3) },
        held,
    ];
    messages.insert_batch(&batch(1), &all).await.unwrap();
    let ids = all.each_ref().map(|it| it.id);
    assert_eq!(persons.erase_messages(tenant_id(1), &ids).await.unwrap(), 0);
    assert_eq!(with(persons, 1).await, all);
}

/// Whatever id is named.
pub async fn erases_no_other_tenants_messages(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    messages.insert(&[sent(1)]).await.unwrap();
    assert_eq!(persons.erase_messages(tenant_id(2), &[message_id(1)]).await.unwrap(), 0);
    assert_eq!(with(persons, 1).await, [sent(1)]);
}

/// Its lines stay, with what they are about.
pub async fn takes_from_a_history_what_was_said_in_it(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    messages.insert(&[Message { to: Some(address(1)), ..message(1) }]).await.unwrap();
    let failure = Failure {
        detail: Some("no such number".into()),
        ..Failure::new(FailureCode::ProviderRejected)
    };
    for (event, failure) in [(StatusEvent::Begin, None), (StatusEvent::Fail, Some(failure))] {
        let change = StatusChange {
            failure,
            ..StatusChange::new(MessageRef::Id(message_id(1)), event, at(5))
        };
        messages.change(&[change]).await.unwrap();
    }
    let before = messages.events(tenant_id(1), message_id(1)).await.unwrap().unwrap();
    assert!(before.iter().any(|line| line.failure.as_ref().is_some_and(|it| it.detail.is_some())));
    persons.erase_messages(tenant_id(1), &[message_id(1)]).await.unwrap();
    let after = messages.events(tenant_id(1), message_id(1)).await.unwrap().unwrap();
    let mut expected = before;
    for line in &mut expected {
        if let Some(failure) = &mut line.failure {
            failure.detail = None;
        }
    }
    assert_eq!(after, expected);
}

/// A late ack finds it, and it does not come in anew.
pub async fn still_knows_what_was_erased_at_the_provider(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let out = Message { status: Status::Sent, ..sent(1) };
    messages.insert(&[out, received(2)]).await.unwrap();
    persons.erase_messages(tenant_id(1), &[message_id(1), message_id(2)]).await.unwrap();
    let ids = [ProviderMessageId("3EB01".into()), ProviderMessageId("3EB02".into())];
    let known = messages.known_at_provider(session_id(1), &ids).await.unwrap();
    assert_eq!(known.len(), 2);
    let ack = StatusChange::new(MessageRef::Id(message_id(1)), StatusEvent::Read, at(9));
    messages.change(&[ack]).await.unwrap();
    let found = messages.find(tenant_id(1), message_id(1)).await.unwrap().unwrap();
    assert_eq!((found.status, found.to), (Status::Read, None));
}

/// Nobody knows any more to whom. It can be left so.
pub async fn does_not_queue_again_what_was_erased(
    messages: Messages<'_>,
    _: Inbox<'_>,
    persons: Persons<'_>,
) {
    let failed = Message { status: Status::Failed, ..sent(1) };
    messages.insert(&[failed]).await.unwrap();
    persons.erase_messages(tenant_id(1), &[message_id(1)]).await.unwrap();
    let change = async |event| {
        let change =
            StatusChange::new(MessageRef::Owned(tenant_id(1), message_id(1)), event, at(9));
        messages.change(&[change]).await.unwrap().remove(0)
    };
    let refused = change(StatusEvent::Replay).await;
    assert!(matches!(refused, ChangeOutcome::Refused(Status::Failed)), "{refused:?}");
    let discarded = change(StatusEvent::Discard).await;
    assert!(matches!(discarded, ChangeOutcome::Moved { .. }), "{discarded:?}");
}

/// Kept, and of no more use to anybody: every store has it still.
async fn put_aside(inbox: Inbox<'_>, entries: &[InboxEntry]) {
    inbox.keep(entries).await.unwrap();
    let dead: Vec<_> = entries.iter().map(|entry| (entry.id, InboxVerdict::Dead)).collect();
    inbox.defer(&dead).await.unwrap();
}

fn seen_ids(seen: &WebhooksSeen) -> Vec<InboxId> {
    seen.entries.iter().map(|entry| entry.id).collect()
}

/// Others' are passed over, and count as looked at.
pub async fn looks_at_webhooks_portion_by_portion(
    _: Messages<'_>,
    inbox: Inbox<'_>,
    persons: Persons<'_>,
) {
    let theirs = InboxEntry { tenant: tenant_id(2), session: session_id(2), ..inbox_entry(2) };
    put_aside(inbox, &[inbox_entry(1), theirs, inbox_entry(3)]).await;
    let first = persons.webhooks(tenant_id(1), None, 2).await.unwrap();
    assert_eq!((seen_ids(&first), first.reached), (vec![inbox_id(1)], Some(inbox_id(2))));
    assert_eq!(first.entries[0].payload, inbox_entry(1).payload);
    let second = persons.webhooks(tenant_id(1), first.reached, 2).await.unwrap();
    assert_eq!((seen_ids(&second), second.reached), (vec![inbox_id(3)], Some(inbox_id(3))));
    let third = persons.webhooks(tenant_id(1), second.reached, 2).await.unwrap();
    assert_eq!(third, WebhooksSeen::default());
}

/// Those to be applied keep theirs.
pub async fn takes_the_bodies_from_webhooks_and_still_knows_repeats(
    _: Messages<'_>,
    inbox: Inbox<'_>,
    persons: Persons<'_>,
) {
    put_aside(inbox, &[inbox_entry(1), inbox_entry(2)]).await;
    inbox.keep(&[inbox_entry(3)]).await.unwrap();
    let ids = [inbox_id(1), inbox_id(3), inbox_id(9)];
    assert_eq!(persons.erase_webhooks(tenant_id(2), &ids).await.unwrap(), 0);
    assert_eq!(persons.erase_webhooks(tenant_id(1), &ids).await.unwrap(), 1);
    let seen = persons.webhooks(tenant_id(1), None, 9).await.unwrap();
    let bodies: Vec<_> = seen.entries.iter().map(|entry| entry.payload.clone()).collect();
    assert_eq!(bodies, [vec![], inbox_entry(2).payload, inbox_entry(3).payload]);
    assert_eq!(inbox.keep(&[inbox_entry(1)]).await.unwrap(), [Kept::Repeat]);
}

/// Others stay open.
pub async fn forgets_chats(messages: Messages<'_>, inbox: Inbox<'_>, persons: Persons<'_>) {
    let other = Message { from: Some(address(2)), ..received(2) };
    inbox.keep(&[inbox_entry(1), inbox_entry(2)]).await.unwrap();
    let receive = |message| InboxEffect::Receive(Box::new(message));
    let effects = [(inbox_id(1), receive(received(1))), (inbox_id(2), receive(other))];
    inbox.apply(&effects).await.unwrap();
    let chats = [1, 2].map(|n| (session_id(1), RecipientKey::of(session_id(1), &address(n))));
    assert_eq!(messages.open_chats(&chats).await.unwrap().len(), 2);
    persons.forget_chats(&chats[..1]).await.unwrap();
    assert_eq!(messages.open_chats(&chats).await.unwrap(), chats[1..]);
}

/// Wherever they stand; but what was taken away does not come back.
pub async fn keeps_other_bodies_in_place_of_those_of_webhooks(
    _: Messages<'_>,
    inbox: Inbox<'_>,
    persons: Persons<'_>,
) {
    let all = [inbox_entry(1), inbox_entry(2), inbox_entry(3), inbox_entry(4)];
    inbox.keep(&all).await.unwrap();
    let aside = [(inbox_id(2), InboxVerdict::Dead), (inbox_id(3), InboxVerdict::Unmatched)];
    inbox.defer(&aside).await.unwrap();
    assert_eq!(persons.erase_webhooks(tenant_id(1), &[inbox_id(3)]).await.unwrap(), 1);
    let bodies = [1, 2, 3, 9].map(|n| (inbox_id(n), vec![1, 0, 255, u8::try_from(n).unwrap()]));
    assert_eq!(inbox.reseal(&bodies).await.unwrap(), 2);
    let seen = persons.webhooks(tenant_id(1), None, 9).await.unwrap();
    let kept: Vec<_> = seen.entries.into_iter().map(|entry| (entry.id, entry.payload)).collect();
    let expected = [
        bodies[0].clone(),
        bodies[1].clone(),
        (inbox_id(3), vec![]),
        (inbox_id(4), all[3].payload.clone()),
    ];
    assert_eq!(kept, expected);
    // And stands where it stood.
    let due = inbox.due(at(99), 9).await.unwrap();
    assert_eq!(due.iter().map(|entry| entry.id).collect::<Vec<_>>(), [inbox_id(1), inbox_id(4)]);
}
