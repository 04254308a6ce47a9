//! Tenants on SQLite.

use async_trait::async_trait;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{OnUnknown, Tenant};
use messaging_core::ports::store_error::{BoxError, StoreError};
use messaging_core::ports::tenant_store::TenantStore;
use rusqlite::Row;

use crate::column::{
    self, Id, Stored, decode_all, decode_first, instant, named, suspension, suspension_columns,
};
use crate::store::SqliteStore;

impl Stored for Tenant {
    const ENTITY: &'static str = "tenant";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            name: row.get(1)?,
            created_at: instant(row, 2)?,
            suspension: suspension(row, 3)?,
            on_unknown: named(row, 6)?,
            pii: named(row, 7)?,
        })
    }
}

#[async_trait]
impl TenantStore for SqliteStore {
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO tenants (id, name, created_at, on_unknown, pii)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((
                    tenant.id.bytes(),
                    &tenant.name,
                    tenant.created_at.as_micros(),
                    tenant.on_unknown.as_str(),
                    tenant.pii.as_str(),
                ))?;
            Ok(())
        })
        .await
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii FROM tenants WHERE id = ?1",
            )?;
            decode_first(statement.query([id.bytes()])?)
        })
        .await
    }

    async fn find_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii FROM tenants WHERE name = ?1",
            )?;
            decode_first(statement.query([name])?)
        })
        .await
    }

    async fn suspend(
        &self,
        id: TenantId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Tenant>, StoreError> {
        self.write(move |connection| {
            let (since, until, reason) = suspension_columns(suspension.as_ref());
            let mut statement = connection.prepare_cached(
                "UPDATE tenants SET suspended_at = ?2, suspended_until = ?3,
                     suspension_reason = ?4
                 WHERE id = ?1
                 RETURNING id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii",
            )?;
            decode_first(statement.query((id.bytes(), since, until, reason))?)
        })
        .await
    }

    async fn set_on_unknown(
        &self,
        id: TenantId,
        on_unknown: OnUnknown,
    ) -> Result<Option<Tenant>, StoreError> {
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE tenants SET on_unknown = ?2 WHERE id = ?1
                 RETURNING id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii",
            )?;
            decode_first(statement.query((id.bytes(), on_unknown.as_str()))?)
        })
        .await
    }

    async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Option<Tenant>, StoreError> {
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE tenants SET pii = ?2 WHERE id = ?1
                 RETURNING id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii",
            )?;
            decode_first(statement.query((id.bytes(), pii.as_str()))?)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, name, created_at, suspended_at, suspended_until,
                     suspension_reason, on_unknown, pii FROM tenants ORDER BY id",
            )?;
            decode_all(statement.query([])?)
        })
        .await
    }
}
