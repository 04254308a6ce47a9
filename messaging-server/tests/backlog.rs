//! The real process with a backlog: what it keeps of each message that waits is little.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

#[path = "process/mod.rs"]
mod process;

use std::time::Duration;

use messaging_core::conformance::build::{address, message, message_id, session, tenant};
use messaging_core::domain::message::Message;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use process::{Installation, Server, eventually};

const MESSAGES: u64 = 100_000;
const SESSIONS: u64 = 100;

/// What a hundred thousand messages may add: the pages of the file that readers keep, 64 MB whatever its
/// size, and 360 bytes for each message. So a million fit into 500 MB.
const MOST_KB: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_takes_little_memory() {
    // Nobody listens there, so all of it goes on waiting.
    let mut installation = Installation::new("http://127.0.0.1:9");
    let server = installation.start().await;
    let without = server.most_resident_kb().await;
    server.kill().await;
    fill(&installation).await;
    let server = installation.start().await;
    knows_all(&server).await;
    let with = server.most_resident_kb().await;
    assert!(with < without + MOST_KB, "{without} kB without a backlog, {with} kB with it");
    server.kill().await;
}

async fn fill(installation: &Installation) {
    let file = installation.data_dir().join("messaging.db");
    let store = SqliteStore::open(&file, SqliteOptions::default()).unwrap();
    TenantStore::insert(&store, &tenant(1)).await.unwrap();
    for n in 1..=SESSIONS {
        SessionStore::insert(&store, &session(n)).await.unwrap();
    }
    let waiting = |n| Message {
        id: message_id(n),
        session: session(1 + n % SESSIONS).id,
        to: Some(address(n)),
        ..message(n)
    };
    let numbers: Vec<u64> = (0..MESSAGES).collect();
    for portion in numbers.chunks(5000) {
        let portion: Vec<Message> = portion.iter().map(|n| waiting(*n)).collect();
        MessageStore::insert(&store, &portion).await.unwrap();
    }
}

async fn knows_all(server: &Server) {
    let line = format!("messaging_queue_messages {MESSAGES}");
    eventually("the queue knows every message", Duration::from_secs(120), async || {
        server.text("/metrics").await.lines().any(|found| found == line)
    })
    .await;
}
