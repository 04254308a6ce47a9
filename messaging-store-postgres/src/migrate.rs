//! Brings a schema to the newest version.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::open_error::OpenError;
use crate::options::PostgresOptions;
use crate::schema_name::quoted;
use crate::tenant_role;
use crate::upkeep::MONTHS_AHEAD;

/// What the schema is made under: two nodes that start at once do it one after the other.
const SCHEMA_LOCK: i64 = 0x6d65_7373_6167_696e;

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
/// As [`PostgresStore::open`](crate::PostgresStore::open).
pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<Migrated, OpenError> {
    let connect = options.connect(url)?;
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
    take_its_time(connection).await.map_err(OpenError::of)?;
    wait_for_our_turn(connection).await.map_err(OpenError::of)?;
    // `IF NOT EXISTS` asks for the right to make one even where it is there.
    let is_there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await
            .map_err(OpenError::of)?;
    if !is_there {
        // A name cannot be a parameter.
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {}", quoted(schema))))
            .execute(&mut *connection)
            .await
            .map_err(OpenError::of)?;
    }
    let from = version(connection, schema).await?;
    let mut migrator = migrator();
    // The lock above is ours alone; the migrator's own is the whole database's.
    migrator.set_locking(false).set_ignore_missing(true);
    migrator.run(&mut *connection).await?;
    tenant_role::make(connection, schema).await?;
    // From the first message on, by the clock of the server: upkeep comes later.
    sqlx::query("CALL make_partitions((extract(epoch FROM now()) * 1000000)::bigint, $1)")
        .bind(MONTHS_AHEAD)
        .execute(&mut *connection)
        .await
        .map_err(OpenError::of)?;
    let to = version(connection, schema).await?;
    if from == to {
        tracing::debug!(version = to, "the schema is up to date");
    } else {
        tracing::info!(from, to, "the schema was brought from version {from} to {to}");
    }
    Ok(Migrated { from, to })
}

/// Lifts the limits that statements have otherwise, by us or for the role or the database: a step
/// that needs longer would fail at each start anew, and so would waiting for another node's.
async fn take_its_time(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Not every version knows all of them.
    let lift = "SELECT set_config(name, '0', false) FROM pg_settings
                WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout')";
    sqlx::query(lift).execute(connection).await?;
    Ok(())
}

async fn wait_for_our_turn(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(SCHEMA_LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !is_ours {
        tracing::info!("waiting for another node that brings the schema up to date");
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(SCHEMA_LOCK)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn migrator() -> Migrator {
    sqlx::migrate!("./migrations")
}

/// The newest version of the schema that this program knows.
pub(crate) fn newest_version() -> i64 {
    migrator().iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The version of a schema; 0 where there is none.
pub(crate) async fn version(connection: &mut PgConnection, schema: &str) -> Result<i64, OpenError> {
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
