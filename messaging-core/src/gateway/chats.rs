//! Which chats are open: what decides in which lane a message waits.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::address::RecipientKey;
use crate::domain::id::SessionId;
use crate::domain::message::QueueItem;
use crate::domain::urgency::Lane;
use crate::gateway::Gateway;

/// How many open chats are remembered; then it begins anew.
const CAPACITY: usize = 200_000;

/// Chats that were found open. One that is stays so.
#[derive(Default)]
pub(crate) struct OpenChats {
    known: Mutex<HashSet<RecipientKey>>,
}

impl OpenChats {
    fn lock(&self) -> MutexGuard<'_, HashSet<RecipientKey>> {
        // Nothing panics while holding it, and a set is never half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, recipient: RecipientKey) -> bool {
        self.lock().contains(&recipient)
    }

    /// Tells whether it was not known before.
    fn add(&self, recipient: RecipientKey) -> bool {
        let mut known = self.lock();
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(recipient)
    }
}

impl Gateway {
    /// Messages in the lanes that they are to wait in. While nobody can tell, as if they opened chats:
    /// before such a one is held, it is looked at again.
    pub(crate) async fn in_lanes(&self, mut items: Vec<QueueItem>) -> Vec<QueueItem> {
        let open = &self.inner.open_chats;
        let mut asked: Vec<(SessionId, RecipientKey)> = items
            .iter()
            .filter(|item| !open.has(item.recipient))
            .map(|item| (item.session, item.recipient))
            .collect();
        asked.sort_unstable();
        asked.dedup();
        if !asked.is_empty() {
            match self.ports().messages.open_chats(&asked).await {
                Ok(found) => {
                    for (_, recipient) in found {
                        open.add(recipient);
                    }
                }
                Err(error) => tracing::debug!(%error, "it is not known which chats are open"),
            }
        }
        for item in &mut items {
            item.lane = if open.has(item.recipient) { Lane::Known } else { Lane::New };
        }
        items
    }

    /// Whether a chat is open, as the store has it.
    pub(crate) async fn is_chat_open(&self, item: &QueueItem) -> bool {
        let item = self.in_lanes(vec![*item]).await;
        item.iter().all(|item| item.lane == Lane::Known)
    }

    /// A chat was opened: what waits to be sent in it holds up, and is held up by, no new chats any
    /// more.
    pub(crate) async fn chat_opened(&self, session: SessionId, recipient: RecipientKey) {
        if self.inner.open_chats.add(recipient) {
            self.queued(self.ports().queue.open_chat(session, recipient).await);
        }
    }
}
