//! Messages that only a vault can read.

use crate::conformance::build::{address, at, inbound, message, message_id, session_id, tenant_id};
use crate::domain::address::{Address, Alias, PersonKey, RecipientKey};
use crate::domain::content::Content;
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::id::MessageId;
use crate::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use crate::domain::sealed::{Sealed, Terms, Trapdoor};
use crate::domain::status::StatusEvent;
use crate::ports::message_store::MessageStore;

const ALL: Portion = Portion::Page { page: 1, limit: 100 };

fn word(n: u8) -> Trapdoor {
    Trapdoor([n; 32])
}

fn alias(key: u64) -> Address {
    Address::Sealed(Alias::new(key, ""))
}

/// The message as a vault would have a store keep it.
fn sealed(of: Message, key: u32, words: &[u8]) -> Message {
    let terms = Terms::of(of.id, words.iter().map(|n| word(*n)));
    Message {
        from: None,
        to: Some(alias(0xABCD)),
        content: Content::text(""),
        sealed: Some(Sealed {
            key,
            bytes: vec![0, 255, 39, 0],
            terms,
            person: Some(PersonKey(u64::MAX)),
        }),
        ..of
    }
}

async fn found(store: &dyn MessageStore, filter: MessageFilter) -> Vec<MessageId> {
    let page = store.list(tenant_id(1), &filter, ALL).await.unwrap();
    assert_eq!(page.total, page.messages.len() as u64);
    page.messages.iter().map(|message| message.id).collect()
}

