//! A month that is kept no longer goes with everything that belongs to it, and nothing else does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use messaging_core::conformance::build::{
    batch, inbound, inbox_entry, message, session_id, tenant_id,
};
use messaging_core::domain::batch::Batch;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{BatchId, InboxId, MessageId, ProviderMessageId, uuid_v7};
use messaging_core::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use messaging_core::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::StatusEvent;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);

/// Everything that belongs to messages or webhooks.
const TABLES: [&str; 5] = ["messages", "message_events", "batches", "inbox", "inbox_keys"];

/// The first pass in which January is old, and the last in which it is not.
const LATE: &str = "2031-03-03T00:00:00Z";
const EARLY: &str = "2031-03-02T23:59:59Z";

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A store that keeps thirty days, and a connection beside it.
fn open() -> (TempDir, SqliteStore, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let options = SqliteOptions { retention: Some(30 * DAY), ..SqliteOptions::default() };
    let store = SqliteStore::open(&path, options).unwrap();
    (directory, store, Connection::open(path).unwrap())
}

fn rows(connection: &Connection) -> [i64; 5] {
    TABLES.map(|table| {
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get(0)).unwrap()
    })
}

fn made(n: u64, at: Timestamp) -> Message {
    let id = MessageId(uuid_v7(at, n << 2));
    Message { id, created_at: at, updated_at: at, due_at: at, ..message(n) }
}

fn received(n: u64, at: Timestamp) -> Message {
    let provider_message_id = inbound(n).provider_message_id;
    Message {
        id: MessageId(uuid_v7(at, n << 2)),
        created_at: at,
        provider_message_id,
        ..inbound(n)
    }
}

fn webhook(n: u64, at: Timestamp) -> InboxEntry {
    let id = InboxId(uuid_v7(at, n << 2));
    InboxEntry { id, received_at: at, due_at: at, ..inbox_entry(n) }
}

async fn happen(store: &SqliteStore, id: MessageId, event: StatusEvent, at: Timestamp) {
    let mut change = StatusChange::new(MessageRef::Id(id), event, at);
    if event == StatusEvent::Accept {
        change.provider_message_id = Some(ProviderMessageId(format!("3EB0{id}")));
    }
    let outcome = store.change(&[change]).await.unwrap();
    assert!(matches!(outcome[..], [ChangeOutcome::Moved { .. }]), "{outcome:?}");
}

/// Two messages of a bulk request, all over, and one received by a webhook; gives the first.
async fn fill(store: &SqliteStore, n: u64, at: Timestamp) -> MessageId {
    let batch = Batch { id: BatchId(uuid_v7(at, n << 2)), created_at: at, ..batch(n) };
    let messages = [0, 1].map(|more| Message { batch: Some(batch.id), ..made(n + more, at) });
    store.insert_batch(&batch, &messages).await.unwrap();
    for message in &messages {
        for event in [StatusEvent::Begin, StatusEvent::Accept] {
            happen(store, message.id, event, at).await;
        }
    }
    let entry = webhook(n, at);
    store.keep(std::slice::from_ref(&entry)).await.unwrap();
    let effect = InboxEffect::Receive(Box::new(received(n + 2, at)));
    let applied = store.apply(&[(entry.id, effect)]).await.unwrap();
    assert_eq!(applied, [Applied::Done(None)]);
    messages[0].id
}

async fn find(store: &SqliteStore, id: MessageId) -> Option<Message> {
    MessageStore::find(store, tenant_id(1), id).await.unwrap()
}

