//! One message, in or out, and what is recorded about it.

pub mod applied;

use crate::domain::address::{Address, PersonKey, RecipientKey};
use crate::domain::content::Content;
use crate::domain::failure::Failure;
use crate::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use crate::domain::sealed::Sealed;
use crate::domain::status::{Status, StatusEvent};
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::Lane;
use crate::named::named_enum;

named_enum! {
    /// Which way a message goes.
    pub enum Direction {
        /// From the tenant to somebody.
        Outbound = "outbound",
        /// From somebody to the tenant.
        Inbound = "inbound",
    }
}

named_enum! {
    /// What leaves first within a session. In the order of declaration, the first being the most
    /// urgent.
    pub enum Priority {
        /// Before all others.
        High = "high",
        /// As usual.
        Normal = "normal",
        /// After all others.
        Low = "low",
    }
}

named_enum! {
    /// Whether personal data is taken from what is kept of a message's texts.
    pub enum Redaction {
        /// Once it need not be sent any more ([`Message::is_redactable`]).
        Due = "due",
        /// It was: what is kept cannot be sent again.
        Done = "done",
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Sorts by acceptance.
    pub id: MessageId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The account it goes or came through.
    pub session: SessionId,
    /// The bulk request it belongs to.
    pub batch: Option<BatchId>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who sent it; for outbound ones the account's own address, where known.
    pub from: Option<Address>,
    /// Whom it goes to; for inbound ones the account's own address, where known.
    pub to: Option<Address>,
    /// What it says.
    pub content: Content,
    /// What stands for whom the message is exchanged with; `None` where that can be worked out from
    /// the address by whoever knows it.
    pub alias: Option<RecipientKey>,
    /// What a vault made of addresses, content and metadata, for a store to keep in their place:
    /// then they hold nothing but the kind of the content. `None` where they say what they say.
    pub sealed: Option<Sealed>,
    /// Whether personal data is taken from what it says; `None` where it is kept as it is.
    pub redaction: Option<Redaction>,
    /// What leaves first.
    pub priority: Priority,
    /// The tenant's own data, given back as it came. A JSON object.
    pub metadata: Option<serde_json::Value>,
    /// Where it stands.
    pub status: Status,
    /// How many attempts count so far.
    pub attempts: u32,
    /// How many attempts were begun, counted or not: the fence that keeps the end of one attempt
    /// from being taken for the end of another.
    pub generation: u32,
    /// Whether the queue is not to know of it yet: its bulk request has not let it in, or the time
    /// that it is to be sent at (`due_at`) has not come.
    pub held: bool,
    /// Not to be tried before.
    pub due_at: Timestamp,
    /// Not to be tried from then on: it is expired.
    pub expires_at: Option<Timestamp>,
    /// Why it failed or is tried again.
    pub failure: Option<Failure>,
    /// Its id at the provider, once chosen or learnt.
    pub provider_message_id: Option<ProviderMessageId>,
    /// When it was accepted or received by the gateway.
    pub created_at: Timestamp,
    /// When anything about it changed last.
    pub updated_at: Timestamp,
    /// When the provider accepted it.
    pub sent_at: Option<Timestamp>,
    /// When it reached the device.
    pub delivered_at: Option<Timestamp>,
    /// When it was opened.
    pub read_at: Option<Timestamp>,
    /// When it failed.
    pub failed_at: Option<Timestamp>,
}

impl Message {
    /// Whom the message is exchanged with, and whether by its own account that chat was opened: by
    /// having been received, or, which nobody can take back, sent, or perhaps sent for all that will
    /// ever be known.
    pub fn open_chat(&self) -> Option<OpenChat> {
        let by_us = self.direction == Direction::Outbound;
        let recipient = self.peer_key()?;
        let is_over = !matches!(self.status, Status::Queued | Status::Retry | Status::Sending);
        let is_unknown = self.failure.as_ref().is_some_and(Failure::is_unknown);
        let is_open = !by_us || self.sent_at.is_some() || (is_over && is_unknown);
        is_open.then_some(OpenChat { session: self.session, recipient, by_us })
    }

    /// Who is on the other side: who sent it, or whom it goes to.
    pub fn person(&self) -> Option<&Address> {
        match self.direction {
            Direction::Inbound => self.from.as_ref(),
            Direction::Outbound => self.to.as_ref(),
        }
    }

    /// Whether it is still to be sent, or being sent.
    pub fn is_to_be_sent(&self) -> bool {
        matches!(self.status, Status::Queued | Status::Retry | Status::Sending)
    }

    /// The same without what it says and between whom, which nobody can bring back. What is counted
    /// stays: its kind, where it stands, when what happened.
    #[must_use]
    pub fn erased(mut self) -> Self {
        self.content = self.content.erased();
        self.metadata = None;
        (self.from, self.to, self.alias, self.sealed) = (None, None, None, None);
        self.redaction = None;
        if let Some(failure) = &mut self.failure {
            failure.detail = None;
        }
        self
    }

    /// Whether personal data is to be taken from what it says, now that nobody will say it any more. A
    /// failed one may be replayed.
    pub fn is_redactable(&self) -> bool {
        self.redaction == Some(Redaction::Due) && Status::SAID.contains(&self.status)
    }

    /// Whether it is not known that it is not on its way: it is being sent, or an attempt's end is not
    /// known and there will be another.
    pub fn may_be_out(&self) -> bool {
        let is_unknown = self.failure.as_ref().is_some_and(Failure::is_unknown);
        self.status == Status::Sending || (self.status == Status::Retry && is_unknown)
    }

    /// Whether what it says is sealed still: it cannot be opened here and now, so it can be neither sent
    /// nor redacted.
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Stands for whom the message is exchanged with.
    pub fn peer_key(&self) -> Option<RecipientKey> {
        let person = self.person()?;
        Some(self.alias.unwrap_or_else(|| RecipientKey::of(self.session, person)))
    }

    /// Stands for who is on the other side among all that the tenant exchanges messages with.
    pub fn person_key(&self) -> Option<PersonKey> {
        match &self.sealed {
            Some(sealed) => sealed.person,
            None => self.person().map(|person| PersonKey::of(self.tenant, person)),
        }
    }

    /// Whether this is who is on the other side. Where the message is sealed only what stands for a
    /// person tells.
    pub fn is_with(&self, person: &Address) -> bool {
        match (&self.sealed, person) {
            (Some(sealed), Address::Sealed(alias)) => sealed.person == Some(PersonKey(alias.key())),
            (Some(_), _) => false,
            (None, _) => self.person() == Some(person),
        }
    }

    /// What stands for the message in a queue; `None` for one without a recipient.
    ///
    /// As if its chat were open: what a message says does not tell whether it is.
    pub fn queue_item(&self) -> Option<QueueItem> {
        Some(QueueItem {
            message: self.id,
            tenant: self.tenant,
            session: self.session,
            recipient: self.to.is_some().then(|| self.peer_key())??,
            priority: self.priority,
            lane: Lane::Known,
            due_at: self.due_at,
        })
    }
}

/// A chat of a session in which something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenChat {
    /// Through which account.
    pub session: SessionId,
    /// With whom.
    pub recipient: RecipientKey,
    /// Whether the account spoke, rather than the other side.
    pub by_us: bool,
}

