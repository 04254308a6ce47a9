//! What a store needs to be done now and then.

use async_trait::async_trait;

use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// What a store needs to be done now and then, on one node: making room for the time to come,
/// adding up what is counted, and, in a store that was told how long to keep things, letting go of
/// what is older.
///
/// Such a store removes only what is over: no message that is queued, being sent, to be tried again
/// or held back by its bulk request, and no webhook that is still to be applied, however old. What
/// it removes goes with everything that belongs to it (histories, counts, bulk requests left
/// without a message, what tells a repeat of a webhook), and its ids are then not found, as if they
/// had never been. What comes about it afterwards is treated as what is about something unknown,
/// and what comes again as new.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Does what there is to do at `now`. Nothing is lost where it is not called for a while; some
    /// queries become slower.
    async fn upkeep(&self, now: Timestamp) -> Result<(), StoreError>;
}
