//! Tenants on SQLite.

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
use rusqlite::{Row, params};

use crate::column::{
    self, Id, Stored, decode_all, decode_first, instant, named, optional_instant, suspension,
    suspension_columns,
};
use crate::store::SqliteStore;

/// In the order in which a tenant is read.
macro_rules! tenant_columns {
    () => {
        "id, name, created_at, suspended_at, suspended_until, suspension_reason, on_unknown, pii, \
         requests_per_minute, deleting_since, erased, max_waiting"
    };
}

mod erasure;

impl Stored for Tenant {
    const ENTITY: &'static str = "tenant";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let erased = row.get::<_, i64>(10)?.unsigned_abs();
        Ok(Self {
            id: column::id(row, 0)?,
            name: row.get(1)?,
            created_at: instant(row, 2)?,
            suspension: suspension(row, 3)?,
            on_unknown: named(row, 6)?,
            pii: named(row, 7)?,
            limits: TenantLimits { requests_per_minute: row.get(8)?, max_waiting: row.get(11)? },
            deletion: optional_instant(row, 9)?.map(|since| Deletion { since, erased }),
        })
    }
}

/// Whether the filter takes a tenant, with the name in ?1, the status in ?2 and the time in ?3.
macro_rules! taken {
    () => {
        "(?1 IS NULL OR instr(name, ?1) > 0)
         AND (?2 IS NULL OR ?2 = CASE
             WHEN deleting_since IS NOT NULL THEN 'deleting'
             WHEN suspended_at IS NOT NULL AND coalesce(suspended_until > ?3, 1) THEN 'suspended'
             ELSE 'active' END)"
    };
}

#[async_trait]
impl TenantStore for SqliteStore {
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO tenants (id, name, created_at, on_unknown, pii, requests_per_minute,
                         max_waiting)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute((
                    tenant.id.bytes(),
                    &tenant.name,
                    tenant.created_at.as_micros(),
                    tenant.on_unknown.as_str(),
                    tenant.pii.as_str(),
                    tenant.limits.requests_per_minute,
                    tenant.limits.max_waiting,
                ))?;
            Ok(())
        })
        .await
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                tenant_columns!(),
                " FROM tenants WHERE id = ?1"
            ))?;
            decode_first(statement.query([id.bytes()])?)
        })
        .await
    }

    async fn find_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                tenant_columns!(),
                " FROM tenants WHERE name = ?1"
            ))?;
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
            let mut statement = connection.prepare_cached(concat!(
                "UPDATE tenants SET suspended_at = ?2, suspended_until = ?3,
                     suspension_reason = ?4
                 WHERE id = ?1 AND deleting_since IS NULL RETURNING ",
                tenant_columns!()
            ))?;
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
            let mut statement = connection.prepare_cached(concat!(
                "UPDATE tenants SET on_unknown = ?2 WHERE id = ?1 RETURNING ",
                tenant_columns!()
            ))?;
            decode_first(statement.query((id.bytes(), on_unknown.as_str()))?)
        })
        .await
    }

    async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Option<Tenant>, StoreError> {
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "UPDATE tenants SET pii = ?2 WHERE id = ?1 RETURNING ",
                tenant_columns!()
            ))?;
            decode_first(statement.query((id.bytes(), pii.as_str()))?)
        })
        .await
    }

    async fn set_limits(
        &self,
        id: TenantId,
        limits: TenantLimits,
    ) -> Result<Option<Tenant>, StoreError> {
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "UPDATE tenants SET requests_per_minute = ?2, max_waiting = ?3 WHERE id = ?1 RETURNING ",
                tenant_columns!()
            ))?;
            let TenantLimits { requests_per_minute, max_waiting } = limits;
            decode_first(statement.query((id.bytes(), requests_per_minute, max_waiting))?)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                tenant_columns!(),
                " FROM tenants ORDER BY id"
            ))?;
            decode_all(statement.query([])?)
        })
        .await
    }

    async fn page(
        &self,
        filter: &TenantFilter,
        now: Timestamp,
        portion: PortionBy<TenantId>,
    ) -> Result<Page<Tenant>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| {
            let status = filter.status.map(TenantStatus::as_str);
            let total: i64 = connection
                .prepare_cached(concat!("SELECT count(*) FROM tenants WHERE ", taken!()))?
                .query_row(params![filter.name, status, now.as_micros()], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                tenant_columns!(),
                " FROM tenants WHERE ",
                taken!(),
                " AND id < ?4 ORDER BY id DESC LIMIT ?5 OFFSET ?6"
            ))?;
            let (limit, skipped) = column::bounds(&portion);
            let last = portion.last().map_or(&column::LAST, |last| last.bytes());
            let found = statement.query(params![
                filter.name,
                status,
                now.as_micros(),
                &last[..],
                limit,
                skipped
            ])?;
            Ok(Page::of(decode_all(found)?, total.unsigned_abs(), portion.limit()))
        })
        .await
    }

    async fn begin_deletion(
        &self,
        id: TenantId,
        at: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        self.write(move |connection| erasure::begin(connection, id, at)).await
    }

    async fn deleting(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                tenant_columns!(),
                " FROM tenants WHERE deleting_since IS NOT NULL ORDER BY id"
            ))?;
            decode_all(statement.query([])?)
        })
        .await
    }

    async fn shred(&self, id: TenantId) -> Result<(), StoreError> {
        self.shred_keys(id).await.map(|_| ())
    }

    async fn erase(&self, id: TenantId, limit: u32) -> Result<u64, StoreError> {
        self.write(move |connection| erasure::erase(connection, id, limit)).await
    }

    async fn let_go(&self, id: TenantId) -> Result<bool, StoreError> {
        self.write(move |connection| erasure::remove(connection, id)).await
    }
}
