//! The messages of one session, in the order in which they may leave.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::domain::address::RecipientKey;
use crate::domain::id::MessageId;
use crate::domain::message::{Priority, QueueItem};
use crate::domain::timestamp::Timestamp;
use crate::ports::queue::MAX_POSITION;

/// What leaves first stands first: the more urgent, then the one accepted first.
type Place = (Priority, MessageId);

/// A place among the messages to one recipient.
type Link = (RecipientKey, Place);

/// The messages of one session.
///
/// Those to one recipient form a chain, of which only the head may leave. A head is `ready`, or
/// `held` until it is due; all others are `held` behind their head. What is out stays in its
/// chain, so that it has its place when it comes back.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// All messages, chain by chain, and when each is due.
    chains: BTreeMap<Link, Timestamp>,
    /// Heads that are due.
    ready: BTreeSet<Place>,
    /// All that can not leave now.
    held: BTreeSet<Place>,
    /// The heads among `held`, by when they are due.
    due: BTreeSet<(Timestamp, Link)>,
    /// What is handed out; in neither `ready` nor `held`.
    out: Option<Link>,
}

impl Line {
    /// Adds a message. `seen` is the latest known instant, as everywhere below.
    pub(super) fn add(&mut self, item: &QueueItem, seen: Timestamp) {
        let link = link(item);
        let head = self.head(item.recipient);
        self.chains.insert(link, item.due_at);
        match head {
            Some(head) if head < link => {
                self.held.insert(link.1);
            }
            Some(head) => {
                self.stand_behind(head);
                self.stand_as_head(link, item.due_at, seen);
            }
            None => self.stand_as_head(link, item.due_at, seen),
        }
    }

    /// Takes a message out for good.
    pub(super) fn remove(&mut self, item: &QueueItem, seen: Timestamp) {
        let link = link(item);
        let was_head = self.head(item.recipient) == Some(link);
        let Some(due_at) = self.chains.remove(&link) else { return };
        if self.out == Some(link) {
            self.out = None;
        } else if !self.ready.remove(&link.1) {
            self.held.remove(&link.1);
            if was_head {
                self.due.remove(&(due_at, link));
            }
        }
        if was_head {
            self.lift_head(item.recipient, seen);
        }
    }

    /// Hands out the first of those that may leave at `now`.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<MessageId> {
        // Only now: a session that becomes due with a great many at once costs nothing until its
        // turn comes.
        while let Some((due_at, link)) = self.due.first().copied() {
            if due_at > now {
                break;
            }
            self.due.pop_first();
            self.held.remove(&link.1);
            self.ready.insert(link.1);
        }
        self.ready.pop_first().map(|(_, message)| message)
    }

    /// Hands out this message, wherever in the line it stands.
    pub(super) fn take_out(&mut self, item: &QueueItem) {
        let link = link(item);
        if !self.ready.remove(&link.1) {
            self.held.remove(&link.1);
            if let Some(due_at) = self.chains.get(&link) {
                self.due.remove(&(*due_at, link));
            }
        }
        self.out = Some(link);
    }

    /// Notes that this message is the one that is out.
    pub(super) fn set_out(&mut self, item: &QueueItem) {
        self.out = Some(link(item));
    }

    /// Gives what is out its place again, to leave at `due_at`, or whenever it was due before.
    pub(super) fn put_back(&mut self, due_at: Option<Timestamp>, seen: Timestamp) {
        let Some(link) = self.out.take() else { return };
        let Some(kept) = self.chains.get_mut(&link) else { return };
        *kept = due_at.unwrap_or(*kept);
        let due_at = *kept;
        if self.head(link.0) == Some(link) {
            self.stand_as_head(link, due_at, seen);
        } else {
            self.held.insert(link.1);
        }
    }

    /// Whether this message is out.
    pub(super) fn is_out(&self, item: &QueueItem) -> bool {
        self.out == Some(link(item))
    }

    /// Whether there is something that may leave at `now`.
    pub(super) fn may_leave(&self, now: Timestamp) -> bool {
        !self.ready.is_empty() || self.due.first().is_some_and(|(due_at, _)| *due_at <= now)
    }

    /// When the first of those that are not ready is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due_at, _)| *due_at)
    }

    /// How many stand before this message, counted to [`MAX_POSITION`].
    pub(super) fn ahead(&self, item: &QueueItem) -> u64 {
        let (_, place) = link(item);
        let out = usize::from(self.out.is_some());
        let ready = self.ready.range(..place).map(|_| 1);
        let held = self.held.range(..place).map(|_| 1);
        let limit = usize::try_from(MAX_POSITION).unwrap_or(usize::MAX);
        let counted: usize = ready.chain(held).take(limit - out).sum();
        (counted + out) as u64
    }

    /// How many messages there are, the one that is out included.
    pub(super) fn len(&self) -> usize {
        self.chains.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    fn head(&self, recipient: RecipientKey) -> Option<Link> {
        let lowest = (recipient, (Priority::High, MessageId(Uuid::nil())));
        let (link, _) = self.chains.range(lowest..).next()?;
        (link.0 == recipient).then_some(*link)
    }

    /// A message that stands nowhere yet is the head of its chain.
    fn stand_as_head(&mut self, link: Link, due_at: Timestamp, seen: Timestamp) {
        if due_at <= seen {
            self.ready.insert(link.1);
        } else {
            self.held.insert(link.1);
            self.due.insert((due_at, link));
        }
    }

    /// What was the head of its chain is so no longer.
    fn stand_behind(&mut self, link: Link) {
        if self.out == Some(link) {
            return;
        }
        if self.ready.remove(&link.1) {
            self.held.insert(link.1);
        } else if let Some(due_at) = self.chains.get(&link) {
            self.due.remove(&(*due_at, link));
        }
    }

    /// The first of a chain that has lost its head becomes the head.
    fn lift_head(&mut self, recipient: RecipientKey, seen: Timestamp) {
        let Some(link) = self.head(recipient) else { return };
        if self.out == Some(link) {
            return;
        }
        if let Some(due_at) = self.chains.get(&link).copied() {
            self.held.remove(&link.1);
            self.stand_as_head(link, due_at, seen);
        }
    }
}

fn link(item: &QueueItem) -> Link {
    (item.recipient, (item.priority, item.message))
}
