//! Sending one message through a provider.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::address::Address;
use crate::domain::content::Content;
use crate::domain::failure::Failure;
use crate::domain::id::ProviderMessageId;
use crate::domain::session::ProviderSession;
use crate::domain::timestamp::Timestamp;

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Through which account.
    pub session: &'a ProviderSession,
    /// To whom.
    pub to: &'a Address,
    /// What.
    pub content: &'a Content,
}

/// How a message will go, found out before it is tried.
#[derive(Clone, PartialEq, Eq)]
pub struct Route {
    /// The provider's own id of the chat.
    pub chat: String,
    /// Whether the provider takes an id chosen by us for this kind of message: a repeat with the
    /// same id does not become a second message.
    pub takes_id: bool,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("takes_id", &self.takes_id).finish_non_exhaustive()
    }
}

/// What finding out the route came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preparation {
    /// The message can be tried.
    Ready(Route),
    /// It can never be sent.
    Rejected(Failure),
    /// Not at present; nothing was sent.
    TryLater(Later),
}

/// Why not at present, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// Why.
    pub reason: LaterReason,
    /// How long the provider asks to wait, where it does.
    pub after: Option<Duration>,
}

/// Why a message was not sent at present; decides what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaterReason {
    /// No connection could be made: nothing was sent. The session is held; no attempt is used.
    Unreachable,
    /// The account is not connected: nothing was sent. The session is held; no attempt is used.
    SessionNotWorking,
    /// The provider asks for fewer messages. The message is tried again; an attempt is used.
    Overloaded,
    /// The provider failed and surely sent nothing. The message is tried again; an attempt is used.
    Failed,
    /// The message's file cannot be had at present, which is not the provider's doing. The message is
    /// tried again; an attempt is used.
    MediaUnavailable,
}

/// What became of a send: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The provider has it.
    Accepted {
        /// Its id there, where the answer told it.
        id: Option<ProviderMessageId>,
    },
    /// It can never be sent.
    Rejected(Failure),
    /// It was not sent; it may be later.
    TryLater(Later),
    /// The request may have arrived, and nobody told.
    Unknown,
}

/// What is looked for after an attempt whose end is not known.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// What was sent.
    pub envelope: Envelope<'a>,
    /// By which way.
    pub route: &'a Route,
    /// With which id, where one was chosen.
    pub id: Option<&'a ProviderMessageId>,
    /// When the attempt began.
    pub since: Timestamp,
}

/// What the look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It went out, under this id.
    Sent(ProviderMessageId),
    /// The provider does not know it.
    Absent,
    /// The provider cannot tell.
    CannotTell,
    /// The provider cannot be asked at present.
    TryLater(Later),
}

/// Sends messages through one provider.
///
/// A transport does one thing once: it does not retry, pace or remember.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Finds out how a message will go, without sending anything.
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation;

    /// Sends the message once, with `id` where the route takes one.
    async fn send<'a>(
        &self,
        envelope: Envelope<'a>,
        route: &Route,
        id: Option<&'a ProviderMessageId>,
    ) -> SendOutcome;

    /// Whether a message whose attempt's end is not known went out.
    async fn find_sent<'a>(&self, lookup: Lookup<'a>) -> Found;

    /// How long [`send`](Self::send) and [`prepare`](Self::prepare) together may take at the most.
    fn longest_attempt(&self) -> Duration;
}
