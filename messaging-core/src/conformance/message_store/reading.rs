//! What whoever reads from the provider asks: which messages are known under which ids there.

use crate::conformance::build::{
    at, batch, batch_id, inbound, message, message_id, session_id, tenant_id,
};
use crate::domain::id::{MessageId, ProviderMessageId};
use crate::domain::message::{Message, MessageRef, StatusChange};
use crate::domain::status::{Status, StatusEvent};
use crate::ports::message_store::MessageStore;

fn id(name: &str) -> ProviderMessageId {
    ProviderMessageId(name.to_owned())
}

fn sent(n: u64, name: &str) -> Message {
    Message { status: Status::Sent, provider_message_id: Some(id(name)), ..message(n) }
}

async fn known(store: &dyn MessageStore, session: u64, names: &[&str]) -> Vec<MessageId> {
    let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
    let known = store.known_at_provider(session_id(session), &ids).await.unwrap();
    let mut ids: Vec<_> = known.iter().map(|message| message.id).collect();
    ids.sort_unstable();
    ids
}

/// Messages are found by their ids at the provider, in their session alone, whole and as they are.
pub async fn finds_messages_by_their_ids_at_the_provider(store: &dyn MessageStore) {
    let came = Message { provider_message_id: Some(id("3A01")), ..inbound(1) };
    let theirs = Message { session: session_id(2), tenant: tenant_id(2), ..sent(3, "3EB0") };
    let all = [came.clone(), sent(2, "3EB0"), theirs, message(4)];
    store.insert(&all).await.unwrap();
    assert_eq!(known(store, 1, &[]).await, []);
    assert_eq!(known(store, 1, &["3A01", "nobody", "3EB0"]).await, [1, 2].map(message_id));
    assert_eq!(known(store, 2, &["3A01", "3EB0", "3EB0"]).await, [message_id(3)]);
    assert_eq!(known(store, 3, &["3A01", "3EB0"]).await, []);
    let found = store.known_at_provider(session_id(1), &[id("3A01")]).await.unwrap();
    assert_eq!(found, [came]);
    let by_id = MessageRef::Provider(session_id(1), id("3EB0"));
    store.change(&[StatusChange::new(by_id, StatusEvent::Deliver, at(9000))]).await.unwrap();
    let found = store.known_at_provider(session_id(1), &[id("3EB0")]).await.unwrap();
    assert_eq!(found[0].status, Status::Delivered);
}

/// Of two that the provider gave one id the one accepted last stands for both; and one that is sent
/// anew under another id is known by that.
pub async fn finds_by_an_id_at_the_provider_the_message_that_has_it_now(store: &dyn MessageStore) {
    store.insert(&[sent(1, "3EB0"), sent(2, "3EB0")]).await.unwrap();
    assert_eq!(known(store, 1, &["3EB0"]).await, [message_id(2)]);
    store.insert(&[message(3)]).await.unwrap();
    for name in ["3EB1", "3EB2"] {
        let mut begin =
            StatusChange::new(MessageRef::Id(message_id(3)), StatusEvent::Begin, at(100));
        begin.provider_message_id = Some(id(name));
        store.change(&[begin]).await.unwrap();
    }
    assert_eq!(known(store, 1, &["3EB1"]).await, []);
    assert_eq!(known(store, 1, &["3EB2"]).await, [message_id(3)]);
}

/// What a bulk request holds back is counted up to a message, and no more once it is let in.
pub async fn counts_what_a_batch_holds_back_before_a_message(store: &dyn MessageStore) {
    let held = |n| Message { batch: Some(batch_id(1)), held: true, ..message(n) };
    let messages: Vec<Message> = (1..=5).map(held).collect();
    store.insert_batch(&batch(1), &messages).await.unwrap();
    store.insert(&[Message { held: true, ..message(6) }]).await.unwrap();
    let before = async |n| store.held_before(batch_id(1), message_id(n)).await.unwrap();
    assert_eq!((before(1).await, before(5).await, before(9).await), (0, 4, 5));
    store.release_from_batch(batch_id(1), at(0)).await.unwrap();
    assert_eq!((before(1).await, before(5).await, before(9).await), (0, 2, 3));
    assert_eq!(store.held_before(batch_id(2), message_id(9)).await.unwrap(), 0);
}
