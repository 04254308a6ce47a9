//! Who keeps the keys that other keys are wrapped in.

use async_trait::async_trait;
use secrecy::SecretBox;

use crate::ports::store_error::BoxError;

/// A key of 256 bits. It is wiped from memory when it is dropped, and no Debug shows it.
pub type SecretKey = SecretBox<[u8; 32]>;

/// A key as it may lie about: encrypted with another that is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The name of the key that it is wrapped in. No secret.
    pub by: String,
    /// What the provider made of it.
    pub bytes: Vec<u8>,
}

/// Why a key could not be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is wrapped in a key that the provider does not have.
    #[error("it is wrapped in the key {by:?}, which is not here")]
    Unknown {
        /// The name of that key.
        by: String,
    },
    /// The provider's key of this name is another, or what was wrapped was tampered with.
    #[error("it does not open with the key {by:?}")]
    Wrong {
        /// The name of that key.
        by: String,
    },
    /// The provider cannot be used at present: the same call may work later.
    #[error("whoever keeps the keys cannot be reached")]
    Unavailable(#[source] BoxError),
}

/// Who keeps the keys that other keys are wrapped in: a file, the environment, or a service that
/// never gives them away. Asked seldom: what is unwrapped is remembered.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait KeyProvider: Send + Sync + 'static {
    /// The name of the key that keys are wrapped in now.
    fn current(&self) -> &str;

    /// Wraps a key in the current one, bound to `context`: it unwraps in no other.
    async fn wrap(&self, key: &SecretKey, context: &[u8]) -> Result<WrappedKey, KeyError>;

    /// Unwraps a key, whichever of the provider's keys it is wrapped in.
    async fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<SecretKey, KeyError>;
}
