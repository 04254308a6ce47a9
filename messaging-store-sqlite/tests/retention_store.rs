//! SQLite must let go of what tenants want to be kept no longer as every other store does.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::retention_store;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
            retention_store::$name(&store, &store, &store).await;
        }
    };
}
messaging_core::for_each_retention_store_behavior!(behavior);
