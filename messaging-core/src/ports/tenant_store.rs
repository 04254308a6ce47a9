//! The truth about tenants.

use async_trait::async_trait;

use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::suspension::Suspension;
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::ports::store_error::StoreError;

/// The truth about tenants. Atomic, durable and without a clock, as
/// [`MessageStore`](super::message_store::MessageStore).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait TenantStore: Send + Sync + 'static {
    /// Keeps a new tenant.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the id or the name is taken.
    async fn insert(&self, tenant: &Tenant) -> Result<(), StoreError>;

    /// Looks a tenant up.
    async fn find(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;

    /// Looks a tenant up by name.
    async fn find_named(&self, name: &str) -> Result<Option<Tenant>, StoreError>;

    /// Stops a tenant, or ends that; `None` when there is none of that id.
    async fn suspend(
        &self,
        id: TenantId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Tenant>, StoreError>;

    /// Says what becomes of a tenant's messages of which nobody can tell whether they were sent;
    /// `None` when there is none of that id.
    async fn set_on_unknown(
        &self,
        id: TenantId,
        on_unknown: OnUnknown,
    ) -> Result<Option<Tenant>, StoreError>;

    /// Says what becomes of personal data in a tenant's texts; `None` when there is none of that id.
    async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Option<Tenant>, StoreError>;

    /// All tenants, in order of id.
    async fn list(&self) -> Result<Vec<Tenant>, StoreError>;
}
