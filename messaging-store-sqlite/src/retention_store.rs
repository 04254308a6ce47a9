//! What each tenant wants to be kept no longer, on SQLite.

use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::id::{TenantId, first_uuid_v7_at};
use messaging_core::domain::retention::RetentionRules;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::store_error::StoreError;
use rusqlite::{Connection, Row, params};

use crate::column::Id;
use crate::error::Fault;
use crate::inbox_store::remove_with_keys;
use crate::store::SqliteStore;

fn micros(time: Option<Duration>) -> Option<i64> {
    time.map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// A tenant and its rules, in four columns.
fn read(row: &Row<'_>) -> rusqlite::Result<(TenantId, RetentionRules)> {
    let time = |column| -> rusqlite::Result<Option<Duration>> {
        let kept: Option<i64> = row.get(column)?;
        Ok(kept.map(|micros| Duration::from_micros(micros.unsigned_abs())))
    };
    let rules = RetentionRules { messages: time(1)?, webhooks: time(2)?, audit: time(3)? };
    Ok((TenantId::of(row.get(0)?), rules))
}

/// Their histories go with them.
fn forget_messages(
    connection: &Connection,
    tenant: TenantId,
    end: &[u8; 16],
    limit: u32,
) -> Result<u64, Fault> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM messages WHERE id IN (
                 SELECT id FROM messages INDEXED BY messages_of_tenant
                 WHERE tenant = ?1 AND id < ?2 AND status NOT IN ('queued', 'retry', 'sending')
                 ORDER BY id LIMIT ?3
             )",
        )?
        .execute(params![tenant.bytes(), &end[..], limit])?;
    Ok(gone as u64)
}

/// What tells their repeats goes with them.
fn forget_webhooks(
    connection: &Connection,
    tenant: TenantId,
    end: &[u8; 16],
    limit: u32,
) -> Result<u64, Fault> {
    remove_with_keys(
        connection,
        "DELETE FROM inbox WHERE id IN (
             SELECT id FROM inbox INDEXED BY inbox_of_tenant
             WHERE tenant = ?1 AND id < ?2 AND status <> 'pending' ORDER BY id LIMIT ?3
         )
         RETURNING session, event, key",
        params![tenant.bytes(), &end[..], limit],
    )
}

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn set_rules(&self, tenant: TenantId, rules: RetentionRules) -> Result<(), StoreError> {
        self.write(move |connection| {
            if rules.is_empty() {
                connection
                    .prepare_cached("DELETE FROM retention_rules WHERE tenant = ?1")?
                    .execute([tenant.bytes()])?;
                return Ok(());
            }
            connection
                .prepare_cached(
                    "INSERT INTO retention_rules (tenant, messages, webhooks, audit)
                     VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (tenant) DO UPDATE SET messages = excluded.messages,
                         webhooks = excluded.webhooks, audit = excluded.audit",
                )?
                .execute(params![
                    tenant.bytes(),
                    micros(rules.messages),
                    micros(rules.webhooks),
                    micros(rules.audit),
                ])?;
            Ok(())
        })
        .await
    }

    async fn rules(&self, tenant: TenantId) -> Result<RetentionRules, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT tenant, messages, webhooks, audit FROM retention_rules WHERE tenant = ?1",
            )?;
            let mut rows = statement.query_map([tenant.bytes()], read)?;
            Ok(rows.next().transpose()?.map(|(_, rules)| rules).unwrap_or_default())
        })
        .await
    }

    async fn ruled(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, RetentionRules)>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT tenant, messages, webhooks, audit FROM retention_rules WHERE tenant > ?1
                 ORDER BY tenant LIMIT ?2",
            )?;
            let after = after.map(|after| after.bytes().to_vec()).unwrap_or_default();
            let rows = statement.query_map(params![after, limit], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn forget_messages(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let end = first_uuid_v7_at(before).into_bytes();
        self.write(move |connection| forget_messages(connection, tenant, &end, limit)).await
    }

    async fn forget_webhooks(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let end = first_uuid_v7_at(before).into_bytes();
        self.write(move |connection| forget_webhooks(connection, tenant, &end, limit)).await
    }
}
