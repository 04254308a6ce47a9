//! The messages of one session, in the order in which they may leave.

use std::collections::btree_set::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use uuid::Uuid;

use crate::domain::address::RecipientKey;
use crate::domain::id::MessageId;
use crate::domain::message::{Priority, QueueItem};
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::{KINDS, Kind, Lane};
use crate::ports::queue::{HeldBy, MAX_POSITION};

/// The messages of one session.
///
/// Those to one recipient form a chain, of which only the head may leave. A head is `ready`, or
/// `held` until it is due; all others are `held` behind their head. What is out stays in its
/// chain, so that it has its place when it comes back.
///
/// Where a chat is new its head alone would open it: those behind are counted as if it were open,
/// which it is when their turn comes. So to open a chat moves one message, however many wait.
///
/// A backlog may be large, so this is kept small: a message stands in few sets, and in each with
/// little more than its id.
#[derive(Debug, Default)]
pub(super) struct Line {
    messages: BTreeMap<MessageId, Waiting>,
    /// All messages, chain by chain.
    chains: BTreeSet<Link>,
    /// The chains of [`Lane::New`].
    new_chats: BTreeSet<RecipientKey>,
    /// Heads that are due.
    ready: Stand,
    /// All that can not leave now.
    held: Stand,
    /// The heads among `held`, by lane, and by when they are due.
    due: [BTreeSet<(Timestamp, MessageId)>; Lane::ALL.len()],
    /// What is handed out; in neither `ready` nor `held`.
    out: Option<MessageId>,
}

/// What is kept of a message.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    recipient: RecipientKey,
    due_at: Timestamp,
    priority: Priority,
    why: HeldBy,
}

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) recipient: RecipientKey,
    pub(super) due_at: Timestamp,
    pub(super) priority: Priority,
    pub(super) why: HeldBy,
    pub(super) lane: Lane,
}

/// A place among the messages to one recipient: the more urgent stands first, then the one accepted
/// first.
type Link = (Packed, Priority, MessageId);

/// A recipient, its bytes in order: a set of numbers beside ids would keep a quarter of its room
/// empty.
type Packed = [u8; 8];

/// Messages by kind, and of each kind in the order of acceptance.
#[derive(Debug, Default)]
struct Stand([BTreeSet<MessageId>; KINDS]);

impl Stand {
    fn of(&mut self, kind: Kind) -> &mut BTreeSet<MessageId> {
        &mut self.0[kind.index()]
    }
}

impl Line {
    /// Adds a message, and learns from one that is there whether its chat is open. Tells whether it
    /// is new. `seen` is the latest known instant, as everywhere below.
    pub(super) fn add(&mut self, item: &QueueItem, seen: Timestamp) -> bool {
        let head = self.head(item.recipient);
        match (item.lane, head) {
            (Lane::Known, _) => self.open(item.recipient),
            (Lane::New, None) => drop(self.new_chats.insert(item.recipient)),
            (Lane::New, Some(_)) => {}
        }
        if self.messages.contains_key(&item.message) {
            return false;
        }
        let QueueItem { message, recipient, priority, due_at, .. } = *item;
        self.messages.insert(message, Waiting { recipient, due_at, priority, why: HeldBy::Retry });
        self.chains.insert(link(recipient, priority, message));
        match head {
            Some((of_head, head)) if (of_head, head) < (priority, message) => {
                self.stand_behind(message, priority);
            }
            Some((of_head, head)) => {
                if self.out != Some(head) {
                    self.unstand(head, true);
                    self.stand_behind(head, of_head);
                }
                self.stand_as_head(message, seen);
            }
            None => self.stand_as_head(message, seen),
        }
        true
    }

    /// Takes a message out for good. Tells whether it was there.
    pub(super) fn remove(&mut self, message: MessageId, seen: Timestamp) -> bool {
        let Some(Waiting { recipient, priority, .. }) = self.messages.get(&message).copied() else {
            return false;
        };
        let was_head = self.is_head(message, recipient);
        if self.out == Some(message) {
            self.out = None;
        } else {
            self.unstand(message, was_head);
        }
        self.messages.remove(&message);
        self.chains.remove(&link(recipient, priority, message));
        match self.head(recipient) {
            None => drop(self.new_chats.remove(&recipient)),
            Some((priority, next)) if was_head && self.out != Some(next) => {
                self.held.of(Kind::of(priority, Lane::Known)).remove(&next);
                self.stand_as_head(next, seen);
            }
            Some(_) => {}
        }
        true
    }

