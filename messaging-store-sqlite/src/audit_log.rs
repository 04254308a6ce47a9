//! What was done, by whom, on SQLite.

use async_trait::async_trait;
use messaging_core::domain::audit::{
    AuditEntry, AuditEvent, AuditFilter, AuditHash, Chain, ChainEnds, Link, linked,
};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use uuid::Uuid;

use crate::column::{BadColumn, Stored, decode_all, instant, named};
use crate::error::Fault;
use crate::store::SqliteStore;

/// What [`AuditEntry`] is read from, in the order of [`Stored::read`].
macro_rules! entry_columns {
    () => {
        "chain, seq, at, actor_kind, actor, role, action, target_kind, target, source, status, code, \
         request, previous, hash"
    };
}

impl Stored for AuditEntry {
    const ENTITY: &'static str = "audit entry";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let event = AuditEvent {
            chain: Chain::of_id(Uuid::from_bytes(row.get(0)?)),
            at: instant(row, 2)?,
            actor_kind: named(row, 3)?,
            actor: row.get(4)?,
            role: row.get(5)?,
            action: row.get(6)?,
            target_kind: row.get(7)?,
            target: row.get(8)?,
            source: row.get(9)?,
            status: row.get(10)?,
            code: row.get(11)?,
            request: row.get(12)?,
        };
        let (previous, hash) = (AuditHash(row.get(13)?), AuditHash(row.get(14)?));
        Ok(Self { seq: seq(row.get(1)?)?, previous, hash, event })
    }
}

impl Stored for Chain {
    const ENTITY: &'static str = "audit chain";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self::of_id(Uuid::from_bytes(row.get(0)?)))
    }
}

fn seq(kept: i64) -> Result<u64, BadColumn> {
    u64::try_from(kept).map_err(|_| BadColumn("seq"))
}

/// As far as a column can hold it: none comes near.
fn kept(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn ends(connection: &Connection, chain: Chain) -> Result<ChainEnds, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT seq, hash, anchor_seq, anchor_hash FROM audit_chains WHERE chain = ?1",
        )?
        .query_row([chain.id().as_bytes()], |row| {
            let numbers: (i64, i64) = (row.get(0)?, row.get(2)?);
            Ok((numbers, AuditHash(row.get(1)?), AuditHash(row.get(3)?)))
        })
        .optional()?;
    let Some(((head, anchor), hash, anchor_hash)) = found else {
        return Ok(ChainEnds::default());
    };
    let number = |kept| seq(kept).map_err(|bad| StoreError::corrupt(Chain::ENTITY, chain, bad));
    Ok(ChainEnds {
        anchor: Link { seq: number(anchor)?, hash: anchor_hash },
        head: Link { seq: number(head)?, hash },
    })
}

/// Nobody else writes meanwhile.
fn append(connection: &Connection, events: &[AuditEvent]) -> Result<Vec<AuditEntry>, Fault> {
    let mut chains: Vec<_> = events.iter().map(|event| event.chain).collect();
    chains.sort_unstable();
    chains.dedup();
    let mut heads = Vec::with_capacity(chains.len());
    for chain in chains {
        heads.push((chain, ends(connection, chain)?.head));
    }
    let head = |chain| heads.iter().find(|(it, _)| *it == chain).map(|(_, head)| *head);
    let entries = linked(events.iter().cloned(), |chain| head(chain).unwrap_or_default());
    let mut insert = connection.prepare_cached(concat!(
        "INSERT INTO audit_entries (",
        entry_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
    ))?;
    for entry in &entries {
        let event = &entry.event;
        insert.execute(params![
            event.chain.id().as_bytes(),
            kept(entry.seq),
            event.at.as_micros(),
            event.actor_kind.as_str(),
            event.actor,
            event.role,
            event.action,
            event.target_kind,
            event.target,
            event.source,
            event.status,
            event.code,
            event.request,
            entry.previous.0,
            entry.hash.0,
        ])?;
        if let Some((_, head)) = heads.iter_mut().find(|(chain, _)| *chain == event.chain) {
            *head = entry.link();
        }
    }
    let mut move_head = connection.prepare_cached(
        "INSERT INTO audit_chains (chain, seq, hash) VALUES (?1, ?2, ?3)
         ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
    )?;
    for (chain, head) in &heads {
        move_head.execute(params![chain.id().as_bytes(), kept(head.seq), head.hash.0])?;
    }
    Ok(entries)
}

