//! What is inserted is there as it was given, once, and its tenant's alone.

use std::time::Duration;

use serde_json::json;

use super::{assert_conflict, found, history};
use crate::conformance::build::{address, at, batch_id, inbound, message, message_id, tenant_id};
use crate::domain::address::Address;
use crate::domain::content::{
    Attachment, ContactCard, Content, Location, Media, MediaKind, MediaSource, Poll,
};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::id::{MessageId, ProviderMessageId};
use crate::domain::message::{Message, MessageEvent, Priority};
use crate::domain::status::Status;
use crate::ports::message_store::MessageStore;

/// Inserts each and finds it again as it was.
async fn check_is_given_back(store: &dyn MessageStore, messages: &[Message]) {
    store.insert(messages).await.unwrap();
    for message in messages {
        let kept = store.find(message.tenant, message.id).await.unwrap();
        assert_eq!(kept.as_ref(), Some(message));
    }
}

/// Every field of a message is kept, the empty ones too.
pub async fn gives_back_what_was_inserted(store: &dyn MessageStore) {
    let full = Message {
        batch: Some(batch_id(1)),
        priority: Priority::High,
        metadata: Some(json!({ "campaignId": "spring" })),
        status: Status::Failed,
        attempts: 3,
        generation: 4,
        due_at: at(11),
        failure: Some(Failure::with_detail(FailureCode::ProviderError, "answered 500")),
        provider_message_id: Some(ProviderMessageId("3EB0AB".into())),
        updated_at: at(12),
        sent_at: Some(at(13)),
        delivered_at: Some(at(14)),
        read_at: Some(at(15)),
        failed_at: Some(at(16)),
        ..message(2)
    };
    let held = Message { held: true, batch: Some(batch_id(1)), ..message(3) };
    let nobody = Message { from: None, to: None, ..inbound(4) };
    check_is_given_back(store, &[message(1), full, held, nobody, inbound(5)]).await;
}

/// A message may say anything a provider can carry.
pub async fn gives_back_every_kind_of_content(store: &dyn MessageStore) {
    let media = |kind, source, mimetype: Option<&str>, filename: Option<&str>| {
        Attachment::Media(Media {
            kind,
            source,
            mimetype: mimetype.map(Into::into),
            filename: filename.map(Into::into),
        })
    };
    let url = MediaSource::Url("https://example.com/a.jpg?size=1&x=\"'".into());
    let mut attachments = vec![
        media(MediaKind::Document, MediaSource::Data("SGVsbG8=".into()), None, Some("été 📄.pdf")),
        media(MediaKind::Voice, MediaSource::Missing, Some("audio/ogg; codecs=opus"), None),
        Attachment::Location(Location { latitude: -23.550_519_9, longitude: 0.1, title: None }),
        Attachment::Location(Location {
            latitude: 90.0,
            longitude: -180.0,
            title: Some("Pole".into()),
        }),
        Attachment::Contact(ContactCard { name: "Ana".into(), phone: Some("+5511".into()) }),
        Attachment::Contact(ContactCard { name: "Zoë".into(), phone: None }),
        Attachment::Poll(Poll {
            question: "Já?".into(),
            options: vec!["sim".into(), "não".into()],
            multiple_answers: true,
        }),
        Attachment::Unsupported,
    ];
    for kind in MediaKind::ALL {
        attachments.push(media(*kind, url.clone(), Some("image/jpeg"), None));
    }
    let contents = attachments
        .into_iter()
        .map(|attachment| Content { body: "the caption".into(), attachment: Some(attachment) });
    let texts =
        ["", " \r\n\t ", "'; DROP TABLE messages; --", "日本語 👩‍👩‍👧 \u{202e}עברית", "%_\\\"{}"];
    let contents = contents.chain(texts.map(Content::text));
    let messages: Vec<Message> =
        (1..).zip(contents).map(|(n, content)| Message { content, ..message(n) }).collect();
    check_is_given_back(store, &messages).await;
}

