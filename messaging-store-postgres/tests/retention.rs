//! A month that is kept no longer goes with everything that belongs to it, and nothing else does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

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
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::PgConnection;
use support::{Database, count};
use tokio::time::{Instant, timeout};

const DAY: Duration = Duration::from_secs(86_400);

/// Everything that belongs to messages or webhooks.
const TABLES: [&str; 11] = [
    "SELECT count(*) FROM messages",
    "SELECT count(*) FROM message_contents",
    "SELECT count(*) FROM message_events",
    "SELECT count(*) FROM provider_ids",
    "SELECT count(*) FROM message_counts",
    "SELECT count(*) FROM message_count_changes",
    "SELECT count(*) FROM batches",
    "SELECT count(*) FROM attempts",
    "SELECT count(*) FROM inbox",
    "SELECT count(*) FROM inbox_keys",
    "SELECT count(*) FROM leaving",
];

const OLD_PARTITIONS: &str = "SELECT count(*) FROM pg_class WHERE relkind = 'r' \
     AND (relname LIKE '%\\_2031\\_01' OR relname LIKE 'leaving\\_%')";

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A store that keeps thirty days, with partitions from January 2031 on.
async fn open(database: &Database) -> PostgresStore {
    let options = PostgresOptions { retention: Some(30 * DAY), ..PostgresOptions::default() };
    let store = PostgresStore::open(&database.url, &options).await.unwrap();
    // The months that were made when it was opened are old by then, and go one after the other.
    for _ in 0..4 {
        store.upkeep(instant("2031-01-01T00:00:00Z")).await.unwrap();
    }
    store
}

/// The first pass in which January is old, and the last in which it is not.
const LATE: &str = "2031-03-03T00:00:00Z";
const EARLY: &str = "2031-03-02T23:59:59Z";

fn made(n: u64, at: Timestamp) -> Message {
    let id = MessageId(uuid_v7(at, n << 2));
    Message { id, created_at: at, updated_at: at, due_at: at, ..message(n) }
}

async fn happen(store: &PostgresStore, id: MessageId, event: StatusEvent, at: Timestamp) {
    let mut change = StatusChange::new(MessageRef::Id(id), event, at);
    if event == StatusEvent::Accept {
        change.provider_message_id = Some(ProviderMessageId(format!("3EB0{id}")));
    }
    let outcome = store.change(&[change]).await.unwrap();
    assert!(matches!(outcome[..], [ChangeOutcome::Moved { .. }]), "{outcome:?}");
}

fn webhook(n: u64, at: Timestamp) -> InboxEntry {
    let id = InboxId(uuid_v7(at, n << 2));
    InboxEntry { id, received_at: at, due_at: at, ..inbox_entry(n) }
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

/// Two messages of a bulk request, all over, and one received by a webhook; gives the first.
async fn fill(store: &PostgresStore, n: u64, at: Timestamp) -> MessageId {
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

async fn rows(connection: &mut PgConnection) -> Vec<i64> {
    let mut all = Vec::new();
    for table in TABLES {
        all.push(count(connection, table).await);
    }
    all
}

/// Statistics and totals are those of a full count.
async fn check_counts(store: &PostgresStore, connection: &mut PgConnection) {
    let messages = count(connection, TABLES[0]).await;
    let range = StatisticsRange::default();
    let statistics = store.statistics(tenant_id(1), &range).await.unwrap();
    assert_eq!(i64::try_from(statistics.total).unwrap(), messages);
    let by_hour = "SELECT count(*) FROM (
        (SELECT tenant, created_at - created_at % 3600000000 AS hour, session, direction, kind,
            status, count(*) FROM messages GROUP BY 1, 2, 3, 4, 5, 6)
        EXCEPT
        (SELECT tenant, hour, session, direction, kind, status, sum(messages) FROM (
            SELECT tenant, hour, session, direction, kind, status, messages FROM message_counts
            UNION ALL
            SELECT tenant, hour, session, direction, kind, status, messages
            FROM message_count_changes
        ) AS kept GROUP BY 1, 2, 3, 4, 5, 6)
    ) AS missing";
    assert_eq!(count(connection, by_hour).await, 0, "counts differ from the messages");
    let page = Portion::Page { page: 1, limit: 100 };
    let filter = MessageFilter::default();
    let list = MessageStore::list(store, tenant_id(1), &filter, page).await.unwrap();
    assert_eq!(i64::try_from(list.messages.len()).unwrap(), messages);
}

async fn find(store: &PostgresStore, id: MessageId) -> Option<Message> {
    MessageStore::find(store, tenant_id(1), id).await.unwrap()
}

#[tokio::test]
async fn an_old_month_goes_with_all_that_belongs_to_it_and_a_younger_one_stays() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut connection = database.connection().await;
    let young = fill(&store, 100, instant("2031-02-01T00:00:00Z")).await;
    store.upkeep(instant("2031-02-01T00:00:00Z")).await.unwrap();
    let without = rows(&mut connection).await;
    let old = fill(&store, 1, instant("2031-01-31T23:59:59.999999Z")).await;
    let first = fill(&store, 11, instant("2031-01-01T00:00:00Z")).await;

    store.upkeep(instant(EARLY)).await.unwrap();
    assert!(find(&store, old).await.is_some(), "a part of it is kept still");
    let with = rows(&mut connection).await;
    // But for what is to be added up, and what is under way.
    for (table, (with, without)) in TABLES.iter().zip(with.iter().zip(&without)) {
        assert!(with > without || *with == 0, "{table}: {with} of which {without}");
    }
    check_counts(&store, &mut connection).await;

    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(find(&store, old).await, None);
    assert_eq!(find(&store, first).await, None);
    assert!(find(&store, young).await.is_some());
    assert_eq!(rows(&mut connection).await, without);
    assert_eq!(count(&mut connection, OLD_PARTITIONS).await, 0);
    check_counts(&store, &mut connection).await;
    // There is nothing left to be done.
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(rows(&mut connection).await, without);
}

