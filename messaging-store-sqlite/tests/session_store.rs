//! SQLite must behave like every other session store.

use messaging_core::conformance::session_store;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
            session_store::$name(&store).await;
        }
    };
}
messaging_core::for_each_session_store_behavior!(behavior);
messaging_core::for_each_tenants_session_behavior!(behavior);
