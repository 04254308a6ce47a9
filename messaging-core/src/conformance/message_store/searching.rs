//! A search finds the text as it is written, wherever it may stand, and nothing else.

use serde_json::json;

use crate::conformance::build::{inbound, message, message_id, tenant_id};
use crate::domain::address::Address;
use crate::domain::content::{Attachment, Content};
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::message::Message;
use crate::ports::message_store::MessageStore;

async fn check(store: &dyn MessageStore, filter: MessageFilter, expected: &[u64]) {
    let wanted = filter.search.clone().or(filter.campaign.clone());
    let portion = Portion::Page { page: 1, limit: 100 };
    let found = store.list(tenant_id(1), &filter, portion).await.unwrap();
    let ids: Vec<_> = found.messages.iter().map(|message| message.id).collect();
    let expected: Vec<_> = expected.iter().copied().map(message_id).collect();
    assert_eq!(ids, expected, "{wanted:?}");
    assert_eq!(found.total, expected.len() as u64, "{wanted:?}");
}

async fn check_search(store: &dyn MessageStore, text: &str, expected: &[u64]) {
    check(store, MessageFilter { search: Some(text.into()), ..Default::default() }, expected).await;
}

async fn check_campaign(store: &dyn MessageStore, text: &str, expected: &[u64]) {
    let filter = MessageFilter { campaign: Some(text.into()), ..Default::default() };
    check(store, filter, expected).await;
}

async fn insert_texts(store: &dyn MessageStore, texts: &[&str]) {
    let texts = (1..).zip(texts);
    let messages: Vec<Message> =
        texts.map(|(n, text)| Message { content: Content::text(*text), ..message(n) }).collect();
    store.insert(&messages).await.unwrap();
}

/// The text may stand in the body, in the sender or in the recipient.
pub async fn searches_body_sender_and_recipient(store: &dyn MessageStore) {
    let from = |text| Some(Address::from_stored(text));
    let messages = [
        Message { content: Content::text("call 4433 now"), ..message(1) },
        Message { from: from("+5544330001"), ..message(2) },
        Message { to: from("+5500014433"), ..message(3) },
        Message { to: from("120363044339@g.us"), ..message(4) },
        message(5),
    ];
    store.insert(&messages).await.unwrap();
    check_search(store, "4433", &[4, 3, 2, 1]).await;
    check_search(store, "+5544", &[2]).await;
    check_search(store, "@G.US", &[4]).await;
    check_search(store, "4433 now", &[1]).await;
    check_search(store, "nowhere", &[]).await;
}

/// A caption is a body.
pub async fn searches_captions(store: &dyn MessageStore) {
    let content = Content { body: "our menu".into(), attachment: Some(Attachment::Unsupported) };
    store.insert(&[Message { content, ..message(1) }, message(2)]).await.unwrap();
    check_search(store, "menu", &[1]).await;
}

/// Where sender or recipient is not known the rest is searched all the same.
pub async fn searches_messages_without_sender_or_recipient(store: &dyn MessageStore) {
    let bare = Message { from: None, to: None, ..inbound(1) };
    let unsigned = Message { from: None, to: Some(Address::from_stored("+551133")), ..message(2) };
    store.insert(&[bare, unsigned]).await.unwrap();
    check_search(store, "text 1", &[1]).await;
    check_search(store, "+551133", &[2]).await;
}

/// Letters of ASCII are found in either case.
pub async fn searches_in_either_case(store: &dyn MessageStore) {
    insert_texts(store, &["Hello World", "hello world", "HELLO", "help"]).await;
    check_search(store, "hello", &[3, 2, 1]).await;
    check_search(store, "HeLLo WoRLD", &[2, 1]).await;
}