/// What stands for a message in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueItem {
    /// The message; the order of ids is the order of acceptance.
    pub message: MessageId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The account it goes through.
    pub session: SessionId,
    /// Whom it goes to.
    pub recipient: RecipientKey,
    /// What leaves first.
    pub priority: Priority,
    /// Whether its chat is open. All that waits for one recipient is in one lane.
    pub lane: Lane,
    /// Not to be handed out before.
    pub due_at: Timestamp,
}

/// Which message a [`StatusChange`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageRef {
    /// By id, as a worker knows it.
    Id(MessageId),
    /// By id, as a tenant knows it: another tenant's message is not found.
    Owned(TenantId, MessageId),
    /// An outbound message by its id at the provider, as an ack names it.
    Provider(SessionId, ProviderMessageId),
}

/// Something that happened to a message, to be applied where
/// [`transition`](crate::domain::status::transition) allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// Which message.
    pub message: MessageRef,
    /// What happened.
    pub event: StatusEvent,
    /// When.
    pub at: Timestamp,
    /// The attempt this is about ([`Message::generation`]): to
    /// [`Begin`](StatusEvent::Begin), the generation before; to its end, the one it was given.
    /// When another attempt has begun since, the change is refused, whatever its event. `None`
    /// does not ask.
    pub generation: Option<u32>,
    /// The id chosen for, or learnt from, the provider. Kept where given, in place of the one
    /// before.
    pub provider_message_id: Option<ProviderMessageId>,
    /// Why; recorded in the history with every event, and kept on the message with `Defer`,
    /// `Hold`, `Fail` and `Bounce` where given.
    pub failure: Option<Failure>,
    /// Not to be tried before; kept with `Begin` (for should nobody end the attempt), `Defer`,
    /// `Hold` and `Replay` where given.
    pub due_at: Option<Timestamp>,
}

impl StatusChange {
    /// A change with nothing but its event.
    pub fn new(message: MessageRef, event: StatusEvent, at: Timestamp) -> Self {
        Self {
            message,
            event,
            at,
            generation: None,
            provider_message_id: None,
            failure: None,
            due_at: None,
        }
    }
}

/// What became of a [`StatusChange`].
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeOutcome {
    /// The message moved from `from`; here it is as it stands now.
    Moved {
        /// The status before.
        from: Status,
        /// The message after.
        message: Box<Message>,
    },
    /// Recorded among the message's events; its status stands, and what it did not know yet is
    /// filled in.
    Kept,
    /// Not possible from the status the message has, or not about its latest attempt.
    Refused(Status),
    /// No such message, or another tenant's.
    NotFound,
}

/// One line of a message's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEvent {
    /// When it happened.
    pub at: Timestamp,
    /// What happened; `None` for the message's coming into being.
    pub event: Option<StatusEvent>,
    /// The status afterwards.
    pub status: Status,
    /// The number of counted attempts afterwards.
    pub attempts: u32,
    /// Why.
    pub failure: Option<Failure>,
}
