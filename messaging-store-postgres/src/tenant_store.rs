//! Tenants on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{OnUnknown, Tenant};
use messaging_core::ports::store_error::{BoxError, StoreError};
use messaging_core::ports::tenant_store::TenantStore;
use uuid::Uuid;

use crate::error::store_error;
use crate::named::{Stored, decode_all, instant, named, suspension, suspension_columns};
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
        })
    }
}

#[async_trait]
impl TenantStore for PostgresStore {
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO tenants (id, name, created_at, on_unknown, pii) VALUES ($1, $2, $3, $4, $5)",
            tenant.id.0,
            &*text::kept(&tenant.name),
            tenant.created_at.as_micros(),
            tenant.on_unknown.as_str(),
            tenant.pii.as_str(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(
            TenantRow,
            "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii FROM tenants WHERE id = $1",
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
            "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii FROM tenants WHERE name = $1",
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
                 WHERE id = $1
                 RETURNING id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii",
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
                 WHERE tenant = $1",
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
             RETURNING id, name, created_at, suspended_at, suspended_until,
                 suspension_reason, on_unknown, pii",
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
             RETURNING id, name, created_at, suspended_at, suspended_until,
                 suspension_reason, on_unknown, pii",
            id.0,
            pii.as_str(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows =
            sqlx::query_as!(TenantRow, "SELECT id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii FROM tenants ORDER BY id")
                .fetch_all(&mut *self.connections().acquire().await?)
                .await
                .map_err(store_error)?;
        decode_all(rows)
    }
}
