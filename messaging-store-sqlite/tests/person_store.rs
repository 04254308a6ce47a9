//! SQLite must behave like every other store of what is kept of one person.

use messaging_core::conformance::build::{address, message, tenant_id};
use messaging_core::conformance::person_store;
use messaging_core::domain::message::Message;
use messaging_core::domain::status::Status;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
            person_store::$name(&store, &store, &store).await;
        }
    };
}
messaging_core::for_each_person_store_behavior!(behavior);

#[tokio::test]
async fn what_an_older_file_holds_of_a_person_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let all: Vec<_> = (1..=2500)
        .map(|n| Message { to: Some(address(n % 2)), status: Status::Read, ..message(n) })
        .collect();
    store.insert(&all).await.unwrap();
    store.close().await;
    // As it was before.
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "DROP INDEX messages_of_person; ALTER TABLE messages DROP COLUMN person;
         DROP TABLE retention_rules; DROP INDEX inbox_of_tenant;
         ALTER TABLE sessions DROP COLUMN webhook_secrets; ALTER TABLE tenants DROP COLUMN pii;
         DROP TABLE api_keys; DROP TABLE token_families; DROP TABLE wrapped_keys;
         ALTER TABLE messages DROP COLUMN sealed_under; ALTER TABLE messages DROP COLUMN terms;
         ALTER TABLE messages DROP COLUMN sealed;
         DROP INDEX messages_to_redact; ALTER TABLE messages DROP COLUMN redaction;
         ALTER TABLE tenants DROP COLUMN requests_per_minute;
         ALTER TABLE tenants DROP COLUMN max_waiting;
         ALTER TABLE tenants DROP COLUMN deleting_since; ALTER TABLE tenants DROP COLUMN erased;
         PRAGMA user_version = 11;",
    )
    .unwrap();
    drop(file);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    for n in [0, 1] {
        let found = store.messages_with(tenant_id(1), &address(n), None, 9999).await.unwrap();
        assert_eq!(found.len(), 1250);
    }
}

/// Nothing of what was erased stands anywhere in the file.
#[tokio::test]
async fn what_is_erased_is_not_in_the_file_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let mut given = Message { to: Some(address(1)), status: Status::Read, ..message(1) };
    given.content.body = "a text that nobody else has written".into();
    store.insert(std::slice::from_ref(&given)).await.unwrap();
    store.erase_messages(tenant_id(1), &[given.id]).await.unwrap();
    store.close().await;
    let file = std::fs::read(&path).unwrap();
    for mark in [given.content.body.as_bytes(), address(1).as_str().as_bytes()] {
        assert!(!file.windows(mark.len()).any(|window| window == mark));
    }
}
