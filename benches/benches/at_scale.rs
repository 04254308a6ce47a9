//! How long does what an operator or a tenant asks take in a store that has grown? Ten million
//! messages of 200 tenants over 90 days in PostgreSQL, one million in SQLite.
//!
//! ```sh
//! scripts/with-services cargo bench -p benches --bench at_scale -- postgres   # some ten minutes
//! cargo bench -p benches --bench at_scale -- sqlite
//! ```
//!
//! `MESSAGES` sets another number. With `KEEP=1` a PostgreSQL at `TEST_POSTGRES_URL` keeps what was
//! made, and uses it the next time. Prints the median of each question over fifteen runs, the first
//! being left out.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for one person to look at"
)]

use std::time::{Duration, Instant};

use messaging_core::conformance::build::message;
use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{BatchId, MessageId, SessionId, TenantId, uuid_v7};
use messaging_core::domain::message::{Direction, Message};
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::message_store::MessageStore;
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

const DAYS: u64 = 90;
const RUNS: usize = 15;

/// When the first message was accepted.
const FIRST: &str = "2026-08-01T00:00:00Z";

#[tokio::main]
async fn main() {
    // Cargo adds an argument of its own.
    match std::env::args().nth(1).as_deref() {
        Some("postgres") => postgres(number_of_messages(10_000_000)).await,
        Some("sqlite") => sqlite(number_of_messages(1_000_000)).await,
        // As one of all benches this would take too long.
        _ => println!("at_scale: say which store: -- postgres, or -- sqlite"),
    }
}

fn number_of_messages(usual: u64) -> u64 {
    std::env::var("MESSAGES").map_or(usual, |number| number.parse().unwrap())
}

async fn postgres(messages: u64) {
    let server = std::env::var("TEST_POSTGRES_URL").unwrap();
    let name = format!("at_scale_{messages}");
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let is_there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let url = format!("{base}/{name}");
    let options =
        PostgresOptions { statement_timeout: Duration::from_secs(3600), ..Default::default() };
    if !is_there {
        run(&mut connection, format!("CREATE DATABASE {name}")).await;
        PostgresStore::open(&url, &options).await.unwrap().close().await;
        fill_postgres(&url, messages).await;
    }
    let store = PostgresStore::open(&url, &options).await.unwrap();
    ask(&store, messages).await;
    store.close().await;
    if std::env::var_os("KEEP").is_none() {
        run(&mut connection, format!("DROP DATABASE {name}")).await;
    }
}

async fn run(connection: &mut PgConnection, statements: String) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.unwrap();
}

/// What message number `n` is, in SQL that both stores know. `n` counts from 0; `h` is a number
/// drawn from it.
const COLUMNS: &str = "
    n % 200 AS tenant, n % 200 * 5 + h % 5 AS session,
    CASE WHEN h / 8 % 10 = 0 THEN n / 2000 END AS batch,
    CASE WHEN h / 16 % 5 = 0 THEN 'inbound' ELSE 'outbound' END AS direction,
    CASE WHEN h / 16 % 5 = 0 THEN 'received' WHEN h / 64 % 100 < 50 THEN 'read'
        WHEN h / 64 % 100 < 80 THEN 'delivered' WHEN h / 64 % 100 < 95 THEN 'sent'
        WHEN h / 64 % 100 < 99 THEN 'failed' ELSE 'cancelled' END AS status,
    CASE WHEN h / 32 % 20 = 0 THEN 'location' ELSE 'text' END AS kind,
    CASE WHEN h / 128 % 10 = 0 THEN 'campaign-' || h / 1024 % 20 END AS campaign,
    '+551199' || (1000000 + h % 8000000) AS recipient,
    'Your order ' || n || ' of ' || h / 4 % 5000 || ' kilograms of item' || h / 256 % 3000 ||
        ' is on its way to ' || h / 512 % 700 || ' Example Street' AS body,
    h % 60000000 AS took";

