//! Keys of requests in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use async_trait::async_trait;

use crate::domain::id::TenantId;
use crate::domain::idempotency::ScopedKey;
use crate::domain::timestamp::Timestamp;
use crate::memory::store::MemoryStore;
use crate::ports::idempotency_store::{Begun, IdempotencyStore, KnownKey, Undertaking};
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct Keys(BTreeMap<ScopedKey, KnownKey>);

impl Keys {
    fn begin(&mut self, asked: &Undertaking, now: Timestamp) -> Begun {
        match self.0.entry(asked.key) {
            Entry::Vacant(free) => {
                free.insert(KnownKey::from(asked));
                Begun::New
            }
            Entry::Occupied(mut known) => known.get_mut().go_on(asked, now),
        }
    }

    /// What somebody has the lease of, unless it is done.
    fn held(&mut self, by: &Undertaking) -> Option<&mut KnownKey> {
        let known = self.0.get_mut(&by.key)?;
        let is_his = known.subject == by.subject && known.lease_until == by.lease_until;
        (is_his && known.answer.is_none()).then_some(known)
    }

    /// Forgets a tenant's; gives how many went.
    pub(super) fn erase_of(&mut self, tenant: TenantId) -> u64 {
        let before = self.0.len();
        self.0.retain(|key, _| key.tenant != tenant);
        (before - self.0.len()) as u64
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        self.0.retain(|_, known| known.expires_at > now);
    }
}

#[async_trait]
impl IdempotencyStore for MemoryStore {
    async fn begin(&self, undertaking: &Undertaking, now: Timestamp) -> Result<Begun, StoreError> {
        Ok(self.lock().keys.begin(undertaking, now))
    }

    async fn finish(&self, undertaking: &Undertaking, answer: &[u8]) -> Result<(), StoreError> {
        let keys = &mut self.lock().keys.0;
        let known = keys.get_mut(&undertaking.key);
        if let Some(known) = known.filter(|known| known.subject == undertaking.subject) {
            known.answer.get_or_insert_with(|| answer.to_vec());
        }
        Ok(())
    }

    async fn forget(&self, undertaking: &Undertaking) -> Result<(), StoreError> {
        let keys = &mut self.lock().keys;
        if keys.held(undertaking).is_some() {
            keys.0.remove(&undertaking.key);
        }
        Ok(())
    }

    async fn leave(&self, undertaking: &Undertaking, now: Timestamp) -> Result<(), StoreError> {
        if let Some(known) = self.lock().keys.held(undertaking) {
            known.lease_until = now;
        }
        Ok(())
    }
}
