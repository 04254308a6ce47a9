//! Whatever happens to it, the queue in memory does what a model does that looks at every message
//! every time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use messaging_core::conformance::build::{at, message_id, session_id, tenant_id};
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::{Priority, QueueItem};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::urgency::{Kind, Lane};
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::ports::queue::{Claim, Claims, HeldBy, Pause, PauseScope, Queue};
use proptest::prelude::*;

const SESSIONS: u64 = 4;
const LEASE: Duration = Duration::from_millis(40);

#[derive(Debug, Clone)]
enum Step {
    Push { n: u64, lane: Lane, due_in: u64 },
    Claim { max: usize, after: u64 },
    Complete(usize),
    Retry { claim: usize, after: u64 },
    Pause { session: u64, scope: PauseScope, until: u64 },
    Resume(u64, PauseScope),
    OpenChat { session: u64, recipient: u64 },
    Forget(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let scope = || prop_oneof![Just(PauseScope::Session), Just(PauseScope::NewChats)];
    let lane = prop_oneof![2 => Just(Lane::New), 1 => Just(Lane::Known)];
    // Mostly a moment, and seldom as long as it takes to be more urgent.
    let after = prop_oneof![8 => 0..20_u64, 1 => 0..400_000_u64];
    prop_oneof![
        6 => (0..60_u64, lane, prop_oneof![Just(0), 0..50_u64])
            .prop_map(|(n, lane, due_in)| Step::Push { n, lane, due_in }),
        5 => (0..6_usize, after).prop_map(|(max, after)| Step::Claim { max, after }),
        3 => any::<usize>().prop_map(Step::Complete),
        2 => (any::<usize>(), 0..60_u64).prop_map(|(claim, after)| Step::Retry { claim, after }),
        2 => (0..SESSIONS, scope(), 0..60_u64)
            .prop_map(|(session, scope, until)| Step::Pause { session, scope, until }),
        1 => (0..SESSIONS, scope()).prop_map(|(session, scope)| Step::Resume(session, scope)),
        1 => (0..SESSIONS, 0..3_u64)
            .prop_map(|(session, recipient)| Step::OpenChat { session, recipient }),
        1 => (0..60_u64).prop_map(Step::Forget),
    ]
}

/// The `n`th message's id; all were accepted within twenty minutes.
fn id(n: u64) -> MessageId {
    message_id(n * 20_000)
}

/// The `n`th message. Everything but the lane and the due time follows from `n`, in no simple pattern.
fn item(n: u64, lane: Lane, due_at: Timestamp) -> QueueItem {
    let session = n * 7 % SESSIONS;
    QueueItem {
        message: id(n),
        tenant: tenant_id(session % 2),
        session: session_id(session),
        recipient: RecipientKey(n * 5 % 3),
        priority: Priority::ALL[(n * 11 % 13 % 3) as usize],
        lane,
        due_at,
    }
}

/// A queue that is obviously right.
#[derive(Debug, Default)]
struct Model {
    messages: BTreeMap<MessageId, (QueueItem, Option<Claim>)>,
    pauses: BTreeMap<(SessionId, PauseScope), Timestamp>,
}

impl Model {
    fn is_out(claim: &Option<Claim>, now: Timestamp) -> bool {
        claim.is_some_and(|claim| claim.lease_until > now)
    }

    /// What may leave a session, the next first, whether due or not.
    fn heads(&self, session: SessionId) -> Vec<QueueItem> {
        let mut items: Vec<QueueItem> = self
            .messages
            .values()
            .map(|(item, _)| *item)
            .filter(|item| item.session == session)
            .collect();
        items.sort_by_key(|item| (item.priority, item.message));
        let mut seen = BTreeSet::new();
        items.into_iter().filter(|item| seen.insert(item.recipient)).collect()
    }

    /// All that waits for a recipient is in one lane.
    fn open(&mut self, session: SessionId, recipient: RecipientKey) {
        for (item, _) in self.messages.values_mut() {
            if (item.session, item.recipient) == (session, recipient) {
                item.lane = Lane::Known;
            }
        }
    }

