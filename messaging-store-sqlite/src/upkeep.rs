//! What the file needs to be done now and then.

use async_trait::async_trait;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::upkeep::Upkeep;

use crate::store::SqliteStore;
use crate::{expiry, retention};

/// Lets go of what is kept for a time only, and of what is kept no longer. What else could be put
/// off, the log's transfer into the file above all, the one writer does between two transactions.
#[async_trait]
impl Upkeep for SqliteStore {
    async fn upkeep(&self, now: Timestamp) -> Result<(), StoreError> {
        expiry::expire(self, now).await?;
        match self.retention() {
            Some(retention) => retention::keep_since(self, now.minus(retention)).await,
            None => Ok(()),
        }
    }
}
