//! Work that the ports cannot be made to hand in: it panics, or undoes more than itself.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;

use messaging_core::ports::store_error::StoreError;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::error::Fault;
use crate::options::SqliteOptions;
use crate::store::SqliteStore;

type Work = fn(&Connection) -> Result<(), Fault>;
type Call<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;

fn open() -> (TempDir, PathBuf, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    (directory, path, store)
}

fn keep(connection: &Connection, name: &str) -> Result<(), Fault> {
    // Sixteen bytes that differ where the names do.
    let id = format!("{name:>16}").into_bytes();
    connection
        .execute("INSERT INTO tenants (id, name, created_at) VALUES (?1, ?2, 0)", (id, name))?;
    Ok(())
}

/// Hands in all work while the writer cannot write, so that it shares a transaction.
async fn at_once(store: &SqliteStore, work: &[Work]) -> Vec<Result<(), StoreError>> {
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut calls: Vec<Call<'_>> =
        work.iter().map(|work| Box::pin(store.write(*work)) as Call<'_>).collect();
    poll_fn(|context| {
        for call in &mut calls {
            assert!(call.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    other.execute_batch("ROLLBACK").unwrap();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await);
    }
    results
}

/// The names that were kept, as somebody else sees them.
fn kept(store: &SqliteStore) -> Vec<String> {
    let other = Connection::open(store.path()).unwrap();
    let mut statement = other.prepare("SELECT name FROM tenants ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[track_caller]
fn succeeded(results: &[Result<(), StoreError>], expected: &[bool]) {
    let found: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(found, expected, "{results:?}");
}

#[tokio::test]
async fn a_panic_is_its_callers_alone() {
    let (_directory, _path, store) = open();
    let panics: Work = |connection| {
        keep(connection, "lost")?;
        panic!("a bug, on purpose");
    };
    let before = store.write_statistics();
    let results =
        at_once(&store, &[|c| keep(c, "a"), panics, |c| keep(c, "b"), panics, |c| keep(c, "c")])
            .await;
    succeeded(&results, &[true, false, true, false, true]);
    assert!(matches!(results[1], Err(StoreError::Unavailable(_))));
    assert!(store.write_statistics().commits - before.commits <= 2);
    store.write(|c| keep(c, "d")).await.unwrap();
    assert_eq!(kept(&store), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_panic_while_reading_is_its_callers_alone() {
    let (_directory, _path, store) = open();
    for _ in 0..SqliteOptions::default().readers * 2 {
        let result = store.read::<(), _>(|_| panic!("a bug, on purpose")).await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))));
    }
    store.read(|_| Ok(())).await.unwrap();
}

#[tokio::test]
async fn work_that_fails_after_writing_leaves_nothing_and_hurts_nobody() {
    let (_directory, _path, store) = open();
    let fails: Work = |connection| {
        keep(connection, "lost")?;
        keep(connection, "a")
    };
    let results =
        at_once(&store, &[|c| keep(c, "a"), fails, |c| keep(c, "b"), fails, |c| keep(c, "c")])
            .await;
    succeeded(&results, &[true, false, true, false, true]);
    assert_eq!(kept(&store), ["a", "b", "c"]);
}

#[tokio::test]
async fn work_whose_failure_undoes_the_whole_transaction_hurts_nobody() {
    let (_directory, _path, store) = open();
    // What SQLite does by itself when the disk is full in the middle of a statement.
    let undoes_all: Work = |connection| {
        keep(connection, "lost")?;
        connection
            .execute_batch("INSERT OR ROLLBACK INTO tenants SELECT id, name, 0 FROM tenants")?;
        Ok(())
    };
    let results = at_once(
        &store,
        &[|c| keep(c, "a"), undoes_all, |c| keep(c, "b"), undoes_all, |c| keep(c, "c")],
    )
    .await;
    succeeded(&results, &[true, false, true, false, true]);
    assert_eq!(kept(&store), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_commit_that_fails_fails_all_who_share_it_and_keeps_nothing() {
    let (_directory, _path, store) = open();
    store.write(|c| keep(c, "before")).await.unwrap();
    let spoils_the_commit: Work = |connection| {
        connection.execute_batch(
            "PRAGMA defer_foreign_keys = ON;
             INSERT INTO message_events VALUES (x'00', 1, 0, NULL, 'queued', 0, NULL, NULL, NULL)",
        )?;
        Ok(())
    };
    // However many of them the writer had taken up before it was held: both transactions have one
    // that spoils it.
    let results = at_once(
        &store,
        &[spoils_the_commit, |c| keep(c, "a"), |c| keep(c, "before"), spoils_the_commit],
    )
    .await;
    assert!(results.iter().all(|result| matches!(result, Err(StoreError::Unavailable(_)))));
    assert_eq!(kept(&store), ["before"]);
    store.write(|c| keep(c, "after")).await.unwrap();
    assert_eq!(kept(&store), ["after", "before"]);
}

#[tokio::test]
async fn the_log_does_not_grow_with_what_is_written() {
    let (_directory, path, store) = open();
    let grow: Work = |connection| {
        connection.execute_batch(
            "UPDATE tenants SET name = hex(randomblob(1000000)) WHERE id = CAST('               a' AS BLOB)",
        )?;
        Ok(())
    };
    store.write(|c| keep(c, "a")).await.unwrap();
    for _ in 0..60 {
        store.write(grow).await.unwrap();
    }
    let log = std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    // Sixty times two megabytes were written.
    assert!(log < 40_000_000, "{log}");
}
