//! The queue of the embedded mode: an index in memory of what is due, rebuilt from the store.

mod line;
mod rotation;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::domain::address::RecipientKey;
use crate::domain::id::{MessageId, SessionId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
use crate::memory::queue::state::State;
use crate::ports::queue::{
    Claim, Claims, HeldBy, Pause, PauseScope, Position, Queue, QueueError, Standing,
};

/// How many items are added or forgotten before others get their turn at the lock.
const CHUNK: usize = 256;

/// A [`Queue`] in memory, for one process.
///
/// Every operation takes logarithmic time, depths constant time, whatever the number of tenants,
/// sessions and messages. One lock guards everything and is never held while anybody waits.
pub struct MemoryQueue {
    state: Mutex<State>,
    /// How often those who wait were woken; changed under the lock, so that a claim that has seen
    /// the old state has also seen the old version.
    version: AtomicU64,
    bell: Notify,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new() -> Self {
        let state = Mutex::new(State::new());
        Self { state, version: AtomicU64::new(0), bell: Notify::new() }
    }

    /// An empty queue that stands for one that many processes share, each with its own clock: where one
    /// is far behind, that says nothing of the others.
    #[cfg(feature = "testing")]
    pub fn with_many_clocks() -> Self {
        let state = Mutex::new(State::new().with_many_clocks());
        Self { state, ..Self::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not stop all sending; and nothing of what is done under this
        // lock panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something and wakes whoever waits for what it may have made possible.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        self.tell_news(&mut state);
        result
    }

    fn tell_news(&self, state: &mut State) {
        if state.take_news() {
            self.version.fetch_add(1, Ordering::Release);
            self.bell.notify_waiters();
        }
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue").field("depth", &self.lock().depth()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn push(&self, items: &[QueueItem]) -> Result<(), QueueError> {
        for chunk in items.chunks(CHUNK) {
            self.change(|state| chunk.iter().for_each(|item| state.push(item)));
        }
        Ok(())
    }

    async fn claim(
        &self,
        max: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claims, QueueError> {
        let mut state = self.lock();
        let items = state.claim(max, lease, now);
        self.tell_news(&mut state);
        let next_due = state.next_due(now);
        state.tell(next_due);
        Ok(Claims { items, next_due, version: self.version() })
    }

    async fn renew(
        &self,
        claims: &[Claim],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<bool>, QueueError> {
        let until = now.plus(lease);
        Ok(self.change(|state| claims.iter().map(|claim| state.renew(claim, until)).collect()))
    }

    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        Ok(self.change(|state| state.complete(claim)))
    }

    async fn retry_at(
        &self,
        claim: &Claim,
        at: Timestamp,
        why: HeldBy,
    ) -> Result<bool, QueueError> {
        Ok(self.change(|state| state.retry_at(claim, at, why)))
    }

    async fn pause(
        &self,
        session: SessionId,
        scope: PauseScope,
        pause: Pause,
    ) -> Result<(), QueueError> {
        self.change(|state| state.pause(session, scope, pause));
        Ok(())
    }

    async fn resume(&self, session: SessionId, scope: PauseScope) -> Result<(), QueueError> {
        self.change(|state| state.resume(session, scope));
        Ok(())
    }

    async fn open_chat(
        &self,
        session: SessionId,
        recipient: RecipientKey,
    ) -> Result<(), QueueError> {
        self.change(|state| state.open_chat(session, recipient));
        Ok(())
    }

    async fn forget(&self, session: SessionId, messages: &[MessageId]) -> Result<(), QueueError> {
        for chunk in messages.chunks(CHUNK) {
            self.change(|state| chunk.iter().for_each(|message| state.forget(session, *message)));
        }
        Ok(())
    }

    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError> {
        Ok(self.lock().position(item.session, item.message))
    }

    async fn standings(&self, sessions: &[SessionId]) -> Result<Vec<Standing>, QueueError> {
        let state = self.lock();
        Ok(sessions.iter().map(|session| state.standing(*session)).collect())
    }

    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError> {
        Ok(self.lock().session_depth(session))
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        Ok(self.lock().depth())
    }

    async fn changed(&self, version: u64) {
        loop {
            // Listened for before looking: what is told from here on is not missed.
            let told = self.bell.notified();
            if self.version() != version {
                return;
            }
            told.await;
        }
    }
}
