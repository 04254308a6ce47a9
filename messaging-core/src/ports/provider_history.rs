//! What a provider remembers of its accounts' chats: what its webhooks said can be lost.

use std::fmt;

use async_trait::async_trait;

use crate::domain::address::Address;
use crate::domain::id::ProviderMessageId;
use crate::domain::session::ProviderSession;
use crate::domain::status::StatusEvent;
use crate::domain::timestamp::Timestamp;
use crate::ports::session_control::ProviderError;

/// Where to go on reading. Of no meaning to anybody but the provider that gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryCursor(pub String);

impl fmt::Debug for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may name chats.
        f.write_str("HistoryCursor(hidden)")
    }
}

/// Which messages of an account are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery<'a> {
    /// Those written then or later, by the provider's clock.
    pub since: Timestamp,
    /// Only those that the account itself sent.
    pub own_only: bool,
    /// Behind those read before; `None` for the beginning.
    pub after: Option<&'a HistoryCursor>,
}

/// What would have told of a message, had it come by itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// The provider's name of the event.
    pub event: String,
    /// What a [`WebhookDecoder`](super::webhook_decoder::WebhookDecoder) reads as that event.
    pub body: Vec<u8>,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("event", &self.event).finish_non_exhaustive()
    }
}

/// What the provider remembers of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// Somebody sent it to the account.
    Received,
    /// The account sent it, and this is the latest that is known to have happened to it; `None`
    /// where that says no more than that it is there.
    Sent(Option<StatusEvent>),
}

/// A message that a provider remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Its stable id.
    pub id: ProviderMessageId,
    /// When it was written, by the provider's clock.
    pub at: Timestamp,
    /// Which way it went, and how far it got.
    pub what: Remembered,
    /// The same as a webhook would have said it.
    pub report: Report,
}

/// A portion of what a provider remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages, in whatever order.
    pub records: Vec<HistoryRecord>,
    /// How many more there were that could not be read.
    pub unreadable: usize,
    /// Where to go on; `None` at the end.
    pub next: Option<HistoryCursor>,
}

/// What a provider remembers of its accounts' chats.
///
/// Whoever reads from the beginning to the end, page by page, has seen every message that was there
/// when the reading began, and perhaps some twice.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait ProviderHistory: Send + Sync + 'static {
    /// When one of the provider's servers was started: another instant than before says that it
    /// has forgotten the webhooks that it had still to send.
    async fn started_at(&self, server: &str) -> Result<Timestamp, ProviderError>;

    /// A portion of an account's messages.
    ///
    /// # Errors
    /// [`ProviderError::WrongState`] while the account is not connected; [`ProviderError::Refused`]
    /// where the provider remembers nothing of it.
    async fn read<'a>(
        &self,
        place: &ProviderSession,
        query: HistoryQuery<'a>,
    ) -> Result<HistoryPage, ProviderError>;

    /// One message that the account sent, as it is now; `None` where the provider does not know it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    async fn recall(
        &self,
        place: &ProviderSession,
        to: &Address,
        id: &ProviderMessageId,
    ) -> Result<Option<HistoryRecord>, ProviderError>;
}