#[tokio::test]
async fn where_nothing_is_said_everything_is_kept() {
    let database = Database::new().await;
    let store = database.store().await;
    store.upkeep(instant("2031-01-01T00:00:00Z")).await.unwrap();
    let id = fill(&store, 1, instant("2031-01-05T00:00:00Z")).await;
    store.upkeep(instant("2099-01-01T00:00:00Z")).await.unwrap();
    assert!(find(&store, id).await.is_some());
}

/// One that waits keeps its month whole: a queued one, one held back, and a webhook.
#[tokio::test]
async fn a_month_stays_whole_until_nothing_in_it_waits() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut connection = database.connection().await;
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
    store.upkeep(april).await.unwrap();
    assert!(find(&store, over).await.is_some() && find(&store, held.id).await.is_some());
    assert_eq!(find(&store, next).await, None);
    assert_eq!(count(&mut connection, "SELECT count(*) FROM inbox").await, 2);
    assert_eq!(count(&mut connection, "SELECT count(*) FROM inbox_keys").await, 2);
    check_counts(&store, &mut connection).await;

    // Let in, it waits still.
    store.release_from_batch(batch.id, at).await.unwrap();
    store.upkeep(april).await.unwrap();
    assert!(find(&store, over).await.is_some());
    for event in [StatusEvent::Begin, StatusEvent::Fail] {
        happen(&store, held.id, event, april).await;
        assert!(find(&store, over).await.is_some());
    }
    store.defer(&[(entry.id, InboxVerdict::Dead)]).await.unwrap();
    store.upkeep(april).await.unwrap();
    assert_eq!(find(&store, over).await, None);
    assert_eq!(find(&store, held.id).await, None);
    assert_eq!(rows(&mut connection).await[..7], [0; 7]);
    assert_eq!(rows(&mut connection).await[8..], [0; 3]);
    check_counts(&store, &mut connection).await;
}

/// What is in no month's partition goes row by row, and only what is over.
#[tokio::test]
async fn what_is_old_goes_from_the_default_partitions() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut connection = database.connection().await;
    // Long before there were partitions.
    let at = instant("2029-06-01T12:00:00Z");
    let over = fill(&store, 1, at).await;
    let waits = made(50, at);
    MessageStore::insert(&store, std::slice::from_ref(&waits)).await.unwrap();
    let entry = webhook(60, at);
    store.keep(std::slice::from_ref(&entry)).await.unwrap();
    // After all of them: another default row, of a time that is kept.
    let young = fill(&store, 101, instant("2032-06-01T12:00:00Z")).await;
    let in_other = "SELECT count(*) FROM messages_other";
    assert_eq!(count(&mut connection, in_other).await, 7);

    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(find(&store, over).await, None);
    assert!(find(&store, waits.id).await.is_some() && find(&store, young).await.is_some());
    assert_eq!(count(&mut connection, in_other).await, 4);
    let left = rows(&mut connection).await;
    // The one that waits has no history; the young ones were of four sorts, one after the other.
    assert_eq!(left, [4, 4, 6, 3, 5, 0, 1, 2, 2, 2, 0], "{TABLES:?}");
    check_counts(&store, &mut connection).await;

    for event in [StatusEvent::Begin, StatusEvent::Fail] {
        happen(&store, waits.id, event, instant(LATE)).await;
    }
    store.defer(&[(entry.id, InboxVerdict::Unmatched)]).await.unwrap();
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(count(&mut connection, in_other).await, 3);
    assert_eq!(count(&mut connection, "SELECT count(*) FROM inbox_keys").await, 1);
    check_counts(&store, &mut connection).await;
}

