//! Each month has partitions of its own, made before it comes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use messaging_core::conformance::build::{message, tenant_id};
use messaging_core::domain::id::{MessageId, uuid_v7};
use messaging_core::domain::message::Message;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::upkeep::Upkeep;
use support::{Database, count};

async fn keep(store: &messaging_store_postgres::PostgresStore, at: &str) -> MessageId {
    let at = Timestamp::parse(at).unwrap();
    let id = MessageId(uuid_v7(at, 7));
    MessageStore::insert(store, &[Message { id, created_at: at, ..message(1) }]).await.unwrap();
    id
}

#[tokio::test]
async fn a_month_that_was_made_ahead_takes_its_messages() {
    let database = Database::new().await;
    let store = database.store().await;
    store.upkeep(Timestamp::parse("2031-11-30T23:59:59Z").unwrap()).await.unwrap();
    let ids = [
        keep(&store, "2031-11-01T00:00:00Z").await,
        keep(&store, "2031-12-31T23:59:59.999Z").await,
        keep(&store, "2032-01-01T00:00:00Z").await,
        // Nobody has made this one.
        keep(&store, "2032-02-01T00:00:00Z").await,
    ];
    let mut connection = database.connection().await;
    for (table, rows) in [
        ("SELECT count(*) FROM messages_2031_11", 1),
        ("SELECT count(*) FROM messages_2031_12", 1),
        ("SELECT count(*) FROM message_contents_2032_01", 1),
        ("SELECT count(*) FROM messages_other", 1),
    ] {
        assert_eq!(count(&mut connection, table).await, rows, "{table}");
    }
    for id in ids {
        assert!(MessageStore::find(&store, tenant_id(1), id).await.unwrap().is_some());
    }
    // A month with messages among others stays there; those after it are made.
    store.upkeep(Timestamp::parse("2032-01-15T00:00:00Z").unwrap()).await.unwrap();
    keep(&store, "2032-03-01T00:00:00Z").await;
    assert_eq!(count(&mut connection, "SELECT count(*) FROM messages_2032_03").await, 1);
}

#[tokio::test]
async fn the_present_month_is_there_from_the_first_message_on() {
    let database = Database::new().await;
    let store = database.store().await;
    let mut connection = database.connection().await;
    let now: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    keep(&store, &Timestamp::from_micros(now).to_string()).await;
    assert_eq!(count(&mut connection, "SELECT count(*) FROM messages_other").await, 0);
}
