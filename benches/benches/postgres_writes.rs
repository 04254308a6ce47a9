//! How many messages a second does PostgreSQL take through their three writes (kept, begun,
//! settled), with many callers at once, each with one message after the other?
//!
//! `benches/compare/run writes` measures it beside the peers. By hand:
//! `scripts/with-services cargo bench -p benches --bench postgres_writes -- 64 50000` (callers,
//! messages). Prints a line of JSON.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use messaging_core::conformance::build::{address, message, session, tenant, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::id::{MessageId, ProviderMessageId, provider_message_id, uuid_v7};
use messaging_core::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use messaging_core::domain::session::Session;
use messaging_core::domain::status::StatusEvent;
use messaging_core::ports::clock::{Clock, SystemClock};
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use tokio::task::JoinSet;

const TENANTS: u64 = 50;
const SESSIONS: u64 = 1000;

/// The `n`th message, accepted now.
fn accepted(n: u64) -> Message {
    let now = SystemClock.now();
    let session = session(n % SESSIONS);
    Message {
        id: MessageId(uuid_v7(now, n << 2)),
        tenant: tenant_id(n % SESSIONS % TENANTS),
        session: session.id,
        from: session.own_address,
        to: Some(address(n)),
        content: Content::text("Your parcel is on its way. ".repeat(9)),
        due_at: now,
        created_at: now,
        updated_at: now,
        ..message(n)
    }
}

async fn moved(
    store: &PostgresStore,
    message: &Message,
    event: StatusEvent,
    id: Option<ProviderMessageId>,
) -> Message {
    let now = SystemClock.now();
    let mut change = StatusChange::new(MessageRef::Id(message.id), event, now);
    change.generation = Some(message.generation);
    change.provider_message_id = id;
    match store.change(&[change]).await.unwrap().pop() {
        Some(ChangeOutcome::Moved { message, .. }) => *message,
        other => panic!("{other:?}"),
    }
}

async fn pass(store: &Arc<PostgresStore>, callers: u64, first: u64, count: u64) -> Duration {
    let began = now();
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(store);
        running.spawn(async move {
            for n in (first + caller..first + count).step_by(callers as usize) {
                let message = accepted(n);
                MessageStore::insert(&*store, std::slice::from_ref(&message)).await.unwrap();
                let id = provider_message_id([n, 0]);
                let begun = moved(&store, &message, StatusEvent::Begin, Some(id.clone())).await;
                moved(&store, &begun, StatusEvent::Accept, Some(id)).await;
            }
        });
    }
    running.join_all().await;
    now() - began
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let [callers, count]: [u64; 2] = match arguments.as_slice() {
        [callers, count] => [callers.parse().unwrap(), count.parse().unwrap()],
        // As a test, or among all benches.
        _ => [64, 1000],
    };
    let url = std::env::var("TEST_POSTGRES_URL").unwrap();
    let schema = format!("bench_{}", std::process::id());
    let options = PostgresOptions { schema, ..PostgresOptions::default() };
    let store = Arc::new(PostgresStore::open(&url, &options).await.unwrap());
    store.upkeep(SystemClock.now()).await.unwrap();
    for n in 0..TENANTS {
        TenantStore::insert(&*store, &tenant(n)).await.unwrap();
    }
    for n in 0..SESSIONS {
        let session = Session { tenant: tenant_id(n % TENANTS), ..session(n) };
        SessionStore::insert(&*store, &session).await.unwrap();
    }
    pass(&store, callers, 0, count / 4).await;
    let took = pass(&store, callers, count / 4, count).await;
    println!(r#"{{"rate": {}}}"#, count as f64 / took.as_secs_f64());
}

#[expect(clippy::disallowed_methods, reason = "to measure is to read the clock")]
fn now() -> Instant {
    Instant::now()
}
