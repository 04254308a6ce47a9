//! What memory needs to be done now and then.

use async_trait::async_trait;

use crate::domain::timestamp::Timestamp;
use crate::memory::store::MemoryStore;
use crate::ports::store_error::StoreError;
use crate::ports::upkeep::Upkeep;

/// Nothing: there is nothing to add up, and what it keeps it keeps until the process ends.
#[async_trait]
impl Upkeep for MemoryStore {
    async fn upkeep(&self, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
