//! The truth about the provider's servers that were added while the gateway ran.

use async_trait::async_trait;

use crate::domain::server::{KeptServer, Removal, ServerKey, ServerPatch};
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// The truth about the provider's servers that were added while the gateway ran. Atomic, durable and
/// without a clock, as [`MessageStore`](super::message_store::MessageStore). One with sessions belongs
/// to the same whole: see [`SessionStore::place`](super::session_store::SessionStore::place).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait ServerStore: Send + Sync + 'static {
    /// Keeps a new server.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] of `server name` where there is one of this name.
    async fn insert(&self, server: &KeptServer) -> Result<(), StoreError>;

    /// Looks a server up by its name, character by character.
    async fn find(&self, name: &str) -> Result<Option<KeptServer>, StoreError>;

    /// All servers, in order of their names' bytes.
    async fn list(&self) -> Result<Vec<KeptServer>, StoreError>;

    /// Changes a server; `None` when there is none of this name.
    async fn patch(
        &self,
        name: &str,
        patch: &ServerPatch,
        now: Timestamp,
    ) -> Result<Option<KeptServer>, StoreError>;

    /// Puts `after` in the place of what a server is called with, unless that is no longer `before`. Tells
    /// whether it was.
    async fn replace_key(
        &self,
        name: &str,
        before: &ServerKey,
        after: &ServerKey,
    ) -> Result<bool, StoreError>;

    /// Forgets a server, unless a session is on it. None is put there meanwhile.
    async fn delete(&self, name: &str) -> Result<Removal, StoreError>;
}
