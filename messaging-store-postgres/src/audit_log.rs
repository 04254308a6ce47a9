//! What was done, by whom, on PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging_core::domain::audit::{
    AuditEntry, AuditEvent, AuditFilter, AuditHash, Chain, ChainEnds, Link, linked,
};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::connections::Lent;
use crate::error::store_error;
use crate::named::{BadColumn, Stored, decode_all, instant, named};
use crate::store::PostgresStore;
use crate::text;
use crate::together::{Fault, Work};

struct EntryRow {
    chain: Uuid,
    seq: i64,
    at: i64,
    actor_kind: String,
    actor: String,
    role: Option<String>,
    action: String,
    target_kind: Option<String>,
    target: Option<String>,
    source: Option<String>,
    status: i32,
    code: Option<String>,
    request: Option<String>,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored for EntryRow {
    type Value = AuditEntry;
    const ENTITY: &'static str = "audit entry";

    fn id(&self) -> Uuid {
        self.chain
    }

    fn read(self) -> Result<AuditEntry, BoxError> {
        let event = AuditEvent {
            chain: Chain::of_id(self.chain),
            at: instant(self.at)?,
            actor_kind: named(&self.actor_kind)?,
            actor: text::given(self.actor),
            role: self.role.map(text::given),
            action: text::given(self.action),
            target_kind: self.target_kind.map(text::given),
            target: self.target.map(text::given),
            source: self.source.map(text::given),
            status: u16::try_from(self.status).map_err(|_| BadColumn("status"))?,
            code: self.code.map(text::given),
            request: self.request.map(text::given),
        };
        let (previous, hash) = (hash(self.previous)?, hash(self.hash)?);
        Ok(AuditEntry { seq: seq(self.seq)?, previous, hash, event })
    }
}

fn seq(kept: i64) -> Result<u64, BadColumn> {
    u64::try_from(kept).map_err(|_| BadColumn("seq"))
}

/// As far as a column can hold it: none comes near.
fn kept(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn hash(kept: Vec<u8>) -> Result<AuditHash, BadColumn> {
    kept.try_into().map(AuditHash).map_err(|_| BadColumn("hash"))
}

fn link(chain: Uuid, number: i64, kept: Vec<u8>) -> Result<Link, StoreError> {
    let corrupt = |bad| StoreError::corrupt("audit chain", chain, bad);
    Ok(Link { seq: seq(number).map_err(corrupt)?, hash: hash(kept).map_err(corrupt)? })
}

/// Entries that many callers append.
pub(crate) struct Appends;

#[async_trait]
impl Work for Appends {
    type Request = Vec<AuditEvent>;
    type Answer = Vec<AuditEntry>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<AuditEvent>],
    ) -> Result<(Vec<Vec<AuditEntry>>, u64), Fault> {
        let mut transaction = connection.begin().await?;
        let mut statements = 5;
        // In the order of their ids, so that two transactions never wait for one another.
        let mut chains: Vec<_> = requests.iter().flatten().map(|it| it.chain.id()).collect();
        chains.sort_unstable();
        chains.dedup();
        let mut heads = lock(&mut transaction, &chains).await?;
        if heads.len() < chains.len() {
            begin(&mut transaction, &chains).await?;
            heads = lock(&mut transaction, &chains).await?;
            statements += 2;
        }
        let head = |chain: Chain| heads.get(&chain.id()).copied().unwrap_or_default();
        let entries = linked(requests.iter().flatten().cloned(), head);
        insert(&mut transaction, &entries).await?;
        for entry in &entries {
            heads.insert(entry.event.chain.id(), entry.link());
        }
        move_heads(&mut transaction, &heads).await?;
        transaction.commit().await?;
        let mut entries = entries.into_iter();
        let answer = |asked: &Vec<_>| entries.by_ref().take(asked.len()).collect();
        Ok((requests.iter().map(answer).collect(), statements))
    }
}

