//! What waits in one session, in the order in which it may leave.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::address::RecipientKey;
use crate::domain::id::{MessageId, TenantId};
use crate::domain::message::{Priority, QueueItem};
use crate::domain::timestamp::Timestamp;
use crate::ports::queue::{MAX_POSITION, Pause};

/// The order within a session: by urgency, then by acceptance.
pub(super) type Rank = (Priority, MessageId);

/// One session's messages. Those to one recipient form a chain, of which only the head may leave:
/// so a message in retry holds up what stands behind it, while a more urgent one becomes the head.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Whose it is; unknown while only a pause is.
    pub(super) tenant: Option<TenantId>,
    pub(super) pause: Option<Pause>,
    /// The one that is handed out.
    pub(super) claimed: Option<Rank>,
    /// Whether it stands in its tenant's ring.
    pub(super) in_ring: bool,
    /// When it asked to be looked at again.
    pub(super) timer: Option<Timestamp>,
    chains: HashMap<RecipientKey, BTreeMap<Rank, Timestamp>>,
    /// All messages.
    order: BTreeSet<Rank>,
    /// Heads that were seen to be due.
    ready: BTreeSet<Rank>,
    /// The other heads, by when they are due.
    not_due: BTreeSet<(Timestamp, Rank)>,
}

impl Lane {
    pub(super) fn add(&mut self, item: &QueueItem) {
        let rank = (item.priority, item.message);
        self.tenant = Some(item.tenant);
        self.change_chain(item.recipient, |chain| {
            chain.insert(rank, item.due_at);
        });
        self.order.insert(rank);
    }

    pub(super) fn remove(&mut self, item: &QueueItem) {
        let rank = (item.priority, item.message);
        if self.claimed == Some(rank) {
            self.claimed = None;
        }
        self.change_chain(item.recipient, |chain| {
            chain.remove(&rank);
        });
        self.order.remove(&rank);
    }

    /// Puts what was handed out back in its place.
    pub(super) fn put_back(&mut self, item: &QueueItem, at: Timestamp) {
        let rank = (item.priority, item.message);
        self.claimed = None;
        self.change_chain(item.recipient, |chain| {
            chain.insert(rank, at);
        });
    }

    /// Changes a chain and sees to it that its head, and nothing else of it, may leave.
    fn change_chain(
        &mut self,
        recipient: RecipientKey,
        change: impl FnOnce(&mut BTreeMap<Rank, Timestamp>),
    ) {
        let chain = self.chains.entry(recipient).or_default();
        if let Some((rank, due)) = chain.first_key_value() {
            self.ready.remove(rank);
            self.not_due.remove(&(*due, *rank));
        }
        change(chain);
        match chain.first_key_value() {
            Some((rank, _)) if self.claimed == Some(*rank) => {}
            Some((rank, due)) => {
                self.not_due.insert((*due, *rank));
            }
            None => {
                self.chains.remove(&recipient);
            }
        }
    }

    /// The most urgent head that is due, if the session may send.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Rank> {
        self.pause = self.pause.filter(|pause| pause.until > now);
        if self.pause.is_some() || self.claimed.is_some() {
            return None;
        }
        while let Some((due, rank)) = self.not_due.first().copied() {
            if due > now {
                break;
            }
            self.not_due.pop_first();
            self.ready.insert(rank);
        }
        self.ready.first().copied()
    }

    /// Marks the head that [`Lane::next`] gave as handed out.
    pub(super) fn hand_out(&mut self, rank: Rank) {
        self.ready.remove(&rank);
        self.claimed = Some(rank);
    }

    /// When there may be something to hand out, should nothing change before.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        if self.claimed.is_some() {
            return None;
        }
        let due = match self.ready.first() {
            Some(_) => Some(Timestamp::EPOCH),
            None => self.not_due.first().map(|(due, _)| *due),
        };
        let due = due?;
        Some(self.pause.map_or(due, |pause| due.max(pause.until)))
    }

    /// How many leave before this one, counted to [`MAX_POSITION`].
    pub(super) fn ahead_of(&self, rank: Rank) -> u64 {
        let before = self.order.range(..rank).take(usize::try_from(MAX_POSITION).unwrap_or(0));
        before.count() as u64
    }

    pub(super) fn depth(&self) -> u64 {
        self.order.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
