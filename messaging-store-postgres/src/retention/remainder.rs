//! What is in no month's partition: of the default ones, rows go.

use messaging_core::ports::store_error::StoreError;
use tokio::time::Instant;

use crate::connections::Connections;
use crate::error::store_error;
use crate::retention::messages::remove_empty;
use crate::retention::take_its_time;
use crate::upkeep::add_up_all;

/// How many rows go in one step.
const AT_ONCE: i64 = 1_000;

/// Removes what is older than this and over.
pub(super) async fn clear(
    connections: &Connections,
    kept_from: i64,
    until: Instant,
) -> Result<(), StoreError> {
    let mut removed = 0;
    while Instant::now() < until {
        let messages = messages(connections, kept_from).await?;
        let inbox = inbox(connections, kept_from).await?;
        let attempts = attempts(connections, kept_from).await?;
        removed += messages;
        if messages.max(inbox).max(attempts) < AT_ONCE {
            break;
        }
    }
    if removed > 0 {
        add_up_all(connections).await?;
        let mut connection = connections.acquire().await?;
        let remove = async {
            let mut transaction = connection.begin().await?;
            take_its_time(&mut transaction).await?;
            remove_empty(&mut transaction, kept_from).await?;
            transaction.commit().await
        };
        remove.await.map_err(store_error)?;
        tracing::info!(messages = removed, "messages outside any month are kept no longer");
    }
    Ok(())
}

async fn messages(connections: &Connections, kept_from: i64) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"
        WITH gone AS (
            DELETE FROM messages_other WHERE id IN (
                SELECT id FROM messages_other
                WHERE id < first_id_at($1) AND NOT held_by_batch
                    AND status NOT IN ('queued', 'retry', 'sending')
                ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING id, tenant, session, direction, kind, status, created_at, provider_message_id
        ), counted AS (
            INSERT INTO message_count_changes (
                tenant, hour, session, direction, kind, status, messages
            )
            SELECT tenant, created_at - created_at % 3600000000, session, direction, kind, status,
                -count(*)
            FROM gone GROUP BY 1, 2, 3, 4, 5, 6
        ), names AS (
            DELETE FROM provider_ids p USING gone
            WHERE p.session = gone.session AND p.provider_message_id = gone.provider_message_id
                AND p.message = gone.id
        ), contents AS (
            DELETE FROM message_contents c USING gone WHERE c.message = gone.id
        ), events AS (
            DELETE FROM message_events e USING gone WHERE e.message = gone.id
        )
        SELECT count(*) AS "gone!" FROM gone
        "#,
        kept_from,
        AT_ONCE,
    )
    .fetch_one(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)
}

async fn inbox(connections: &Connections, kept_from: i64) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"
        WITH gone AS (
            DELETE FROM inbox_other WHERE id IN (
                SELECT id FROM inbox_other WHERE id < first_id_at($1) AND status <> 'pending'
                ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING session, event, key
        ), keys AS (
            DELETE FROM inbox_keys k USING gone
            WHERE k.session = gone.session AND k.event = gone.event AND k.key = gone.key
                AND k.received_at < $1
        )
        SELECT count(*) AS "gone!" FROM gone
        "#,
        kept_from,
        AT_ONCE,
    )
    .fetch_one(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)
}

async fn attempts(connections: &Connections, kept_from: i64) -> Result<i64, StoreError> {
    let gone = sqlx::query!(
        "DELETE FROM attempts_other WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM attempts_other WHERE at < $1 ORDER BY at LIMIT $2
         ))",
        kept_from,
        AT_ONCE,
    )
    .execute(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(i64::try_from(gone.rows_affected()).unwrap_or(i64::MAX))
}
