//! SQLite must behave like every other store of the provider's servers.

use messaging_core::conformance::server_store;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
            server_store::$name(&store, &store).await;
        }
    };
}
messaging_core::for_each_server_store_behavior!(behavior);
