//! When, and in what order, messages are tried.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::address::RecipientKey;
use crate::domain::id::{MessageId, SessionId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
#[cfg(doc)]
use crate::domain::urgency::Kind;
use crate::domain::urgency::Lane;
use crate::named::named_enum;
use crate::ports::store_error::BoxError;

named_enum! {
    /// Why a message waits.
    pub enum HeldBy {
        /// It does not: it is about to be sent.
        Ready = "ready",
        /// The session has used its quota.
        Rate = "rate",
        /// The session is not connected.
        Session = "session",
        /// The provider cannot be reached.
        Provider = "provider",
        /// Its bulk request has as many in the queue as it may.
        Bulk = "bulk",
        /// The time that it is to be sent at has not come.
        Scheduled = "scheduled",
        /// Somebody stopped its tenant, its session or its bulk request.
        Suspended = "suspended",
        /// An attempt did not succeed; the next is not due.
        Retry = "retry",
        /// Others are before it.
        Queue = "queue",
        /// The session has opened as many chats as it may for now.
        NewChats = "new-chats",
        /// The provider lets the account open no chats.
        Restricted = "restricted",
        /// Too much of what its provider was asked failed.
        Breaker = "breaker",
        /// Its recipient was sent another a moment ago.
        Recipient = "recipient",
    }
}

named_enum! {
    /// What a pause holds.
    pub enum PauseScope {
        /// All of the session.
        Session = "session",
        /// What would open a chat ([`Lane::New`]), and what waits
        /// behind it; the rest of the session goes on.
        NewChats = "new-chats",
    }
}

/// A pause of a session, or of its new chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Until then, unless resumed before.
    pub until: Timestamp,
    /// Why.
    pub why: HeldBy,
}

/// A message handed out to be tried.
///
/// A claim is good until the message is completed, put back, forgotten, or handed out again. So a
/// claimer that comes after the end of its lease, but before anybody else got the message, is
/// still in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// What was handed out.
    pub item: QueueItem,
    /// Until when it is the claimer's alone.
    pub lease_until: Timestamp,
    /// Tells this claim from others of the same message.
    pub token: u64,
}

/// What a call of [`Queue::claim`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// What is to be tried now.
    pub items: Vec<Claim>,
    /// When, should nothing happen before, there may be more: the instant of the call itself where
    /// `max` left some; `None` when only a change can bring more.
    pub next_due: Option<Timestamp>,
    /// The state this was read from, for [`Queue::changed`].
    pub version: u64,
}

/// Where a message stands in its session's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// How many of its session stand before it: the one handed out, the more urgent, and of the
    /// same urgency those accepted before it, whether due or not; and all that stand before the
    /// first to its recipient. None when it is itself handed out. Counted to [`MAX_POSITION`] at
    /// the most.
    pub ahead: u64,
    /// Not to be tried before.
    pub due_at: Timestamp,
    /// Why not: what it was put back for, [`HeldBy::Retry`] where that is not known.
    pub why: HeldBy,
    /// Whether its chat is open.
    pub lane: Lane,
    /// The pause that holds it, of its session or of its lane: where there are both, the one that
    /// ends later. One whose time is over may still be named.
    pub pause: Option<Pause>,
    /// Whether it is handed out. It may still be called so when its lease is over.
    pub claimed: bool,
}

/// What [`Position::ahead`] is counted to.
pub const MAX_POSITION: u64 = 10_000;

/// What a queue knows of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many messages wait or are handed out.
    pub depth: u64,
    /// How many of them would open a chat. What waits behind such a one is not counted: once that
    /// one is sent, the chat is open.
    pub new_chats: u64,
    /// Whether one is handed out. It may still be called so when its lease is over.
    pub claimed: bool,
    /// The first accepted of them. Of those that are not due yet a queue need not look at all, where
    /// there are more than a hundred.
    pub oldest: Option<MessageId>,
    /// The session's pause. One whose time is over may still be named.
    pub pause: Option<Pause>,
    /// The pause of its new chats. One whose time is over may still be named.
    pub new_chats_pause: Option<Pause>,
}

