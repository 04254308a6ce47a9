//! What is kept for a time only does not stay: the upkeep removes it, however much there is.

use messaging_core::conformance::build::{at, message, tenant_id};
use messaging_core::domain::fingerprint::{Fingerprint, RequestHash};
use messaging_core::domain::idempotency::ScopedKey;
use messaging_core::domain::insertion::{Distinct, Insertion};
use messaging_core::ports::idempotency_store::{IdempotencyStore, Undertaking};
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    let looking = Connection::open(&path).unwrap();
    let rows = |table: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        looking.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    // More than go in one step, the last of them later.
    let many = 1201_u64;
    let said = |n: u64| {
        let fingerprint = Fingerprint(u128::from(n).to_be_bytes());
        let until = at(if n == many { 20 } else { 10 });
        let distinct = Some(Distinct { fingerprint, at: at(0), until });
        Insertion { message: message(n), distinct }
    };
    store.insert_distinct(&(1..=many).map(said).collect::<Vec<_>>()).await.unwrap();
    for n in 1..=many {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        let undertaking = Undertaking {
            key: ScopedKey { tenant: tenant_id(1), digest },
            request: RequestHash([0; 32]),
            subject: Uuid::nil(),
            lease_until: at(5),
            expires_at: at(if n == many { 20 } else { 10 }),
        };
        store.begin(&undertaking, at(0)).await.unwrap();
    }
    for (now, left) in [(9, 1201), (10, 1), (20, 0)] {
        store.upkeep(at(now)).await.unwrap();
        assert_eq!((rows("idempotency_keys"), rows("recent_contents")), (left, left), "{now}");
    }
}
