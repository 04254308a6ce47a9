//! SQLite must behave like every other store of API keys and refresh tokens.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::conformance::access_store;
use messaging_core::conformance::build::{at, family_id, token_family};
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

fn store(directory: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(directory.path().join("store.db"), SqliteOptions::default()).unwrap()
}

macro_rules! behavior {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let directory = tempfile::tempdir().unwrap();
            access_store::$name(&store(&directory)).await;
        }
    };
}
messaging_core::for_each_access_store_behavior!(behavior);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_are_forgotten_when_they_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    store.insert_family(&token_family(1)).await.unwrap();
    store.upkeep(at(899_999)).await.unwrap();
    assert!(store.family(family_id(1)).await.unwrap().is_some());
    store.upkeep(at(900_000)).await.unwrap();
    assert_eq!(store.family(family_id(1)).await.unwrap(), None);
}