/// A tenant's own data comes back as it was given, whatever its form.
pub async fn gives_back_metadata_as_it_came(store: &dyn MessageStore) {
    let all = [
        json!({}),
        json!({ "campaignId": "spring", "nested": { "list": [1, -2, 2.5, null, true, [], {}] } }),
        json!({ "ключ": "значение 🎉", "": "empty", "a.b": "dot", "quote\"": "it's" }),
        json!({ "largest": u64::MAX, "smallest": i64::MIN }),
    ];
    let messages: Vec<Message> = (1..)
        .zip(all)
        .map(|(n, metadata)| Message { metadata: Some(metadata), ..message(n) })
        .collect();
    check_is_given_back(store, &messages).await;
}

/// Every reason for a failure is kept, and so is every status and priority.
pub async fn gives_back_every_code_status_and_priority(store: &dyn MessageStore) {
    let failed = FailureCode::ALL.iter().map(|code| Message {
        status: Status::Failed,
        failure: Some(Failure::with_detail(*code, code.as_str())),
        ..message(0)
    });
    let standing = Status::ALL.iter().map(|status| Message { status: *status, ..message(0) });
    let urgent = Priority::ALL.iter().map(|priority| Message { priority: *priority, ..message(0) });
    let messages: Vec<Message> = (1..)
        .zip(failed.chain(standing).chain(urgent))
        .map(|(n, each)| Message { id: message_id(n), ..each })
        .collect();
    check_is_given_back(store, &messages).await;
}

/// Groups and people without a number are kept as well as numbers.
pub async fn gives_back_every_form_of_address(store: &dyn MessageStore) {
    let chats = ["120363041234567890@g.us", "199887766554433@lid", "77@newsletter", "odd"];
    let messages: Vec<Message> = (1..)
        .zip(chats)
        .map(|(n, chat)| Message { to: Some(Address::from_stored(chat)), ..message(n) })
        .collect();
    check_is_given_back(store, &messages).await;
}

/// Instants are kept to the microsecond.
pub async fn gives_back_instants_to_the_microsecond(store: &dyn MessageStore) {
    let odd = at(1).plus(Duration::from_micros(7));
    let one = Message {
        due_at: odd,
        created_at: odd,
        updated_at: odd,
        sent_at: Some(odd),
        delivered_at: Some(odd),
        read_at: Some(odd),
        failed_at: Some(odd),
        ..message(1)
    };
    check_is_given_back(store, &[one]).await;
}

/// One call takes as many messages as one bulk request can have; another takes none.
pub async fn inserts_as_many_as_are_given(store: &dyn MessageStore) {
    let messages: Vec<Message> = (1..=2500).map(message).collect();
    store.insert(&messages).await.unwrap();
    store.insert(&[]).await.unwrap();
    let portion = Portion::Page { page: 1, limit: 1 };
    let page = store.list(tenant_id(1), &MessageFilter::default(), portion).await.unwrap();
    assert_eq!(page.total, 2500);
}

/// A message's history begins with its coming into being.
pub async fn begins_a_history_with_the_insert(store: &dyn MessageStore) {
    let received = Message { created_at: at(2).plus(Duration::from_micros(5)), ..inbound(2) };
    store.insert(&[message(1), received]).await.unwrap();
    let first = |at, status| MessageEvent { at, event: None, status, attempts: 0, failure: None };
    assert_eq!(history(store, 1).await, [first(at(1), Status::Queued)]);
    assert_eq!(
        history(store, 2).await,
        [first(at(2).plus(Duration::from_micros(5)), Status::Received)]
    );
}

/// An id that is kept already is refused, whoever gives it, and what is kept stays as it was.
pub async fn refuses_a_message_that_is_kept_already(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let repeated = Message { content: Content::text("other"), ..message(1) };
    let of_another = Message { tenant: tenant_id(2), ..message(1) };
    assert_conflict(&store.insert(&[repeated]).await);
    assert_conflict(&store.insert(&[of_another]).await);
    assert_eq!(found(store, 1).await, message(1));
    assert_eq!(history(store, 1).await.len(), 1);
    assert_eq!(store.find(tenant_id(2), message_id(1)).await.unwrap(), None);
}