/// The heads of these chains, which nobody else moves meanwhile.
async fn lock(
    connection: &mut PgConnection,
    chains: &[Uuid],
) -> Result<BTreeMap<Uuid, Link>, Fault> {
    let rows = sqlx::query!(
        "SELECT chain, seq, hash FROM audit_chains WHERE chain = ANY($1) ORDER BY chain FOR UPDATE",
        chains,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok((row.chain, link(row.chain, row.seq, row.hash)?))).collect()
}

/// Makes those of these chains that are not there yet.
async fn begin(connection: &mut PgConnection, chains: &[Uuid]) -> Result<(), Fault> {
    sqlx::query!(
        "INSERT INTO audit_chains (chain) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        chains,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert(connection: &mut PgConnection, entries: &[AuditEntry]) -> Result<(), Fault> {
    let text = |of: fn(&AuditEvent) -> &str| -> Vec<String> {
        entries.iter().map(|it| text::kept(of(&it.event)).into_owned()).collect()
    };
    let optional = |of: fn(&AuditEvent) -> Option<&String>| -> Vec<Option<String>> {
        entries.iter().map(|it| of(&it.event).map(|it| text::kept(it).into_owned())).collect()
    };
    sqlx::query!(
        "INSERT INTO audit_entries (
             chain, seq, at, actor_kind, actor, role, action, target_kind, target, source, status,
             code, request, previous, hash
         )
         SELECT * FROM unnest(
             $1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::integer[], $12::text[], $13::text[],
             $14::bytea[], $15::bytea[]
         )",
        &entries.iter().map(|it| it.event.chain.id()).collect::<Vec<_>>(),
        &entries.iter().map(|it| kept(it.seq)).collect::<Vec<_>>(),
        &entries.iter().map(|it| it.event.at.as_micros()).collect::<Vec<_>>(),
        &text(|it| it.actor_kind.as_str()),
        &text(|it| &it.actor),
        &optional(|it| it.role.as_ref()) as &[Option<String>],
        &text(|it| &it.action),
        &optional(|it| it.target_kind.as_ref()) as &[Option<String>],
        &optional(|it| it.target.as_ref()) as &[Option<String>],
        &optional(|it| it.source.as_ref()) as &[Option<String>],
        &entries.iter().map(|it| i32::from(it.event.status)).collect::<Vec<_>>(),
        &optional(|it| it.code.as_ref()) as &[Option<String>],
        &optional(|it| it.request.as_ref()) as &[Option<String>],
        &entries.iter().map(|it| it.previous.0.to_vec()).collect::<Vec<_>>(),
        &entries.iter().map(|it| it.hash.0.to_vec()).collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn move_heads(
    connection: &mut PgConnection,
    heads: &BTreeMap<Uuid, Link>,
) -> Result<(), Fault> {
    sqlx::query!(
        "UPDATE audit_chains SET seq = head.seq, hash = head.hash
         FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS head (chain, seq, hash)
         WHERE audit_chains.chain = head.chain",
        &heads.keys().copied().collect::<Vec<_>>(),
        &heads.values().map(|head| kept(head.seq)).collect::<Vec<_>>(),
        &heads.values().map(|head| head.hash.0.to_vec()).collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl PostgresStore {
    /// A connection that sees a chain: a tenant's under its role.
    async fn of_chain(&self, chain: Chain) -> Result<Lent, StoreError> {
        match chain {
            Chain::Tenant(tenant) => self.of_tenant(tenant).await,
            Chain::Platform => self.connections().acquire().await,
        }
    }
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn append(&self, events: &[AuditEvent]) -> Result<Vec<AuditEntry>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.appends().ask(events.to_vec()).await
    }

    async fn list(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let text = |text: &Option<String>| text.as_deref().map(|it| text::kept(it).into_owned());
        let rows = sqlx::query_as!(
            EntryRow,
            "SELECT chain, seq, at, actor_kind, actor, role, action, target_kind, target, source,
                 status, code, request, previous, hash
             FROM audit_entries
             WHERE chain = $1 AND seq < $2 AND at >= $3 AND at < $4
                 AND ($5::text IS NULL OR action = $5) AND ($6::text IS NULL OR actor = $6)
                 AND ($7::text IS NULL OR target = $7)
             ORDER BY seq DESC LIMIT $8",
            chain.id(),
            before.map_or(i64::MAX, kept),
            filter.from.map_or(i64::MIN, Timestamp::as_micros),
            filter.to.map_or(i64::MAX, Timestamp::as_micros),
            text(&filter.action),
            text(&filter.actor),
            text(&filter.target),
            i64::from(limit),
        )
        .fetch_all(&mut *self.of_chain(chain).await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn walk(
        &self,
        chain: Chain,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query_as!(
            EntryRow,
            "SELECT chain, seq, at, actor_kind, actor, role, action, target_kind, target, source,
                 status, code, request, previous, hash
             FROM audit_entries WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            chain.id(),
            kept(after),
            i64::from(limit),
        )
        .fetch_all(&mut *self.of_chain(chain).await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn ends(&self, chain: Chain) -> Result<ChainEnds, StoreError> {
        let found = sqlx::query!(
            "SELECT seq, hash, anchor_seq, anchor_hash FROM audit_chains WHERE chain = $1",
            chain.id(),
        )
        .fetch_optional(&mut *self.of_chain(chain).await?)
        .await
        .map_err(store_error)?;
        let Some(row) = found else { return Ok(ChainEnds::default()) };
        Ok(ChainEnds {
            anchor: link(chain.id(), row.anchor_seq, row.anchor_hash)?,
            head: link(chain.id(), row.seq, row.hash)?,
        })
    }

    async fn chains(&self, after: Option<Chain>, limit: u32) -> Result<Vec<Chain>, StoreError> {
        let found = sqlx::query_scalar!(
            r#"SELECT chain AS "chain!" FROM (
                 SELECT chain FROM audit_chains UNION SELECT chain FROM audit_entries
             ) known
             WHERE $1::uuid IS NULL OR chain > $1 ORDER BY chain LIMIT $2"#,
            after.map(Chain::id),
            i64::from(limit),
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(found.into_iter().map(Chain::of_id).collect())
    }

    async fn forget(&self, chain: Chain, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let mut transaction = connection.begin().await.map_err(store_error)?;
        // Up to the last of the oldest that are all older. The row is held, so that nobody else
        // moves the anchor meanwhile.
        let found = sqlx::query!(
            r#"
            WITH held AS (
                SELECT chain, anchor_seq FROM audit_chains WHERE chain = $1 FOR UPDATE
            ), oldest AS (
                SELECT entry.seq, entry.hash, bool_and(entry.at < $2) OVER (ORDER BY entry.seq) AS old
                FROM held, LATERAL (
                    SELECT seq, hash, at FROM audit_entries
                    WHERE audit_entries.chain = held.chain AND seq > held.anchor_seq
                    ORDER BY seq LIMIT $3
                ) AS entry
            )
            SELECT seq, hash, count(*) OVER () AS "entries!" FROM oldest WHERE old
            ORDER BY seq DESC LIMIT 1
            "#,
            chain.id(),
            before.as_micros(),
            i64::from(limit),
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(store_error)?;
        let Some(last) = found else { return Ok(0) };
        // The anchor first: the table lets nothing behind it go.
        sqlx::query!(
            "UPDATE audit_chains SET anchor_seq = $2, anchor_hash = $3 WHERE chain = $1",
            chain.id(),
            last.seq,
            last.hash,
        )
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        sqlx::query!(
            "DELETE FROM audit_entries WHERE chain = $1 AND seq <= $2",
            chain.id(),
            last.seq,
        )
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        transaction.commit().await.map_err(store_error)?;
        Ok(last.entries.unsigned_abs())
    }
}
