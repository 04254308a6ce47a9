//! What waits to be sent, in the form a queue takes.

use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::id::{MessageId, SessionId, TenantId};
use messaging_core::domain::message::{Message, QueueItem};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connections::Connections;
use crate::error::store_error;
use crate::message_store::row::{MessageRow, query_messages};
use crate::named::{Stored, decode_all, instant, named};
use crate::together::Fault;

/// What [`QueueItem`] is read from.
pub(super) struct Waiting {
    pub(super) id: Uuid,
    pub(super) tenant: Uuid,
    pub(super) session: Uuid,
    pub(super) recipient_key: i64,
    pub(super) priority: String,
    pub(super) due_at: i64,
}

impl Stored for Waiting {
    type Value = QueueItem;
    const ENTITY: &'static str = "message";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<QueueItem, BoxError> {
        Ok(QueueItem {
            message: MessageId(self.id),
            tenant: TenantId(self.tenant),
            session: SessionId(self.session),
            recipient: RecipientKey(self.recipient_key.cast_unsigned()),
            priority: named(&self.priority)?,
            due_at: instant(self.due_at)?,
        })
    }
}

/// Outbound messages that a queue ought to know, in order of id.
pub(super) async fn pending(
    connections: &Connections,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<QueueItem>, StoreError> {
    let rows = sqlx::query_as!(
        Waiting,
        r#"
        SELECT id, tenant, session, recipient_key AS "recipient_key!", priority, due_at
        FROM messages
        WHERE id > $1 AND direction = 'outbound' AND NOT held_by_batch
            AND status IN ('queued', 'retry', 'sending') AND recipient_key IS NOT NULL
        ORDER BY id LIMIT $2
        "#,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit),
    )
    .fetch_all(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    decode_all(rows)
}

/// Of these messages, those that another must leave before, each with the first that must.
///
/// Looks once for each urgency: their names do not sort as they rank.
pub(super) async fn behind(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(MessageId, QueueItem)>, Fault> {
    let rows = sqlx::query!(
        r#"
        SELECT own.id AS "own!", first.id AS "id!", first.tenant AS "tenant!",
            first.session AS "session!", first.recipient_key AS "recipient_key!",
            first.priority AS "priority!", first.due_at AS "due_at!"
        FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
        -- The second says the same once more, where it lets months be passed over.
        JOIN messages own ON own.id = asked.id AND own.id = ANY($1)
        CROSS JOIN LATERAL (
            SELECT before.*
            FROM (VALUES (1, 'high'), (2, 'normal'), (3, 'low')) AS urgency (rank, name)
            CROSS JOIN LATERAL (
                SELECT m.id, m.tenant, m.session, m.recipient_key, m.priority, m.due_at
                FROM messages m
                WHERE m.recipient_key = own.recipient_key
                    AND m.priority = urgency.name AND m.id < own.id
                    AND m.direction = 'outbound' AND NOT m.held_by_batch
                    AND m.status IN ('queued', 'retry', 'sending')
                ORDER BY m.id LIMIT 1
            ) AS before
            WHERE urgency.rank <=
                CASE own.priority WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END
            ORDER BY urgency.rank LIMIT 1
        ) AS first
        ORDER BY asked.place
        "#,
        ids,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let waiting = Waiting {
                id: row.id,
                tenant: row.tenant,
                session: row.session,
                recipient_key: row.recipient_key,
                priority: row.priority,
                due_at: row.due_at,
            };
            Ok((MessageId(row.own), waiting.decode()?))
        })
        .collect()
}

/// What waits for one recipient, held back or not: each has an index of its own.
pub(super) async fn to(
    connections: &Connections,
    sessions: &[SessionId],
    to: &Address,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    let keys = sessions.iter().map(|session| RecipientKey::of(*session, to).0.cast_signed());
    let keys: Vec<i64> = keys.collect();
    let mut connection = connections.acquire().await?;
    let ids = sqlx::query_scalar!(
        r#"
        SELECT id AS "id!" FROM messages
        WHERE recipient_key = ANY($1::bigint[]) AND direction = 'outbound' AND NOT held_by_batch
            AND status IN ('queued', 'retry', 'sending') AND status <> 'sending'
        UNION ALL
        SELECT id FROM messages
        WHERE recipient_key = ANY($1) AND held_by_batch AND status IN ('queued', 'retry')
        LIMIT $2
        "#,
        &keys,
        i64::from(limit),
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<MessageRow> = query_messages!(
        "FROM messages m JOIN message_contents c ON c.message = m.id \
         WHERE m.id = ANY($1::uuid[]) AND c.message = ANY($1)",
        &ids
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    let found = decode_all(rows)?;
    // Two recipients may have one key, and what was found may have moved since.
    let waits = |it: &Message| it.to.as_ref() == Some(to) && it.status.is_waiting();
    Ok(found.into_iter().filter(waits).collect())
}

/// Messages that wait, and not from now on, in order of when they expired.
pub(super) async fn overdue(
    connections: &Connections,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM messages
         WHERE expires_at <= $1 AND status IN ('queued', 'retry')
         ORDER BY expires_at LIMIT $2",
        now.as_micros(),
        i64::from(limit),
    )
    .fetch_all(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(ids.into_iter().map(MessageId).collect())
}

/// Lets in what belongs to no bulk request and is due.
pub(super) async fn release_scheduled(
    connections: &Connections,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<QueueItem>, StoreError> {
    let mut connection = connections.acquire().await?;
    let due = sqlx::query_scalar!(
        "SELECT id FROM messages WHERE held_by_batch AND batch IS NULL AND due_at <= $1
         ORDER BY due_at LIMIT $2",
        now.as_micros(),
        i64::from(limit),
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        Waiting,
        r#"
        WITH locked AS (
            -- Somebody may have let them in meanwhile, or taken them back.
            SELECT id FROM messages WHERE id = ANY($1::uuid[]) AND held_by_batch
            ORDER BY id FOR UPDATE
        ), let_in AS (
            UPDATE messages m SET held_by_batch = false
            -- The second says the same once more, where it lets months be passed over.
            FROM locked WHERE m.id = locked.id AND m.id = ANY($1)
            RETURNING m.id, m.tenant, m.session, m.recipient_key, m.priority, m.due_at
        )
        SELECT id, tenant, session, recipient_key AS "recipient_key!", priority, due_at
        FROM let_in WHERE recipient_key IS NOT NULL ORDER BY id
        "#,
        &due,
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    decode_all(rows)
}
