//! Bulk requests: how far they have come, what they hold back, what they let in.

use std::collections::BTreeMap;

use messaging_core::domain::batch::{Batch, BatchProgress};
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::id::{BatchId, MessageId, TenantId};
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageRef, QueueItem, StatusChange,
};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::BoxError;
use rusqlite::{Connection, Row};

use crate::column::{
    self, Id, Stored, decode_all, decode_first, instant, named, optional_instant, suspension,
    suspension_columns,
};
use crate::error::Fault;
use crate::message_store::change::change_found;
use crate::message_store::row::message_columns;
use crate::message_store::waiting::{Waiting, queue_item_columns};

impl Stored for Batch {
    const ENTITY: &'static str = "bulk request";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            session: column::id(row, 2)?,
            batch_size: row.get(3)?,
            accepted: row.get(4)?,
            rejected: row.get(5)?,
            created_at: instant(row, 6)?,
            cancelled_at: optional_instant(row, 7)?,
            send_at: optional_instant(row, 8)?,
            suspension: suspension(row, 9)?,
        })
    }
}

/// One line of a batch's count.
struct Count(Status, u64);

impl Stored for Count {
    const ENTITY: &'static str = "bulk request";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self(named(row, 1)?, u64::try_from(row.get::<_, i64>(2)?)?))
    }
}

/// The same of its failures.
struct FailureCount(FailureCode, u64);

impl Stored for FailureCount {
    const ENTITY: &'static str = "bulk request";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self(named(row, 1)?, u64::try_from(row.get::<_, i64>(2)?)?))
    }
}

/// Writes a bulk request.
pub(super) fn insert(connection: &Connection, batch: &Batch) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO batches (
                 id, tenant, session, batch_size, accepted, rejected, created_at, cancelled_at,
                 send_at
             ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            batch.id.bytes(),
            batch.tenant.bytes(),
            batch.session.bytes(),
            batch.batch_size,
            batch.accepted,
            batch.rejected,
            batch.created_at.as_micros(),
            batch.cancelled_at.map(|at| at.as_micros()),
            batch.send_at.map(|at| at.as_micros()),
        ))?;
    if let Some(suspension) = &batch.suspension {
        suspend(connection, batch.id, Some(suspension))?;
    }
    Ok(())
}

fn suspend(
    connection: &Connection,
    id: BatchId,
    suspension: Option<&Suspension>,
) -> Result<(), Fault> {
    let (since, until, reason) = suspension_columns(suspension);
    connection
        .prepare_cached(
            "UPDATE batches SET suspended_at = ?2, suspended_until = ?3, suspension_reason = ?4
             WHERE id = ?1",
        )?
        .execute((id.bytes(), since, until, reason))?;
    Ok(())
}

/// One tenant's bulk request.
pub(super) fn find_owned(
    connection: &Connection,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<Batch>, Fault> {
    Ok(find(connection, id)?.filter(|batch| batch.tenant == tenant))
}

/// Stops one tenant's bulk request, and holds back what of it waits in the queue.
pub(super) fn hold(
    connection: &Connection,
    tenant: TenantId,
    id: BatchId,
    suspension: &Suspension,
) -> Result<Option<Vec<MessageId>>, Fault> {
    if find_owned(connection, tenant, id)?.is_none() {
        return Ok(None);
    }
    suspend(connection, id, Some(suspension))?;
    // The index is of three statuses, and only those that name all three may use it; of them, what
    // is under way goes on.
    let mut statement = connection.prepare_cached(
        "UPDATE messages SET held_by_batch = 1
         WHERE id IN (
             SELECT id FROM messages INDEXED BY messages_let_in
             WHERE batch = ?1 AND held_by_batch = 0
                 AND (status = 'queued' OR status = 'retry' OR status = 'sending')
                 AND status <> 'sending'
         )
         RETURNING id",
    )?;
    decode_all(statement.query([id.bytes()])?).map(Some)
}

/// Ends the suspension of one tenant's bulk request.
pub(super) fn resume(
    connection: &Connection,
    tenant: TenantId,
    id: BatchId,
) -> Result<bool, Fault> {
    let is_there = find_owned(connection, tenant, id)?.is_some();
    if is_there {
        suspend(connection, id, None)?;
    }
    Ok(is_there)
}

fn find(connection: &Connection, id: BatchId) -> Result<Option<Batch>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, tenant, session, batch_size, accepted, rejected, created_at, cancelled_at,
             send_at, suspended_at, suspended_until, suspension_reason
         FROM batches WHERE id = ?1",
    )?;
    decode_first(statement.query([id.bytes()])?)
}

/// One tenant's bulk request and where its messages stand.
pub(super) fn progress(
    connection: &Connection,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<BatchProgress>, Fault> {
    find_owned(connection, tenant, id)?.map(|batch| progress_of(connection, batch)).transpose()
}

fn progress_of(connection: &Connection, batch: Batch) -> Result<BatchProgress, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT batch, status, count(*) FROM messages WHERE batch = ?1 GROUP BY status",
    )?;
    let counts: Vec<Count> = decode_all(statement.query([batch.id.bytes()])?)?;
    let by_status: BTreeMap<_, _> =
        counts.into_iter().map(|Count(status, n)| (status, n)).collect();
    let mut statement = connection.prepare_cached(
        "SELECT batch, failure_code, count(*) FROM messages INDEXED BY messages_failed_of_batch
         WHERE batch = ?1 AND batch IS NOT NULL AND status = 'failed'
             AND failure_code IS NOT NULL
         GROUP BY failure_code",
    )?;
    let counts: Vec<FailureCount> = decode_all(statement.query([batch.id.bytes()])?)?;
    let failures = counts.into_iter().map(|FailureCount(code, n)| (code, n)).collect();
    Ok(BatchProgress { batch, by_status, failures })
}

