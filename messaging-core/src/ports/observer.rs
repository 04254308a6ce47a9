//! Whom the gateway tells what happens, for counting and measuring.

use std::time::Duration;

use crate::domain::content::ContentKind;
use crate::domain::failure::FailureCode;
use crate::domain::message::{Direction, Priority};
use crate::domain::opt_out::OptOutSource;
use crate::domain::session::{SessionHealth, SessionStatus};
use crate::domain::status::{Status, StatusEvent};
use crate::named::named_enum;
use crate::ports::queue::HeldBy;
use crate::ports::webhook_verifier::SignatureError;

named_enum! {
    /// What became of a webhook at the door.
    pub enum WebhookResult {
        /// Kept.
        Kept = "kept",
        /// Kept before.
        Repeat = "repeat",
        /// Not believed.
        BadSignature = "bad_signature",
        /// From where none are taken.
        SourceNotAllowed = "source_not_allowed",
        /// Not what the provider sends.
        Malformed = "malformed",
        /// About a session nobody has.
        UnknownSession = "unknown_session",
        /// Too many.
        RateLimited = "rate_limited",
        /// Could not be kept; the provider will repeat it.
        Unavailable = "unavailable",
    }
}

named_enum! {
    /// What became of a webhook that was kept.
    pub enum InboxResult {
        /// It took effect.
        Applied = "applied",
        /// It changed nothing.
        Known = "known",
        /// Of a kind that has no effect.
        Ignored = "ignored",
        /// It belongs to no message of ours yet and will be tried again.
        Deferred = "deferred",
        /// It belongs to no message of ours.
        Unmatched = "unmatched",
        /// It could not be applied; somebody must look.
        Dead = "dead",
    }
}

named_enum! {
    /// What became of a list of those who want no messages.
    pub enum ListChange {
        /// Somebody came to it.
        Added = "added",
        /// Somebody went from it.
        Removed = "removed",
    }
}

/// Something that happened. Holds no text, number or id.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A message was accepted from a tenant or received.
    Accepted {
        /// Which way.
        direction: Direction,
        /// Of which kind.
        kind: ContentKind,
        /// How urgent.
        priority: Priority,
        /// The country calling code of the other side, where it has one.
        calling_code: Option<u16>,
    },
    /// A request for a message was refused.
    Refused {
        /// The stable code of the refusal.
        code: &'static str,
    },
    /// A list of those who want no messages was changed.
    OptOut {
        /// How.
        change: ListChange,
        /// By whom. Of an answer, that it asked for this: who is on the list already stays there.
        source: OptOutSource,
    },
    /// A call of the transport ended.
    Attempt {
        /// How it ended: `accepted`, `rejected`, `try_later` or `unknown`.
        outcome: &'static str,
        /// How long the call took.
        took: Duration,
    },
    /// A message moved.
    Moved {
        /// From.
        from: Status,
        /// To.
        to: Status,
        /// Which way it goes.
        direction: Direction,
        /// How long since it was accepted.
        since_accepted: Duration,
        /// Why, where it failed.
        failure: Option<FailureCode>,
    },
    /// A webhook told what became of a message.
    Receipt {
        /// What.
        event: StatusEvent,
        /// How long since the message was accepted.
        since_accepted: Duration,
    },
    /// A session was held back.
    Held {
        /// Why.
        why: HeldBy,
    },
    /// A session's quota was asked for: the share of it in use, from 0 to 1.
    QuotaUsed {
        /// The share.
        share: f64,
    },
    /// A webhook came in.
    Webhook {
        /// What became of it.
        result: WebhookResult,
        /// Why it was not believed.
        reason: Option<SignatureError>,
        /// The size of its body.
        size_bytes: usize,
        /// How long it took until the answer.
        took: Duration,
    },
    /// A webhook that was kept was looked at.
    Inbox {
        /// What became of it.
        result: InboxResult,
        /// How long since it came in.
        since_received: Duration,
    },
    /// What webhooks had not told was read from the provider.
    CaughtUp {
        /// How many messages that came in.
        messages: u64,
        /// How many messages of ours that got further.
        receipts: u64,
    },
    /// A connected session does what it should, or no longer.
    Health {
        /// How it is.
        health: SessionHealth,
    },
    /// A session changed its state.
    Session {
        /// To.
        status: SessionStatus,
    },
    /// The provider reported an error of its own.
    ProviderReportedError,
    /// Somebody who was not believed left no entry in the audit log: there were enough of them.
    AuditUnrecorded,
    /// A store, queue, limiter, this node's clock or the provider failed, or something does not open with
    /// the keys that are here.
    Fault {
        /// Which: `store`, `queue`, `limiter`, `clock`, `provider` or `key`.
        what: &'static str,
    },
}

/// Whom the gateway tells what happens. Must not block.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, observation: &Observation);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: &Observation) {}
}
