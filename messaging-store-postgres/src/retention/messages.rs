//! Months of messages, with what they say and what happened to them.
//!
//! A month goes in two parts. First, in one short transaction, nobody finds it any more: what only
//! its messages have is dropped, and its table of messages stands apart. Then what refers to these
//! from tables that have no months goes, a step at a time, and the table last. Whoever comes after
//! a node that stopped in between finds in `leaving` how far it came.

use messaging_core::ports::store_error::StoreError;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use crate::connections::Connections;
use crate::error::store_error;
use crate::retention::month::{self, Month};
use crate::retention::{have_alone, run, take_its_time, tell};
use crate::upkeep::add_up_all;

/// The tables that have a month's messages.
const PARENTS: [&str; 3] = ["messages", "message_contents", "message_events"];

/// Of how many messages one step removes what refers to them.
const AT_ONCE: i64 = 5_000;

/// Lets go of the oldest month of which nothing waits.
pub(super) async fn let_go(connections: &Connections, kept_from: i64) -> Result<(), StoreError> {
    let mut connection = connections.acquire().await?;
    for month in month::before(&mut connection, &PARENTS, kept_from).await? {
        if !is_over(&mut connection, &month).await? {
            continue;
        }
        let mut transaction = connection.begin().await.map_err(store_error)?;
        if have_alone(&mut transaction, &PARENTS, &month).await.map_err(store_error)?
            // Somebody may have had one sent again.
            && is_over(&mut transaction, &month).await?
        {
            take_out(&mut transaction, &month).await.map_err(store_error)?;
            transaction.commit().await.map_err(store_error)?;
            tell("messages", &month);
        } else {
            transaction.rollback().await.map_err(store_error)?;
        }
        return Ok(());
    }
    Ok(())
}

/// Whether nothing of it waits, and all of it is in its own partitions.
async fn is_over(connection: &mut PgConnection, month: &Month) -> Result<bool, StoreError> {
    // Each condition is that of an index which holds what waits and nothing else.
    sqlx::query_scalar!(
        r#"
        SELECT NOT EXISTS (
            SELECT FROM messages
            WHERE id >= first_id_at($1) AND id < first_id_at($2) AND direction = 'outbound'
                AND NOT held_by_batch AND status IN ('queued', 'retry', 'sending')
        ) AND NOT EXISTS (
            SELECT FROM messages
            WHERE id >= first_id_at($1) AND id < first_id_at($2) AND held_by_batch
        ) AND NOT EXISTS (
            SELECT FROM messages_other WHERE id >= first_id_at($1) AND id < first_id_at($2)
        ) AS "is_over!"
        "#,
        month.begins_at,
        month.ends_at,
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)
}