    /// The chat with this recipient is open.
    pub(super) fn open(&mut self, recipient: RecipientKey) {
        if !self.new_chats.contains(&recipient) {
            return;
        }
        let Some((priority, head)) = self.head(recipient) else { return };
        let is_ready = self.ready.of(Kind::of(priority, Lane::New)).contains(&head);
        let is_out = self.out == Some(head);
        if !is_out {
            self.unstand(head, true);
        }
        self.new_chats.remove(&recipient);
        if is_ready {
            self.ready.of(Kind::of(priority, Lane::Known)).insert(head);
        } else if !is_out {
            self.hold_as_head(head);
        }
    }

    /// Hands out the first of those that may leave at `now`, in these lanes.
    pub(super) fn take(&mut self, lanes: &[Lane], now: Timestamp) -> Option<MessageId> {
        for lane in lanes {
            self.make_ready(*lane, now);
        }
        let first = Kind::all()
            .filter(|(_, lane)| lanes.contains(lane))
            .filter_map(|(kind, lane)| {
                let message = *self.ready.0[kind.index()].first()?;
                Some((kind.urgency(message, now), message, kind, lane))
            })
            .min();
        let (_, message, kind, _) = first?;
        self.ready.of(kind).remove(&message);
        self.out = Some(message);
        Some(message)
    }

    /// Hands out this message, wherever in the line it stands.
    pub(super) fn take_out(&mut self, message: MessageId) {
        let Some(waiting) = self.messages.get(&message) else { return };
        if self.out != Some(message) {
            let is_head = self.is_head(message, waiting.recipient);
            self.unstand(message, is_head);
            self.out = Some(message);
        }
    }

    /// Gives what is out its place again.
    pub(super) fn put_back(&mut self, seen: Timestamp) {
        if let Some(message) = self.out.take() {
            self.stand(message, seen);
        }
    }

    /// A message is to leave at `due_at`, and waits until then for `why`. Where it was out, it has
    /// its place again.
    pub(super) fn put_off(
        &mut self,
        message: MessageId,
        due_at: Timestamp,
        why: HeldBy,
        seen: Timestamp,
    ) {
        if self.out == Some(message) {
            self.out = None;
        } else if let Some(waiting) = self.messages.get(&message) {
            self.unstand(message, self.is_head(message, waiting.recipient));
        }
        if let Some(waiting) = self.messages.get_mut(&message) {
            (waiting.due_at, waiting.why) = (due_at, why);
        }
        self.stand(message, seen);
    }

    /// Whether this message is out.
    pub(super) fn is_out(&self, message: MessageId) -> bool {
        self.out == Some(message)
    }

    /// When the first in a lane may leave: at `seen`, where it may then or before.
    pub(super) fn leaves_at(&self, lane: Lane, seen: Timestamp) -> Option<Timestamp> {
        let is_ready =
            Kind::all().any(|(kind, of)| of == lane && !self.ready.0[kind.index()].is_empty());
        if is_ready {
            return Some(seen);
        }
        self.due[lane as usize].first().map(|(due_at, _)| (*due_at).max(seen))
    }

    /// What is known of a message.
    pub(super) fn find(&self, message: MessageId) -> Option<Found> {
        let Waiting { recipient, due_at, priority, why } = *self.messages.get(&message)?;
        Some(Found { recipient, due_at, priority, why, lane: self.lane(recipient) })
    }

    /// How many stand before a message that is not out, counted to [`MAX_POSITION`].
    pub(super) fn ahead(&self, message: MessageId, seen: Timestamp) -> u64 {
        let Some(waiting) = self.messages.get(&message) else { return 0 };
        let place =
            |priority, lane, message| (Kind::of(priority, lane).urgency(message, seen), message);
        let lane = self.lane(waiting.recipient);
        let last = match self.head(waiting.recipient) {
            Some((priority, head)) if head != message => {
                let own = place(waiting.priority, Lane::Known, message);
                own.max(place(priority, lane, head))
            }
            _ => place(waiting.priority, lane, message),
        };
        let limit = usize::try_from(MAX_POSITION).unwrap_or(usize::MAX);
        let stands = self.ready.0.iter().zip(&self.held.0).zip(Kind::all());
        let counted = stands.flat_map(|((ready, held), (kind, _))| {
            let end = kind.end_of_those_before(last, seen);
            before(ready, end).chain(before(held, end))
        });
        // The message itself is among those that are counted.
        let others = counted.take(limit + 1).count() - 1;
        let out = usize::from(self.out.is_some());
        (others + out).min(limit) as u64
    }