fn list(
    connection: &Connection,
    chain: Chain,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditEntry>, Fault> {
    let mut sql =
        concat!("SELECT ", entry_columns!(), " FROM audit_entries WHERE chain = ?").to_owned();
    let mut values = vec![Value::Blob(chain.id().as_bytes().to_vec())];
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    let instant = |at: Option<Timestamp>| at.map(|at| Value::Integer(at.as_micros()));
    for (condition, value) in [
        (" AND seq < ?", before.map(|before| Value::Integer(kept(before)))),
        (" AND at >= ?", instant(filter.from)),
        (" AND at < ?", instant(filter.to)),
        (" AND action = ?", text(&filter.action)),
        (" AND actor = ?", text(&filter.actor)),
        (" AND target = ?", text(&filter.target)),
    ] {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY seq DESC LIMIT ?");
    values.push(Value::Integer(limit.into()));
    let mut statement = connection.prepare_cached(&sql)?;
    decode_all(statement.query(params_from_iter(values))?)
}

/// The anchor goes first: the table lets nothing behind it go.
fn forget(
    connection: &Connection,
    chain: Chain,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Fault> {
    let id = chain.id();
    let from = ends(connection, chain)?.anchor.seq;
    let mut oldest = connection.prepare_cached(
        "SELECT seq, hash, at FROM audit_entries WHERE chain = ?1 AND seq > ?2
         ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = oldest.query(params![id.as_bytes(), kept(from), limit])?;
    let mut last: Option<(i64, [u8; 32])> = None;
    let mut gone = 0;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(2)? >= before.as_micros() {
            break;
        }
        last = Some((row.get(0)?, row.get(1)?));
        gone += 1;
    }
    if let Some((seq, hash)) = last {
        connection
            .prepare_cached(
                "UPDATE audit_chains SET anchor_seq = ?2, anchor_hash = ?3 WHERE chain = ?1",
            )?
            .execute(params![id.as_bytes(), seq, hash])?;
        connection
            .prepare_cached("DELETE FROM audit_entries WHERE chain = ?1 AND seq <= ?2")?
            .execute(params![id.as_bytes(), seq])?;
    }
    Ok(gone)
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn append(&self, events: &[AuditEvent]) -> Result<Vec<AuditEntry>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let events = events.to_vec();
        self.write(move |connection| append(connection, &events)).await
    }

    async fn list(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| list(connection, chain, &filter, before, limit)).await
    }

    async fn walk(
        &self,
        chain: Chain,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                entry_columns!(),
                " FROM audit_entries WHERE chain = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
            ))?;
            decode_all(statement.query(params![chain.id().as_bytes(), kept(after), limit])?)
        })
        .await
    }

    async fn ends(&self, chain: Chain) -> Result<ChainEnds, StoreError> {
        self.read(move |connection| ends(connection, chain)).await
    }

    async fn chains(&self, after: Option<Chain>, limit: u32) -> Result<Vec<Chain>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT chain FROM audit_chains WHERE chain > ?1
                 UNION SELECT chain FROM audit_entries WHERE chain > ?1
                 ORDER BY chain LIMIT ?2",
            )?;
            let after = after.map(|after| after.id().as_bytes().to_vec()).unwrap_or_default();
            decode_all(statement.query(params![after, limit])?)
        })
        .await
    }

    async fn forget(&self, chain: Chain, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(move |connection| forget(connection, chain, before, limit)).await
    }
}