async fn take_out(connection: &mut PgConnection, month: &Month) -> Result<(), sqlx::Error> {
    for table in &month.tables {
        if !table.starts_with("messages_") {
            run(connection, format!("DROP TABLE {table}")).await?;
            continue;
        }
        let leaving = leaving(&month.name);
        run(connection, format!("ALTER TABLE messages DETACH PARTITION {table}")).await?;
        run(connection, format!("ALTER TABLE {table} RENAME TO {leaving}")).await?;
        sqlx::query!(
            "INSERT INTO leaving (month, ends_at) VALUES ($1, $2)",
            month.name,
            month.ends_at,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn leaving(month: &str) -> String {
    format!("leaving_{month}")
}

/// Finishes what was begun. Tells whether nothing is left of it.
pub(super) async fn finish(connections: &Connections, until: Instant) -> Result<bool, StoreError> {
    loop {
        match step(connections).await? {
            Step::None => return Ok(true),
            Step::OfAnotherNode => return Ok(false),
            Step::Taken => {}
            Step::Last { month, ends_at } => {
                add_up_all(connections).await?;
                end(connections, &month, ends_at).await?;
            }
        }
        if Instant::now() >= until {
            return Ok(false);
        }
    }
}

enum Step {
    /// There was none to take.
    None,
    OfAnotherNode,
    Taken,
    /// Nothing refers to this month any more.
    Last {
        month: String,
        ends_at: i64,
    },
}

async fn step(connections: &Connections) -> Result<Step, StoreError> {
    let mut connection = connections.acquire().await?;
    let step = async {
        let mut transaction = connection.begin().await?;
        let next = sqlx::query!(
            r#"
            SELECT month, ends_at, is_counted, reached FROM leaving
            ORDER BY month LIMIT 1 FOR UPDATE SKIP LOCKED
            "#
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(next) = next else {
            let is_any = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM leaving) AS "is_any!""#)
                .fetch_one(&mut *transaction)
                .await?;
            transaction.rollback().await?;
            return Ok(if is_any { Step::OfAnotherNode } else { Step::None });
        };
        take_its_time(&mut transaction).await?;
        if !next.is_counted {
            take_from_counts(&mut transaction, &next.month).await?;
        } else if let Some(reached) =
            remove_references(&mut transaction, &next.month, next.reached).await?
        {
            sqlx::query!("UPDATE leaving SET reached = $2 WHERE month = $1", next.month, reached)
                .execute(&mut *transaction)
                .await?;
        } else {
            transaction.rollback().await?;
            return Ok(Step::Last { month: next.month, ends_at: next.ends_at });
        }
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(Step::Taken)
    };
    step.await.map_err(store_error)
}

async fn take_from_counts(connection: &mut PgConnection, month: &str) -> Result<(), sqlx::Error> {
    let take = format!(
        "INSERT INTO message_count_changes (
             tenant, hour, session, direction, kind, status, messages
         )
         SELECT tenant, created_at - created_at % 3600000000, session, direction, kind, status,
             -count(*)
         FROM {} GROUP BY 1, 2, 3, 4, 5, 6",
        leaving(month)
    );
    run(connection, take).await?;
    sqlx::query!("UPDATE leaving SET is_counted = true WHERE month = $1", month)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what refers to the next messages. Gives the last of them.
async fn remove_references(
    connection: &mut PgConnection,
    month: &str,
    reached: Uuid,
) -> Result<Option<Uuid>, sqlx::Error> {
    // What they say and what happened to them is among others where their month had no partition
    // for it.
    let remove = format!(
        "WITH next AS (
             SELECT id, session, provider_message_id FROM {}
             WHERE id > $1 ORDER BY id LIMIT {AT_ONCE}
         ), names AS (
             DELETE FROM provider_ids p USING next
             WHERE p.session = next.session AND p.provider_message_id = next.provider_message_id
                 AND p.message = next.id
         ), contents AS (
             DELETE FROM message_contents_other c USING next WHERE c.message = next.id
         ), events AS (
             DELETE FROM message_events_other e USING next WHERE e.message = next.id
         )
         SELECT id FROM next ORDER BY id DESC LIMIT 1",
        leaving(month)
    );
    sqlx::query_scalar(AssertSqlSafe(remove)).bind(reached).fetch_optional(connection).await
}

/// Ends a month that nothing refers to any more.
async fn end(connections: &Connections, month: &str, ends_at: i64) -> Result<(), StoreError> {
    let mut connection = connections.acquire().await?;
    let end = async {
        let mut transaction = connection.begin().await?;
        take_its_time(&mut transaction).await?;
        remove_empty(&mut transaction, ends_at).await?;
        run(&mut transaction, format!("DROP TABLE IF EXISTS {}", leaving(month))).await?;
        sqlx::query!("DELETE FROM leaving WHERE month = $1", month)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    };
    end.await.map_err(store_error)
}

/// Removes bulk requests without messages, and counts of none, that are older than this.
pub(super) async fn remove_empty(
    connection: &mut PgConnection,
    ends_at: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        WITH requests AS (
            DELETE FROM batches
            WHERE created_at < $1
                AND NOT EXISTS (SELECT FROM messages WHERE messages.batch = batches.id)
        )
        DELETE FROM message_counts WHERE hour < $1 AND messages = 0
        "#,
        ends_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
