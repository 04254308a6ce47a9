//! SQLite must let go of all that is a tenant's as every other store does.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::build::{session_id, tenant_id};
use messaging_core::conformance::erasure;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
            erasure::$name(&store).await;
        }
    };
}
messaging_core::for_each_erasure_behavior!(behavior);

/// The names of what these ask for.
fn names(file: &Connection, query: &str) -> Vec<String> {
    let mut statement = file.prepare(query).unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

/// Every column in which one of these ids stands, as bytes or as text.
fn places(file: &Connection, ids: &[uuid::Uuid]) -> Vec<String> {
    let mut found = Vec::new();
    for table in names(file, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
        for column in names(file, &format!("SELECT name FROM pragma_table_info('{table}')")) {
            let query = format!(
                "SELECT count(*) FROM \"{table}\"
                 WHERE \"{column}\" = ?1 OR instr(CAST(\"{column}\" AS TEXT), ?2) > 0"
            );
            let holds = |id: &uuid::Uuid| -> i64 {
                let asked = (&id.as_bytes()[..], id.to_string());
                file.query_row(&query, asked, |row| row.get(0)).unwrap()
            };
            if ids.iter().any(|id| holds(id) > 0) {
                found.push(format!("{table}.{column}"));
            }
        }
    }
    found
}

/// Every table there is that names a tenant is filled before, so one that comes new is not forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_holds_a_tenant_that_was_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    erasure::fill(&store).await;
    let file = Connection::open(&path).unwrap();
    let of = |n| [tenant_id(n).0, session_id(n).0];
    let named = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.name IN ('tenant', 'chain')";
    let before = places(&file, &of(1));
    for column in names(&file, named) {
        assert!(before.contains(&column), "the test fills {column} with nothing");
    }
    let others = places(&file, &of(2));
    erasure::let_go(&store).await;
    assert_eq!(places(&file, &of(1)), [""; 0]);
    assert_eq!(places(&file, &of(2)), others);
}
