//! The truth about API keys and refresh tokens.

use async_trait::async_trait;

use crate::domain::access::{ApiKey, Rotation, TokenFamily};
use crate::domain::id::{ApiKeyId, TenantId, TokenFamilyId};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// The truth about API keys and refresh tokens. Atomic, durable and without a clock, as
/// [`MessageStore`](crate::ports::message_store::MessageStore).
///
/// What names no tenant is asked before it is known who calls.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait AccessStore: Send + Sync + 'static {
    /// Keeps a new key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the id is taken.
    async fn insert_key(&self, key: &ApiKey) -> Result<(), StoreError>;

    /// Looks up a key, whoever's it is.
    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Looks up one tenant's key.
    async fn find_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// One tenant's keys, those that have ended too, newest (by id) first.
    async fn list_keys(
        &self,
        tenant: TenantId,
        portion: PortionBy<ApiKeyId>,
    ) -> Result<Page<ApiKey>, StoreError>;

    /// Takes one tenant's key back, and gives it as it is then; the first time stands. `None` where
    /// there is none.
    async fn revoke_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<Option<ApiKey>, StoreError>;

    /// Keeps when a key was last used; never an earlier time than is kept. Does nothing where there
    /// is no such key.
    async fn touch_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError>;

    /// Keeps a new family.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the id is taken.
    async fn insert_family(&self, family: &TokenFamily) -> Result<(), StoreError>;

    /// Looks up a family, whoever's it is.
    async fn family(&self, id: TokenFamilyId) -> Result<Option<TokenFamily>, StoreError>;

    /// Spends the token of this number at `at`, and makes the next one, which ends at `until`. Of
    /// any number of callers with one number one gets [`Rotation::Next`]. A number that was spent
    /// before ends the family, in the same step.
    async fn rotate(
        &self,
        id: TokenFamilyId,
        number: u64,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<Rotation, StoreError>;

    /// Ends a family; the first time stands. Does nothing where there is none.
    async fn revoke_family(&self, id: TokenFamilyId, at: Timestamp) -> Result<(), StoreError>;
}
