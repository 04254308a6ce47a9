//! All that the queue knows, and what each operation does to it.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::address::RecipientKey;
use crate::domain::id::{MessageId, SessionId, TenantId};
use crate::domain::message::QueueItem;
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::Lane;
use crate::memory::queue::line::{Found, Line};
use crate::memory::queue::rotation::{Rotation, Turn};
use crate::ports::queue::{Claim, HeldBy, Pause, PauseScope, Position, Standing};

/// By how much a clock is set back at least where it was not only trimmed.
const SET_BACK: Duration = Duration::from_secs(5);

/// All that the queue knows.
///
/// After every operation each session stands where [`State::place`] puts it: in the rotation when
/// something of it can be claimed, else among the timers when it can be at a known instant.
#[derive(Debug)]
pub(super) struct State {
    /// How many messages there are.
    depth: u64,
    /// Which claim of a message is good, of those that were handed out.
    tokens: HashMap<MessageId, u64>,
    sessions: HashMap<SessionId, Session>,
    rotation: Rotation,
    /// When something of a session can be claimed.
    timers: BTreeSet<(Timestamp, SessionId)>,
    /// When the pause of a session without messages ends, and the session can be forgotten.
    pauses: BTreeSet<(Timestamp, SessionId)>,
    /// The instant that the latest claim was made at. What was due by then is due.
    seen: Timestamp,
    /// Whether all instants come from one clock, so that one from long before tells that it was set back.
    has_one_clock: bool,
    last_token: u64,
    listeners: Listeners,
}

