//! What the file needs to be done now and then.

use async_trait::async_trait;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::upkeep::Upkeep;

use crate::store::SqliteStore;

/// Nothing: what could be put off, the log's transfer into the file above all, its one writer does
/// between two transactions.
#[async_trait]
impl Upkeep for SqliteStore {
    async fn upkeep(&self, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
