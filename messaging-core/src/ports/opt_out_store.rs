//! The truth about who wants no messages.

use async_trait::async_trait;

use crate::domain::address::Address;
use crate::domain::id::{OptOutId, TenantId};
use crate::domain::opt_out::{OptOut, OptOutRef};
use crate::domain::portion::{Page, PortionBy};
use crate::ports::store_error::StoreError;

/// The truth about who wants no messages, a list for each tenant. Atomic, durable and without a
/// clock, as [`MessageStore`](crate::ports::message_store::MessageStore).
///
/// What people say in answers is put on it by
/// [`InboxStore::apply`](crate::ports::inbox_store::InboxStore::apply), in one transaction with the
/// message that said it.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait OptOutStore: Send + Sync + 'static {
    /// Puts somebody on a tenant's list, unless it has the address. Gives the entry that stands
    /// there then, and whether that is this one. Of two that put one address there at once, one
    /// comes second.
    async fn add(&self, opt_out: &OptOut) -> Result<(OptOut, bool), StoreError>;

    /// Takes an entry from one tenant's list, and gives it; `None` where there is none.
    async fn remove(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError>;

    /// Looks up an entry of one tenant's list.
    async fn find(&self, tenant: TenantId, entry: &OptOutRef)
    -> Result<Option<OptOut>, StoreError>;

    /// Of each of these addresses, however many, whether it is on the tenant's list; in the order
    /// given.
    async fn opted_out(
        &self,
        tenant: TenantId,
        addresses: &[Address],
    ) -> Result<Vec<bool>, StoreError>;

    /// Puts another form of an entry's address and note in the place of the one that the store has.
    /// Tells whether the entry was there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another entry has the address.
    async fn reseal(&self, opt_out: &OptOut) -> Result<bool, StoreError>;

    /// One tenant's list, newest (by id) first. The total is of all entries, wherever the portion
    /// begins.
    async fn list(
        &self,
        tenant: TenantId,
        portion: PortionBy<OptOutId>,
    ) -> Result<Page<OptOut>, StoreError>;
}
