//! When, and in what order, messages are tried.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::{MessageId, SessionId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
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
        /// The provider's server fails and is left alone for a while.
        Breaker = "breaker",
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
    }
}

/// A pause of a session.
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
    /// same urgency those accepted before it, whether due or not. None when it is itself handed
    /// out. Counted to [`MAX_POSITION`] at the most.
    pub ahead: u64,
    /// Not to be tried before.
    pub due_at: Timestamp,
    /// The pause of its session, where there is one. One whose time is over may still be named.
    pub pause: Option<Pause>,
    /// Whether it is handed out. It may still be called so when its lease is over.
    pub claimed: bool,
}

/// What [`Position::ahead`] is counted to.
pub const MAX_POSITION: u64 = 10_000;

/// Why a queue could not do what it was asked. Nothing is lost by it: the queue is rebuilt from
/// the store.
#[derive(Debug, thiserror::Error)]
#[error("the queue cannot be used at present")]
pub struct QueueError(#[source] pub BoxError);

/// When, and in what order, messages are tried; never the truth about them.
///
/// It hands out what is due, fair between tenants and then between their sessions, at most one at
/// a time of each session. Within a session the more urgent leaves before the less urgent, and of
/// equals the one accepted first. Messages to one recipient never overtake one another but by
/// urgency: while one waits for its next attempt, later ones of the same or less urgency to the same
/// recipient wait behind it, and nobody else does.
///
/// All instants are compared with the `now` of the latest claim, never with a clock. What was due
/// once may stay so when the clock goes back.
///
/// A queue may forget everything at any moment. Whatever it should know is pushed again.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Adds messages, in whatever order. One that is known already, waiting or handed out, is left
    /// as it is.
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

    /// Puts a message back in its place, to be handed out at `at`. Tells whether the claim was
    /// still good; one that was not changes nothing.
    async fn retry_at(&self, claim: &Claim, at: Timestamp) -> Result<bool, QueueError>;

    /// Hands out nothing of a session until `pause.until`, messages or not. What is handed out
    /// already is not affected. A second call replaces the first, also by an earlier end.
    async fn pause(&self, session: SessionId, pause: Pause) -> Result<(), QueueError>;

    /// Ends a session's pause, if there is one.
    async fn resume(&self, session: SessionId) -> Result<(), QueueError>;

    /// Forgets messages of a session that are not handed out. Unknown ones are ignored.
    async fn forget(&self, session: SessionId, messages: &[MessageId]) -> Result<(), QueueError>;

    /// Where a message stands; `None` when the queue does not know it.
    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError>;

    /// How many messages of a session wait or are handed out.
    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError>;

    /// How many messages wait or are handed out in all.
    async fn depth(&self) -> Result<u64, QueueError>;

    /// Returns once the queue has changed since the state called `version`, so that there may be
    /// something to claim that was not foretold by [`Claims::next_due`]. It may also return without
    /// need; whoever waits claims again, and learns the new version.
    async fn changed(&self, version: u64);
}
