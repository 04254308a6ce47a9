//! The truth about tenants.

use async_trait::async_trait;

use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::portion::{Page, PortionBy};
use crate::domain::suspension::Suspension;
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::domain::tenant_life::{TenantFilter, TenantLimits};
use crate::domain::timestamp::Timestamp;
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

    /// Stops a tenant, or ends that; `None` when there is none of that id, or it is being deleted.
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

    /// Says how much a tenant may do; `None` when there is none of that id.
    async fn set_limits(
        &self,
        id: TenantId,
        limits: TenantLimits,
    ) -> Result<Option<Tenant>, StoreError>;

    /// All tenants, in order of id.
    async fn list(&self) -> Result<Vec<Tenant>, StoreError>;

    /// A portion of the tenants that the filter takes at `now`, newest (by id) first.
    async fn page(
        &self,
        filter: &TenantFilter,
        now: Timestamp,
        portion: PortionBy<TenantId>,
    ) -> Result<Page<Tenant>, StoreError>;

    /// Begins to delete a tenant: keeps that it is so since `at`, stops it for good, and lets go of its
    /// API keys and of the tokens given for them, all in one step. One that is being deleted already
    /// stays as it is. Gives it as it is then; `None` when there is none of that id.
    async fn begin_deletion(
        &self,
        id: TenantId,
        at: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;

    /// The tenants that are being deleted, in order of id.
    async fn deleting(&self) -> Result<Vec<Tenant>, StoreError>;

    /// Destroys the keys that what is kept of a tenant is sealed with, before anything of it is erased,
    /// so that no copy of it anywhere can be read. Asked for again and again until the tenant is gone.
    async fn shred(&self, id: TenantId) -> Result<(), StoreError>;

    /// Lets go of some of what belongs to a tenant that is being deleted, whatever it is and however
    /// it stands: about `limit` rows, and of messages what belongs to each. Adds them to those that are
    /// [erased](crate::domain::tenant_life::Deletion::erased) and gives how many they are: 0 where
    /// nothing is left but the tenant itself and its audit log, or it is not being deleted. Its sessions
    /// go last.
    async fn erase(&self, id: TenantId, limit: u32) -> Result<u64, StoreError>;

    /// Lets go of the tenant itself, with how long its data was to be kept, the ends of its audit log
    /// and keys made since they were [shredded](Self::shred), unless entries of that log are left, or it is not being deleted. Tells whether it went.
    async fn let_go(&self, id: TenantId) -> Result<bool, StoreError>;
}
