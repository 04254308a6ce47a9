//! A store that cannot read what it keeps must behave like every other.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

#[macro_use]
mod suite;

use std::sync::Arc;

use messaging_core::memory::store::MemoryStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

/// A file that goes with the store in it.
struct Sqlite(Arc<SqliteStore>, tempfile::TempDir);

fn sqlite() -> Sqlite {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    Sqlite(Arc::new(SqliteStore::open(path, SqliteOptions::default()).unwrap()), directory)
}

/// A file goes with its directory, and memory with the process.
async fn close<S>(_: Arc<S>) {}

suite!(in_memory, (std::sync::Arc::new(crate::MemoryStore::new()), ()));
suite!(on_sqlite, {
    let crate::Sqlite(store, directory) = crate::sqlite();
    (store, directory)
});