/// Statistics, lists and searches are those of the rows, by whatever index they are found.
async fn check_counts(store: &SqliteStore, connection: &Connection) {
    let [messages, ..] = rows(connection);
    let range = StatisticsRange::default();
    let statistics = store.statistics(tenant_id(1), &range).await.unwrap();
    assert_eq!(i64::try_from(statistics.total).unwrap(), messages);
    let page = Portion::Page { page: 1, limit: 10 };
    for search in [None, Some("text".to_owned())] {
        let filter = MessageFilter { search, ..MessageFilter::default() };
        let list = MessageStore::list(store, tenant_id(1), &filter, page).await.unwrap();
        assert_eq!(i64::try_from(list.total).unwrap(), messages);
    }
    let whole = "PRAGMA integrity_check";
    let found: String = connection.query_row(whole, [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

#[tokio::test]
async fn an_old_month_goes_with_all_that_belongs_to_it_and_a_younger_one_stays() {
    let (_directory, store, connection) = open();
    let young = fill(&store, 100, instant("2031-02-01T00:00:00Z")).await;
    let without = rows(&connection);
    let old = fill(&store, 1, instant("2031-01-31T23:59:59.999999Z")).await;
    let first = fill(&store, 11, instant("2031-01-01T00:00:00Z")).await;

    store.upkeep(instant(EARLY)).await.unwrap();
    assert_eq!(rows(&connection), without.map(|rows| 3 * rows), "a part of it is kept still");
    check_counts(&store, &connection).await;

    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(find(&store, old).await, None);
    assert_eq!(find(&store, first).await, None);
    assert!(find(&store, young).await.is_some());
    assert_eq!(rows(&connection), without);
    let ended = store.attempts_since(session_id(1), Timestamp::EPOCH, instant(LATE)).await.unwrap();
    assert_eq!(ended, [instant("2031-02-01T00:00:00Z"); 2]);
    check_counts(&store, &connection).await;
}

#[tokio::test]
async fn where_nothing_is_said_everything_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
    let id = fill(&store, 1, instant("2031-01-05T00:00:00Z")).await;
    store.upkeep(instant("2099-01-01T00:00:00Z")).await.unwrap();
    assert!(find(&store, id).await.is_some());
}

/// One that waits keeps its month whole: one held back, a queued one, and a webhook.
#[tokio::test]
async fn a_month_stays_whole_until_nothing_in_it_waits() {
    let (_directory, store, connection) = open();
    let at = instant("2031-01-10T00:00:00Z");
    let over = fill(&store, 1, at).await;
    let batch = Batch { id: BatchId(uuid_v7(at, 400)), created_at: at, ..batch(9) };
    let held = Message { batch: Some(batch.id), held: true, ..made(50, at) };
    store.insert_batch(&batch, std::slice::from_ref(&held)).await.unwrap();
    let entry = webhook(60, at);
    store.keep(std::slice::from_ref(&entry)).await.unwrap();
    // The month after is over, and need not wait for this one.
    let next = fill(&store, 101, instant("2031-02-10T00:00:00Z")).await;
    let april = instant("2031-04-20T00:00:00Z");

    store.upkeep(april).await.unwrap();
    assert!(find(&store, over).await.is_some() && find(&store, held.id).await.is_some());
    assert_eq!(find(&store, next).await, None);
    assert_eq!(rows(&connection), [4, 6, 2, 2, 2]);

    // Let in, it waits still.
    store.release_from_batch(batch.id, at).await.unwrap();
    store.upkeep(april).await.unwrap();
    assert_eq!(rows(&connection), [4, 6, 2, 2, 2]);
    happen(&store, held.id, StatusEvent::Begin, april).await;
    store.upkeep(april).await.unwrap();
    assert!(find(&store, over).await.is_some());

    happen(&store, held.id, StatusEvent::Fail, april).await;
    store.defer(&[(entry.id, InboxVerdict::Dead)]).await.unwrap();
    store.upkeep(april).await.unwrap();
    assert_eq!(rows(&connection), [0; 5]);
    check_counts(&store, &connection).await;
}

/// Many go in several steps, in several passes, and others write in between.
#[tokio::test]
async fn a_large_month_goes_a_few_rows_at_a_time() {
    let (_directory, store, connection) = open();
    let at = instant("2031-01-10T00:00:00Z");
    let all: Vec<Message> = (1..=10_700).map(|n| received(n, at)).collect();
    MessageStore::insert(&store, &all).await.unwrap();
    let commits = store.write_statistics().commits;
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(rows(&connection)[0], 700, "twenty steps of five hundred");
    assert_eq!(store.write_statistics().commits, commits + 20);
    check_counts(&store, &connection).await;
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(rows(&connection)[0], 0);
}

#[tokio::test]
async fn what_comes_again_after_its_month_does_no_harm() {
    let (_directory, store, connection) = open();
    let (then, now) = (instant("2031-01-10T00:00:00Z"), instant(LATE));
    let old = fill(&store, 1, then).await;
    store.upkeep(now).await.unwrap();

    // The webhook comes again, and the message with it: they are new.
    let again = InboxEntry { key: webhook(1, then).key, ..webhook(70, now) };
    assert_eq!(store.keep(std::slice::from_ref(&again)).await.unwrap(), [Kept::New]);
    let provider_message_id = received(3, then).provider_message_id;
    let message = Message { provider_message_id, ..received(71, now) };
    let effect = InboxEffect::Receive(Box::new(message.clone()));
    assert_eq!(store.apply(&[(again.id, effect)]).await.unwrap(), [Applied::Done(None)]);
    // An ack about one that is gone finds nothing.
    let name = ProviderMessageId(format!("3EB0{old}"));
    let reference = MessageRef::Provider(session_id(1), name);
    let ack = StatusChange::new(reference, StatusEvent::Read, now);
    assert_eq!(store.change(&[ack]).await.unwrap(), [ChangeOutcome::NotFound]);
    // One with an id of then goes at the next pass.
    MessageStore::insert(&store, &[received(5, then)]).await.unwrap();
    store.upkeep(now).await.unwrap();
    assert!(find(&store, message.id).await.is_some());
    assert_eq!(rows(&connection), [1, 0, 0, 1, 1]);
    check_counts(&store, &connection).await;
}
