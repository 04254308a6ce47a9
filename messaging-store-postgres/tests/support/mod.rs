//! A database of a test's own.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod network;

use std::sync::atomic::{AtomicU32, Ordering};

use messaging_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub use network::Network;

/// A database of a test's own, on the server the tests are run beside.
pub struct Database {
    pub url: String,
}

impl Database {
    pub async fn new() -> Self {
        let server = test_services::variable("TEST_POSTGRES_URL");
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("test_{process}_{n}");
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}");
        for statement in create.split(';') {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}") }
    }

    pub async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.url, &PostgresOptions::default()).await.unwrap()
    }

    /// A connection beside the store's, which sees what it has kept.
    pub async fn connection(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql("SET search_path = messaging").execute(&mut connection).await.unwrap();
        connection
    }
}

pub async fn count(connection: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}