    fn push(&mut self, item: QueueItem) {
        let of_recipient = |(other, _): &&(QueueItem, _)| {
            (other.session, other.recipient) == (item.session, item.recipient)
        };
        let lane =
            self.messages.values().find(of_recipient).map_or(item.lane, |other| other.0.lane);
        self.messages.entry(item.message).or_insert((QueueItem { lane, ..item }, None));
        if item.lane == Lane::Known {
            self.open(item.session, item.recipient);
        }
    }

    /// What leaves first is less.
    fn place(item: &QueueItem, is_head: bool, now: Timestamp) -> (u8, MessageId) {
        let lane = if is_head { item.lane } else { Lane::Known };
        (Kind::of(item.priority, lane).urgency(item.message, now), item.message)
    }

    /// When a message can leave that its chain does not hold.
    fn due(&self, item: &QueueItem) -> Timestamp {
        let until = |scope| self.pauses.get(&(item.session, scope)).copied();
        let of_lane = until(PauseScope::NewChats).filter(|_| item.lane == Lane::New);
        let all = [Some(item.due_at), until(PauseScope::Session), of_lane];
        all.into_iter().flatten().max().unwrap()
    }

    /// When something of a session can be claimed.
    fn session_due(&self, session: SessionId, now: Timestamp) -> Option<Timestamp> {
        let out = self
            .messages
            .values()
            .find(|(item, claim)| item.session == session && Self::is_out(claim, now));
        if let Some((_, claim)) = out {
            return claim.map(|claim| claim.lease_until);
        }
        let due = self.heads(session).iter().map(|item| self.due(item)).min()?;
        Some(due.max(now))
    }

    /// When something can be claimed.
    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        (0..SESSIONS).filter_map(|n| self.session_due(session_id(n), now)).min()
    }

    /// What is to be claimed next of a session.
    fn next(&self, session: SessionId, now: Timestamp) -> Option<QueueItem> {
        if self.session_due(session, now)? > now {
            return None;
        }
        let heads = self.heads(session).into_iter().filter(|item| self.due(item) <= now);
        heads.min_by_key(|item| Self::place(item, true, now))
    }

    fn good(&mut self, claim: &Claim) -> Option<&mut (QueueItem, Option<Claim>)> {
        self.messages
            .get_mut(&claim.item.message)
            .filter(|(_, good)| good.is_some_and(|good| good.token == claim.token))
    }
}

/// The queue and its model, and the claims made so far, good or stale.
struct Bench {
    queue: MemoryQueue,
    model: Model,
    now: Timestamp,
    claims: Vec<Claim>,
    told: Claims,
}

/// Everything in memory is done at once.
fn wait<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

