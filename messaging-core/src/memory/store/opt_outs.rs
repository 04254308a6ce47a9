//! Who wants no messages, in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::{MemoryStore, page_of};
use crate::domain::address::Address;
use crate::domain::id::{OptOutId, TenantId};
use crate::domain::opt_out::{OptOut, OptOutRef, Wish};
use crate::domain::portion::{Page, PortionBy};
use crate::ports::opt_out_store::OptOutStore;
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct OptOuts {
    rows: BTreeMap<(TenantId, OptOutId), OptOut>,
    by_address: HashMap<(TenantId, Address), OptOutId>,
}

impl OptOuts {
    fn find(&self, tenant: TenantId, entry: &OptOutRef) -> Option<&OptOut> {
        let id = match entry {
            OptOutRef::Id(id) => *id,
            OptOutRef::Address(address) => *self.by_address.get(&(tenant, address.clone()))?,
        };
        self.rows.get(&(tenant, id))
    }

    fn add(&mut self, opt_out: &OptOut) -> (OptOut, bool) {
        if let Some(kept) = self.find(opt_out.tenant, &OptOutRef::Address(opt_out.address.clone()))
        {
            return (kept.clone(), false);
        }
        self.by_address.insert((opt_out.tenant, opt_out.address.clone()), opt_out.id);
        self.rows.insert((opt_out.tenant, opt_out.id), opt_out.clone());
        (opt_out.clone(), true)
    }

    fn remove(&mut self, tenant: TenantId, entry: &OptOutRef) -> Option<OptOut> {
        let id = self.find(tenant, entry)?.id;
        let removed = self.rows.remove(&(tenant, id))?;
        self.by_address.remove(&(tenant, removed.address.clone()));
        Some(removed)
    }

    /// Forgets a tenant's; gives how many went.
    pub(super) fn erase_of(&mut self, tenant: TenantId) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|(owner, _), _| *owner != tenant);
        self.by_address.retain(|(owner, _), _| *owner != tenant);
        (before - self.rows.len()) as u64
    }

    /// Does what somebody wishes.
    pub(super) fn follow(&mut self, wish: &Wish) {
        match wish {
            Wish::Leave(opt_out) => {
                self.add(opt_out);
            }
            Wish::Return(back) => {
                let entry = OptOutRef::Address(back.address.clone());
                if self.find(back.tenant, &entry).is_some_and(|entry| back.ends(entry)) {
                    self.remove(back.tenant, &entry);
                }
            }
        }
    }
}

#[async_trait]
impl OptOutStore for MemoryStore {
    async fn add(&self, opt_out: &OptOut) -> Result<(OptOut, bool), StoreError> {
        Ok(self.lock().opt_outs.add(opt_out))
    }

    async fn remove(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        Ok(self.lock().opt_outs.remove(tenant, entry))
    }

    async fn find(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        Ok(self.lock().opt_outs.find(tenant, entry).cloned())
    }

    async fn opted_out(
        &self,
        tenant: TenantId,
        addresses: &[Address],
    ) -> Result<Vec<bool>, StoreError> {
        let known = &self.lock().opt_outs.by_address;
        let is_listed = |address: &Address| known.contains_key(&(tenant, address.clone()));
        Ok(addresses.iter().map(is_listed).collect())
    }

    async fn reseal(&self, opt_out: &OptOut) -> Result<bool, StoreError> {
        let known = &mut self.lock().opt_outs;
        let (tenant, id) = (opt_out.tenant, opt_out.id);
        let by_address = known.by_address.get(&(tenant, opt_out.address.clone()));
        if by_address.is_some_and(|other| *other != id) {
            return Err(StoreError::Conflict { entity: "opt-out" });
        }
        let Some(kept) = known.rows.get_mut(&(tenant, id)) else { return Ok(false) };
        known.by_address.remove(&(tenant, kept.address.clone()));
        known.by_address.insert((tenant, opt_out.address.clone()), id);
        kept.address = opt_out.address.clone();
        kept.note = opt_out.note.clone();
        Ok(true)
    }

    async fn list(
        &self,
        tenant: TenantId,
        portion: PortionBy<OptOutId>,
    ) -> Result<Page<OptOut>, StoreError> {
        let known = &self.lock().opt_outs;
        let own = known.rows.values().rev().filter(|entry| entry.tenant == tenant).cloned();
        Ok(page_of(own, |entry| entry.id, &portion))
    }
}