/// Byte for byte, wherever it is read.
pub async fn gives_back_what_is_sealed(store: &dyn MessageStore) {
    let bare = Message {
        sealed: Some(Sealed {
            key: u32::MAX >> 1,
            bytes: vec![],
            terms: Terms::default(),
            person: None,
        }),
        ..sealed(message(2), 1, &[])
    };
    let came = Message { from: Some(alias(7)), to: None, ..sealed(inbound(3), 2, &[1]) };
    let all = [sealed(message(1), 1, &[1, 2, 3]), bare, came];
    store.insert(&all).await.unwrap();
    for given in &all {
        assert_eq!(store.find(tenant_id(1), given.id).await.unwrap().as_ref(), Some(given));
        assert_eq!(store.load(&[given.id]).await.unwrap(), std::slice::from_ref(given));
    }
    let listed = store.list(tenant_id(1), &MessageFilter::default(), ALL).await.unwrap();
    assert_eq!(listed.messages.iter().rev().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
}

/// Besides what is not sealed and has the text itself.
pub async fn finds_what_is_sealed_by_all_of_its_words(store: &dyn MessageStore) {
    let many = |n: u8| (1..=200).chain([n]).collect::<Vec<u8>>();
    let long = sealed(message(4), 1, &many(250));
    let open = Message { content: Content::text("said openly"), ..message(3) };
    let elsewhere = Message { session: session_id(2), ..sealed(message(5), 1, &[1]) };
    let theirs =
        Message { tenant: tenant_id(2), session: session_id(3), ..sealed(message(6), 1, &[1]) };
    let both = sealed(message(1), 1, &[1, 2]);
    store
        .insert(&[both, sealed(message(2), 1, &[2, 3]), open, long, elsewhere, theirs])
        .await
        .unwrap();
    let asked = |words: &[u8]| MessageFilter {
        search: Some("openly".into()),
        words: words.iter().map(|n| word(*n)).collect(),
        ..MessageFilter::default()
    };
    let ids = |ns: &[u64]| ns.iter().map(|n| message_id(*n)).collect::<Vec<_>>();
    assert_eq!(found(store, asked(&[1])).await, ids(&[5, 4, 3, 1]));
    assert_eq!(found(store, asked(&[2, 1])).await, ids(&[4, 3, 1]));
    assert_eq!(found(store, asked(&[250])).await, ids(&[4, 3]));
    assert_eq!(found(store, asked(&[251])).await, ids(&[3]));
    assert_eq!(found(store, asked(&[])).await, ids(&[3]));
    let in_session = MessageFilter { session: Some(session_id(1)), ..asked(&[1]) };
    assert_eq!(found(store, in_session).await, ids(&[4, 3, 1]));
    let first = Portion::Page { page: 1, limit: 1 };
    let page = store.list(tenant_id(1), &asked(&[1]), first).await.unwrap();
    assert_eq!((page.total, page.has_more, page.messages.len()), (4, true, 1));
    let older = Portion::OlderThan { message: message_id(4), limit: 10 };
    let page = store.list(tenant_id(1), &asked(&[1]), older).await.unwrap();
    let older: Vec<_> = page.messages.iter().map(|message| message.id).collect();
    assert_eq!((page.total, older), (4, ids(&[3, 1])));
}

/// By its alias: order, chats and what waits are told by it.
pub async fn knows_whom_a_sealed_message_goes_to(store: &dyn MessageStore) {
    let key = RecipientKey(0xABCD);
    let (first, second) = (sealed(message(1), 1, &[]), sealed(message(2), 1, &[]));
    store.insert(&[first.clone(), second.clone()]).await.unwrap();
    let pending = store.pending(None, 10).await.unwrap();
    assert_eq!(pending.iter().map(|item| item.recipient).collect::<Vec<_>>(), [key, key]);
    let behind = store.behind(&[first.id, second.id]).await.unwrap();
    assert_eq!(behind, [(second.id, first.queue_item().unwrap())]);
    let waiting = store.waiting_to(&[session_id(1)], &alias(0xABCD), 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!(store.waiting_to(&[session_id(1)], &address(1), 10).await.unwrap(), []);
    let change = |event, at_ms| StatusChange::new(MessageRef::Id(first.id), event, at(at_ms));
    for change in [change(StatusEvent::Begin, 10), change(StatusEvent::Accept, 20)] {
        let outcome = store.change(&[change]).await.unwrap().pop();
        let Some(ChangeOutcome::Moved { message, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(message.sealed, first.sealed);
    }
    let chat = (session_id(1), key);
    assert_eq!(store.open_chats(&[chat]).await.unwrap(), [chat]);
}

/// And opens its chat under its new alias.
pub async fn seals_what_is_kept_and_nothing_else_about_it(store: &dyn MessageStore) {
    let metadata = Some(serde_json::json!({"campaignId": "spring"}));
    let open = Message { metadata, ..message(1) };
    store.insert(&[open.clone(), message(2)]).await.unwrap();
    let change = |event, at_ms| StatusChange::new(MessageRef::Id(open.id), event, at(at_ms));
    store.change(&[change(StatusEvent::Begin, 10), change(StatusEvent::Accept, 20)]).await.unwrap();
    let sent = store.find(tenant_id(1), open.id).await.unwrap().unwrap();
    let given = Message {
        metadata: Some(serde_json::json!({"campaignId": "1f"})),
        // What is told of its state here is not what counts.
        ..sealed(open, 1, &[5])
    };
    assert_eq!(store.reseal(&[(None, given.clone())]).await.unwrap(), 1);
    let Message { from, to, content, metadata, sealed: kept, .. } = given.clone();
    let expected = Message { from, to, content, metadata, sealed: kept, ..sent };
    assert_eq!(store.find(tenant_id(1), given.id).await.unwrap(), Some(expected));
    assert_eq!(store.find(tenant_id(1), message_id(2)).await.unwrap(), Some(message(2)));
    let campaign = |name: &str| MessageFilter { campaign: Some(name.into()), ..Default::default() };
    assert_eq!(found(store, campaign("1f")).await, [given.id]);
    assert_eq!(found(store, campaign("spring")).await, []);
    let text = MessageFilter { search: Some("text 1".into()), ..Default::default() };
    assert_eq!(found(store, text.clone()).await, []);
    assert_eq!(found(store, MessageFilter { words: vec![word(5)], ..text }).await, [given.id]);
    let chat = (session_id(1), RecipientKey(0xABCD));
    assert_eq!(store.open_chats(&[chat]).await.unwrap(), [chat]);
    assert_eq!(store.waiting_to(&[session_id(1)], &address(1), 10).await.unwrap(), [message(2)]);
}

/// Whoever did so knew the newer key.
pub async fn seals_nothing_over_what_somebody_sealed_meanwhile(store: &dyn MessageStore) {
    let second = sealed(message(1), 2, &[]);
    store.insert(&[second.clone(), message(2)]).await.unwrap();
    let stale = [
        (Some(1), sealed(message(1), 3, &[])),
        (None, sealed(message(1), 3, &[])),
        (Some(1), sealed(message(2), 3, &[])),
        (None, sealed(message(3), 3, &[])),
    ];
    assert_eq!(store.reseal(&stale).await.unwrap(), 0);
    assert_eq!(store.find(tenant_id(1), second.id).await.unwrap(), Some(second));
    assert_eq!(store.find(tenant_id(1), message_id(2)).await.unwrap(), Some(message(2)));
    let next = (Some(2), sealed(message(1), 3, &[]));
    assert_eq!(store.reseal(&[next.clone(), next]).await.unwrap(), 1);
    let theirs = Message { tenant: tenant_id(2), ..sealed(message(4), 3, &[]) };
    store.insert(&[theirs]).await.unwrap();
    let counts = store.sealed_under(tenant_id(1)).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(None, 1), (Some(3), 1)]);
}

/// As if it had been called so from the beginning: else it would count as opened today.
pub async fn knows_a_chat_by_its_new_name_and_since_when_it_is_open(store: &dyn MessageStore) {
    store.insert(&[message(1), message(5)]).await.unwrap();
    for n in [1, 5] {
        let change = |event| StatusChange::new(MessageRef::Id(message_id(n)), event, at(n));
        store.change(&[change(StatusEvent::Begin), change(StatusEvent::Accept)]).await.unwrap();
    }
    let old = (session_id(1), RecipientKey::of(session_id(1), &address(1)));
    let new = (session_id(1), RecipientKey(0xABCD));
    let opened = async || {
        let nobody = RecipientKey(7);
        store.chats_opened(session_id(1), at(0), nobody, at(99)).await.unwrap()
    };
    let before = opened().await;
    assert_eq!(before.len(), 1);
    // The newest first, as whoever seals does.
    for n in [5, 1] {
        let given = (None, sealed(message(n), 1, &[]));
        assert_eq!(store.reseal(&[given]).await.unwrap(), 1);
        assert_eq!(store.open_chats(&[old, new]).await.unwrap(), [new]);
        assert_eq!(opened().await, before);
    }
}