/// Where one of several cannot be kept none is, wherever it stands among them.
pub async fn inserts_all_messages_or_none(store: &dyn MessageStore) {
    store.insert(&[message(2)]).await.unwrap();
    assert_conflict(&store.insert(&[message(1), message(2), message(3)]).await);
    for n in [1, 3] {
        assert_eq!(store.find(tenant_id(1), message_id(n)).await.unwrap(), None);
        assert_eq!(store.events(tenant_id(1), message_id(n)).await.unwrap(), None);
    }
    store.insert(&[message(1), message(3)]).await.unwrap();
    assert_eq!(history(store, 1).await.len(), 1);
}

/// The same id twice in one call is a conflict too.
pub async fn refuses_an_id_given_twice(store: &dyn MessageStore) {
    assert_conflict(&store.insert(&[message(1), message(2), message(1)]).await);
    assert_eq!(store.load(&[message_id(1), message_id(2)]).await.unwrap(), []);
}

/// Of callers that insert the same message at once one succeeds.
pub async fn inserts_a_message_once_however_many_try(store: &dyn MessageStore) {
    let one = [message(1)];
    let tries = futures::future::join_all((0..16).map(|_| store.insert(&one))).await;
    assert_eq!(tries.iter().filter(|each| each.is_ok()).count(), 1);
    assert_eq!(history(store, 1).await.len(), 1);
}

/// What is not there is not found, and that is no error.
pub async fn finds_nothing_where_nothing_is(store: &dyn MessageStore) {
    assert_eq!(store.find(tenant_id(1), message_id(1)).await.unwrap(), None);
    assert_eq!(store.events(tenant_id(1), message_id(1)).await.unwrap(), None);
    assert_eq!(store.load(&[message_id(1)]).await.unwrap(), []);
}

/// No tenant finds another's message, nor its history, though it know the id.
pub async fn hides_a_message_from_other_tenants(store: &dyn MessageStore) {
    let of_another = Message { tenant: tenant_id(2), ..message(2) };
    store.insert(&[message(1), of_another.clone()]).await.unwrap();
    assert_eq!(store.find(tenant_id(1), message_id(2)).await.unwrap(), None);
    assert_eq!(store.events(tenant_id(1), message_id(2)).await.unwrap(), None);
    assert_eq!(store.find(tenant_id(2), message_id(2)).await.unwrap(), Some(of_another));
    assert!(store.events(tenant_id(2), message_id(2)).await.unwrap().is_some());
}

/// A worker loads messages by id, whoever owns them; what is not there is left out.
pub async fn loads_messages_of_every_tenant(store: &dyn MessageStore) {
    let of_another = Message { tenant: tenant_id(2), to: Some(address(7)), ..message(2) };
    store.insert(&[message(1), of_another.clone(), inbound(3)]).await.unwrap();
    let ids = [message_id(2), message_id(9), message_id(1)];
    let mut loaded = store.load(&ids).await.unwrap();
    loaded.sort_by_key(|message| message.id);
    assert_eq!(loaded, [message(1), of_another]);
    assert_eq!(store.load(&[]).await.unwrap(), []);
}

/// One call loads as many messages as one asks for.
pub async fn loads_as_many_as_are_asked_for(store: &dyn MessageStore) {
    let messages: Vec<Message> = (1..=1500).map(message).collect();
    let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
    store.insert(&messages).await.unwrap();
    let mut loaded = store.load(&ids).await.unwrap();
    loaded.sort_by_key(|message| message.id);
    assert!(loaded == messages);
}

/// A store in order says so.
pub async fn answers_a_ping(store: &dyn MessageStore) {
    store.ping().await.unwrap();
}
