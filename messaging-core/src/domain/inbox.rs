//! Webhooks that were kept, and what they turn out to mean.

use std::fmt;

use crate::domain::address::Address;
use crate::domain::content::Content;
use crate::domain::id::{InboxId, ProviderMessageId, SessionId, TenantId};
use crate::domain::message::{Message, StatusChange};
use crate::domain::opt_out::Wish;
use crate::domain::sealed::SEALED_BYTES;
use crate::domain::session::SessionStatus;
use crate::domain::status::StatusEvent;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// One webhook as it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// Ours.
    pub id: InboxId,
    /// Whose session it is about.
    pub tenant: TenantId,
    /// The session it is about.
    pub session: SessionId,
    /// The provider's name of the event.
    pub event: String,
    /// What tells this event from others of its session and name: a repeat has the same.
    pub key: String,
    /// The body as it was signed.
    pub payload: Vec<u8>,
    /// When it came in.
    pub received_at: Timestamp,
    /// How often applying it was tried.
    pub attempts: u32,
    /// Not to be applied before.
    pub due_at: Timestamp,
    /// Whether there is something to apply. What means nothing to the gateway is kept as applied.
    pub has_effect: bool,
}

impl InboxEntry {
    /// Whether its body is sealed still: what it says cannot be learnt here and now.
    pub fn is_sealed(&self) -> bool {
        self.payload.first() == Some(&SEALED_BYTES)
    }
}

impl fmt::Debug for InboxEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxEntry")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("event", &self.event)
            .field("size_bytes", &self.payload.len())
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

named_enum! {
    /// Whether a webhook was new.
    pub enum Kept {
        /// Kept now.
        New = "new",
        /// Kept before; nothing was changed.
        Repeat = "repeat",
    }
}

named_enum! {
    /// Where a kept webhook stands.
    pub enum InboxStatus {
        /// To be applied.
        Pending = "pending",
        /// Applied.
        Applied = "applied",
        /// Belongs to no message of ours: an ack for one sent from the telephone itself, say.
        Unmatched = "unmatched",
        /// Could not be applied; somebody must look.
        Dead = "dead",
    }
}

/// What a kept webhook does, to be applied in one transaction with the record that it was.
#[derive(Debug, Clone, PartialEq)]
pub enum InboxEffect {
    /// A message came in. Kept once for each (session, provider message id), whichever way the
    /// one that is kept already goes.
    Receive(Box<Message>),
    /// A message came in by which its sender says whether it wants any: kept as any other and, where
    /// it is new, followed by what is said.
    ReceiveWish(Box<Message>, Wish),
    /// Something happened to an outbound message.
    Change(StatusChange),
    /// The session's state, unless a later one is known.
    Session {
        /// The state.
        status: SessionStatus,
        /// When it was true.
        at: Timestamp,
        /// The account's own address, where the event tells it.
        own_address: Option<Address>,
    },
    /// Nothing: kept for the record.
    Nothing,
}

impl InboxEffect {
    /// The message that came in, where one did, and what its sender wishes.
    pub fn received(&self) -> Option<(&Message, Option<&Wish>)> {
        match self {
            Self::Receive(message) => Some((message, None)),
            Self::ReceiveWish(message, wish) => Some((message, Some(wish))),
            Self::Change(_) | Self::Session { .. } | Self::Nothing => None,
        }
    }
}

/// What became of an [`InboxEffect`].
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It took effect, and the entry is applied. With the message that an
    /// [`InboxEffect::Change`] moved, where it was not only recorded.
    Done(Option<Box<Message>>),
    /// It changed nothing, being known already, refused by the message's status, older than what
    /// is known of the session, or about a session that is gone; the entry is applied.
    Known,
    /// The message it is about is not known (yet); the entry is left as it was.
    Unmatched,
}

/// What is to become of an entry whose effect could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxVerdict {
    /// Try again then.
    RetryAt(Timestamp),
    /// Leave it, as belonging to no message of ours.
    Unmatched,
    /// Leave it for somebody to look at.
    Dead,
}

/// What a provider's webhook says, whatever its dialect.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderEvent {
    /// A message appeared in one of the account's chats.
    Message(ProviderMessage),
    /// Something happened to a message.
    Receipt {
        /// The message.
        id: ProviderMessageId,
        /// What happened.
        event: StatusEvent,
    },
    /// The account's state changed.
    Session {
        /// The state.
        status: SessionStatus,
        /// When, as the provider says.
        at: Option<Timestamp>,
        /// The account's own address, where told.
        own_address: Option<Address>,
    },
    /// The provider reports an error of its own; to be counted and shown.
    Error,
    /// Anything else; kept and counted.
    Other,
}

/// A message as the provider tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderMessage {
    /// Its stable id.
    pub id: ProviderMessageId,
    /// Whether the account itself sent it: from here or from the telephone.
    pub from_me: bool,
    /// The chat's other side.
    pub peer: Address,
    /// The account's own address, where told.
    pub own: Option<Address>,
    /// What it says.
    pub content: Content,
    /// When it was sent, as the provider says.
    pub at: Option<Timestamp>,
}
