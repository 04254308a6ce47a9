//! Tenants, whose keys go with them.

use std::sync::Arc;

use async_trait::async_trait;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{OnUnknown, Tenant};
use messaging_core::domain::tenant_life::{TenantFilter, TenantLimits};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::tenant_store::TenantStore;

use crate::vault::Vault;

/// Shreds a tenant's keys in the vault, too, when any store of tenants is to: what the store forgets
/// this node must not remember.
pub struct ShreddedTenants {
    inner: Arc<dyn TenantStore>,
    vault: Arc<Vault>,
}

impl ShreddedTenants {
    /// Keeps tenants in `inner`.
    pub fn new(inner: Arc<dyn TenantStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }
}

#[async_trait]
impl TenantStore for ShreddedTenants {
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.inner.insert(tenant).await
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.inner.find(id).await
    }

    async fn find_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        self.inner.find_named(name).await
    }

    async fn suspend(
        &self,
        id: TenantId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Tenant>, StoreError> {
        self.inner.suspend(id, suspension).await
    }

    async fn set_on_unknown(
        &self,
        id: TenantId,
        on_unknown: OnUnknown,
    ) -> Result<Option<Tenant>, StoreError> {
        self.inner.set_on_unknown(id, on_unknown).await
    }

    async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Option<Tenant>, StoreError> {
        self.inner.set_pii(id, pii).await
    }

    async fn set_limits(
        &self,
        id: TenantId,
        limits: TenantLimits,
    ) -> Result<Option<Tenant>, StoreError> {
        self.inner.set_limits(id, limits).await
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        self.inner.list().await
    }

    async fn page(
        &self,
        filter: &TenantFilter,
        now: Timestamp,
        portion: PortionBy<TenantId>,
    ) -> Result<Page<Tenant>, StoreError> {
        self.inner.page(filter, now, portion).await
    }

    async fn begin_deletion(
        &self,
        id: TenantId,
        at: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        self.inner.begin_deletion(id, at).await
    }

    async fn deleting(&self) -> Result<Vec<Tenant>, StoreError> {
        self.inner.deleting().await
    }

    async fn shred(&self, id: TenantId) -> Result<(), StoreError> {
        self.vault.shred(id).await?;
        self.inner.shred(id).await
    }

    async fn erase(&self, id: TenantId, limit: u32) -> Result<u64, StoreError> {
        self.inner.erase(id, limit).await
    }

    async fn let_go(&self, id: TenantId) -> Result<bool, StoreError> {
        let is_gone = self.inner.let_go(id).await?;
        if is_gone {
            self.vault.forget(id);
        }
        Ok(is_gone)
    }
}
