//! Tenants on PostgreSQL.

mod erasure;

use async_trait::async_trait;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{OnUnknown, Tenant};
use messaging_core::domain::tenant_life::{Deletion, TenantFilter, TenantLimits, TenantStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::key_store::KeyStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use messaging_core::ports::tenant_store::TenantStore;
use uuid::Uuid;

use crate::error::store_error;
use crate::named::{
    Stored, bounds, count, decode_all, instant, named, optional_instant, suspension,
    suspension_columns,
};
use crate::store::PostgresStore;
use crate::text;

struct TenantRow {
    id: Uuid,
    name: String,
    created_at: i64,
    suspended_at: Option<i64>,
    suspended_until: Option<i64>,
    suspension_reason: Option<String>,
    on_unknown: String,
    pii: String,
    requests_per_minute: Option<i64>,
    max_waiting: Option<i64>,
    deleting_since: Option<i64>,
    erased: i64,
}

impl Stored for TenantRow {
    type Value = Tenant;
    const ENTITY: &'static str = "tenant";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<Tenant, BoxError> {
        Ok(Tenant {
            id: TenantId(self.id),
            name: text::given(self.name),
            created_at: instant(self.created_at)?,
            suspension: suspension(
                self.suspended_at,
                self.suspended_until,
                self.suspension_reason,
            )?,
            on_unknown: named(&self.on_unknown)?,
            pii: named(&self.pii)?,
            limits: TenantLimits {
                requests_per_minute: self.requests_per_minute.map(u32::try_from).transpose()?,
                max_waiting: self.max_waiting.map(u32::try_from).transpose()?,
            },
            deletion: optional_instant(self.deleting_since)?
                .map(|since| Deletion { since, erased: self.erased.unsigned_abs() }),
        })
    }
}

#[async_trait]
impl TenantStore for PostgresStore {
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO tenants (id, name, created_at, on_unknown, pii, requests_per_minute, max_waiting)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            tenant.id.0,
            &*text::kept(&tenant.name),
            tenant.created_at.as_micros(),
            tenant.on_unknown.as_str(),
            tenant.pii.as_str(),
            tenant.limits.requests_per_minute.map(i64::from),
            tenant.limits.max_waiting.map(i64::from),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(
            TenantRow,
            "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased FROM tenants WHERE id = $1",
            id.0
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn find_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(
            TenantRow,
            "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased FROM tenants WHERE name = $1",
            &*text::kept(name),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn suspend(
        &self,
        id: TenantId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Tenant>, StoreError> {
        let (since, until, reason) = suspension_columns(suspension.as_ref());
        let mut connection = self.connections().acquire().await?;
        let suspend = async {
            let mut transaction = connection.begin().await?;
            let row = sqlx::query_as!(
                TenantRow,
                "UPDATE tenants
                 SET suspended_at = $2, suspended_until = $3, suspension_reason = $4
                 WHERE id = $1 AND deleting_since IS NULL
                 RETURNING id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased",
                id.0,
                since,
                until,
                reason.as_deref(),
            )
            .fetch_optional(&mut *transaction)
            .await?;
            // In a statement after the lock, which so sees all sessions made under it.
            sqlx::query!(
                "UPDATE sessions SET tenant_suspended_at = $2, tenant_suspended_until = $3,
                     tenant_suspension_reason = $4
                 WHERE tenant = $1
                     AND EXISTS (SELECT FROM tenants WHERE id = $1 AND deleting_since IS NULL)",
                id.0,
                since,
                until,
                reason,
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(row)
        };
        let row = suspend.await.map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn set_on_unknown(
        &self,
        id: TenantId,
        on_unknown: OnUnknown,
    ) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(
            TenantRow,
            "UPDATE tenants SET on_unknown = $2 WHERE id = $1
             RETURNING id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased",
            id.0,
            on_unknown.as_str(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(
            TenantRow,
            "UPDATE tenants SET pii = $2 WHERE id = $1
             RETURNING id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased",
            id.0,
            pii.as_str(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn set_limits(
        &self,
        id: TenantId,
        limits: TenantLimits,
    ) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(
            TenantRow,
            "UPDATE tenants SET requests_per_minute = $2, max_waiting = $3 WHERE id = $1
             RETURNING id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased",
            id.0,
            limits.requests_per_minute.map(i64::from),
            limits.max_waiting.map(i64::from),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows =
            sqlx::query_as!(TenantRow, "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased FROM tenants ORDER BY id")
                .fetch_all(&mut *self.connections().acquire().await?)
                .await
                .map_err(store_error)?;
        decode_all(rows)
    }

    async fn page(
        &self,
        filter: &TenantFilter,
        now: Timestamp,
        portion: PortionBy<TenantId>,
    ) -> Result<Page<Tenant>, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let name = filter.name.as_deref().map(text::kept);
        let status = filter.status.map(TenantStatus::as_str);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "tenants!" FROM tenants
             WHERE ($1::text IS NULL OR position($1 IN name) > 0)
                 AND ($2::text IS NULL OR $2 = CASE
                     WHEN deleting_since IS NOT NULL THEN 'deleting'
                     WHEN suspended_at IS NOT NULL AND coalesce(suspended_until > $3, true)
                         THEN 'suspended'
                     ELSE 'active' END)"#,
            name.as_deref(),
            status,
            now.as_micros(),
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
        let (limit, skipped) = bounds(&portion);
        let rows = sqlx::query_as!(
            TenantRow,
            "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased
             FROM tenants
             WHERE ($1::text IS NULL OR position($1 IN name) > 0)
                 AND ($2::text IS NULL OR $2 = CASE
                     WHEN deleting_since IS NOT NULL THEN 'deleting'
                     WHEN suspended_at IS NOT NULL AND coalesce(suspended_until > $3, true)
                         THEN 'suspended'
                     ELSE 'active' END)
                 AND id < $4
             ORDER BY id DESC LIMIT $5 OFFSET $6",
            name.as_deref(),
            status,
            now.as_micros(),
            portion.last().map_or(Uuid::max(), |last| last.0),
            limit,
            skipped,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
        let total = count(total, "tenants")
            .map_err(|source| StoreError::corrupt(TenantRow::ENTITY, "all", source))?;
        Ok(Page::of(decode_all(rows)?, total, portion.limit()))
    }

    async fn begin_deletion(
        &self,
        id: TenantId,
        at: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let begin = async {
            let mut transaction = connection.begin().await?;
            erasure::begin(&mut transaction, id, at).await?;
            transaction.commit().await
        };
        begin.await.map_err(store_error)?;
        drop(connection);
        TenantStore::find(self, id).await
    }

    async fn deleting(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query_as!(
            TenantRow,
            "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii,
                 requests_per_minute, max_waiting, deleting_since, erased
             FROM tenants WHERE deleting_since IS NOT NULL ORDER BY id",
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn shred(&self, id: TenantId) -> Result<(), StoreError> {
        self.shred_keys(id).await.map(|_| ())
    }

    async fn erase(&self, id: TenantId, limit: u32) -> Result<u64, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let erase = async {
            let mut transaction = connection.begin().await?;
            let gone = erasure::erase(&mut transaction, id, limit).await?;
            transaction.commit().await?;
            Ok(gone)
        };
        erase.await.map_err(store_error)
    }

    async fn let_go(&self, id: TenantId) -> Result<bool, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let remove = async {
            let mut transaction = connection.begin().await?;
            let is_gone = erasure::remove(&mut transaction, id).await?;
            transaction.commit().await?;
            Ok(is_gone)
        };
        remove.await.map_err(store_error)
    }
}
