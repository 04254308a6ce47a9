//! Managing accounts at a provider.

use std::fmt;

use async_trait::async_trait;

use crate::domain::address::Address;
use crate::domain::phone::PhoneNumber;
use crate::domain::session::{ProviderSession, SessionStatus};
use crate::domain::timestamp::Timestamp;

/// What a provider says of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderState {
    /// Whether it can send.
    pub status: SessionStatus,
    /// Its own address, once connected.
    pub own_address: Option<Address>,
    /// Until when it may open no chats, where the provider knows.
    pub new_chats_barred_until: Option<Timestamp>,
}

impl ProviderState {
    /// An account of which no more is known than its status.
    pub fn of(status: SessionStatus) -> Self {
        Self { status, own_address: None, new_chats_barred_until: None }
    }
}

/// Where a provider is to report what happens.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    /// The address it posts to.
    pub url: String,
    /// What it signs with; `None` leaves reports unsigned.
    pub secret: Option<String>,
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTarget").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What somebody scans to pair a telephone with an account.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// The text the code stands for.
    pub value: Option<String>,
    /// A picture of it as PNG.
    pub image: Vec<u8>,
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QrCode(hidden)")
    }
}

/// Why a provider did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// It cannot be reached, or failed: the same call may work later.
    #[error("the provider cannot be used at present")]
    Unavailable,
    /// It has no account of this name.
    #[error("the provider has no session of this name")]
    NotFound,
    /// It has an account of this name already.
    #[error("the provider has a session of this name already")]
    AlreadyExists,
    /// Not in the state the account is in.
    #[error("the session's state does not allow it")]
    WrongState,
    /// It refuses, for a reason that repeating will not change.
    #[error("the provider refused: {reason}")]
    Refused {
        /// A stable code.
        reason: &'static str,
    },
}

/// One of the provider's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderServer {
    /// What sessions on it are kept under.
    pub name: String,
    /// How many sessions are to be put on it; `None` for as many as come.
    pub capacity: Option<u64>,
    /// Where it listens, for people.
    pub url: String,
    /// Whether it is called with a key.
    pub has_key: bool,
}

impl ProviderServer {
    /// A server of this name that takes as many sessions as come.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), capacity: None, url: String::new(), has_key: false }
    }
}

/// Manages accounts at a provider.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait SessionControl: Send + Sync + 'static {
    /// The provider's servers that stand in the settings, in the order in which new sessions go to
    /// them where all else is equal. Others are added later, and are found in the
    /// [`ServerStore`](super::server_store::ServerStore).
    fn servers(&self) -> Vec<ProviderServer>;

    /// Creates an account, starts it, and has it report to `webhook`.
    async fn create(
        &self,
        place: &ProviderSession,
        webhook: Option<WebhookTarget>,
    ) -> Result<ProviderState, ProviderError>;

    /// Has an account report to `webhook`, and to nowhere else. May stop and start it.
    async fn report_to(
        &self,
        place: &ProviderSession,
        webhook: WebhookTarget,
    ) -> Result<(), ProviderError>;

    /// What the provider says of an account.
    async fn state(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError>;

    /// What the provider says of all accounts on one of its servers, by name.
    async fn states(&self, server: &str) -> Result<Vec<(String, ProviderState)>, ProviderError>;

    /// Starts an account; one that runs is left running.
    async fn start(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError>;

    /// Stops an account and keeps its pairing.
    async fn stop(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError>;

    /// Stops and starts an account.
    async fn restart(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError>;

    /// Ends an account's pairing.
    async fn logout(&self, place: &ProviderSession) -> Result<ProviderState, ProviderError>;

    /// Removes an account for good; one that is not there is no error.
    async fn delete(&self, place: &ProviderSession) -> Result<(), ProviderError>;

    /// What to scan to pair a telephone.
    ///
    /// # Errors
    /// [`ProviderError::WrongState`] unless the account waits for it.
    async fn qr(&self, place: &ProviderSession) -> Result<QrCode, ProviderError>;

    /// A code to type into the telephone of this number instead of scanning.
    ///
    /// # Errors
    /// [`ProviderError::WrongState`] unless the account waits for it.
    async fn pairing_code(
        &self,
        place: &ProviderSession,
        phone: &PhoneNumber,
    ) -> Result<String, ProviderError>;

    /// Whether one of the provider's servers answers.
    async fn ping(&self, server: &str) -> Result<(), ProviderError>;
}
