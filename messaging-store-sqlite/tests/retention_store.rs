//! SQLite must let go of what tenants want to be kept no longer as every other store does.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::retention_store;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

fn store(directory: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(directory.path().join("store.db"), SqliteOptions::default()).unwrap()
}

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let store = store(&directory);
            retention_store::$name(&store, &store, &store).await;
        }
    };
}
messaging_core::for_each_retention_store_behavior!(behavior);