    /// How many messages there are, the one that is out included.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The first accepted.
    pub(super) fn oldest(&self) -> Option<MessageId> {
        self.messages.first_key_value().map(|(message, _)| *message)
    }

    /// How many messages would open a chat.
    pub(super) fn new_chats(&self) -> usize {
        self.new_chats.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn lane(&self, recipient: RecipientKey) -> Lane {
        if self.new_chats.contains(&recipient) { Lane::New } else { Lane::Known }
    }

    fn head(&self, recipient: RecipientKey) -> Option<(Priority, MessageId)> {
        let lowest = link(recipient, Priority::High, MessageId(Uuid::nil()));
        let (packed, priority, message) = self.chains.range(lowest..).next()?;
        (*packed == lowest.0).then_some((*priority, *message))
    }

    fn is_head(&self, message: MessageId, recipient: RecipientKey) -> bool {
        self.head(recipient).is_some_and(|(_, head)| head == message)
    }

    /// Makes ready what is due. Only right before it is needed: a session that becomes due with a
    /// great many at once costs nothing until its turn comes.
    fn make_ready(&mut self, lane: Lane, now: Timestamp) {
        while let Some((due_at, message)) = self.due[lane as usize].first().copied() {
            if due_at > now {
                break;
            }
            self.due[lane as usize].pop_first();
            if let Some(waiting) = self.messages.get(&message) {
                let kind = Kind::of(waiting.priority, lane);
                self.held.of(kind).remove(&message);
                self.ready.of(kind).insert(message);
            }
        }
    }

    /// A message that stands nowhere yet has its place in its chain.
    fn stand(&mut self, message: MessageId, seen: Timestamp) {
        let Some(waiting) = self.messages.get(&message) else { return };
        if self.is_head(message, waiting.recipient) {
            self.stand_as_head(message, seen);
        } else {
            self.stand_behind(message, waiting.priority);
        }
    }

    /// A message that stands nowhere yet is the head of its chain.
    fn stand_as_head(&mut self, message: MessageId, seen: Timestamp) {
        let Some(waiting) = self.messages.get(&message) else { return };
        if waiting.due_at <= seen {
            let kind = Kind::of(waiting.priority, self.lane(waiting.recipient));
            self.ready.of(kind).insert(message);
        } else {
            self.hold_as_head(message);
        }
    }

    fn hold_as_head(&mut self, message: MessageId) {
        let Some(waiting) = self.messages.get(&message) else { return };
        let lane = self.lane(waiting.recipient);
        self.held.of(Kind::of(waiting.priority, lane)).insert(message);
        self.due[lane as usize].insert((waiting.due_at, message));
    }

    fn stand_behind(&mut self, message: MessageId, priority: Priority) {
        self.held.of(Kind::of(priority, Lane::Known)).insert(message);
    }

    /// A message that is not out stands nowhere for the moment.
    fn unstand(&mut self, message: MessageId, is_head: bool) {
        let Some(waiting) = self.messages.get(&message) else { return };
        let lane = if is_head { self.lane(waiting.recipient) } else { Lane::Known };
        let kind = Kind::of(waiting.priority, lane);
        if !self.ready.of(kind).remove(&message) {
            self.held.of(kind).remove(&message);
            self.due[lane as usize].remove(&(waiting.due_at, message));
        }
    }
}

fn before(stand: &BTreeSet<MessageId>, end: Option<MessageId>) -> Range<'_, MessageId> {
    let end = end.map_or(Bound::Unbounded, Bound::Excluded);
    stand.range((Bound::Unbounded, end))
}

fn link(recipient: RecipientKey, priority: Priority, message: MessageId) -> Link {
    (recipient.0.to_be_bytes(), priority, message)
}
