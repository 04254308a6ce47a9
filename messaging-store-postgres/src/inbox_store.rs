//! Webhooks received, on PostgreSQL.

mod apply;

use std::collections::HashSet;

use async_trait::async_trait;
use messaging_core::domain::id::{InboxId, SessionId, TenantId};
use messaging_core::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::inbox_store::{InboxDepth, InboxStore};
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use self::apply::Applies;
use crate::error::store_error;
use crate::named::{BadColumn, Stored, decode_all, instant, small};
use crate::store::PostgresStore;
use crate::text;
use crate::together::{Fault, Work};

pub(crate) struct EntryRow {
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) session: Uuid,
    pub(crate) event: String,
    pub(crate) key: String,
    pub(crate) attempts: i32,
    pub(crate) due_at: i64,
    pub(crate) received_at: i64,
    pub(crate) payload: Vec<u8>,
}

impl Stored for EntryRow {
    type Value = InboxEntry;
    const ENTITY: &'static str = "inbox entry";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<InboxEntry, BoxError> {
        Ok(InboxEntry {
            id: InboxId(self.id),
            tenant: TenantId(self.tenant),
            session: SessionId(self.session),
            event: text::given(self.event),
            key: text::given(self.key),
            attempts: u32::try_from(self.attempts).map_err(|_| BadColumn("attempts"))?,
            due_at: instant(self.due_at)?,
            received_at: instant(self.received_at)?,
            payload: self.payload,
            // Only what is to be applied is read back.
            has_effect: true,
        })
    }
}

/// Webhooks of many callers, to be kept.
pub(crate) struct Keeps;

/// New entries on their way to becoming rows, column by column.
#[derive(Default)]
struct NewEntries {
    ids: Vec<Uuid>,
    tenants: Vec<Uuid>,
    sessions: Vec<Uuid>,
    events: Vec<String>,
    keys: Vec<String>,
    attempts: Vec<i32>,
    due_at: Vec<i64>,
    received_at: Vec<i64>,
    payloads: Vec<Vec<u8>>,
    statuses: Vec<&'static str>,
}

impl NewEntries {
    fn add(&mut self, entry: &InboxEntry) {
        self.ids.push(entry.id.0);
        self.tenants.push(entry.tenant.0);
        self.sessions.push(entry.session.0);
        self.events.push(text::kept(&entry.event).into_owned());
        self.keys.push(text::kept(&entry.key).into_owned());
        self.attempts.push(small(entry.attempts));
        self.due_at.push(entry.due_at.as_micros());
        self.received_at.push(entry.received_at.as_micros());
        self.payloads.push(entry.payload.clone());
        self.statuses.push(if entry.has_effect { "pending" } else { "applied" });
    }
}

#[async_trait]
impl Work for Keeps {
    type Request = Vec<InboxEntry>;
    type Answer = Vec<Kept>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<InboxEntry>],
    ) -> Result<(Vec<Vec<Kept>>, u64), Fault> {
        let mut seen = HashSet::new();
        let mut new = NewEntries::default();
        for entry in requests.iter().flatten() {
            // Of two of one key, the first.
            if seen.insert((entry.session, &entry.event, &entry.key)) {
                new.add(entry);
            }
        }
        // Keys in their order, so that two transactions never wait for one another.
        let kept = sqlx::query_scalar!(
            r#"
            WITH new AS (
                SELECT * FROM unnest(
                    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int[],
                    $7::bigint[], $8::bigint[], $9::bytea[], $10::text[]
                ) AS row (
                    id, tenant, session, event, key, attempts, due_at, received_at, payload, status
                )
            ), first AS (
                INSERT INTO inbox_keys (session, event, key, received_at)
                SELECT session, event, key, received_at FROM new ORDER BY session, event, key
                ON CONFLICT DO NOTHING
                RETURNING session, event, key
            )
            INSERT INTO inbox (
                id, tenant, session, event, key, status, attempts, due_at, received_at, payload
            )
            SELECT id, tenant, session, event, key, status, attempts, due_at, received_at, payload
            FROM new JOIN first USING (session, event, key)
            RETURNING id
            "#,
            &new.ids,
            &new.tenants,
            &new.sessions,
            &new.events,
            &new.keys,
            &new.attempts,
            &new.due_at,
            &new.received_at,
            &new.payloads,
            &new.statuses as &[&str],
        )
        .fetch_all(connection)
        .await?;
        let kept: HashSet<Uuid> = kept.into_iter().collect();
        let verdict = |entry: &InboxEntry| {
            if kept.contains(&entry.id.0) { Kept::New } else { Kept::Repeat }
        };
        Ok((requests.iter().map(|each| each.iter().map(verdict).collect()).collect(), 1))
    }
}

