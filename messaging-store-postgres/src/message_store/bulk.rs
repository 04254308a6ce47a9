//! Bulk requests: how far they have come, what they hold back, what they let in.
//!
//! Whoever changes how many messages a request has in the queue locks the request first, so that
//! two nodes do not both fill the same room.

use std::collections::{BTreeMap, HashMap};

use messaging_core::domain::batch::{Batch, BatchProgress};
use messaging_core::domain::id::{BatchId, MessageId, SessionId, TenantId};
use messaging_core::domain::message::{ChangeOutcome, MessageRef, QueueItem, StatusChange};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::status::StatusEvent;
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connections::Connections;
use crate::error::store_error;
use crate::message_store::change::Opened;
use crate::message_store::row::NewMessages;
use crate::message_store::waiting::Waiting;
use crate::named::{
    BadColumn, Stored, bounds, count, decode_all, instant, named, optional_instant, small,
    suspension, suspension_columns,
};
use crate::together::Fault;

struct BatchRow {
    id: Uuid,
    tenant: Uuid,
    session: Uuid,
    batch_size: i32,
    accepted: i32,
    rejected: i32,
    created_at: i64,
    cancelled_at: Option<i64>,
    send_at: Option<i64>,
    suspended_at: Option<i64>,
    suspended_until: Option<i64>,
    suspension_reason: Option<String>,
}

impl Stored for BatchRow {
    type Value = Batch;
    const ENTITY: &'static str = "bulk request";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<Batch, BoxError> {
        let number = |number, column| u32::try_from(number).map_err(|_| BadColumn(column));
        Ok(Batch {
            id: BatchId(self.id),
            tenant: TenantId(self.tenant),
            session: SessionId(self.session),
            batch_size: number(self.batch_size, "batch_size")?,
            accepted: number(self.accepted, "accepted")?,
            rejected: number(self.rejected, "rejected")?,
            created_at: instant(self.created_at)?,
            cancelled_at: optional_instant(self.cancelled_at)?,
            send_at: optional_instant(self.send_at)?,
            suspension: suspension(
                self.suspended_at,
                self.suspended_until,
                self.suspension_reason,
            )?,
        })
    }
}

/// Keeps a bulk request and its messages.
pub(super) async fn insert(
    connections: &Connections,
    batch: &Batch,
    messages: &NewMessages,
) -> Result<(), StoreError> {
    let mut connection = connections.acquire().await?;
    let (since, until, reason) = suspension_columns(batch.suspension.as_ref());
    let insert = async {
        let mut transaction = connection.begin().await?;
        sqlx::query!(
            "INSERT INTO batches (
                 id, tenant, session, batch_size, accepted, rejected, created_at, cancelled_at,
                 send_at, suspended_at, suspended_until, suspension_reason
             ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            batch.id.0,
            batch.tenant.0,
            batch.session.0,
            small(batch.batch_size),
            small(batch.accepted),
            small(batch.rejected),
            batch.created_at.as_micros(),
            batch.cancelled_at.map(|at| at.as_micros()),
            batch.send_at.map(|at| at.as_micros()),
            since,
            until,
            reason,
        )
        .execute(&mut *transaction)
        .await?;
        messages.insert(&mut transaction).await?;
        transaction.commit().await
    };
    insert.await.map_err(store_error)
}

/// One tenant's bulk request.
pub(super) async fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<Batch>, StoreError> {
    let row = sqlx::query_as!(
        BatchRow,
        "SELECT id, tenant, session, batch_size, accepted, rejected, created_at, cancelled_at,
             send_at, suspended_at, suspended_until, suspension_reason
         FROM batches WHERE id = $1 AND tenant = $2",
        id.0,
        tenant.0,
    )
    .fetch_optional(connection)
    .await
    .map_err(store_error)?;
    row.map(Stored::decode).transpose()
}

