//! API keys and refresh tokens, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, page_of};
use crate::domain::access::{ApiKey, Rotation, TokenFamily};
use crate::domain::id::{ApiKeyId, TenantId, TokenFamilyId};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::timestamp::Timestamp;
use crate::ports::access_store::AccessStore;
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct Access {
    keys: BTreeMap<ApiKeyId, ApiKey>,
    families: BTreeMap<TokenFamilyId, TokenFamily>,
}

impl Access {
    fn key_of(&mut self, tenant: TenantId, id: ApiKeyId) -> Option<&mut ApiKey> {
        self.keys.get_mut(&id).filter(|key| key.tenant == tenant)
    }

    /// Forgets what is one tenant's.
    pub(super) fn erase_of(&mut self, tenant: TenantId) {
        self.keys.retain(|_, key| key.tenant != tenant);
        self.families.retain(|_, family| family.tenant != tenant);
    }

    /// Forgets families that have ended.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.families.retain(|_, family| now < family.expires_at);
    }
}

#[async_trait]
impl AccessStore for MemoryStore {
    async fn insert_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let keys = &mut self.lock().access.keys;
        if keys.contains_key(&key.id) {
            return Err(StoreError::Conflict { entity: "API key" });
        }
        keys.insert(key.id, key.clone());
        Ok(())
    }

    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.lock().access.keys.get(&id).cloned())
    }

    async fn find_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.lock().access.key_of(tenant, id).cloned())
    }

    async fn list_keys(
        &self,
        tenant: TenantId,
        portion: PortionBy<ApiKeyId>,
    ) -> Result<Page<ApiKey>, StoreError> {
        let known = &self.lock().access.keys;
        let own = known.values().rev().filter(|key| key.tenant == tenant).cloned();
        Ok(page_of(own, |key| key.id, &portion))
    }

    async fn revoke_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<Option<ApiKey>, StoreError> {
        let access = &mut self.lock().access;
        let Some(key) = access.key_of(tenant, id) else { return Ok(None) };
        key.revoked_at.get_or_insert(at);
        Ok(Some(key.clone()))
    }

    async fn touch_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        if let Some(key) = self.lock().access.keys.get_mut(&id) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }

    async fn insert_family(&self, family: &TokenFamily) -> Result<(), StoreError> {
        let families = &mut self.lock().access.families;
        if families.contains_key(&family.id) {
            return Err(StoreError::Conflict { entity: "token family" });
        }
        families.insert(family.id, family.clone());
        Ok(())
    }

    async fn family(&self, id: TokenFamilyId) -> Result<Option<TokenFamily>, StoreError> {
        Ok(self.lock().access.families.get(&id).cloned())
    }

    async fn rotate(
        &self,
        id: TokenFamilyId,
        number: u64,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let families = &mut self.lock().access.families;
        let known = families.get_mut(&id).filter(|family| family.is_good(at));
        let Some(family) = known.filter(|family| number <= family.latest) else {
            return Ok(Rotation::Ended);
        };
        if number < family.latest {
            family.revoked_at = Some(at);
            return Ok(Rotation::Replayed);
        }
        family.latest += 1;
        family.expires_at = until;
        Ok(Rotation::Next(family.clone()))
    }

    async fn revoke_family(&self, id: TokenFamilyId, at: Timestamp) -> Result<(), StoreError> {
        if let Some(family) = self.lock().access.families.get_mut(&id) {
            family.revoked_at.get_or_insert(at);
        }
        Ok(())
    }
}
