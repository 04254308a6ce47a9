//! Wrapped keys, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::domain::id::TenantId;
use crate::ports::key_store::{KeptKey, KeyPurpose, KeyStore, Wrapping};
use crate::ports::store_error::StoreError;

type KeyId = (Option<TenantId>, KeyPurpose, u32);

#[derive(Default)]
pub(super) struct WrappedKeys(BTreeMap<KeyId, KeptKey>);

impl WrappedKeys {
    /// Forgets all of one tenant's. Gives how many there were.
    pub(super) fn erase_of(&mut self, tenant: TenantId) -> u64 {
        let before = self.0.len();
        self.0.retain(|_, key| key.tenant != Some(tenant));
        (before - self.0.len()) as u64
    }
}

fn id(key: &KeptKey) -> KeyId {
    (key.tenant, key.purpose, key.version)
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<KeptKey>, StoreError> {
        let state = self.lock();
        Ok(state.wrapped_keys.0.values().filter(|key| key.tenant == tenant).cloned().collect())
    }

    async fn add_key(&self, key: &KeptKey) -> Result<bool, StoreError> {
        let keys = &mut self.lock().wrapped_keys.0;
        if keys.contains_key(&id(key)) {
            return Ok(false);
        }
        keys.insert(id(key), key.clone());
        Ok(true)
    }

    async fn keys_wrapped_otherwise(
        &self,
        by: &str,
        limit: u32,
    ) -> Result<Vec<KeptKey>, StoreError> {
        let state = self.lock();
        let others = state.wrapped_keys.0.values().filter(|key| key.wrapped.by != by);
        Ok(others.take(limit as usize).cloned().collect())
    }

    async fn wrapping(&self, by: &str) -> Result<Wrapping, StoreError> {
        let state = self.lock();
        let done = state.wrapped_keys.0.values().filter(|key| key.wrapped.by == by).count();
        Ok(Wrapping { done: done as u64, total: state.wrapped_keys.0.len() as u64 })
    }

    async fn rewrap_key(&self, key: &KeptKey, before: &str) -> Result<bool, StoreError> {
        match self.lock().wrapped_keys.0.get_mut(&id(key)) {
            Some(kept) if kept.wrapped.by == before => {
                kept.wrapped = key.wrapped.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn shred_keys(&self, tenant: TenantId) -> Result<u64, StoreError> {
        Ok(self.lock().wrapped_keys.erase_of(tenant))
    }
}