#[derive(Debug)]
struct Session {
    /// Whose messages are in the line; of no meaning while it is empty.
    tenant: TenantId,
    line: Line,
    lease_until: Option<Timestamp>,
    pause: Option<Pause>,
    new_chats_pause: Option<Pause>,
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
            depth: 0,
            tokens: HashMap::new(),
            sessions: HashMap::new(),
            rotation: Rotation::default(),
            timers: BTreeSet::new(),
            pauses: BTreeSet::new(),
            seen: Timestamp::EPOCH,
            has_one_clock: true,
            last_token: 0,
            // Somebody may wait who has not asked yet.
            listeners: Listeners { comes_at: Some(Timestamp::MAX), news: false },
        }
    }

    /// Adds a message, unless it is known.
    pub(super) fn push(&mut self, item: &QueueItem) {
        let session = self.sessions.entry(item.session).or_insert_with(Session::new);
        if session.line.is_empty() {
            session.tenant = item.tenant;
        }
        if session.line.add(item, self.seen) {
            self.depth += 1;
        }
        self.place(item.session);
    }

    /// Takes instants from several clocks, of which one may be behind another.
    #[cfg(feature = "testing")]
    pub(super) fn with_many_clocks(mut self) -> Self {
        self.has_one_clock = false;
        self
    }

    /// Hands out at most `max` messages.
    pub(super) fn claim(&mut self, max: usize, lease: Duration, now: Timestamp) -> Vec<Claim> {
        let is_set_back = self.has_one_clock && now.plus(SET_BACK) < self.seen;
        self.seen = now;
        if is_set_back {
            self.end_pauses();
        }
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

    /// Ends all pauses: told by a clock that was set back since, they would last for longer than they
    /// were to, by as much. Whoever sends finds out again what holds a session.
    fn end_pauses(&mut self) {
        let paused = self.sessions.iter_mut().filter_map(|(id, session)| {
            let had_one = session.pause.take().is_some() | session.new_chats_pause.take().is_some();
            had_one.then_some(*id)
        });
        let mut paused: Vec<SessionId> = paused.collect();
        // Their turns are not to depend on the order of a table.
        paused.sort_unstable();
        for id in paused {
            self.place(id);
        }
    }

    /// When there may be more to claim.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.rotation.is_empty() { self.timers.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// Goes on with a claim.
    pub(super) fn renew(&mut self, claim: &Claim, until: Timestamp) -> bool {
        let item = claim.item;
        let out = self.sessions.get(&item.session).filter(|it| it.lease_until.is_some());
        let another_is_out = out.is_some_and(|session| !session.line.is_out(item.message));
        let token = self.tokens.get(&item.message);
        if another_is_out || token.is_some_and(|token| *token != claim.token) {
            return false;
        }
        self.push(&item);
        self.tokens.insert(item.message, claim.token);
        // Whoever gets the next one is to have another.
        self.last_token = self.last_token.max(claim.token);
        if let Some(session) = self.sessions.get_mut(&item.session) {
            session.line.take_out(item.message);
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
        self.remove(claim.item.session, claim.item.message);
        true
    }

    /// The message gets its place again.
    pub(super) fn retry_at(&mut self, claim: &Claim, at: Timestamp, why: HeldBy) -> bool {
        if !self.is_good(claim) {
            return false;
        }
        let QueueItem { session: id, message, .. } = claim.item;
        self.tokens.remove(&message);
        if let Some(session) = self.sessions.get_mut(&id) {
            // The lease may have ended, nobody else having got the message since.
            if session.line.is_out(message) {
                session.lease_until = None;
            }
            session.line.put_off(message, at, why, self.seen);
        }
        self.place(id);
        true
    }

    /// Hands out nothing of a session, or of its new chats, for a time.
    pub(super) fn pause(&mut self, id: SessionId, scope: PauseScope, pause: Pause) {
        *self.sessions.entry(id).or_insert_with(Session::new).pause_of(scope) = Some(pause);
        self.place(id);
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self, id: SessionId, scope: PauseScope) {
        if let Some(session) = self.sessions.get_mut(&id) {
            *session.pause_of(scope) = None;
            self.place(id);
        }
    }

    /// A chat is open.
    pub(super) fn open_chat(&mut self, id: SessionId, recipient: RecipientKey) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.line.open(recipient);
            self.place(id);
        }
    }

    /// Forgets a session's message that is not handed out.
    pub(super) fn forget(&mut self, id: SessionId, message: MessageId) {
        if self.sessions.get(&id).is_some_and(|session| !session.line.is_out(message)) {
            self.remove(id, message);
        }
    }

    /// Where a message stands.
    pub(super) fn position(&self, id: SessionId, message: MessageId) -> Option<Position> {
        let session = self.sessions.get(&id)?;
        let Found { due_at, why, lane, .. } = session.line.find(message)?;
        let claimed = session.line.is_out(message);
        let of_lane = session.new_chats_pause.filter(|_| lane == Lane::New);
        Some(Position {
            ahead: if claimed { 0 } else { session.line.ahead(message, self.seen) },
            due_at,
            why,
            lane,
            pause: session.pause.into_iter().chain(of_lane).max_by_key(|pause| pause.until),
            claimed,
        })
    }

    /// What there is to know of a session.
    pub(super) fn standing(&self, id: SessionId) -> Standing {
        self.sessions.get(&id).map_or_else(Standing::default, |session| Standing {
            depth: session.line.len() as u64,
            new_chats: session.line.new_chats() as u64,
            claimed: session.lease_until.is_some(),
            oldest: session.line.oldest(),
            pause: session.pause,
            new_chats_pause: session.new_chats_pause,
        })
    }

    /// How many messages of a session there are.
    pub(super) fn session_depth(&self, id: SessionId) -> u64 {
        self.sessions.get(&id).map_or(0, |session| session.line.len() as u64)
    }

    /// How many messages there are.
    pub(super) fn depth(&self) -> u64 {
        self.depth
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
        self.tokens.get(&claim.item.message) == Some(&claim.token)
    }

    fn claim_of(&mut self, id: SessionId, lease_until: Timestamp) -> Option<Claim> {
        let session = self.sessions.get_mut(&id)?;
        session.turn = None;
        let message = session.line.take(session.lanes(self.seen), self.seen)?;
        let Found { recipient, due_at, priority, lane, .. } = session.line.find(message)?;
        self.last_token += 1;
        let token = self.last_token;
        self.tokens.insert(message, token);
        session.lease_until = Some(lease_until);
        let tenant = session.tenant;
        let item = QueueItem { message, tenant, session: id, recipient, priority, lane, due_at };
        Some(Claim { item, lease_until, token })
    }

    fn remove(&mut self, id: SessionId, message: MessageId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.line.is_out(message) {
            session.lease_until = None;
        }
        if session.line.remove(message, self.seen) {
            self.depth -= 1;
            self.tokens.remove(&message);
            shrink(&mut self.tokens);
        }
        self.place(id);
    }

    /// Puts a session where it belongs after anything about it has changed or an instant that it
    /// waited for has come.
    fn place(&mut self, id: SessionId) {
        let seen = self.seen;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.lease_until.is_some_and(|until| until <= seen) {
            session.lease_until = None;
            session.line.put_back(seen);
        }
        session.pause = session.pause.filter(|pause| pause.until > seen);
        session.new_chats_pause = session.new_chats_pause.filter(|pause| pause.until > seen);
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
            new_chats_pause: None,
            turn: None,
            stand: Stand::Gone,
        }
    }

    fn pause_of(&mut self, scope: PauseScope) -> &mut Option<Pause> {
        match scope {
            PauseScope::Session => &mut self.pause,
            PauseScope::NewChats => &mut self.new_chats_pause,
        }
    }

    /// The lanes that are not held. A pause may be over that nobody has looked at since: the session
    /// has gone on meanwhile.
    fn lanes(&self, seen: Timestamp) -> &'static [Lane] {
        let is_held = self.new_chats_pause.is_some_and(|pause| pause.until > seen);
        if is_held { &[Lane::Known] } else { Lane::ALL }
    }

    /// Where the session belongs, given that leases and pauses that have ended are gone.
    fn stand(&self, seen: Timestamp) -> Stand {
        let ends = |pause: Option<Pause>| pause.map(|pause| pause.until);
        let (paused_until, new_chats_until) = (ends(self.pause), ends(self.new_chats_pause));
        if self.line.is_empty() {
            return paused_until.max(new_chats_until).map_or(Stand::Gone, Stand::Forgettable);
        }
        if let Some(until) = self.lease_until {
            return Stand::Claimable(until);
        }
        // A line that is not empty, nothing of it out, has a head.
        let known = self.line.leaves_at(Lane::Known, seen);
        let new = self.line.leaves_at(Lane::New, seen);
        let new = new.map(|at| new_chats_until.map_or(at, |until| at.max(until)));
        let first = known.into_iter().chain(new).min();
        match first.map(|at| paused_until.map_or(at, |until| at.max(until))) {
            None => Stand::Gone,
            Some(at) if at <= seen => Stand::InRotation,
            Some(at) => Stand::Claimable(at),
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

    const LEASE: Duration = Duration::from_secs(30);

    fn of_session(session: u64, n: u64) -> QueueItem {
        QueueItem { session: session_id(session), ..item(n) }
    }

    #[test]
    fn nothing_remains_of_what_is_done() {
        let mut state = State::new();
        for n in 0..5000 {
            state.push(&of_session(n % 2000, n));
            state.pause(
                session_id(n),
                PauseScope::Session,
                Pause { until: at(n), why: HeldBy::Rate },
            );
        }
        let mut now = at(0);
        while state.depth() > 0 {
            for claim in state.claim(100, LEASE, now) {
                assert!(state.complete(&claim));
            }
            now = now.plus(Duration::from_millis(10));
        }
        state.claim(0, LEASE, at(5000));
        assert!(state.sessions.is_empty() && state.tokens.is_empty() && state.rotation.is_empty());
        assert!(state.timers.is_empty() && state.pauses.is_empty());
        assert!(state.tokens.capacity() <= 1024 && state.sessions.capacity() <= 1024);
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

    #[test]
    fn a_clock_that_is_set_back_prolongs_no_pause() {
        let mut state = State::new();
        for item in [of_session(1, 1), of_session(2, 2)] {
            state.push(&item);
        }
        state.claim(0, LEASE, at(3_600_000));
        let pause = Pause { until: at(3_660_000), why: HeldBy::Rate };
        state.pause(session_id(1), PauseScope::Session, pause);
        state.pause(session_id(3), PauseScope::NewChats, pause);
        // Clocks are trimmed by less.
        assert_eq!(state.claim(100, LEASE, at(3_599_000)).len(), 1);
        let claims = state.claim(100, LEASE, at(0));
        assert_eq!(claims.iter().map(|claim| claim.item).collect::<Vec<_>>(), [of_session(1, 1)]);
        assert_eq!(state.standing(session_id(3)), Standing::default());
    }
}