/// What is special to a database's patterns is only text here.
pub async fn searches_special_characters_as_they_are(store: &dyn MessageStore) {
    let texts =
        ["100% off", "100 euro", "a_b", "axb", r"c:\dir", "c:dir", "it's", "[x]?*", "say \"hi\""];
    insert_texts(store, &texts).await;
    check_search(store, "100%", &[1]).await;
    check_search(store, "0% o", &[1]).await;
    check_search(store, "%", &[1]).await;
    check_search(store, "a_b", &[3]).await;
    check_search(store, "_", &[3]).await;
    check_search(store, r":\d", &[5]).await;
    check_search(store, r"\", &[5]).await;
    check_search(store, r"\%", &[]).await;
    check_search(store, "it's", &[7]).await;
    check_search(store, "' OR '1'='1", &[]).await;
    check_search(store, "[x]?*", &[8]).await;
    check_search(store, "*", &[8]).await;
    check_search(store, "\"hi\"", &[9]).await;
}

/// So are characters that a store may have to keep in another way than they came.
pub async fn searches_control_and_private_characters_as_they_are(store: &dyn MessageStore) {
    let long = format!("{}\u{1}\u{F8FE}\0", "long ".repeat(200));
    let texts =
        ["plain", "a\u{1}b", "a\0b", "a\u{F8FE}b", "a\u{F8FF}b", "a\u{F8FD}b", "a\u{F8FC}b", &long];
    insert_texts(store, &texts).await;
    check_search(store, "plain", &[1]).await;
    check_search(store, "\u{1}", &[8, 2]).await;
    check_search(store, "\0", &[8, 3]).await;
    check_search(store, "\u{F8FE}", &[8, 4]).await;
    check_search(store, "\u{F8FF}", &[5]).await;
    check_search(store, "\u{F8FD}", &[6]).await;
    check_search(store, "\u{F8FC}", &[7]).await;
    check_search(store, "\u{1}\u{F8FE}", &[8]).await;
}

/// Any script is found as it is written, also within a word.
pub async fn searches_text_of_any_script(store: &dyn MessageStore) {
    insert_texts(store, &["Olá, amanhã às nove", "こんにちは世界", "Привет", "party 🎉🎉", "ola"])
        .await;
    check_search(store, "amanhã", &[1]).await;
    check_search(store, "OLá", &[1]).await;
    check_search(store, "世界", &[2]).await;
    check_search(store, "иве", &[3]).await;
    check_search(store, "🎉", &[4]).await;
    check_search(store, "amanha", &[]).await;
}

/// A campaign is the whole of the metadata's `campaignId`, as a text.
pub async fn filters_by_campaign(store: &dyn MessageStore) {
    let metadata = [
        json!({ "campaignId": "spring" }),
        json!({ "campaignId": "spring-2" }),
        json!({ "campaignId": "Spring" }),
        json!({ "campaignId": 7 }),
        json!({ "nested": { "campaignId": "spring" } }),
        json!({ "campaign": "spring", "other": "campaignId" }),
        json!({ "campaignId": null }),
        json!({ "campaignId": "it's \"über\" 100%" }),
    ];
    let messages: Vec<Message> = (1..)
        .zip(metadata)
        .map(|(n, metadata)| Message { metadata: Some(metadata), ..message(n) })
        .collect();
    store.insert(&messages).await.unwrap();
    store.insert(&[message(20)]).await.unwrap();
    check_campaign(store, "spring", &[1]).await;
    check_campaign(store, "spring-2", &[2]).await;
    check_campaign(store, "it's \"über\" 100%", &[8]).await;
    check_campaign(store, "7", &[]).await;
    check_campaign(store, "null", &[]).await;
    check_campaign(store, "spr%", &[]).await;
}

/// A search finds nothing of another tenant.
pub async fn searches_only_the_tenants_own_messages(store: &dyn MessageStore) {
    let metadata = Some(json!({ "campaignId": "spring" }));
    let of_another = Message { tenant: tenant_id(2), metadata: metadata.clone(), ..message(1) };
    store.insert(&[of_another, Message { metadata, ..message(2) }]).await.unwrap();
    check_search(store, "text", &[2]).await;
    check_campaign(store, "spring", &[2]).await;
}