/// One tenant's bulk requests, newest first, and how far each has come.
pub(super) fn list(
    connection: &Connection,
    tenant: TenantId,
    portion: &PortionBy<BatchId>,
) -> Result<Page<BatchProgress>, Fault> {
    let total: i64 = connection
        .prepare_cached("SELECT count(*) FROM batches WHERE tenant = ?1")?
        .query_row([tenant.bytes()], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "SELECT id, tenant, session, batch_size, accepted, rejected, created_at, cancelled_at,
             send_at, suspended_at, suspended_until, suspension_reason
         FROM batches WHERE tenant = ?1 AND id < ?2
         ORDER BY id DESC LIMIT ?3 OFFSET ?4",
    )?;
    let (limit, skipped) = column::bounds(portion);
    let last = portion.last().map_or(&column::LAST, |last| last.bytes());
    let found: Vec<Batch> = decode_all(statement.query((tenant.bytes(), last, limit, skipped))?)?;
    let Page { items, total, has_more } = Page::of(found, total.unsigned_abs(), portion.limit());
    let items: Result<Vec<_>, _> =
        items.into_iter().map(|batch| progress_of(connection, batch)).collect();
    Ok(Page { items: items?, total, has_more })
}

/// Cancels what of one tenant's bulk request still waits, and marks it cancelled.
pub(super) fn cancel(
    connection: &Connection,
    tenant: TenantId,
    id: BatchId,
    now: Timestamp,
) -> Result<Option<Vec<MessageId>>, Fault> {
    if find_owned(connection, tenant, id)?.is_none() {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "UPDATE batches SET cancelled_at = ?2 WHERE id = ?1 AND cancelled_at IS NULL",
        )?
        .execute((id.bytes(), now.as_micros()))?;
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE batch = ?1 AND (status = 'queued' OR status = 'retry') ORDER BY id"
    ))?;
    let waiting: Vec<Message> = decode_all(statement.query([id.bytes()])?)?;
    let mut moved = Vec::with_capacity(waiting.len());
    for message in waiting {
        let id = message.id;
        let cancel = StatusChange::new(MessageRef::Id(id), StatusEvent::Cancel, now);
        if let ChangeOutcome::Moved { .. } = change_found(connection, message, &cancel)? {
            moved.push(id);
        }
    }
    Ok(Some(moved))
}

/// Lets as many held messages in as there is room for.
pub(super) fn release(
    connection: &Connection,
    id: BatchId,
    now: Timestamp,
) -> Result<Vec<QueueItem>, Fault> {
    let Some(batch) = find(connection, id)?.filter(|batch| batch.lets_in(now)) else {
        return Ok(Vec::new());
    };
    let taken: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM messages INDEXED BY messages_let_in
             WHERE batch = ?1 AND held_by_batch = 0
                 AND (status = 'queued' OR status = 'retry' OR status = 'sending')",
        )?
        .query_row([id.bytes()], |row| row.get(0))?;
    let room = i64::from(batch.batch_size) - taken;
    // A negative limit would mean none at all.
    if room <= 0 {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(concat!(
        "UPDATE messages SET held_by_batch = 0
         WHERE id IN (
             SELECT id FROM messages INDEXED BY messages_held
             WHERE batch = ?1 AND held_by_batch = 1 ORDER BY id LIMIT ?2
         )
         RETURNING ",
        queue_item_columns!()
    ))?;
    Ok(in_order(decode_all(statement.query((id.bytes(), room))?)?))
}

/// Lets in what belongs to no bulk request and is due.
pub(super) fn release_scheduled(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<QueueItem>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "UPDATE messages SET held_by_batch = 0
         WHERE id IN (
             SELECT id FROM messages INDEXED BY messages_scheduled
             WHERE held_by_batch = 1 AND batch IS NULL AND due_at <= ?1 ORDER BY due_at LIMIT ?2
         )
         RETURNING ",
        queue_item_columns!()
    ))?;
    Ok(in_order(decode_all(statement.query((now.as_micros(), limit))?)?))
}

fn in_order(released: Vec<Waiting>) -> Vec<QueueItem> {
    let mut items: Vec<QueueItem> = released.into_iter().filter_map(|each| each.0).collect();
    // SQLite promises no order for what it returns.
    items.sort_unstable_by_key(|item| item.message);
    items
}

/// Bulk requests that hold messages back, in order of id.
///
/// Goes from one to the next in the index, so a request that holds thousands costs one step.
pub(super) fn holding(
    connection: &Connection,
    after: Option<BatchId>,
    limit: u32,
) -> Result<Vec<BatchId>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT batch FROM messages INDEXED BY messages_held
         WHERE held_by_batch = 1 AND batch > ?1 ORDER BY batch LIMIT 1",
    )?;
    let mut all = Vec::new();
    let mut last = after;
    while all.len() < limit as usize {
        let above = last.as_ref().map_or(&[][..], |id| id.bytes());
        let mut rows = statement.query([above])?;
        let Some(row) = rows.next()? else {
            break;
        };
        let next: BatchId = column::id(row, 0)?;
        all.push(next);
        last = Some(next);
    }
    Ok(all)
}
