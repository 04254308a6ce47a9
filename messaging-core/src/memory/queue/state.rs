//! All that the queue knows, and what each operation does to it.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::id::{MessageId, SessionId, TenantId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
use crate::memory::queue::line::Line;
use crate::memory::queue::rotation::{Rotation, Turn};
use crate::ports::queue::{Claim, Pause, Position};

/// All that the queue knows.
///
/// After every operation each session stands where [`State::place`] puts it: in the rotation when
/// something of it can be claimed, else among the timers when it can be at a known instant.
#[derive(Debug)]
pub(super) struct State {
    known: HashMap<MessageId, Known>,
    sessions: HashMap<SessionId, Session>,
    rotation: Rotation,
    /// When something of a session can be claimed.
    timers: BTreeSet<(Timestamp, SessionId)>,
    /// When the pause of a session without messages ends, and the session can be forgotten.
    pauses: BTreeSet<(Timestamp, SessionId)>,
    /// The instant that the latest claim was made at. What was due by then is due.
    seen: Timestamp,
    last_token: u64,
    listeners: Listeners,
}

#[derive(Debug)]
struct Known {
    /// With the instant it is due at now.
    item: QueueItem,
    /// The claim that is good; 0 for none.
    token: u64,
}

#[derive(Debug)]
struct Session {
    /// Whose messages are in the line; of no meaning while it is empty.
    tenant: TenantId,
    line: Line,
    lease_until: Option<Timestamp>,
    pause: Option<Pause>,
    /// Its place in the rotation.
    turn: Option<Turn>,
    stand: Stand,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Something can be claimed now.
    InRotation,
    /// Something can be claimed then.
    Claimable(Timestamp),
    /// There are no messages, and the pause ends then.
    Forgettable(Timestamp),
    /// There is nothing to keep.
    Gone,
}

