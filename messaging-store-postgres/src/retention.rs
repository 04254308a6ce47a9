//! What is kept no longer goes, by whole months.
//!
//! A month goes when all of it lies before the time that is kept, and nothing in it waits. As its
//! rows are partitions of their own, they go without being looked at; what refers to them from
//! other tables goes after them, in small steps.
//!
//! To take a partition out of its table, nobody may be at work on that table, if only for a moment.
//! While we wait for those who are, everybody else queues behind us: so we give up soon, and try
//! again at the next upkeep.

mod inbox;
mod messages;
mod month;
mod remainder;

use std::time::Duration;

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use crate::connections::Connections;
use crate::error::has_code;
use crate::retention::month::Month;

/// For how long a pass goes from one step to the next. It is shorter than the duty of upkeep is
/// given to a node for.
const LONGEST_PASS: Duration = Duration::from_secs(5);

/// For how long tables are waited for that nobody may be at work on; so long do others wait for us.
///
/// Within a second, or else PostgreSQL takes a look at who waits for whom, and may end a caller's
/// transaction that waits for one of our tables while we wait for one of its.
const LOCK_WAIT: &str = "900ms";

/// Lets go of what is older than what is kept: of each sort one month at the most, the oldest that
/// is over.
pub(crate) async fn keep_since(
    connections: &Connections,
    kept_since: Timestamp,
) -> Result<(), StoreError> {
    let until = Instant::now() + LONGEST_PASS;
    let kept_from = month::beginning(connections, kept_since).await?;
    remainder::clear(connections, kept_from, until).await?;
    inbox::let_go(connections, kept_from, until).await?;
    if messages::finish(connections, until).await? {
        messages::let_go(connections, kept_from).await?;
        messages::finish(connections, until).await?;
    }
    Ok(())
}

/// Has the tables of a month, and those that they are partitions of, to ourselves until the end of
/// the transaction. Not where others are at work on them for long.
async fn have_alone(
    connection: &mut PgConnection,
    parents: &[&str],
    month: &Month,
) -> Result<bool, sqlx::Error> {
    let mut tables: Vec<String> = parents.iter().map(|parent| format!("ONLY {parent}")).collect();
    tables.extend(parents.iter().map(|parent| format!("{parent}_other")));
    tables.extend(month.tables.iter().cloned());
    // All of them together: what is waited for is the statement.
    run(connection, format!("SET LOCAL statement_timeout = '{LOCK_WAIT}'")).await?;
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
    match run(connection, lock).await {
        Ok(()) => {}
        Err(error) if is_of_others(&error) => {
            tracing::debug!(month = %month.name, "a month stays for now: its tables are in use");
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    wait_briefly(connection).await?;
    take_its_time(connection).await?;
    Ok(true)
}

/// Waits for no lock longer than [`LOCK_WAIT`], until the end of the transaction.
pub(crate) async fn wait_briefly(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    run(connection, format!("SET LOCAL lock_timeout = '{LOCK_WAIT}'")).await
}

/// Lifts the limit that statements have otherwise, until the end of the transaction.
async fn take_its_time(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    run(connection, "SET LOCAL statement_timeout = 0".to_owned()).await
}

/// Runs a statement made of names out of the catalogue.
async fn run(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Whether tables could not be had because others are at work on them, or have just dropped them.
fn is_of_others(error: &sqlx::Error) -> bool {
    // query_canceled, lock_not_available, deadlock_detected, undefined_table
    has_code(error, &["57014", "55P03", "40P01", "42P01"])
}

/// Says in the log which month of what has gone.
fn tell(table: &str, month: &Month) {
    tracing::info!(table, month = %month.name, "a month is kept no longer");
}