/// Who reads for long, as a backup does, keeps the month there, and nobody else waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_reader_holds_nobody_up() {
    let database = Database::new().await;
    let store = open(&database).await;
    let old = fill(&store, 1, instant("2031-01-10T00:00:00Z")).await;
    let young = fill(&store, 101, instant("2031-02-10T00:00:00Z")).await;
    let mut reader = database.connection().await;
    sqlx::raw_sql("BEGIN; SELECT FROM messages LIMIT 1; SELECT FROM inbox LIMIT 1")
        .execute(&mut reader)
        .await
        .unwrap();

    let upkeep = tokio::spawn({
        let store = store.clone();
        async move { store.upkeep(instant(LATE)).await }
    });
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    while !upkeep.is_finished() {
        let begun = Instant::now();
        assert!(begun - start < Duration::from_secs(20), "it waits for the reader");
        assert!(timeout(Duration::from_secs(5), find(&store, young)).await.unwrap().is_some());
        longest = longest.max(begun.elapsed());
    }
    upkeep.await.unwrap().unwrap();
    assert!(longest < Duration::from_secs(3), "somebody waited {longest:?}");
    assert!(find(&store, old).await.is_some(), "it is in use");
    let mut connection = database.connection().await;
    check_counts(&store, &mut connection).await;

    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(find(&store, old).await, None);
    assert_eq!(count(&mut connection, OLD_PARTITIONS).await, 0);
    check_counts(&store, &mut connection).await;
}

/// A node may stop in the middle: the next one finishes what it began.
#[tokio::test]
async fn what_one_node_began_another_finishes() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut connection = database.connection().await;
    fill(&store, 1, instant("2031-01-10T00:00:00Z")).await;
    let begun = "ALTER TABLE messages DETACH PARTITION messages_2031_01;
        ALTER TABLE messages_2031_01 RENAME TO leaving_2031_01;
        DROP TABLE message_contents_2031_01, message_events_2031_01;
        INSERT INTO leaving (month, ends_at) VALUES ('2031_01', 1927670400000000)";
    sqlx::raw_sql(begun).execute(&mut connection).await.unwrap();
    // Whoever is at it is left alone.
    let mut other = database.connection().await;
    sqlx::raw_sql("BEGIN; SELECT FROM leaving FOR UPDATE").execute(&mut other).await.unwrap();
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(count(&mut connection, "SELECT count(*) FROM provider_ids").await, 3);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    store.upkeep(instant(LATE)).await.unwrap();
    assert_eq!(rows(&mut connection).await, [0; 11]);
    assert_eq!(count(&mut connection, OLD_PARTITIONS).await, 0);
}

#[tokio::test]
async fn what_comes_again_after_its_month_does_no_harm() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut connection = database.connection().await;
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
    assert!(find(&store, message.id).await.is_some());
    // An ack about one that is gone finds nothing.
    let ack = StatusChange::new(
        MessageRef::Provider(session_id(1), ProviderMessageId(format!("3EB0{old}"))),
        StatusEvent::Read,
        now,
    );
    assert_eq!(store.change(&[ack]).await.unwrap(), [ChangeOutcome::NotFound]);
    // One with the very id of then goes to no month, and goes at the next pass.
    MessageStore::insert(&store, &[received(3, then)]).await.unwrap_err();
    let old_again = received(5, then);
    MessageStore::insert(&store, std::slice::from_ref(&old_again)).await.unwrap();
    store.upkeep(now).await.unwrap();
    assert_eq!(find(&store, old_again.id).await, None);
    assert!(find(&store, message.id).await.is_some());
    check_counts(&store, &mut connection).await;
    assert_eq!(rows(&mut connection).await, [1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0]);
}