/// Stops one tenant's bulk request, or ends that. Tells whether it was there.
async fn suspend(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: BatchId,
    suspension: Option<&Suspension>,
) -> Result<bool, sqlx::Error> {
    let (since, until, reason) = suspension_columns(suspension);
    let suspended = sqlx::query!(
        "UPDATE batches SET suspended_at = $3, suspended_until = $4, suspension_reason = $5
         WHERE id = $1 AND tenant = $2",
        id.0,
        tenant.0,
        since,
        until,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(suspended.rows_affected() > 0)
}

/// Stops one tenant's bulk request, and holds back what of it waits in the queue.
pub(super) async fn hold(
    connections: &Connections,
    tenant: TenantId,
    id: BatchId,
    suspension: &Suspension,
) -> Result<Option<Vec<MessageId>>, StoreError> {
    let mut connection = connections.acquire().await?;
    let hold = async {
        let mut transaction = connection.begin().await?;
        // Locks the request, as whoever lets its messages in does.
        if !suspend(&mut transaction, tenant, id, Some(suspension)).await? {
            return Ok(None);
        }
        let held = sqlx::query_scalar!(
            "WITH waiting AS (
                 SELECT id FROM messages
                 WHERE batch = $1 AND NOT held_by_batch AND status IN ('queued', 'retry')
                 ORDER BY id FOR UPDATE
             )
             UPDATE messages m SET held_by_batch = true
             FROM waiting WHERE m.id = waiting.id RETURNING m.id",
            id.0,
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(held.into_iter().map(MessageId).collect()))
    };
    hold.await.map_err(store_error)
}

/// Ends the suspension of one tenant's bulk request.
pub(super) async fn resume(
    connections: &Connections,
    tenant: TenantId,
    id: BatchId,
) -> Result<bool, StoreError> {
    let mut connection = connections.acquire().await?;
    suspend(&mut connection, tenant, id, None).await.map_err(store_error)
}

