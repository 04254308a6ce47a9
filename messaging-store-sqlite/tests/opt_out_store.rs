//! SQLite must behave like every other store of who wants no messages.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::{opt_out_store, wishes};
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

fn store(directory: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(directory.path().join("store.db"), SqliteOptions::default()).unwrap()
}

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            opt_out_store::$name(&store(&directory)).await;
        }
    };
}
messaging_core::for_each_opt_out_store_behavior!(behavior);

macro_rules! wish {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let store = store(&directory);
            wishes::$name(&store, &store, &store).await;
        }
    };
}
messaging_core::for_each_wish_behavior!(wish);
