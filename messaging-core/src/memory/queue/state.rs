//! Everything a queue in memory knows: the lanes, whose turn it is, and what time will change.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::domain::id::{MessageId, SessionId, TenantId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
use crate::memory::queue::lane::Lane;
use crate::ports::queue::{Claim, Pause, Position};

#[derive(Debug)]
struct Entry {
    item: QueueItem,
    lease: Option<Lease>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    token: u64,
    until: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct State {
    entries: HashMap<MessageId, Entry>,
    lanes: HashMap<SessionId, Lane>,
    /// Tenants that have sessions in their ring, in the order of their turns.
    turns: VecDeque<TenantId>,
    /// Each tenant's sessions that may have something to send, in the order of their turns.
    rings: HashMap<TenantId, VecDeque<SessionId>>,
    /// Sessions that have nothing to send before an instant.
    timers: BTreeSet<(Timestamp, SessionId)>,
    leases: BTreeSet<(Timestamp, MessageId)>,
    last_token: u64,
}

impl State {
    pub(super) fn push(&mut self, item: QueueItem) -> bool {
        if self.entries.contains_key(&item.message) {
            return false;
        }
        self.entries.insert(item.message, Entry { item, lease: None });
        self.lanes.entry(item.session).or_default().add(&item);
        self.enter_ring(item.session);
        true
    }

    pub(super) fn claim(
        &mut self,
        max: usize,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Vec<Claim> {
        self.end_leases(now);
        self.ring_timers(now);
        let mut claims = Vec::new();
        while claims.len() < max {
            let Some(session) = self.next_turn() else { break };
            claims.extend(self.claim_from(session, lease_until, now));
        }
        claims
    }

    /// The session whose turn it is, taken out of its ring. Its tenant's next turn comes after
    /// all the others'.
    fn next_turn(&mut self) -> Option<SessionId> {
        let tenant = self.turns.pop_front()?;
        let ring = self.rings.get_mut(&tenant)?;
        let session = ring.pop_front();
        if ring.is_empty() {
            self.rings.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        session
    }

    fn claim_from(
        &mut self,
        session: SessionId,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Option<Claim> {
        let lane = self.lanes.get_mut(&session)?;
        lane.in_ring = false;
        let Some(rank) = lane.next(now) else {
            self.wake_later(session);
            return None;
        };
        lane.hand_out(rank);
        self.last_token += 1;
        let token = self.last_token;
        let entry = self.entries.get_mut(&rank.1)?;
        entry.lease = Some(Lease { token, until: lease_until });
        self.leases.insert((lease_until, rank.1));
        Some(Claim { item: entry.item, lease_until, token })
    }

    pub(super) fn complete(&mut self, claim: &Claim) -> bool {
        self.end_claim(claim).is_some_and(|item| {
            self.remove(&item);
            true
        })
    }

    pub(super) fn retry_at(&mut self, claim: &Claim, at: Timestamp) -> bool {
        self.end_claim(claim).is_some_and(|item| {
            self.put_back(&item, at);
            true
        })
    }

    /// Takes back a lease that is still the claimer's.
    fn end_claim(&mut self, claim: &Claim) -> Option<QueueItem> {
        let entry = self.entries.get_mut(&claim.item.message)?;
        let lease = entry.lease.take_if(|lease| lease.token == claim.token)?;
        self.leases.remove(&(lease.until, claim.item.message));
        Some(entry.item)
    }

    fn put_back(&mut self, item: &QueueItem, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&item.message) {
            entry.item.due_at = at;
        }
        if let Some(lane) = self.lanes.get_mut(&item.session) {
            lane.put_back(item, at);
        }
        self.enter_ring(item.session);
    }

    pub(super) fn forget(&mut self, message: MessageId) -> bool {
        match self.entries.get(&message) {
            Some(Entry { item, lease: None }) => {
                let item = *item;
                self.remove(&item);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, item: &QueueItem) {
        self.entries.remove(&item.message);
        if let Some(lane) = self.lanes.get_mut(&item.session) {
            lane.remove(item);
            self.enter_ring(item.session);
        }
    }

    pub(super) fn pause(&mut self, session: SessionId, pause: Pause) {
        let lane = self.lanes.entry(session).or_default();
        let earlier = lane.pause.filter(|earlier| earlier.until > pause.until);
        let until = lane.pause.insert(earlier.unwrap_or(pause)).until;
        if lane.is_empty() {
            // Nobody will look at it before a message comes, and perhaps none does.
            self.set_timer(session, until);
        }
    }

    pub(super) fn resume(&mut self, session: SessionId) -> bool {
        let lane = self.lanes.get_mut(&session);
        let resumed = lane.is_some_and(|lane| lane.pause.take().is_some());
        if resumed {
            self.enter_ring(session);
        }
        resumed
    }

    pub(super) fn position(&self, message: MessageId) -> Option<Position> {
        let entry = self.entries.get(&message)?;
        let lane = self.lanes.get(&entry.item.session)?;
        Some(Position {
            ahead: lane.ahead_of((entry.item.priority, message)),
            due_at: entry.item.due_at,
            pause: lane.pause,
            claimed: entry.lease.is_some(),
        })
    }

    pub(super) fn session_depth(&self, session: SessionId) -> u64 {
        self.lanes.get(&session).map_or(0, Lane::depth)
    }

    pub(super) fn depth(&self) -> u64 {
        self.entries.len() as u64
    }

    /// When time alone may bring something to claim.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let lease = self.leases.first().map(|(until, _)| *until);
        let turn = self.turns.front().map(|_| Timestamp::EPOCH);
        [timer, lease, turn].into_iter().flatten().min()
    }

    /// Hands out again what was not completed in time.
    fn end_leases(&mut self, now: Timestamp) {
        while let Some((until, message)) = self.leases.first().copied() {
            if until > now {
                break;
            }
            self.leases.pop_first();
            if let Some(entry) = self.entries.get_mut(&message) {
                entry.lease = None;
                let item = entry.item;
                self.put_back(&item, item.due_at);
            }
        }
    }

    fn ring_timers(&mut self, now: Timestamp) {
        while let Some((at, session)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            if let Some(lane) = self.lanes.get_mut(&session) {
                lane.timer = None;
                lane.pause = lane.pause.filter(|pause| pause.until > now);
            }
            self.enter_ring(session);
        }
    }

    /// Gives a session a turn, to be looked at when it comes.
    fn enter_ring(&mut self, session: SessionId) {
        let Some(lane) = self.lanes.get_mut(&session) else { return };
        if let Some(at) = lane.timer.take() {
            self.timers.remove(&(at, session));
        }
        if lane.is_empty() {
            match lane.pause {
                Some(pause) => self.set_timer(session, pause.until),
                // A turn it still has finds no lane.
                None => {
                    self.lanes.remove(&session);
                }
            }
            return;
        }
        let Some(tenant) = lane.tenant else { return };
        if lane.in_ring || lane.claimed.is_some() {
            return;
        }
        lane.in_ring = true;
        let ring = self.rings.entry(tenant).or_default();
        if ring.is_empty() {
            self.turns.push_back(tenant);
        }
        ring.push_back(session);
    }

    fn wake_later(&mut self, session: SessionId) {
        if let Some(at) = self.lanes.get(&session).and_then(Lane::wakes_at) {
            self.set_timer(session, at);
        }
    }

    fn set_timer(&mut self, session: SessionId, at: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&session) else { return };
        if let Some(earlier) = lane.timer.replace(at) {
            self.timers.remove(&(earlier, session));
        }
        self.timers.insert((at, session));
    }
}
