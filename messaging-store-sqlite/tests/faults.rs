//! What the store says when its file cannot be used, and that it recovers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use messaging_core::conformance::build::{at, message, message_id, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::message::{Message, MessageRef, StatusChange};
use messaging_core::domain::status::StatusEvent;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use messaging_store_sqlite::{OpenError, SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default()).unwrap()
}

fn large(n: u64) -> Message {
    Message { content: Content::text("x".repeat(50_000)), ..message(n) }
}

async fn insert(store: &SqliteStore, messages: &[Message]) -> Result<(), StoreError> {
    MessageStore::insert(store, messages).await
}

async fn kept(store: &SqliteStore, ids: std::ops::RangeInclusive<u64>) -> usize {
    store.load(&ids.map(message_id).collect::<Vec<_>>()).await.unwrap().len()
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

/// The error and all its causes, as a log would show them.
fn shown(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_full_disk_refuses_new_messages_keeps_the_old_and_recovers() {
    let (_directory, path) = directory();
    let options =
        SqliteOptions { max_size_bytes: Some(2 * 1024 * 1024), ..SqliteOptions::default() };
    let store = SqliteStore::open(&path, options).unwrap();
    // Something else takes the room away and will give it back.
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE filler (bytes); INSERT INTO filler VALUES (zeroblob(1000000))")
        .unwrap();

    let mut fitted = 0;
    let refused = loop {
        match insert(&store, &[message(2 * fitted + 1), large(2 * fitted + 2)]).await {
            Ok(()) => fitted += 1,
            Err(error) => break error,
        }
    };
    assert_unavailable::<()>(&Err(refused));
    assert!(fitted > 1);
    assert_eq!(kept(&store, 1..=2 * fitted + 2).await, usize::try_from(2 * fitted).unwrap());

    // Others that share the transaction with one that does not fit are kept.
    let (fits, too_large) = tokio::join!(async { insert(&store, &[message(1001)]).await }, async {
        insert(&store, &[large(1002)]).await
    },);
    assert_unavailable(&too_large);
    fits.unwrap();
    assert_eq!(kept(&store, 1001..=1002).await, 1);

    other.execute_batch("DROP TABLE filler").unwrap();
    insert(&store, &[large(1003)]).await.unwrap();
    assert_eq!(kept(&store, 1003..=1003).await, 1);
}

#[tokio::test]
async fn a_file_that_another_process_has_locked_is_unavailable_until_it_lets_go() {
    let (_directory, path) = directory();
    let options =
        SqliteOptions { busy_timeout: Duration::from_millis(20), ..SqliteOptions::default() };
    let store = SqliteStore::open(&path, options).unwrap();
    insert(&store, &[message(1)]).await.unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_unavailable(&insert(&store, &[message(2)]).await);
    assert_unavailable(&store.ping().await);
    // Reading goes on beside a writer, whoever it is.
    assert_eq!(kept(&store, 1..=2).await, 1);

    other.execute_batch("ROLLBACK").unwrap();
    insert(&store, &[message(2)]).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(kept(&store, 1..=2).await, 2);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_not_shown() {
    let (_directory, path) = directory();
    let store = open(&path);
    insert(&store, &[message(1), message(2)]).await.unwrap();
    let other = Connection::open(&path).unwrap();
    for (column, value) in [
        ("status", "'secret'"),
        ("attachment", r#"'{"type":"secret"}'"#),
        ("metadata", "'{secret'"),
        ("failure_code", "'secret'"),
        ("attempts", "99999999999"),
        ("sent_at", "-1"),
        ("batch", "x'00'"),
        ("body", "CAST(x'ff736563726574' AS TEXT)"),
    ] {
        let sql = format!("UPDATE messages SET {column} = {value} WHERE id = ?1;",);
        other.execute(&sql, [message_id(1).0.as_bytes()]).unwrap();
        let error = MessageStore::find(&store, tenant_id(1), message_id(1)).await.unwrap_err();
        let expected = message_id(1).to_string();
        assert!(
            matches!(&error, StoreError::Corrupt { entity: "message", id, .. } if *id == expected),
            "{column}: {error:?}"
        );
        assert!(!shown(&error).contains("secret"), "{column}: {}", shown(&error));

        let change = StatusChange::new(MessageRef::Id(message_id(1)), StatusEvent::Cancel, at(9));
        let changed = store.change(&[change]).await;
        assert!(matches!(changed, Err(StoreError::Corrupt { .. })), "{column}: {changed:?}");
        assert_eq!(kept(&store, 2..=2).await, 1);

        other.execute("DELETE FROM messages WHERE id = ?1", [message_id(1).0.as_bytes()]).unwrap();
        insert(&store, &[message(1)]).await.unwrap();
    }
}

#[tokio::test]
async fn no_error_shows_what_a_caller_asked_for() {
    let (_directory, path) = directory();
    let store = open(&path);
    let secret = Message { content: Content::text("secret"), ..message(1) };
    let messages = [secret];
    insert(&store, &messages).await.unwrap();
    let error = insert(&store, &messages).await.unwrap_err();
    assert!(!shown(&error).contains("secret"));

    store.close().await;
    let filter = MessageFilter { search: Some("secret".into()), ..MessageFilter::default() };
    let portion = Portion::Page { page: 1, limit: 1 };
    let error = MessageStore::list(&store, tenant_id(1), &filter, portion).await.unwrap_err();
    assert!(!shown(&error).contains("secret"));
}

#[tokio::test]
async fn a_closed_store_is_unavailable_and_its_file_is_whole() {
    let (_directory, path) = directory();
    let store = open(&path);
    let clone = store.clone();
    insert(&store, &[message(1)]).await.unwrap();
    store.close().await;
    clone.close().await;
    assert_unavailable(&insert(&clone, &[message(2)]).await);
    assert_unavailable(&MessageStore::find(&clone, tenant_id(1), message_id(1)).await);
    // Nothing is left in a log beside the file.
    assert!(!path.with_extension("db-wal").exists());
    assert_eq!(kept(&open(&path), 1..=2).await, 1);
}

#[tokio::test]
async fn a_directory_that_is_none_is_said_so() {
    let (directory, path) = directory();
    let missing = directory.path().join("missing").join("store.db");
    let error = SqliteStore::open(&missing, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::CannotOpen { .. }), "{error:?}");
    assert!(error.to_string().contains("missing"), "{error}");

    drop(open(&path));
    let beneath_a_file = path.join("store.db");
    let error = SqliteStore::open(beneath_a_file, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::CannotOpen { .. }), "{error:?}");
    let error = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::CannotOpen { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let (_directory, path) = directory();
    let store = open(&path);
    insert(&store, &[message(1)]).await.unwrap();
    store.close().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4096].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = SqliteStore::open(&path, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_on_the_machine_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let (directory, path) = directory();
    let store = open(&path);
    insert(&store, &[message(1)]).await.unwrap();
    let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() > 1);
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} {mode:o}", file.path().display());
    }
}
