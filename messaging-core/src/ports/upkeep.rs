//! What a store needs to be done now and then.

use async_trait::async_trait;

use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// What a store needs to be done now and then, on one node: making room for the time to come, and
/// adding up what is counted.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Does what there is to do at `now`. Nothing is lost where it is not called for a while; some
    /// queries become slower.
    async fn upkeep(&self, now: Timestamp) -> Result<(), StoreError>;
}
