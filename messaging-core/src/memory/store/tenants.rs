//! Tenants in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, State, page_of};
use crate::domain::audit::Chain;
use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::portion::{Page, PortionBy};
use crate::domain::suspension::Suspension;
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::domain::tenant_life::{Deletion, TenantFilter, TenantLimits};
use crate::domain::timestamp::Timestamp;
use crate::ports::key_store::KeyStore;
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

    fn leaving(&self, id: TenantId) -> Option<&Tenant> {
        self.rows.get(&id).filter(|tenant| tenant.deletion.is_some())
    }
}

impl State {
    /// Lets go of some of what belongs to a tenant, its sessions last; gives how much went.
    fn erase(&mut self, id: TenantId, limit: u32) -> u64 {
        let gone = self.messages.erase_of(id, limit);
        if gone > 0 {
            return gone;
        }
        let gone =
            self.inbox.erase_of(id, limit) + self.opt_outs.erase_of(id) + self.keys.erase_of(id);
        if gone > 0 {
            return gone;
        }
        let sessions = self.sessions.erase_of(id);
        for session in &sessions {
            self.messages.forget_session(*session);
        }
        sessions.len() as u64
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
        if tenant.deletion.is_some() {
            return Ok(None);
        }
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

    async fn set_limits(
        &self,
        id: TenantId,
        limits: TenantLimits,
    ) -> Result<Option<Tenant>, StoreError> {
        let state = &mut self.lock();
        let Some(tenant) = state.tenants.rows.get_mut(&id) else { return Ok(None) };
        tenant.limits = limits;
        Ok(Some(tenant.clone()))
    }

    async fn list(&self) -> Result<Vec<Tenant>, StoreError> {
        Ok(self.lock().tenants.rows.values().cloned().collect())
    }

    async fn page(
        &self,
        filter: &TenantFilter,
        now: Timestamp,
        portion: PortionBy<TenantId>,
    ) -> Result<Page<Tenant>, StoreError> {
        let known = &self.lock().tenants.rows;
        let taken = known.values().rev().filter(|tenant| filter.admits(tenant, now)).cloned();
        Ok(page_of(taken, |tenant| tenant.id, &portion))
    }

    async fn begin_deletion(
        &self,
        id: TenantId,
        at: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let state = &mut *self.lock();
        let Some(tenant) = state.tenants.rows.get_mut(&id) else { return Ok(None) };
        if tenant.deletion.is_none() {
            tenant.deletion = Some(Deletion { since: at, erased: 0 });
            tenant.suspension = Some(Suspension { since: at, until: None, reason: None });
            state.access.erase_of(id);
        }
        Ok(Some(tenant.clone()))
    }

    async fn deleting(&self) -> Result<Vec<Tenant>, StoreError> {
        let known = &self.lock().tenants.rows;
        Ok(known.values().filter(|tenant| tenant.deletion.is_some()).cloned().collect())
    }

    async fn shred(&self, id: TenantId) -> Result<(), StoreError> {
        self.shred_keys(id).await.map(|_| ())
    }

    async fn erase(&self, id: TenantId, limit: u32) -> Result<u64, StoreError> {
        let state = &mut *self.lock();
        if state.tenants.leaving(id).is_none() {
            return Ok(0);
        }
        let gone = state.erase(id, limit);
        let tenant = state.tenants.rows.get_mut(&id);
        if let Some(deletion) = tenant.and_then(|tenant| tenant.deletion.as_mut()) {
            deletion.erased += gone;
        }
        Ok(gone)
    }

    async fn let_go(&self, id: TenantId) -> Result<bool, StoreError> {
        let state = &mut *self.lock();
        let Some(tenant) = state.tenants.leaving(id).cloned() else { return Ok(false) };
        if !state.audit.forget_ends(Chain::Tenant(id)) {
            return Ok(false);
        }
        state.access.erase_of(id);
        state.wrapped_keys.erase_of(id);
        state.retention.remove(&id);
        state.tenants.by_name.remove(&tenant.name);
        state.tenants.rows.remove(&id);
        Ok(true)
    }
}
