//! A file is looked at without being changed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use messaging_core::conformance::build;
use messaging_core::domain::session::ProviderSession;
use messaging_core::ports::session_store::SessionStore;
use messaging_store_sqlite::{
    Inspection, Integrity, OpenError, SCHEMA_VERSION, SqliteOptions, SqliteStore, inspect, migrate,
};
use rusqlite::Connection;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    // What means something in a URI means nothing in a name.
    let path = directory.path().join("a store?#%20é.db");
    (directory, path)
}

/// Every file beside it, with what is in it.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn well(places: Vec<ProviderSession>) -> Inspection {
    Inspection { version: SCHEMA_VERSION, integrity: Integrity::Whole, places, servers: vec![] }
}

#[test]
fn no_file_is_nothing_and_stays_nothing() {
    let (directory, path) = directory();
    assert_eq!(inspect(&path, PATIENCE).unwrap(), None);
    assert!(files(directory.path()).is_empty());
}

#[tokio::test]
async fn a_file_that_nobody_uses_stays_as_it_is() {
    let (directory, path) = directory();
    let session = build::session(1);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.insert(&session).await.unwrap();
    store.close().await;
    let before = files(directory.path());
    assert_eq!(inspect(&path, PATIENCE).unwrap(), Some(well(vec![session.place])));
    assert_eq!(files(directory.path()), before);
}

#[tokio::test]
async fn what_a_running_service_has_just_kept_is_seen() {
    let (_directory, path) = directory();
    let session = build::session(1);
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    store.insert(&session).await.unwrap();
    assert_eq!(inspect(&path, PATIENCE).unwrap(), Some(well(vec![session.place])));
    store.close().await;
}

#[test]
fn an_empty_file_has_no_schema() {
    let (_directory, path) = directory();
    fs::write(&path, []).unwrap();
    assert_eq!(inspect(&path, PATIENCE).unwrap().map(|found| found.version), Some(0));
}

#[test]
fn a_newer_and_a_foreign_file_are_told_apart() {
    let (_directory, path) = directory();
    migrate(&path, SqliteOptions::default()).unwrap();
    let newer = SCHEMA_VERSION + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    assert!(matches!(inspect(&path, PATIENCE), Err(OpenError::NewerSchema { .. })));
    fs::write(&path, "Dear diary, ".repeat(1000)).unwrap();
    assert!(matches!(inspect(&path, PATIENCE), Err(OpenError::ForeignFile { .. })));
}

#[test]
fn damage_is_found() {
    let (_directory, path) = directory();
    migrate(&path, SqliteOptions::default()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // All pages but the first, which holds the schema.
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xA5;
    }
    fs::write(&path, bytes).unwrap();
    let found = inspect(&path, PATIENCE);
    let is_damaged = match &found {
        Ok(Some(found)) => matches!(found.integrity, Integrity::Damaged(_)),
        Err(error) => matches!(error, OpenError::Damaged { .. }),
        Ok(None) => false,
    };
    assert!(is_damaged, "{found:?}");
}

#[test]
fn a_file_that_another_keeps_locked_is_told_from_a_bad_one() {
    let (_directory, path) = directory();
    migrate(&path, SqliteOptions::default()).unwrap();
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    other.execute_batch("BEGIN EXCLUSIVE; DELETE FROM tenants; COMMIT").unwrap();
    let error = inspect(&path, PATIENCE).unwrap_err();
    assert!(error.is_locked(), "{error:?}");
}
