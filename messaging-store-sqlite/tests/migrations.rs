//! From nothing to the newest schema, again, by several at once, and not for every file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::thread;

use messaging_store_sqlite::{
    Migrated, OpenError, SCHEMA_VERSION, SqliteOptions, SqliteStore, migrate,
};
use rusqlite::Connection;
use tempfile::TempDir;

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

fn open(path: &PathBuf) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path, SqliteOptions::default())
}

#[test]
fn nothing_becomes_the_newest_schema_and_a_second_time_nothing_happens() {
    let (_directory, path) = directory();
    let options = SqliteOptions::default();
    assert_eq!(migrate(&path, options).unwrap(), Migrated { from: 0, to: SCHEMA_VERSION });
    let bytes = fs::read(&path).unwrap();
    let again = Migrated { from: SCHEMA_VERSION, to: SCHEMA_VERSION };
    assert_eq!(migrate(&path, options).unwrap(), again);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn an_empty_file_is_as_good_as_none() {
    let (_directory, path) = directory();
    fs::write(&path, []).unwrap();
    open(&path).unwrap();
}

#[test]
fn many_that_open_a_new_file_at_once_all_succeed() {
    for _ in 0..10 {
        let (_directory, path) = directory();
        let barrier = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (path, barrier) = (path.clone(), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    open(&path)
                })
            })
            .collect();
        let opened: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    }
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let (_directory, path) = directory();
    migrate(&path, SqliteOptions::default()).unwrap();
    let newer = SCHEMA_VERSION + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let before = fs::read(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(error, OpenError::NewerSchema { found, known, .. }
            if found == newer && known == SCHEMA_VERSION),
        "{error:?}"
    );
    assert!(error.to_string().contains(&format!("version {newer}")), "{error}");
    assert!(error.to_string().contains(&format!("up to {SCHEMA_VERSION}")), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_file_is_refused_and_left_alone() {
    let (_directory, path) = directory();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(open(&path), Err(OpenError::ForeignFile { .. })));

    let named = Connection::open(&path).unwrap();
    named.execute_batch("DROP TABLE theirs; PRAGMA application_id = 7").unwrap();
    drop(named);
    assert!(matches!(open(&path), Err(OpenError::ForeignFile { .. })));

    fs::write(&path, &before).unwrap();
    assert!(matches!(open(&path), Err(OpenError::ForeignFile { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_directory, path) = directory();
    let text = "Dear diary, ".repeat(1000);
    fs::write(&path, &text).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::ForeignFile { .. }), "{error:?}");
    assert!(error.to_string().contains("store.db"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}
