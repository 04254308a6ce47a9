//! Webhooks that this node has just kept, on their way to the task that applies them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::inbox::InboxEntry;

/// How large the bodies that wait here may be together. What comes on top is found in the store.
const MAX_BYTES: usize = 16 << 20;

/// Webhooks that this node has just kept: they need not be read back, and no other node looks at
/// them for a while.
#[derive(Default)]
pub(crate) struct FreshWebhooks {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<InboxEntry>,
    bytes: usize,
}

impl FreshWebhooks {
    pub(crate) fn add(&self, entry: InboxEntry) {
        {
            let mut waiting = self.lock();
            let bytes = waiting.bytes + entry.payload.len();
            if bytes <= MAX_BYTES {
                waiting.bytes = bytes;
                waiting.entries.push_back(entry);
            }
        }
        self.bell.notify_one();
    }

    /// The oldest, at most so many.
    pub(crate) fn take(&self, most: usize) -> Vec<InboxEntry> {
        let mut waiting = self.lock();
        let count = waiting.entries.len().min(most);
        let taken: Vec<_> = waiting.entries.drain(..count).collect();
        waiting.bytes -= taken.iter().map(|entry| entry.payload.len()).sum::<usize>();
        taken
    }

    /// Returns when one was added since this returned last.
    pub(crate) async fn added(&self) {
        self.bell.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
