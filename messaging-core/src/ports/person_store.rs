//! What is kept of one person.

use async_trait::async_trait;

use crate::domain::address::{Address, RecipientKey};
use crate::domain::id::{InboxId, MessageId, SessionId, TenantId};
use crate::domain::inbox::InboxEntry;
use crate::domain::message::Message;
use crate::ports::store_error::StoreError;

/// Webhooks of one tenant among some that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhooksSeen {
    /// The tenant's, in order of id.
    pub entries: Vec<InboxEntry>,
    /// The last that was looked at, whosever it is; `None` where there is none left.
    pub reached: Option<InboxId>,
}

/// What is kept of one person, to be shown to it, and to be let go of. Atomic, durable and without a
/// clock, as [`MessageStore`](crate::ports::message_store::MessageStore); each call does no more than it
/// is asked for.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait PersonStore: Send + Sync + 'static {
    /// At most `limit` of a tenant's messages exchanged with this person, as
    /// [`Message::person`] says, through whichever session, in whatever status, with ids above `after`,
    /// in order of id.
    async fn messages_with(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError>;

    /// Takes from these of a tenant's messages what they say and with whom they were exchanged, for
    /// good: each is then as [`Message::erased`] says, and its history loses what else was said in it.
    /// They are counted as before, and [`messages_with`](Self::messages_with) does not find them any
    /// more. Leaves alone what is still to be sent. Gives how many were changed.
    async fn erase_messages(&self, tenant: TenantId, ids: &[MessageId]) -> Result<u64, StoreError>;

    /// Looks at `limit` kept webhooks behind `after`, in order of id, and gives those of them that are
    /// about a tenant's sessions. (A store may have let go of what is applied.)
    async fn webhooks(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
        limit: u32,
    ) -> Result<WebhooksSeen, StoreError>;

    /// Takes the bodies from these of a tenant's webhooks, but for those that are still to be applied.
    /// What tells their repeats stays. Gives how many were changed.
    async fn erase_webhooks(&self, tenant: TenantId, ids: &[InboxId]) -> Result<u64, StoreError>;

    /// Forgets that something was said in these chats.
    async fn forget_chats(&self, chats: &[(SessionId, RecipientKey)]) -> Result<(), StoreError>;
}
