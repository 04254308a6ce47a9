//! What each tenant wants to be kept no longer, in memory.

use async_trait::async_trait;

use super::{MemoryStore, first};
use crate::domain::id::TenantId;
use crate::domain::retention::RetentionRules;
use crate::domain::timestamp::Timestamp;
use crate::ports::retention_store::RetentionStore;
use crate::ports::store_error::StoreError;

#[async_trait]
impl RetentionStore for MemoryStore {
    async fn set_rules(&self, tenant: TenantId, rules: RetentionRules) -> Result<(), StoreError> {
        let all = &mut self.lock().retention;
        if rules.is_empty() {
            all.remove(&tenant);
        } else {
            all.insert(tenant, rules);
        }
        Ok(())
    }

    async fn rules(&self, tenant: TenantId) -> Result<RetentionRules, StoreError> {
        Ok(self.lock().retention.get(&tenant).copied().unwrap_or_default())
    }

    async fn ruled(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, RetentionRules)>, StoreError> {
        let all = &self.lock().retention;
        let behind = all.iter().filter(|(tenant, _)| after.is_none_or(|after| **tenant > after));
        Ok(first(behind.map(|(tenant, rules)| (*tenant, *rules)), limit))
    }

    async fn forget_messages(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(self.lock().messages.forget(tenant, before, limit))
    }

    async fn forget_webhooks(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(self.lock().inbox.forget(tenant, before, limit))
    }
}
