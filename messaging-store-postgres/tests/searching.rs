//! A search takes every character literally, also those that mean something in how texts are kept.

mod support;

use messaging_core::conformance::build::{message, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::message::Message;
use messaging_core::ports::message_store::MessageStore;
use support::Database;

#[tokio::test]
async fn characters_that_mean_something_to_the_store_are_searched_literally() {
    let database = Database::new().await;
    let store = database.store().await;
    let texts = [
        "plain",
        "a\u{1}b",
        "a\0b",
        "a\u{F8FE}b",
        "a\u{F8FF}b",
        "a\u{F8FD}b",
        "a\u{F8FC}b",
        &format!("{}\u{1}\u{F8FE}\0", "long ".repeat(200)),
    ];
    let messages: Vec<Message> = (1..)
        .zip(texts)
        .map(|(n, text)| Message { content: Content::text(text), ..message(n) })
        .collect();
    store.insert(&messages).await.unwrap();
    for text in
        ["\u{1}", "\0", "\u{F8FE}", "\u{F8FF}", "\u{F8FD}", "\u{F8FC}", "plain", "\u{1}\u{F8FE}"]
    {
        let filter = MessageFilter { search: Some(text.to_owned()), ..Default::default() };
        let portion = Portion::Page { page: 1, limit: 10 };
        let found = MessageStore::list(&store, tenant_id(1), &filter, portion).await.unwrap();
        let expected: Vec<_> =
            messages.iter().rev().filter(|message| filter.admits(message)).cloned().collect();
        assert_eq!(found.messages, expected, "{text:?}");
        assert_eq!(found.total, expected.len() as u64, "{text:?}");
    }
}
