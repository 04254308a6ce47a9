//! A queue that can be away, as one on another server can.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::QueueItem;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::ports::queue::{
    Claim, Claims, HeldBy, Pause, PauseScope, Position, Queue, QueueError, Standing,
};
use tokio::sync::RwLock;

/// A queue in memory that does nothing while it is away.
#[derive(Default)]
pub(crate) struct AbsentQueue {
    queue: MemoryQueue,
    away: AtomicBool,
    then: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Whoever has one of these keeps such calls on their way.
    pub(crate) completions: RwLock<()>,
    pub(crate) renewals: RwLock<()>,
}

impl AbsentQueue {
    /// Cannot be asked from now on, or can again.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Has something happen when it is told of a message next.
    pub(crate) fn when_told(&self, happens: impl FnOnce() + Send + 'static) {
        *self.then.lock().unwrap() = Some(Box::new(happens));
    }

    fn queue(&self) -> Result<&MemoryQueue, QueueError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(QueueError("away".into()));
        }
        Ok(&self.queue)
    }
}

#[async_trait]
impl Queue for AbsentQueue {
    async fn push(&self, items: &[QueueItem]) -> Result<(), QueueError> {
        if let Some(happens) = self.then.lock().unwrap().take() {
            happens();
        }
        self.queue()?.push(items).await
    }

    async fn claim(
        &self,
        max: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claims, QueueError> {
        self.queue()?.claim(max, lease, now).await
    }

    async fn renew(
        &self,
        claims: &[Claim],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<bool>, QueueError> {
        let _arrived = self.renewals.read().await;
        self.queue()?.renew(claims, lease, now).await
    }

    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        let _arrived = self.completions.read().await;
        self.queue()?.complete(claim).await
    }

    async fn retry_at(
        &self,
        claim: &Claim,
        at: Timestamp,
        why: HeldBy,
    ) -> Result<bool, QueueError> {
        self.queue()?.retry_at(claim, at, why).await
    }

    async fn pause(
        &self,
        session: SessionId,
        scope: PauseScope,
        pause: Pause,
    ) -> Result<(), QueueError> {
        self.queue()?.pause(session, scope, pause).await
    }

    async fn resume(&self, session: SessionId, scope: PauseScope) -> Result<(), QueueError> {
        self.queue()?.resume(session, scope).await
    }

    async fn open_chat(
        &self,
        session: SessionId,
        recipient: RecipientKey,
    ) -> Result<(), QueueError> {
        self.queue()?.open_chat(session, recipient).await
    }

    async fn forget(&self, session: SessionId, messages: &[MessageId]) -> Result<(), QueueError> {
        self.queue()?.forget(session, messages).await
    }

    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError> {
        self.queue()?.position(item).await
    }

    async fn standings(&self, sessions: &[SessionId]) -> Result<Vec<Standing>, QueueError> {
        self.queue()?.standings(sessions).await
    }

    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError> {
        self.queue()?.session_depth(session).await
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        self.queue()?.depth().await
    }

    async fn changed(&self, version: u64) {
        self.queue.changed(version).await;
    }
}
