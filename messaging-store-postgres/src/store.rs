//! One schema of a database, and the connections to it.

use std::str::FromStr;
use std::sync::Arc;

use messaging_core::ports::store_error::StoreError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::inbox_store::{Applies, Keeps};
use crate::message_store::{Changes, Inserts};
use crate::named::is_schema;
use crate::open_error::OpenError;
use crate::options::PostgresOptions;
use crate::together::{Together, WriteStatistics};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// What the schema is made under: two nodes that start at once do it one after the other.
const SCHEMA_LOCK: i64 = 0x6d65_7373_6167_696e;

/// Every store port on one schema of a PostgreSQL database, for any number of nodes.
///
/// Clones share the connections.
#[derive(Clone)]
pub struct PostgresStore(Arc<Parts>);

struct Parts {
    pool: PgPool,
    inserts: Together<Inserts>,
    changes: Together<Changes>,
    keeps: Together<Keeps>,
    applies: Together<Applies>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, makes the schema where there is none, and brings it to the newest version; several
    /// nodes may do so at once. A schema that a newer version of this program has brought further
    /// is used as it is: each step leaves what the version before needs.
    ///
    /// # Errors
    /// [`OpenError`] says whether the server cannot be reached, refuses, or the schema cannot be
    /// made.
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        migrate(url, options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(4))
            .acquire_timeout(options.acquire_timeout)
            .connect_with(connect_options(url, options)?)
            .await
            .map_err(OpenError::of)?;
        Ok(Self(Arc::new(Parts {
            inserts: Together::new(Inserts(pool.clone())),
            changes: Together::new(Changes(pool.clone())),
            keeps: Together::new(Keeps(pool.clone())),
            applies: Together::new(Applies(pool.clone())),
            pool,
        })))
    }

    /// What has been written since the store was opened.
    pub fn write_statistics(&self) -> WriteStatistics {
        let parts = &self.0;
        parts.inserts.statistics()
            + parts.changes.statistics()
            + parts.keeps.statistics()
            + parts.applies.statistics()
    }

    /// Closes all connections once what is under way is done. Calls made afterwards, through any
    /// clone, are [`Unavailable`](StoreError::Unavailable).
    pub async fn close(&self) {
        self.0.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    pub(crate) fn inserts(&self) -> &Together<Inserts> {
        &self.0.inserts
    }

    pub(crate) fn changes(&self) -> &Together<Changes> {
        &self.0.changes
    }

    pub(crate) fn keeps(&self) -> &Together<Keeps> {
        &self.0.keeps
    }

    pub(crate) fn applies(&self) -> &Together<Applies> {
        &self.0.applies
    }
}

/// The versions of a schema before and after a [`migrate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Before; 0 where there was none.
    pub from: i64,
    /// After.
    pub to: i64,
}

/// Makes the schema where there is none, and brings it to the newest version.
///
/// # Errors
/// As [`PostgresStore::open`].
pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<Migrated, OpenError> {
    let connect = connect_options(url, options)?;
    let mut connection = PgConnection::connect_with(&connect).await.map_err(OpenError::of)?;
    let migrated = bring_up_to_date(&mut connection, &options.schema).await;
    // What was to be done is done, or has failed for a better reason.
    let _ = connection.close().await;
    migrated
}

async fn bring_up_to_date(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Migrated, OpenError> {
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(SCHEMA_LOCK)
        .execute(&mut *connection)
        .await
        .map_err(OpenError::of)?;
    // `IF NOT EXISTS` asks for the right to make one even where it is there.
    let is_there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await
            .map_err(OpenError::of)?;
    if !is_there {
        // Checked to be a plain name; a name cannot be a parameter.
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
            .execute(&mut *connection)
            .await
            .map_err(OpenError::of)?;
    }
    let from = version(connection, schema).await?;
    let mut migrator = MIGRATOR.clone();
    // The lock above is ours alone; the migrator's own is the whole database's.
    migrator.set_locking(false).set_ignore_missing(true);
    migrator.run(&mut *connection).await?;
    let to = version(connection, schema).await?;
    if from == to {
        tracing::debug!(version = to, "the schema is up to date");
    } else {
        tracing::info!(from, to, "the schema was brought from version {from} to {to}");
    }
    Ok(Migrated { from, to })
}

async fn version(connection: &mut PgConnection, schema: &str) -> Result<i64, OpenError> {
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
        .bind(format!("{schema}._sqlx_migrations"))
        .fetch_one(&mut *connection)
        .await
        .map_err(OpenError::of)?;
    if table.is_none() {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
        .fetch_one(&mut *connection)
        .await
        .map_err(OpenError::of)
}

fn connect_options(url: &str, options: &PostgresOptions) -> Result<PgConnectOptions, OpenError> {
    if !is_schema(&options.schema) {
        return Err(OpenError::Schema(options.schema.clone()));
    }
    let connect = PgConnectOptions::from_str(url).map_err(|_| OpenError::Address)?;
    Ok(connect.application_name("messaging").options([
        // Extensions may have been added to `public` by somebody else.
        ("search_path", format!("{},public", options.schema)),
        ("statement_timeout", options.statement_timeout.as_millis().to_string()),
        // A node that was stopped in the middle of a transaction must not hold its locks for ever.
        ("idle_in_transaction_session_timeout", "10s".to_owned()),
        ("default_transaction_isolation", "read committed".to_owned()),
        ("jit", "off".to_owned()),
    ]))
}

pub(crate) fn closed() -> StoreError {
    StoreError::unavailable("the store is closed")
}
