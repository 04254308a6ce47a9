//! What callers do, on its way to the audit log.

pub(crate) mod tenant_settings;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use messaging_core::domain::audit::AuditEvent;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::error::GatewayError;
use tokio::sync::{Notify, mpsc, oneshot};

/// How many entries wait to be written at the most; whoever comes then waits, too.
const ROOM: usize = 8192;

/// How many are written together at the most.
const TOGETHER: usize = 2048;

/// How long entries are gathered that are written behind their answers.
const GATHER: Duration = Duration::from_millis(200);

/// How long to wait for a store that cannot be used.
const PAUSE: Duration = Duration::from_secs(1);

/// How many entries one source that nobody believed may leave in a minute.
const OF_ONE_STRANGER: u32 = 10;

/// How many all of them may leave in a minute.
const OF_ALL_STRANGERS: u32 = 600;

enum Item {
    Event(Box<AuditEvent>),
    /// Somebody waits until all before it is written.
    Flush(oneshot::Sender<()>),
}

/// Takes entries to the audit log: before an answer is given, behind it, or only some of them. Clones
/// are one.
#[derive(Clone)]
pub struct AuditTrail {
    gateway: Gateway,
    behind: mpsc::Sender<Item>,
    hurry: Arc<Notify>,
    strangers: Arc<Mutex<Strangers>>,
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditTrail").finish_non_exhaustive()
    }
}

impl AuditTrail {
    /// Starts the task that writes behind the answers, on the current runtime. It ends when the last
    /// clone is dropped.
    pub fn start(gateway: Gateway) -> Self {
        let (behind, waiting) = mpsc::channel(ROOM);
        let hurry = Arc::new(Notify::new());
        tokio::spawn(write_behind(gateway.clone(), waiting, Arc::clone(&hurry)));
        Self { gateway, behind, hurry, strangers: Arc::default() }
    }

    /// Writes entries, all or none, and returns when they are kept.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`], where they are not.
    pub async fn record(&self, events: Vec<AuditEvent>) -> Result<(), GatewayError> {
        self.gateway.record(events).await
    }

    /// Has an entry written soon, together with others. Waits where too many wait already.
    pub async fn record_behind(&self, event: AuditEvent) {
        // The task ends after all who could send to it.
        let _ = self.behind.send(Item::Event(Box::new(event))).await;
    }

    /// Has an entry written of somebody who was not believed, unless this source, or all together,
    /// have left enough of them for now: they must not fill the disk.
    pub async fn record_stranger(&self, source: u64, event: AuditEvent) {
        let is_within = {
            // Nothing panics while holding it.
            let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
            strangers.admit(source, event.at)
        };
        if is_within {
            self.record_behind(event).await;
        } else {
            self.gateway.note_unrecorded();
        }
    }

    /// Returns when all that was handed in before is written.
    pub async fn flush(&self) {
        let (written, is_written) = oneshot::channel();
        if self.behind.send(Item::Flush(written)).await.is_ok() {
            self.hurry.notify_one();
            let _ = is_written.await;
        }
    }
}

async fn write_behind(gateway: Gateway, mut waiting: mpsc::Receiver<Item>, hurry: Arc<Notify>) {
    let mut items = Vec::new();
    while waiting.recv_many(&mut items, TOGETHER).await > 0 {
        if items.len() < TOGETHER && !items.iter().any(|item| matches!(item, Item::Flush(_))) {
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = hurry.notified() => {}
            }
            while items.len() < TOGETHER
                && let Ok(item) = waiting.try_recv()
            {
                items.push(item);
            }
        }
        let (mut events, mut flushed) = (Vec::new(), Vec::new());
        for item in items.drain(..) {
            match item {
                Item::Event(event) => events.push(*event),
                Item::Flush(written) => flushed.push(written),
            }
        }
        let mut is_told = false;
        while let Err(error) = gateway.record(events.clone()).await {
            if !is_told {
                tracing::error!(%error, entries = events.len(), "the audit log cannot be written");
                is_told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        for written in flushed {
            // Who is gone need not be told.
            let _ = written.send(());
        }
    }
}

/// How many entries those who were not believed left in a minute.
#[derive(Default)]
struct Strangers {
    minute: i64,
    of_all: u32,
    of_each: HashMap<u64, u32>,
}

impl Strangers {
    fn admit(&mut self, source: u64, at: Timestamp) -> bool {
        let minute = at.as_millis().div_euclid(60_000);
        if minute != self.minute {
            *self = Self { minute, ..Self::default() };
        }
        // So the map cannot grow larger than this either.
        if self.of_all >= OF_ALL_STRANGERS {
            return false;
        }
        let own = self.of_each.entry(source).or_default();
        if *own >= OF_ONE_STRANGER {
            return false;
        }
        *own += 1;
        self.of_all += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::at;

    #[test]
    fn strangers_leave_so_many_entries_a_minute_and_no_more() {
        let mut strangers = Strangers::default();
        let mut admitted = |source, millis| strangers.admit(source, at(millis));
        for _ in 0..OF_ONE_STRANGER {
            assert!(admitted(1, 0));
        }
        assert!(!admitted(1, 59_999));
        assert!(admitted(2, 59_999));
        assert!(admitted(1, 60_000));
    }

    #[test]
    fn many_strangers_share_a_limit() {
        let mut strangers = Strangers::default();
        let admitted = (0..10_000).filter(|source| strangers.admit(*source, at(0))).count();
        assert_eq!(admitted, OF_ALL_STRANGERS as usize);
        assert_eq!(strangers.of_each.len(), admitted);
    }
}