impl Bench {
    fn new() -> Self {
        Self {
            queue: MemoryQueue::new(),
            model: Model::default(),
            now: at(0),
            claims: Vec::new(),
            told: Claims::default(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Push { n, lane, due_in } => {
                let item = item(n, lane, self.now.plus(Duration::from_millis(due_in)));
                self.model.push(item);
                wait(self.queue.push(&[item])).unwrap();
            }
            Step::Claim { max, after } => {
                self.now = self.now.plus(Duration::from_millis(after));
                self.claim(max);
            }
            Step::Complete(claim) => {
                let Some(claim) = self.pick(claim) else { return };
                let good = self.model.good(&claim).is_some();
                if good {
                    self.model.messages.remove(&claim.item.message);
                }
                assert_eq!(wait(self.queue.complete(&claim)).unwrap(), good);
            }
            Step::Retry { claim, after } => {
                let Some(claim) = self.pick(claim) else { return };
                let at = self.now.plus(Duration::from_millis(after));
                let good = self.model.good(&claim);
                let is_good = good.is_some();
                if let Some((item, claim)) = good {
                    item.due_at = at;
                    *claim = None;
                }
                assert_eq!(wait(self.queue.retry_at(&claim, at, HeldBy::Retry)).unwrap(), is_good);
            }
            Step::Pause { session, scope, until } => {
                let until = self.now.plus(Duration::from_millis(until));
                self.model.pauses.insert((session_id(session), scope), until);
                let pause = Pause { until, why: HeldBy::Rate };
                wait(self.queue.pause(session_id(session), scope, pause)).unwrap();
            }
            Step::Resume(session, scope) => {
                self.model.pauses.remove(&(session_id(session), scope));
                wait(self.queue.resume(session_id(session), scope)).unwrap();
            }
            Step::OpenChat { session, recipient } => {
                let (session, recipient) = (session_id(session), RecipientKey(recipient));
                self.model.open(session, recipient);
                wait(self.queue.open_chat(session, recipient)).unwrap();
            }
            Step::Forget(n) => {
                let waits = |(_, claim): &(QueueItem, _)| !Model::is_out(claim, self.now);
                if self.model.messages.get(&id(n)).is_some_and(waits) {
                    self.model.messages.remove(&id(n));
                }
                let session = item(n, Lane::Known, self.now).session;
                wait(self.queue.forget(session, &[id(n)])).unwrap();
            }
        }
        self.compare();
    }

    fn claim(&mut self, max: usize) {
        let claims = wait(self.queue.claim(max, LEASE, self.now)).unwrap();
        for claim in &claims.items {
            let expected = self.model.next(claim.item.session, self.now);
            assert_eq!(Some(claim.item), expected);
            let slot = self.model.messages.get_mut(&claim.item.message).unwrap();
            slot.1 = Some(*claim);
        }
        let next_due = self.model.next_due(self.now);
        assert_eq!(claims.next_due, next_due);
        assert!(claims.items.len() == max || next_due != Some(self.now), "something was left");
        self.claims.extend(&claims.items);
        self.told = claims;
    }

    fn compare(&self) {
        let depth = self.model.messages.len() as u64;
        assert_eq!(wait(self.queue.depth()).unwrap(), depth);
        let told = self.told.next_due.unwrap_or(Timestamp::MAX);
        if self.model.next_due(self.now).is_some_and(|due| due < told) {
            let woken = self.queue.changed(self.told.version).now_or_never();
            assert!(woken.is_some(), "what was not foretold must wake");
        }
        for n in 0..SESSIONS {
            let of_session = |(item, _): &&(QueueItem, _)| item.session == session_id(n);
            let depth = self.model.messages.values().filter(of_session).count() as u64;
            assert_eq!(wait(self.queue.session_depth(session_id(n))).unwrap(), depth);
        }
        let heads: BTreeMap<(SessionId, RecipientKey), QueueItem> = (0..SESSIONS)
            .flat_map(|n| self.model.heads(session_id(n)))
            .map(|head| ((head.session, head.recipient), head))
            .collect();
        let head_of = |item: &QueueItem| &heads[&(item.session, item.recipient)];
        let place =
            |item: &QueueItem| Model::place(item, head_of(item).message == item.message, self.now);
        for (item, claim) in self.model.messages.values() {
            let last = place(item).max(place(head_of(item)));
            let position = wait(self.queue.position(item)).unwrap().unwrap();
            assert_eq!((position.due_at, position.lane), (item.due_at, item.lane));
            assert_eq!(position.claimed, Model::is_out(claim, self.now));
            let stands_before = |(other, out): &&(QueueItem, Option<Claim>)| {
                other.session == item.session
                    && other.message != item.message
                    && (Model::is_out(out, self.now) || place(other) <= last)
            };
            let ahead = self.model.messages.values().filter(stands_before).count() as u64;
            assert_eq!(position.ahead, if position.claimed { 0 } else { ahead });
        }
    }

    fn pick(&self, nth: usize) -> Option<Claim> {
        (!self.claims.is_empty()).then(|| self.claims[nth % self.claims.len()])
    }

    /// Whatever is left comes out, each once, and nothing remains.
    fn drain(mut self) {
        while let Some(due) = self.model.next_due(self.now) {
            self.now = self.now.max(due);
            let before = self.claims.len();
            self.claim(3);
            for claim in self.claims.split_off(before) {
                assert!(wait(self.queue.complete(&claim)).unwrap());
                assert!(self.model.messages.remove(&claim.item.message).is_some());
            }
            self.compare();
        }
        assert_eq!(wait(self.queue.depth()).unwrap(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn does_what_the_model_does(steps in prop::collection::vec(step(), 1..200)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.take(step);
        }
        bench.drain();
    }
}