/// What those who wait for a change have been told, so that only what is news to them wakes them.
#[derive(Debug)]
struct Listeners {
    /// The latest instant at which somebody comes by itself; `None` when nobody has asked since
    /// the last news.
    comes_at: Option<Timestamp>,
    news: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            known: HashMap::new(),
            sessions: HashMap::new(),
            rotation: Rotation::default(),
            timers: BTreeSet::new(),
            pauses: BTreeSet::new(),
            seen: Timestamp::EPOCH,
            last_token: 0,
            // Somebody may wait who has not asked yet.
            listeners: Listeners { comes_at: Some(Timestamp::MAX), news: false },
        }
    }

    /// Adds a message, unless it is known.
    pub(super) fn push(&mut self, item: &QueueItem) {
        if self.known.contains_key(&item.message) {
            return;
        }
        self.known.insert(item.message, Known { item: *item, token: 0 });
        let session = self.sessions.entry(item.session).or_insert_with(Session::new);
        if session.line.is_empty() {
            session.tenant = item.tenant;
        }
        session.line.add(item, self.seen);
        self.place(item.session);
    }

    /// Hands out at most `max` messages.
    pub(super) fn claim(&mut self, max: usize, lease: Duration, now: Timestamp) -> Vec<Claim> {
        self.seen = now;
        while let Some((at, session)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.place(session);
        }
        while let Some((at, session)) = self.pauses.first().copied() {
            if at > now {
                break;
            }
            self.place(session);
        }
        // A claim is its claimer's alone at least for as long as this call takes.
        let lease_until = now.plus(lease.max(Duration::from_micros(1)));
        let mut claims = Vec::new();
        while claims.len() < max {
            let Some(id) = self.rotation.next() else { break };
            claims.extend(self.claim_of(id, lease_until));
            self.place(id);
        }
        // Whoever waits for an instant that has come needs nobody to wake it.
        self.listeners.news = false;
        claims
    }

    /// When there may be more to claim.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.rotation.is_empty() { self.timers.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// Goes on with a claim.
    pub(super) fn renew(&mut self, claim: &Claim, until: Timestamp) -> bool {
        let item = claim.item;
        let out = self.sessions.get(&item.session).filter(|it| it.lease_until.is_some());
        let another_is_out = out.is_some_and(|session| !session.line.is_out(&item));
        let token = self.known.get(&item.message).map_or(0, |known| known.token);
        if another_is_out || (token != 0 && token != claim.token) {
            return false;
        }
        self.push(&item);
        if let Some(known) = self.known.get_mut(&item.message) {
            known.token = claim.token;
        }
        // Whoever gets the next one is to have another.
        self.last_token = self.last_token.max(claim.token);
        if let Some(session) = self.sessions.get_mut(&item.session) {
            session.line.take_out(&item);
            session.lease_until = Some(until);
        }
        self.place(item.session);
        true
    }

    /// The message needs no further attempt.
    pub(super) fn complete(&mut self, claim: &Claim) -> bool {
        if !self.is_good(claim) {
            return false;
        }
        self.remove(claim.item.message);
        true
    }

    /// The message gets its place again.
    pub(super) fn retry_at(&mut self, claim: &Claim, at: Timestamp) -> bool {
        if !self.is_good(claim) {
            return false;
        }
        let Some(known) = self.known.get_mut(&claim.item.message) else { return false };
        known.item.due_at = at;
        known.token = 0;
        let item = known.item;
        if let Some(session) = self.sessions.get_mut(&item.session) {
            if session.line.is_out(&item) {
                session.lease_until = None;
                session.line.put_back(Some(at), self.seen);
            } else {
                // The lease had ended, but nobody else has got the message since.
                session.line.remove(&item, self.seen);
                session.line.add(&item, self.seen);
            }
        }
        self.place(item.session);
        true
    }

    /// Hands out nothing of a session for a time.
    pub(super) fn pause(&mut self, id: SessionId, pause: Pause) {
        self.sessions.entry(id).or_insert_with(Session::new).pause = Some(pause);
        self.place(id);
    }

    /// Ends a session's pause.
    pub(super) fn resume(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.pause = None;
            self.place(id);
        }
    }

    /// Forgets a session's message that is not handed out.
    pub(super) fn forget(&mut self, id: SessionId, message: MessageId) {
        let Some(Known { item, .. }) = self.known.get(&message) else { return };
        let is_out = self.sessions.get(&id).is_some_and(|session| session.line.is_out(item));
        if item.session == id && !is_out {
            self.remove(message);
        }
    }

    /// Where a message stands.
    pub(super) fn position(&self, message: MessageId) -> Option<Position> {
        let item = &self.known.get(&message)?.item;
        let session = self.sessions.get(&item.session)?;
        let claimed = session.line.is_out(item);
        Some(Position {
            ahead: if claimed { 0 } else { session.line.ahead(item) },
            due_at: item.due_at,
            pause: session.pause,
            claimed,
        })
    }

    /// How many messages of a session there are.
    pub(super) fn session_depth(&self, id: SessionId) -> u64 {
        self.sessions.get(&id).map_or(0, |session| session.line.len() as u64)
    }

    /// How many messages there are.
    pub(super) fn depth(&self) -> u64 {
        self.known.len() as u64
    }

    /// Whoever waits now will come at `next_due` by itself.
    pub(super) fn tell(&mut self, next_due: Option<Timestamp>) {
        let comes_at = next_due.unwrap_or(Timestamp::MAX);
        self.listeners.comes_at = self.listeners.comes_at.max(Some(comes_at));
    }

    /// Whether those who wait must be woken: something entered the rotation, or will before the
    /// last of them comes by itself.
    pub(super) fn take_news(&mut self) -> bool {
        let Some(comes_at) = self.listeners.comes_at else { return false };
        let earlier = self.timers.first().is_some_and(|(at, _)| *at < comes_at);
        let news = self.listeners.news || earlier;
        if news {
            self.listeners = Listeners { comes_at: None, news: false };
        }
        news
    }

    fn is_good(&self, claim: &Claim) -> bool {
        claim.token != 0
            && self.known.get(&claim.item.message).is_some_and(|known| known.token == claim.token)
    }

    fn claim_of(&mut self, id: SessionId, lease_until: Timestamp) -> Option<Claim> {
        let session = self.sessions.get_mut(&id)?;
        session.turn = None;
        let message = session.line.take(self.seen)?;
        let known = self.known.get_mut(&message)?;
        self.last_token += 1;
        known.token = self.last_token;
        session.line.set_out(&known.item);
        session.lease_until = Some(lease_until);
        Some(Claim { item: known.item, lease_until, token: known.token })
    }

    fn remove(&mut self, message: MessageId) {
        let Some(Known { item, .. }) = self.known.remove(&message) else { return };
        if let Some(session) = self.sessions.get_mut(&item.session) {
            if session.line.is_out(&item) {
                session.lease_until = None;
            }
            session.line.remove(&item, self.seen);
        }
        self.place(item.session);
        shrink(&mut self.known);
    }

    /// Puts a session where it belongs after anything about it has changed or an instant that it
    /// waited for has come.
    fn place(&mut self, id: SessionId) {
        let seen = self.seen;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.lease_until.is_some_and(|until| until <= seen) {
            session.lease_until = None;
            session.line.put_back(None, seen);
        }
        if session.pause.is_some_and(|pause| pause.until <= seen) {
            session.pause = None;
        }
        let stand = session.stand(seen);
        match (stand == Stand::InRotation, session.turn) {
            (true, None) => {
                session.turn = Some(self.rotation.enter(session.tenant, id));
                self.listeners.news = true;
            }
            (false, Some(turn)) => {
                self.rotation.leave(session.tenant, turn);
                session.turn = None;
            }
            _ => {}
        }
        if stand != session.stand {
            match session.stand {
                Stand::Claimable(at) => drop(self.timers.remove(&(at, id))),
                Stand::Forgettable(at) => drop(self.pauses.remove(&(at, id))),
                Stand::InRotation | Stand::Gone => {}
            }
            match stand {
                Stand::Claimable(at) => drop(self.timers.insert((at, id))),
                Stand::Forgettable(at) => drop(self.pauses.insert((at, id))),
                Stand::InRotation | Stand::Gone => {}
            }
            session.stand = stand;
        }
        if stand == Stand::Gone {
            self.sessions.remove(&id);
            shrink(&mut self.sessions);
        }
    }
}

