//! Webhooks received, on SQLite.

mod apply;

use async_trait::async_trait;
use messaging_core::domain::id::InboxId;
use messaging_core::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::inbox_store::{InboxDepth, InboxStore};
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, Params, Row};

use crate::column::{self, Id, Stored, decode_all, instant};
use crate::error::Fault;
use crate::inbox_store::apply::Prepared;
use crate::person_store::for_good;
use crate::store::SqliteStore;

impl Stored for InboxEntry {
    const ENTITY: &'static str = "inbox entry";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            session: column::id(row, 2)?,
            event: row.get(3)?,
            key: row.get(4)?,
            attempts: row.get(5)?,
            due_at: instant(row, 6)?,
            received_at: instant(row, 7)?,
            payload: row.get(8)?,
            // Only what is to be applied is read back.
            has_effect: true,
        })
    }
}

#[async_trait]
impl InboxStore for SqliteStore {
    async fn keep(&self, entries: &[InboxEntry]) -> Result<Vec<Kept>, StoreError> {
        let entries = entries.to_vec();
        self.write(move |connection| entries.iter().map(|entry| keep(connection, entry)).collect())
            .await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxEntry>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, tenant, session, event, key, attempts, due_at, received_at, payload
                 FROM inbox INDEXED BY inbox_pending
                 WHERE status = 'pending' AND due_at <= ?1 ORDER BY id LIMIT ?2",
            )?;
            decode_all(statement.query((now.as_micros(), limit))?)
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let next: Option<i64> = connection
                .prepare_cached(
                    "SELECT min(due_at) FROM inbox INDEXED BY inbox_pending
                     WHERE status = 'pending'",
                )?
                .query_row([], |row| row.get(0))?;
            Ok(next.map(Timestamp::from_micros))
        })
        .await
    }

    async fn apply(&self, effects: &[(InboxId, InboxEffect)]) -> Result<Vec<Applied>, StoreError> {
        let effects = effects
            .iter()
            .map(|(id, effect)| Ok((*id, Prepared::new(effect.clone())?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        self.write(move |connection| {
            effects.iter().map(|(id, effect)| apply::apply(connection, *id, effect)).collect()
        })
        .await
    }

    async fn defer(&self, verdicts: &[(InboxId, InboxVerdict)]) -> Result<(), StoreError> {
        let verdicts = verdicts.to_vec();
        self.write(move |connection| {
            verdicts.iter().try_for_each(|(id, verdict)| defer(connection, *id, *verdict))
        })
        .await
    }

    async fn reseal(&self, bodies: &[(InboxId, Vec<u8>)]) -> Result<u64, StoreError> {
        let bodies = bodies.to_vec();
        self.write(move |connection| {
            for_good(connection, || {
                let mut reseal = connection.prepare_cached(
                    "UPDATE inbox SET payload = ?2 WHERE id = ?1 AND length(payload) > 0",
                )?;
                let mut changed = 0;
                for (id, body) in &bodies {
                    changed += reseal.execute((id.bytes(), body))? as u64;
                }
                Ok(changed)
            })
        })
        .await
    }

    async fn depth(&self) -> Result<InboxDepth, StoreError> {
        self.read(|connection| {
            let count = |sql| {
                let count: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
                Ok::<_, Fault>(u64::try_from(count).unwrap_or(0))
            };
            Ok(InboxDepth {
                pending: count("SELECT count(*) FROM inbox WHERE status = 'pending'")?,
                dead: count("SELECT count(*) FROM inbox WHERE status = 'dead'")?,
            })
        })
        .await
    }
}

fn keep(connection: &Connection, entry: &InboxEntry) -> Result<Kept, Fault> {
    let is_new = connection
        .prepare_cached(
            "INSERT INTO inbox_keys (session, event, key, received_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute((
            entry.session.bytes(),
            &entry.event,
            &entry.key,
            entry.received_at.as_micros(),
        ))?
        == 1;
    if !is_new {
        return Ok(Kept::Repeat);
    }
    connection
        .prepare_cached(
            "INSERT INTO inbox (
                 id, tenant, session, event, key, status, attempts, due_at, received_at, payload
             ) VALUES (?1, ?2, ?3, ?4, ?5, ?10, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            entry.id.bytes(),
            entry.tenant.bytes(),
            entry.session.bytes(),
            &entry.event,
            &entry.key,
            entry.attempts,
            entry.due_at.as_micros(),
            entry.received_at.as_micros(),
            &entry.payload,
            if entry.has_effect { "pending" } else { "applied" },
        ))?;
    Ok(Kept::New)
}

/// Lets go of webhooks by a statement that gives session, event and key of each, and of what tells their
/// repeats.
pub(crate) fn remove_with_keys(
    connection: &Connection,
    remove: &str,
    which: impl Params,
) -> Result<u64, Fault> {
    let gone: Vec<([u8; 16], String, String)> = connection
        .prepare_cached(remove)?
        .query_map(which, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut forget = connection
        .prepare_cached("DELETE FROM inbox_keys WHERE session = ?1 AND event = ?2 AND key = ?3")?;
    for (session, event, key) in &gone {
        forget.execute((session, event, key))?;
    }
    Ok(gone.len() as u64)
}

/// An entry that was applied meanwhile stays so.
fn defer(connection: &Connection, id: InboxId, verdict: InboxVerdict) -> Result<(), Fault> {
    let (status, due_at) = match verdict {
        InboxVerdict::RetryAt(at) => ("pending", Some(at.as_micros())),
        InboxVerdict::Unmatched => ("unmatched", None),
        InboxVerdict::Dead => ("dead", None),
    };
    connection
        .prepare_cached(
            "UPDATE inbox SET status = ?2, due_at = coalesce(?3, due_at), attempts = attempts + 1
             WHERE id = ?1 AND status <> 'applied'",
        )?
        .execute((id.bytes(), status, due_at))?;
    Ok(())
}