#[async_trait]
impl InboxStore for PostgresStore {
    async fn keep(&self, entries: &[InboxEntry]) -> Result<Vec<Kept>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.keeps().ask(entries.to_vec()).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxEntry>, StoreError> {
        let rows = sqlx::query_as!(
            EntryRow,
            "SELECT id, tenant, session, event, key, attempts, due_at, received_at, payload
             FROM inbox WHERE status = 'pending' AND due_at <= $1 ORDER BY id LIMIT $2",
            now.as_micros(),
            i64::from(limit),
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let next = sqlx::query_scalar!("SELECT min(due_at) FROM inbox WHERE status = 'pending'")
            .fetch_one(&mut *self.connections().acquire().await?)
            .await
            .map_err(store_error)?;
        Ok(next.map(Timestamp::from_micros))
    }

    async fn apply(&self, effects: &[(InboxId, InboxEffect)]) -> Result<Vec<Applied>, StoreError> {
        if effects.is_empty() {
            return Ok(Vec::new());
        }
        self.applies().ask(effects.to_vec()).await
    }

    async fn defer(&self, verdicts: &[(InboxId, InboxVerdict)]) -> Result<(), StoreError> {
        let (mut ids, mut statuses, mut due_at) = (Vec::new(), Vec::new(), Vec::new());
        for (id, verdict) in verdicts {
            let (status, at) = match verdict {
                InboxVerdict::RetryAt(at) => ("pending", Some(at.as_micros())),
                InboxVerdict::Unmatched => ("unmatched", None),
                InboxVerdict::Dead => ("dead", None),
            };
            ids.push(id.0);
            statuses.push(status);
            due_at.push(at);
        }
        // An entry that was applied meanwhile stays so.
        sqlx::query!(
            "UPDATE inbox SET status = row.status, due_at = coalesce(row.due_at, inbox.due_at),
                 attempts = inbox.attempts + 1
             FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS row (id, status, due_at)
             WHERE inbox.id = row.id AND inbox.id = ANY($1) AND inbox.status <> 'applied'",
            &ids,
            &statuses as &[&str],
            &due_at as &[Option<i64>],
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn reseal(&self, bodies: &[(InboxId, Vec<u8>)]) -> Result<u64, StoreError> {
        let (ids, bodies): (Vec<_>, Vec<_>) =
            bodies.iter().map(|(id, body)| (id.0, body.clone())).unzip();
        let changed = sqlx::query!(
            "UPDATE inbox SET payload = given.body
             FROM unnest($1::uuid[], $2::bytea[]) AS given (id, body)
             WHERE inbox.id = given.id AND inbox.id = ANY($1) AND length(inbox.payload) > 0",
            &ids,
            &bodies,
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected())
    }

    async fn depth(&self) -> Result<InboxDepth, StoreError> {
        let depth = sqlx::query!(
            r#"
            SELECT (SELECT count(*) FROM inbox WHERE status = 'pending') AS "pending!",
                (SELECT count(*) FROM inbox WHERE status = 'dead') AS "dead!"
            "#
        )
        .fetch_one(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        let count = |messages| u64::try_from(messages).unwrap_or_default();
        Ok(InboxDepth { pending: count(depth.pending), dead: count(depth.dead) })
    }
}
