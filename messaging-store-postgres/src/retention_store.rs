//! What each tenant wants to be kept no longer, on PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::id::{TenantId, first_uuid_v7_at};
use messaging_core::domain::retention::RetentionRules;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::store_error::StoreError;
use uuid::Uuid;

use crate::error::store_error;
use crate::store::PostgresStore;

struct RulesRow {
    tenant: Uuid,
    messages: Option<i64>,
    webhooks: Option<i64>,
    audit: Option<i64>,
}

impl RulesRow {
    fn read(self) -> (TenantId, RetentionRules) {
        let time = |micros: Option<i64>| micros.map(|it| Duration::from_micros(it.unsigned_abs()));
        let rules = RetentionRules {
            messages: time(self.messages),
            webhooks: time(self.webhooks),
            audit: time(self.audit),
        };
        (TenantId(self.tenant), rules)
    }
}

fn micros(time: Option<Duration>) -> Option<i64> {
    time.map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

#[async_trait]
impl RetentionStore for PostgresStore {
    async fn set_rules(&self, tenant: TenantId, rules: RetentionRules) -> Result<(), StoreError> {
        let mut connection = self.connections().acquire().await?;
        let done = if rules.is_empty() {
            sqlx::query!("DELETE FROM retention_rules WHERE tenant = $1", tenant.0)
                .execute(&mut *connection)
                .await
        } else {
            sqlx::query!(
                "INSERT INTO retention_rules (tenant, messages, webhooks, audit)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (tenant) DO UPDATE SET messages = EXCLUDED.messages,
                     webhooks = EXCLUDED.webhooks, audit = EXCLUDED.audit",
                tenant.0,
                micros(rules.messages),
                micros(rules.webhooks),
                micros(rules.audit),
            )
            .execute(&mut *connection)
            .await
        };
        done.map(|_| ()).map_err(store_error)
    }

    async fn rules(&self, tenant: TenantId) -> Result<RetentionRules, StoreError> {
        let found = sqlx::query_as!(
            RulesRow,
            "SELECT tenant, messages, webhooks, audit FROM retention_rules WHERE tenant = $1",
            tenant.0,
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(found.map(|row| row.read().1).unwrap_or_default())
    }

    async fn ruled(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, RetentionRules)>, StoreError> {
        let found = sqlx::query_as!(
            RulesRow,
            "SELECT tenant, messages, webhooks, audit FROM retention_rules WHERE tenant > $1
             ORDER BY tenant LIMIT $2",
            after.map_or(Uuid::nil(), |after| after.0),
            i64::from(limit),
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(found.into_iter().map(RulesRow::read).collect())
    }

    async fn forget_messages(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let old = sqlx::query_scalar!(
            "SELECT id FROM messages
             WHERE tenant = $1 AND id < $2 AND status NOT IN ('queued', 'retry', 'sending')
             ORDER BY id LIMIT $3",
            tenant.0,
            first_uuid_v7_at(before),
            i64::from(limit),
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
        if old.is_empty() {
            return Ok(0);
        }
        sqlx::query_scalar!(
            r#"
            WITH locked AS (
                -- Somebody may have had one sent again meanwhile.
                SELECT id FROM messages
                WHERE id = ANY($1::uuid[]) AND status NOT IN ('queued', 'retry', 'sending')
                ORDER BY id FOR UPDATE
            ), gone AS (
                -- The second says the same once more, where it lets months be passed over.
                DELETE FROM messages m USING locked WHERE m.id = locked.id AND m.id = ANY($1)
                RETURNING m.id, m.tenant, m.created_at, m.session, m.direction, m.kind, m.status,
                    m.provider_message_id
            ), said AS (
                DELETE FROM message_contents c USING gone
                WHERE c.message = gone.id AND c.message = ANY($1)
            ), told AS (
                DELETE FROM message_events e USING gone
                WHERE e.message = gone.id AND e.message = ANY($1)
            ), named AS (
                DELETE FROM provider_ids p USING gone
                WHERE p.session = gone.session AND p.provider_message_id = gone.provider_message_id
                    AND p.message = gone.id
            ), counted AS (
                INSERT INTO message_count_changes (
                    tenant, hour, session, direction, kind, status, messages
                )
                SELECT tenant, created_at - created_at % 3600000000, session, direction, kind,
                    status, -count(*)
                FROM gone GROUP BY 1, 2, 3, 4, 5, 6
            )
            SELECT count(*) AS "gone!" FROM gone
            "#,
            &old,
        )
        .fetch_one(&mut *connection)
        .await
        .map(i64::unsigned_abs)
        .map_err(store_error)
    }

    async fn forget_webhooks(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        sqlx::query_scalar!(
            r#"
            WITH old AS (
                SELECT id FROM inbox WHERE tenant = $1 AND id < $2 AND status <> 'pending'
                ORDER BY id LIMIT $3 FOR UPDATE
            ), gone AS (
                DELETE FROM inbox i USING old WHERE i.id = old.id AND i.id < $2
                RETURNING i.session, i.event, i.key
            ), known AS (
                DELETE FROM inbox_keys k USING gone
                WHERE k.session = gone.session AND k.event = gone.event AND k.key = gone.key
            )
            SELECT count(*) AS "gone!" FROM gone
            "#,
            tenant.0,
            first_uuid_v7_at(before),
            i64::from(limit),
        )
        .fetch_one(&mut *self.connections().acquire().await?)
        .await
        .map(i64::unsigned_abs)
        .map_err(store_error)
    }
}