/// One tenant's bulk request and where its messages stand.
pub(super) async fn progress(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<BatchProgress>, StoreError> {
    let Some(batch) = find(connection, tenant, id).await? else { return Ok(None) };
    Ok(progress_of(connection, vec![batch]).await?.pop())
}

/// Where the messages of these bulk requests stand.
///
/// In one statement, so that what failed adds up: the first part reads the index of all of a
/// request's messages, the second that of those that failed.
async fn progress_of(
    connection: &mut PgConnection,
    batches: Vec<Batch>,
) -> Result<Vec<BatchProgress>, StoreError> {
    let ids: Vec<Uuid> = batches.iter().map(|batch| batch.id.0).collect();
    let counts = sqlx::query!(
        r#"
        SELECT asked.id AS "batch!", counted.status AS "status?", counted.code AS "code?",
            counted.messages AS "messages!"
        FROM unnest($1::uuid[]) AS asked (id)
        CROSS JOIN LATERAL (
            SELECT status, NULL AS code, count(*) AS messages FROM messages
            WHERE batch = asked.id GROUP BY status
            UNION ALL
            SELECT NULL, failure_code, count(*) FROM messages
            WHERE batch = asked.id AND status = 'failed' AND failure_code IS NOT NULL
            GROUP BY failure_code
        ) AS counted
        "#,
        &ids,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    let mut all: HashMap<Uuid, (BTreeMap<_, _>, BTreeMap<_, _>)> = HashMap::new();
    for each in counts {
        let corrupt = |source| StoreError::corrupt(BatchRow::ENTITY, each.batch, source);
        let messages: u64 = count(each.messages, "messages").map_err(corrupt)?;
        let (by_status, failures) = all.entry(each.batch).or_default();
        if let Some(status) = &each.status {
            by_status.insert(named(status).map_err(corrupt)?, messages);
        }
        if let Some(code) = &each.code {
            failures.insert(named(code).map_err(corrupt)?, messages);
        }
    }
    let counted = |batch: Batch| {
        let (by_status, failures) = all.remove(&batch.id.0).unwrap_or_default();
        BatchProgress { batch, by_status, failures }
    };
    Ok(batches.into_iter().map(counted).collect())
}

/// One tenant's bulk requests, newest first, and how far each has come.
pub(super) async fn list(
    connection: &mut PgConnection,
    tenant: TenantId,
    portion: &PortionBy<BatchId>,
) -> Result<Page<BatchProgress>, StoreError> {
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "batches!" FROM batches WHERE tenant = $1"#,
        tenant.0,
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(store_error)?;
    let total = count(total, "batches")
        .map_err(|source| StoreError::corrupt(BatchRow::ENTITY, tenant, source))?;
    let (limit, skipped) = bounds(portion);
    let rows = sqlx::query_as!(
        BatchRow,
        "SELECT id, tenant, session, batch_size, accepted, rejected, created_at, cancelled_at,
             send_at, suspended_at, suspended_until, suspension_reason
         FROM batches WHERE tenant = $1 AND id < $2
         ORDER BY id DESC LIMIT $3 OFFSET $4",
        tenant.0,
        portion.last().map_or(Uuid::max(), |last| last.0),
        limit,
        skipped,
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    let Page { items, total, has_more } = Page::of(decode_all(rows)?, total, portion.limit());
    Ok(Page { items: progress_of(connection, items).await?, total, has_more })
}

/// Cancels what of one tenant's bulk request still waits, and marks it cancelled.
pub(super) async fn cancel(
    connections: &Connections,
    tenant: TenantId,
    id: BatchId,
    now: Timestamp,
) -> Result<Option<Vec<MessageId>>, StoreError> {
    let cancel = async {
        let mut connection = connections.acquire().await?;
        let mut transaction = connection.begin().await?;
        let is_there = sqlx::query!(
            "UPDATE batches SET cancelled_at = coalesce(cancelled_at, $3)
             WHERE id = $1 AND tenant = $2",
            id.0,
            tenant.0,
            now.as_micros(),
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            > 0;
        if !is_there {
            return Ok(None);
        }
        let waiting = sqlx::query_scalar!(
            "SELECT id FROM messages
             WHERE batch = $1 AND status IN ('queued', 'retry') ORDER BY id",
            id.0,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let cancels: Vec<StatusChange> = waiting
            .into_iter()
            .map(|id| StatusChange::new(MessageRef::Id(MessageId(id)), StatusEvent::Cancel, now))
            .collect();
        let (mut opened, _) = Opened::open(&mut transaction, cancels.iter()).await?;
        let mut moved = Vec::with_capacity(cancels.len());
        for cancel in &cancels {
            // One whose attempt began before it was locked is refused, and stays.
            if let ChangeOutcome::Moved { message, .. } = opened.apply(cancel) {
                moved.push(message.id);
            }
        }
        opened.write(&mut transaction).await?;
        transaction.commit().await?;
        Ok::<_, Fault>(Some(moved))
    };
    Ok(cancel.await?)
}

/// Lets as many held messages in as there is room for.
pub(super) async fn release(
    connections: &Connections,
    id: BatchId,
    now: Timestamp,
) -> Result<Vec<QueueItem>, StoreError> {
    let mut connection = connections.acquire().await?;
    let release = async {
        let mut transaction = connection.begin().await?;
        // As [`Batch::lets_in`] says.
        let batch_size = sqlx::query_scalar!(
            "SELECT batch_size FROM batches
             WHERE id = $1 AND coalesce(send_at, 0) <= $2
                 AND (suspended_at IS NULL OR suspended_until <= $2)
             FOR UPDATE",
            id.0,
            now.as_micros(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(batch_size) = batch_size else { return Ok(Vec::new()) };
        // In a statement after the lock, which so sees what its holder before had let in.
        let rows = sqlx::query_as!(
            Waiting,
            r#"
            WITH room AS (
                SELECT greatest($2 - count(*), 0) AS messages FROM messages
                WHERE batch = $1 AND NOT held_by_batch
                    AND status IN ('queued', 'retry', 'sending')
            ), next AS (
                SELECT id FROM messages WHERE batch = $1 AND held_by_batch
                ORDER BY id LIMIT (SELECT messages FROM room) FOR UPDATE
            ), let_in AS (
                UPDATE messages m SET held_by_batch = false
                FROM next WHERE m.id = next.id
                RETURNING m.id, m.tenant, m.session, m.recipient_key, m.priority, m.due_at
            )
            SELECT id, tenant, session, recipient_key AS "recipient_key!", priority, due_at
            FROM let_in WHERE recipient_key IS NOT NULL ORDER BY id
            "#,
            id.0,
            i64::from(batch_size),
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    };
    decode_all(release.await.map_err(store_error)?)
}

/// Bulk requests that hold messages back, in order of id.
///
/// Goes from one to the next in the index, so a request that holds thousands costs one step.
pub(super) async fn holding(
    connections: &Connections,
    after: Option<BatchId>,
    limit: u32,
) -> Result<Vec<BatchId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"
        WITH RECURSIVE holding (batch) AS (
            (
                SELECT batch FROM messages WHERE held_by_batch AND batch > $1
                ORDER BY batch LIMIT 1
            )
            UNION ALL
            SELECT (
                SELECT m.batch FROM messages m WHERE m.held_by_batch AND m.batch > holding.batch
                ORDER BY m.batch LIMIT 1
            )
            FROM holding WHERE holding.batch IS NOT NULL
        )
        SELECT batch AS "batch!" FROM holding WHERE batch IS NOT NULL LIMIT $2
        "#,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit),
    )
    .fetch_all(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(ids.into_iter().map(BatchId).collect())
}