async fn fill_postgres(url: &str, messages: u64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let first = Timestamp::parse(FIRST).unwrap().as_micros();
    let step = DAYS * 86_400_000_000 / messages;
    let began = Instant::now();
    run(
        &mut connection,
        format!(
            "SET search_path = messaging; SET synchronous_commit = off;
             CALL make_partitions({first}, 3);"
        ),
    )
    .await;
    const PORTION: u64 = 500_000;
    for from in (0..messages).step_by(usize::try_from(PORTION).unwrap()) {
        let until = messages.min(from + PORTION) - 1;
        // Ids as version 7 has them: milliseconds first, then what tells two of one apart.
        let id = "(lpad(to_hex(at / 1000), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
            || '8000' || lpad(to_hex(n), 12, '0'))::uuid";
        let uuid = |number: &str| format!("lpad(to_hex({number}), 32, '0')::uuid");
        let (tenant, session, batch) = (uuid("tenant"), uuid("session"), uuid("batch"));
        run(
            &mut connection,
            format!(
                "CREATE TEMP TABLE made AS
                 SELECT {id} AS id, {tenant} AS tenant_id, {session} AS session_id,
                     CASE WHEN batch IS NOT NULL THEN {batch} END AS batch_id, rows.*
                 FROM (
                     SELECT n, {first} + n * {step} AS at, {COLUMNS}
                     FROM (
                         SELECT n, abs(hashint8(n)::bigint) AS h
                         FROM generate_series({from}::bigint, {until}) AS n
                     ) AS numbers
                 ) AS rows;
                 INSERT INTO messages (
                     id, tenant, session, batch, direction, recipient_key, priority, kind,
                     campaign, status, attempts, generation, held_by_batch, due_at, created_at,
                     updated_at, sent_at
                 )
                 SELECT id, tenant_id, session_id, batch_id, direction, n, 'normal', kind,
                     campaign, status, 1, 1, false, at, at, at,
                     CASE WHEN status IN ('sent', 'delivered', 'read') THEN at + took END
                 FROM made;
                 INSERT INTO message_contents (message, tenant, recipient, body)
                 SELECT id, tenant_id, recipient, body FROM made;
                 INSERT INTO message_count_changes (
                     tenant, hour, session, direction, kind, status, messages
                 )
                 SELECT tenant_id, at - at % 3600000000, session_id, direction, kind, status,
                     count(*)
                 FROM made GROUP BY 1, 2, 3, 4, 5, 6;
                 INSERT INTO message_counts AS kept
                 SELECT tenant, hour, session, direction, kind, status, sum(messages)
                 FROM message_count_changes GROUP BY 1, 2, 3, 4, 5, 6
                 ON CONFLICT (tenant, hour, session, direction, kind, status)
                 DO UPDATE SET messages = kept.messages + EXCLUDED.messages;
                 TRUNCATE message_count_changes;
                 DROP TABLE made;"
            ),
        )
        .await;
        println!("{} messages after {:.0?}", until + 1, began.elapsed());
    }
    run(&mut connection, "VACUUM ANALYZE".to_owned()).await;
    println!("filled after {:.0?}", began.elapsed());
}

async fn sqlite(messages: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("messages.db");
    let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
    let began = Instant::now();
    let numbers: Vec<u64> = (0..messages).collect();
    for portion in numbers.chunks(5000) {
        let portion: Vec<Message> = portion.iter().map(|n| nth(*n, messages)).collect();
        MessageStore::insert(&store, &portion).await.unwrap();
    }
    println!("filled after {:.0?}", began.elapsed());
    ask(&store, messages).await;
    store.close().await;
}

/// Message number `n`, as [`COLUMNS`] says.
fn nth(n: u64, messages: u64) -> Message {
    let h = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let at = Timestamp::parse(FIRST).unwrap();
    let at = at.plus(Duration::from_micros(n * (DAYS * 86_400_000_000 / messages)));
    let is_inbound = (h / 16).is_multiple_of(5);
    let status = match h / 64 % 100 {
        _ if is_inbound => Status::Received,
        0..50 => Status::Read,
        50..80 => Status::Delivered,
        80..95 => Status::Sent,
        95..99 => Status::Failed,
        _ => Status::Cancelled,
    };
    let was_sent = matches!(status, Status::Read | Status::Delivered | Status::Sent);
    let id = |number: u64| Uuid::from_u128(u128::from(number));
    let (a, b, c, d) = (h / 4 % 5000, h / 256 % 3000, h / 512 % 700, h / 1024 % 20);
    Message {
        id: MessageId(uuid_v7(at, n)),
        tenant: TenantId(id(n % 200)),
        session: SessionId(id(n % 200 * 5 + h % 5)),
        batch: (h / 8).is_multiple_of(10).then(|| BatchId(id(n / 2000))),
        direction: if is_inbound { Direction::Inbound } else { Direction::Outbound },
        from: None,
        to: Some(Address::from_stored(&format!("+551199{}", 1_000_000 + h % 8_000_000))),
        content: Content::text(format!(
            "Your order {n} of {a} kilograms of item{b} is on its way to {c} Example Street"
        )),
        metadata: (h / 128)
            .is_multiple_of(10)
            .then(|| json!({"campaignId": format!("campaign-{d}")})),
        status,
        attempts: 1,
        generation: 1,
        due_at: at,
        created_at: at,
        updated_at: at,
        sent_at: was_sent.then(|| at.plus(Duration::from_micros(h % 60_000_000))),
        ..message(1)
    }
}

