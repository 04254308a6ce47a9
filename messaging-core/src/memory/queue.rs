//! A queue in memory: the embedded mode's, and the model of what every other must do.

mod lane;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::id::{MessageId, SessionId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
use crate::memory::queue::state::State;
use crate::ports::queue::{Claim, Claims, Pause, Position, Queue, QueueError};

/// A queue in memory. It forgets everything with the process, which costs nothing but the time to
/// read it from the store again.
///
/// Every call takes one lock for a time that grows with the logarithm of what waits.
#[derive(Debug)]
pub struct MemoryQueue {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self { state: Mutex::default(), version: watch::Sender::new(0) }
    }
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for a change. Called after the lock is let go, so that the woken do not
    /// run into it.
    fn announce(&self) {
        self.version.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn announce_if(&self, changed: bool) -> bool {
        if changed {
            self.announce();
        }
        changed
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn push(&self, items: &[QueueItem]) -> Result<(), QueueError> {
        let added = {
            let mut state = self.state();
            items.iter().filter(|item| state.push(**item)).count()
        };
        self.announce_if(added > 0);
        Ok(())
    }

    async fn claim(
        &self,
        max: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claims, QueueError> {
        // Read first: what changes while this claims wakes the caller again, which is harmless.
        let version = *self.version.borrow();
        let mut state = self.state();
        let items = state.claim(max, now.plus(lease), now);
        Ok(Claims { items, next_due: state.next_due(), version })
    }

    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        let done = self.state().complete(claim);
        Ok(self.announce_if(done))
    }

    async fn retry_at(&self, claim: &Claim, at: Timestamp) -> Result<bool, QueueError> {
        let done = self.state().retry_at(claim, at);
        Ok(self.announce_if(done))
    }

    async fn pause(&self, session: SessionId, pause: Pause) -> Result<(), QueueError> {
        self.state().pause(session, pause);
        Ok(())
    }

    async fn resume(&self, session: SessionId) -> Result<(), QueueError> {
        let resumed = self.state().resume(session);
        self.announce_if(resumed);
        Ok(())
    }

    async fn forget(&self, messages: &[MessageId]) -> Result<(), QueueError> {
        let forgotten = {
            let mut state = self.state();
            messages.iter().filter(|message| state.forget(**message)).count()
        };
        // What stood behind a forgotten message may go now.
        self.announce_if(forgotten > 0);
        Ok(())
    }

    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError> {
        Ok(self.state().position(item.message))
    }

    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError> {
        Ok(self.state().session_depth(session))
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        Ok(self.state().depth())
    }

    async fn changed(&self, version: u64) {
        let mut versions = self.version.subscribe();
        // The sender lives as long as the queue, so waiting cannot fail.
        let _ = versions.wait_for(|current| *current != version).await;
    }
}
