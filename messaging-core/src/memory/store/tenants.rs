//! Tenants in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::suspension::Suspension;
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::ports::store_error::StoreError;
use crate::ports::tenant_store::TenantStore;

#[derive(Default)]
pub(super) struct Tenants {
    rows: BTreeMap<TenantId, Tenant>,
    by_name: BTreeMap<String, TenantId>,
}

impl Tenants {
    pub(super) fn suspension(&self, id: TenantId) -> Option<Suspension> {
        self.rows.get(&id)?.suspension.clone()
    }

    fn insert(&mut self, tenant: &Tenant) -> Result<(), StoreError> {
        if self.rows.contains_key(&tenant.id) {
            return Err(StoreError::Conflict { entity: "tenant" });
        }
        if self.by_name.contains_key(&tenant.name) {
            return Err(StoreError::Conflict { entity: "tenant name" });
        }
        self.by_name.insert(tenant.name.clone(), tenant.id);
        self.rows.insert(tenant.id, tenant.clone());
        Ok(())
    }
}

#[async_trait]
impl TenantStore for MemoryStore {
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError> {
        self.lock().tenants.insert(tenant)
    }

    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(self.lock().tenants.rows.get(&id).cloned())
    }

    async fn find_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let known = &self.lock().tenants;
        Ok(known.by_name.get(name).and_then(|id| known.rows.get(id)).cloned())
    }

    async fn suspend(
        &self,
        id: TenantId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Tenant>, StoreError> {
        let state = &mut self.lock();
        let Some(tenant) = state.tenants.rows.get_mut(&id) else { return Ok(None) };
        tenant.suspension = suspension;
        Ok(Some(tenant.clone()))
    }

    async fn set_on_unknown(
        &self,
        id: TenantId,
        on_unknown: OnUnknown,
    ) -> Result<Option<Tenant>, StoreError> {
        let state = &mut self.lock();
        let Some(tenant) = state.tenants.rows.get_mut(&id) else { return Ok(None) };
        tenant.on_unknown = on_unknown;
        Ok(Some(tenant.clone()))
    }

    async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Option<Tenant>, StoreError> {
        let state = &mut self.lock();
        let Some(tenant) = state.tenants.rows.get_mut(&id) else { return Ok(None) };
        tenant.pii = pii;
        Ok(Some(tenant.clone()))
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        Ok(self.lock().tenants.rows.values().cloned().collect())
    }
}