/// A question, and how long it took.
async fn time<F: Future>(what: &str, mut question: impl FnMut() -> F) {
    let mut took = Vec::new();
    for _ in 0..=RUNS {
        let began = Instant::now();
        question().await;
        took.push(began.elapsed());
    }
    // The first may find nothing in memory.
    took.remove(0);
    took.sort_unstable();
    let median = took[RUNS / 2];
    let mark = if median > Duration::from_millis(50) { "  over 50 ms" } else { "" };
    println!("{what:<55} {:>9.2} ms{mark}", median.as_secs_f64() * 1e3);
}

async fn ask(store: &dyn MessageStore, messages: u64) {
    let tenant = TenantId(Uuid::from_u128(7));
    let session = SessionId(Uuid::from_u128(7 * 5 + 2));
    let day = |day: u64| {
        let first = Timestamp::parse(FIRST).unwrap();
        Some(first.plus(Duration::from_secs(day * 86_400 + 1234)))
    };
    let search = |text: &str| MessageFilter { search: Some(text.into()), ..Default::default() };
    let in_status = |status| MessageFilter { status: Some(status), ..Default::default() };
    let none = MessageFilter::default();
    let some_batch = Some(BatchId(Uuid::from_u128(u128::from(messages / 4000))));
    let filters = [
        ("all", none.clone()),
        ("one session", MessageFilter { session: Some(session), ..none.clone() }),
        ("inbound", MessageFilter { direction: Some(Direction::Inbound), ..none.clone() }),
        ("read", in_status(Status::Read)),
        ("failed", in_status(Status::Failed)),
        ("none: queued", in_status(Status::Queued)),
        ("a month", MessageFilter { from: day(30), to: day(60), ..none.clone() }),
        ("an early hour", MessageFilter { from: day(1), to: day(2), ..none.clone() }),
        ("a campaign", MessageFilter { campaign: Some("campaign-7".into()), ..none.clone() }),
        ("a bulk request", MessageFilter { batch: some_batch, ..none.clone() }),
        ("text in one: order number", search("order 1000007 of")),
        ("text in few: item", search("ITEM2042 ")),
        ("text in many: street", search("199 example")),
        ("text in all: order", search("order")),
        ("text in none", search("no such words")),
        ("a number's last digits", search("4242")),
        ("two letters", search("or")),
        (
            "session, direction, status, month",
            MessageFilter {
                session: Some(session),
                direction: Some(Direction::Outbound),
                status: Some(Status::Failed),
                from: day(30),
                to: day(60),
                ..none.clone()
            },
        ),
        (
            "session, status, month, text",
            MessageFilter {
                session: Some(session),
                status: Some(Status::Read),
                from: day(30),
                to: day(60),
                search: Some("example street".into()),
                ..none.clone()
            },
        ),
        (
            "campaign, failed",
            MessageFilter {
                campaign: Some("campaign-7".into()),
                status: Some(Status::Failed),
                ..none.clone()
            },
        ),
    ];
    for (what, filter) in &filters {
        let first = Portion::Page { page: 1, limit: 20 };
        let page = store.list(tenant, filter, first).await.unwrap();
        time(&format!("list {what} ({}), page 1", page.total), || async {
            store.list(tenant, filter, first).await.unwrap()
        })
        .await;
        // From the middle on.
        let middle = u32::try_from(page.total / 40).unwrap().max(1);
        let middle = Portion::Page { page: middle, limit: 20 };
        let middle = store.list(tenant, filter, middle).await.unwrap();
        if let Some(last) = middle.messages.last() {
            let deep = Portion::OlderThan { message: last.id, limit: 20 };
            time(&format!("list {what}, a deep cursor"), || async {
                store.list(tenant, filter, deep).await.unwrap()
            })
            .await;
        }
    }
    for (what, from, to, session) in [
        ("all time", None, None, None),
        ("a month", day(30), day(60), None),
        ("a month of a session", day(30), day(60), Some(session)),
    ] {
        let range = StatisticsRange { from, to, session };
        time(&format!("statistics of {what}"), || async {
            store.statistics(tenant, &range).await.unwrap()
        })
        .await;
    }
    time("what a queue ought to know, 1000", || async { store.pending(None, 1000).await.unwrap() })
        .await;
}
