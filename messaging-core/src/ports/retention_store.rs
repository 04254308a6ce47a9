//! What each tenant wants to be kept no longer.

use async_trait::async_trait;

use crate::domain::id::TenantId;
use crate::domain::retention::RetentionRules;
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// For how long each tenant's data is kept, and letting go of it in small steps. Atomic, durable and
/// without a clock, as [`MessageStore`](crate::ports::message_store::MessageStore).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait RetentionStore: Send + Sync + 'static {
    /// Says how long a tenant's data is kept; rules that say nothing take away those that do.
    async fn set_rules(&self, tenant: TenantId, rules: RetentionRules) -> Result<(), StoreError>;

    /// How long a tenant's data is kept.
    async fn rules(&self, tenant: TenantId) -> Result<RetentionRules, StoreError>;

    /// Tenants behind this one that have rules, in order of id.
    async fn ruled(
        &self,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, RetentionRules)>, StoreError>;

    /// Lets go of at most `limit` of a tenant's oldest messages that came to be before this instant (as
    /// their ids have it), with their histories, what is known of them
    /// at the provider and their places in the counts; never one that is still to be sent. Their bulk
    /// requests stay. Gives how many went.
    async fn forget_messages(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Lets go of at most `limit` of a tenant's oldest webhooks that came in before this instant (as their
    /// ids have it), with what tells their repeats; never of one that is still to be applied. Gives how
    /// many went.
    async fn forget_webhooks(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