/// Why a queue could not do what it was asked. Nothing is lost by it: the queue is rebuilt from
/// the store.
#[derive(Debug, thiserror::Error)]
#[error("the queue cannot be used at present")]
pub struct QueueError(#[source] pub BoxError);

/// When, and in what order, messages are tried; never the truth about them.
///
/// It hands out what is due, fair between tenants and then between their sessions, at most one at
/// a time of each session. Within a session the more urgent leaves before the less urgent, of equals
/// the one whose chat is open before one that opens a chat, and of equals again the one accepted
/// first; who waits long becomes [more urgent](Kind::urgency). Messages to one recipient never
/// overtake one another but by priority, neither by lane nor by age: while one waits for its next
/// attempt, later ones of the same or a lower priority to the same recipient wait behind it, and
/// nobody else does.
///
/// What waits for one recipient is of one [`Lane`]: of [`Lane::Known`] as soon as it is told so of
/// any of it, by a push or by [`Queue::open_chat`].
///
/// All instants are compared with the `now` of the latest claim, never with a clock. What was due
/// once may stay so when the clock goes back.
///
/// A queue may forget everything at any moment. Whatever it should know is pushed again.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Adds messages, in whatever order. One that is known already, waiting or handed out, is left
    /// as it is, but that its chat may be open now.
    async fn push(&self, items: &[QueueItem]) -> Result<(), QueueError>;

    /// Hands out at most `max` messages that are due. Each is its claimer's alone for `lease`;
    /// one not completed by then is handed out again.
    async fn claim(
        &self,
        max: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claims, QueueError>;

    /// Goes on with claims, each for another `lease` from `now`. Tells for each whether the message
    /// is still its claimer's: it is unless it, or another of its session, has been handed out
    /// since. One that the queue no longer knows is taken as handed out under this claim, so that
    /// a queue that has forgotten everything learns what is under way.
    async fn renew(
        &self,
        claims: &[Claim],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<bool>, QueueError>;

    /// The message needs no further attempt: forgets it. Tells whether the claim was still
    /// good; one that was not changes nothing.
    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError>;

    /// Puts a message back in its place, to be handed out at `at`; `why` is told to whoever asks
    /// what it waits for. Tells whether the claim was still good; one that was not changes nothing.
    async fn retry_at(&self, claim: &Claim, at: Timestamp, why: HeldBy)
    -> Result<bool, QueueError>;

    /// Hands out nothing of a session, or nothing that would open a chat, until `pause.until`,
    /// messages or not. What is handed out already is not affected. A second call of the same scope
    /// replaces the first, also by an earlier end; of the two scopes neither changes the other.
    async fn pause(
        &self,
        session: SessionId,
        scope: PauseScope,
        pause: Pause,
    ) -> Result<(), QueueError>;

    /// Ends the pause of this scope, if there is one.
    async fn resume(&self, session: SessionId, scope: PauseScope) -> Result<(), QueueError>;

    /// The chat with a recipient is open: what waits for it stands among the [`Lane::Known`] from
    /// now on. Nothing of it waiting, nothing happens.
    async fn open_chat(
        &self,
        session: SessionId,
        recipient: RecipientKey,
    ) -> Result<(), QueueError>;

    /// Forgets messages of a session that are not handed out. Unknown ones are ignored.
    async fn forget(&self, session: SessionId, messages: &[MessageId]) -> Result<(), QueueError>;

    /// Where a message stands; `None` when the queue does not know it.
    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError>;

    /// What it knows of each of these sessions.
    async fn standings(&self, sessions: &[SessionId]) -> Result<Vec<Standing>, QueueError>;

    /// How many messages of a session wait or are handed out.
    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError>;

    /// How many messages wait or are handed out in all.
    async fn depth(&self) -> Result<u64, QueueError>;

    /// Returns once the queue has changed since the state called `version`, so that there may be
    /// something to claim that was not foretold by [`Claims::next_due`]. It may also return without
    /// need; whoever waits claims again, and learns the new version.
    async fn changed(&self, version: u64);
}
