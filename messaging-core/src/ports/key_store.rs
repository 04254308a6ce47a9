//! Where wrapped keys are kept, beside what they open.

use async_trait::async_trait;

use crate::domain::id::TenantId;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;
use crate::ports::key_provider::WrappedKey;
use crate::ports::store_error::StoreError;

named_enum! {
    /// What a key is for.
    pub enum KeyPurpose {
        /// Encrypts what a tenant's messages say.
        Content = "content",
        /// Makes what they are found by.
        Search = "search",
        /// Makes what stands for people and contents, for the whole deployment.
        Pseudonym = "pseudonym",
    }
}

/// A wrapped key and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    /// Whose it is; `None` for the deployment's own.
    pub tenant: Option<TenantId>,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Which of several that came one after the other, from 1.
    pub version: u32,
    /// The key.
    pub wrapped: WrappedKey,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How many keys are wrapped in one key, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// Wrapped in that key.
    pub done: u64,
    /// All there are.
    pub total: u64,
}

/// Where wrapped keys are kept. Atomic, durable and without a clock, as
/// [`MessageStore`](crate::ports::message_store::MessageStore).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// The keys of a tenant, or the deployment's own, by purpose, then version.
    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<KeptKey>, StoreError>;

    /// Keeps a new key, unless there is one of its tenant, purpose and version. Tells whether it was
    /// kept: of two that are added at once, one is.
    async fn add_key(&self, key: &KeptKey) -> Result<bool, StoreError>;

    /// At most `limit` keys, whosesoever, that are not wrapped in the key of this name.
    async fn keys_wrapped_otherwise(
        &self,
        by: &str,
        limit: u32,
    ) -> Result<Vec<KeptKey>, StoreError>;

    /// How many keys are wrapped in the key of this name.
    async fn wrapping(&self, by: &str) -> Result<Wrapping, StoreError>;

    /// Keeps a key in a new wrapping, unless it is not wrapped in the key named `before` any more.
    /// Tells whether it was.
    async fn rewrap_key(&self, key: &KeptKey, before: &str) -> Result<bool, StoreError>;

    /// Forgets all keys of a tenant, so that nobody ever reads what they encrypted. Tells how many
    /// there were.
    async fn shred_keys(&self, tenant: TenantId) -> Result<u64, StoreError>;
}