impl Session {
    fn new() -> Self {
        Self {
            tenant: TenantId(Uuid::nil()),
            line: Line::default(),
            lease_until: None,
            pause: None,
            turn: None,
            stand: Stand::Gone,
        }
    }

    /// Where the session belongs, given that leases and pauses that have ended are gone.
    fn stand(&self, seen: Timestamp) -> Stand {
        let paused_until = self.pause.map(|pause| pause.until);
        if self.line.is_empty() {
            return paused_until.map_or(Stand::Gone, Stand::Forgettable);
        }
        if let Some(until) = self.lease_until {
            return Stand::Claimable(until);
        }
        match (self.line.may_leave(seen), paused_until) {
            (true, None) => Stand::InRotation,
            (true, Some(until)) => Stand::Claimable(until),
            // A line that is not empty, nothing of it out, has a head; and this one is not due.
            (false, _) => {
                self.line.next_due().max(paused_until).map_or(Stand::Gone, Stand::Claimable)
            }
        }
    }
}

/// Gives memory back once most of it lies idle.
fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 1024 && map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::build::{at, session_id};
    use crate::conformance::queue::item;
    use crate::ports::queue::HeldBy;

    const LEASE: Duration = Duration::from_secs(30);

    fn of_session(session: u64, n: u64) -> QueueItem {
        QueueItem { session: session_id(session), ..item(n) }
    }

    #[test]
    fn nothing_remains_of_what_is_done() {
        let mut state = State::new();
        for n in 0..5000 {
            state.push(&of_session(n % 2000, n));
            state.pause(session_id(n), Pause { until: at(n), why: HeldBy::Rate });
        }
        let mut now = at(0);
        while state.depth() > 0 {
            for claim in state.claim(100, LEASE, now) {
                assert!(state.complete(&claim));
            }
            now = now.plus(Duration::from_millis(10));
        }
        state.claim(0, LEASE, at(5000));
        assert!(state.sessions.is_empty() && state.known.is_empty() && state.rotation.is_empty());
        assert!(state.timers.is_empty() && state.pauses.is_empty());
        assert!(state.known.capacity() <= 1024 && state.sessions.capacity() <= 1024);
    }

    #[test]
    fn a_clock_that_goes_back_holds_up_nothing_that_was_not_to_wait() {
        let mut state = State::new();
        let late = QueueItem { due_at: at(5_000_000), ..of_session(2, 3) };
        for item in [item(1), item(2), late] {
            state.push(&item);
        }
        let claims = state.claim(1, LEASE, at(10_000_000));
        assert!(state.complete(&claims[0]));
        let claims = state.claim(100, LEASE, at(0));
        assert_eq!(claims.iter().map(|claim| claim.item).collect::<Vec<_>>(), [item(2)]);
        assert!(state.complete(&claims[0]));
        assert_eq!(state.next_due(at(0)), Some(at(5_000_000)));
        assert_eq!(state.claim(100, LEASE, at(5_000_000))[0].item, late);
    }
}
