//! What memory needs to be done now and then.

use async_trait::async_trait;

use crate::domain::timestamp::Timestamp;
use crate::memory::store::MemoryStore;
use crate::ports::store_error::StoreError;
use crate::ports::upkeep::Upkeep;

/// There is nothing to add up, and what it keeps it keeps until the process ends, but for what is
/// kept for a time only.
#[async_trait]
impl Upkeep for MemoryStore {
    async fn upkeep(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.keys.expire(now);
        state.access.expire(now);
        state.messages.forget_contents(now);
        Ok(())
    }
}
