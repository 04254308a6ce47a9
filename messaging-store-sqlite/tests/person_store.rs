//! SQLite must behave like every other store of what is kept of one person.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

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

/// A file as it was when this was the last migration, with the messages of another.
fn older(path: &Path, last: u8, messages_of: &Path) {
    let file = Connection::open(path).unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut scripts: Vec<_> =
        fs::read_dir(migrations).unwrap().map(|script| script.unwrap().path()).collect();
    scripts.sort();
    for script in &scripts[..usize::from(last)] {
        file.execute_batch(&fs::read_to_string(script).unwrap()).unwrap();
    }
    file.pragma_update(None, "user_version", last).unwrap();
    file.execute("ATTACH ? AS newer", [messages_of.to_str().unwrap()]).unwrap();
    let application: i64 =
        file.query_row("PRAGMA newer.application_id", [], |row| row.get(0)).unwrap();
    file.pragma_update(None, "application_id", application).unwrap();
    let columns = "SELECT group_concat(name) FROM pragma_table_info('messages', 'main')";
    let columns: String = file.query_row(columns, [], |row| row.get(0)).unwrap();
    let copy =
        format!("INSERT INTO main.messages ({columns}) SELECT {columns} FROM newer.messages");
    file.execute(&copy, []).unwrap();
}

#[tokio::test]
async fn what_an_older_file_holds_of_a_person_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (newer, path) = (directory.path().join("newer.db"), directory.path().join("store.db"));
    let store = SqliteStore::open(&newer, SqliteOptions::default()).unwrap();
    let all: Vec<_> = (1..=2500)
        .map(|n| Message { to: Some(address(n % 2)), status: Status::Read, ..message(n) })
        .collect();
    store.insert(&all).await.unwrap();
    store.close().await;
    // From before people were told apart by a key.
    older(&path, 11, &newer);
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
    let file = fs::read(&path).unwrap();
    for mark in [given.content.body.as_bytes(), address(1).as_str().as_bytes()] {
        assert!(!file.windows(mark.len()).any(|window| window == mark));
    }
}
