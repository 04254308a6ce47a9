//! PostgreSQL must behave like every other store where a vault keeps it from reading what it keeps, too.

#[path = "../../messaging-vault/tests/suite/mod.rs"]
#[macro_use]
mod suite;
mod support;

use std::sync::Arc;

use messaging_store_postgres::PostgresStore;

async fn close(store: Arc<PostgresStore>) {
    store.close().await;
}

suite!(on_postgres, {
    let database = crate::support::Database::new().await;
    (std::sync::Arc::new(database.store().await), database)
});
