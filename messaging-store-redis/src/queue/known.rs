//! What a process knows of the partitions, and which of them it asks.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::timestamp::Timestamp;
use tokio::sync::watch;

use crate::queue::rotation::Rotation;
use crate::queue::shared::MOST;
use crate::queue::wire::{Standing, State};

/// How long a partition whose node does not answer is left alone, so that those of other nodes need
/// not wait for it with every claim.
const REST: Duration = Duration::from_secs(1);

/// What a process knows of the partitions.
///
/// It is right about a partition until it hears of news: whatever can be claimed earlier than it was
/// told wakes it.
pub(super) struct Known {
    parts: Vec<Part>,
    rotation: Rotation,
    /// The partition that the next claim begins with.
    first: usize,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Part {
    step: u64,
    in_turn: usize,
    due: Option<Timestamp>,
    /// Those in turn that are known by name, with their place in the rotation.
    listed: HashMap<SessionId, (TenantId, u64)>,
    /// How these were told.
    list: Vec<u8>,
    /// How often there was news, and how often there had been when it was asked about last.
    news: u64,
    asked: u64,
    rests_until: Option<Timestamp>,
}

/// What a partition is asked for.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub(super) partition: usize,
    /// How many messages at the most. With 0 it tells its state.
    pub(super) most: usize,
    /// The sessions it should serve.
    pub(super) sessions: Vec<Standing>,
    /// How often there had been news.
    news: u64,
}

impl Part {
    fn has_news(&self) -> bool {
        self.news != self.asked
    }

    /// Whether it has to tell its state before it is clear what can be claimed.
    fn is_unsure(&self, now: Timestamp) -> bool {
        self.has_news() || self.due.is_some_and(|due| due <= now)
    }

    fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }

    /// When something of it can be claimed, as far as it has told. One that rests is asked then.
    fn told(&self) -> Timestamp {
        let due = self.due.unwrap_or(Timestamp::MAX);
        let told = if self.in_turn > 0 { Timestamp::EPOCH } else { due };
        self.rests_until.unwrap_or(told)
    }
}

impl Known {
    pub(super) fn new(partitions: usize) -> Self {
        // What was there before is news.
        let part = || Part { news: 1, ..Part::default() };
        Self {
            parts: (0..partitions).map(|_| part()).collect(),
            rotation: Rotation::default(),
            first: 0,
            version: watch::Sender::new(0),
        }
    }

    /// Whom to ask for at most `max` messages. Where it `may_inquire`, partitions that it is not sure
    /// about may be asked for their state instead.
    pub(super) fn plan(&mut self, max: usize, now: Timestamp, may_inquire: bool) -> Vec<Ask> {
        if max == 0 {
            return Vec::new();
        }
        let count = self.parts.len();
        self.first = (self.first + 1) % count;
        let order = (self.first..count).chain(0..self.first);
        let unsure: Vec<usize> = order
            .filter(|nth| self.parts[*nth].is_unsure(now) && !self.parts[*nth].rests(now))
            .collect();
        if !may_inquire || unsure.is_empty() {
            return self.pick(max);
        }
        let mut others = (0..count).filter(|nth| !unsure.contains(nth));
        let is_alone = unsure.len() == 1 && others.all(|nth| self.parts[nth].in_turn == 0);
        let most = if is_alone { max.min(MOST) } else { 0 };
        unsure.into_iter().map(|partition| self.ask(partition, most)).collect()
    }

    /// Gives messages out in turn, as far as it is known who is in turn.
    fn pick(&mut self, max: usize) -> Vec<Ask> {
        let mut asks: BTreeMap<usize, Ask> = BTreeMap::new();
        let mut left = max;
        while left > 0 {
            let Some((standing, partition)) = self.rotation.next() else { break };
            let part = &mut self.parts[partition];
            part.listed.remove(&standing.session);
            part.list.clear();
            part.in_turn = part.in_turn.saturating_sub(1);
            let ask = asks.entry(partition).or_insert_with(|| self.ask(partition, 0));
            ask.sessions.push(standing);
            ask.most += 1;
            left -= 1;
            if ask.most == MOST {
                break;
            }
        }
        // Nobody knows the names of the rest.
        let unlisted = |part: &Part| part.in_turn.saturating_sub(part.listed.len());
        let rich = self.parts.iter().filter(|part| unlisted(part) > 0).count();
        if rich == 0 {
            return asks.into_values().collect();
        }
        let share = left.div_ceil(rich);
        for nth in (self.first..self.parts.len()).chain(0..self.first) {
            let more = unlisted(&self.parts[nth]).min(share).min(left);
            if more > 0 {
                let ask = asks.entry(nth).or_insert_with(|| self.ask(nth, 0));
                let more = more.min(MOST - ask.most);
                ask.most += more;
                left -= more;
            }
        }
        asks.into_values().filter(|ask| ask.most > 0).collect()
    }

    fn ask(&self, partition: usize, most: usize) -> Ask {
        Ask { partition, most, sessions: Vec::new(), news: self.parts[partition].news }
    }

    /// Takes note of the state that a partition is in, where it is known to answer `ask`.
    pub(super) fn learn(&mut self, partition: usize, state: &State<'_>, ask: Option<&Ask>) {
        let part = &mut self.parts[partition];
        let before = part.told();
        if state.step < part.step {
            // An older answer that comes late, or everything was lost since: it is not clear which.
            part.news += 1;
        }
        if let Some(ask) = ask {
            part.asked = part.asked.max(ask.news);
        }
        part.step = state.step;
        part.rests_until = None;
        part.in_turn = state.in_turn;
        part.due = state.due;
        if part.list != state.list {
            let mut listed = HashMap::with_capacity(part.listed.len());
            let mut newcomers = Vec::new();
            for standing in state.listed() {
                match part.listed.remove(&standing.session) {
                    Some((tenant, turn)) if tenant == standing.tenant => {
                        listed.insert(standing.session, (tenant, turn));
                    }
                    other => {
                        newcomers.push(standing);
                        if let Some((tenant, turn)) = other {
                            self.rotation.leave(tenant, turn);
                        }
                    }
                }
            }
            for (tenant, turn) in part.listed.values() {
                self.rotation.leave(*tenant, *turn);
            }
            for standing in newcomers {
                let turn = self.rotation.enter(standing, partition);
                listed.insert(standing.session, (standing.tenant, turn));
            }
            part.listed = listed;
            part.list.clear();
            part.list.extend_from_slice(state.list);
        }
        if part.told() < before {
            self.wake();
        }
    }

    /// Takes note that a partition changed, and nobody said how.
    pub(super) fn hear(&mut self, partition: usize) {
        let Some(part) = self.parts.get_mut(partition) else { return };
        part.news += 1;
        part.rests_until = None;
        self.wake();
    }

    /// Takes note that any partition may have changed.
    pub(super) fn hear_of_all(&mut self) {
        for part in &mut self.parts {
            part.news += 1;
            part.rests_until = None;
        }
        self.wake();
    }

    /// Takes note that it is not known what became of a request; of a claim where there is a `now`,
    /// and then nobody else needs to find out at once.
    pub(super) fn doubt(&mut self, partition: usize, now: Option<Timestamp>) {
        let part = &mut self.parts[partition];
        part.news += 1;
        part.in_turn = 0;
        part.list.clear();
        for (_, (tenant, turn)) in part.listed.drain() {
            self.rotation.leave(tenant, turn);
        }
        part.rests_until = now.map(|now| now.plus(REST)).or(part.rests_until);
        if now.is_none() {
            self.wake();
        }
    }

    /// When, should nothing happen before, there may be more to claim; where it `is_all`, all that
    /// was there has been claimed, and what was heard since is a change.
    pub(super) fn next_due(&self, is_all: bool, now: Timestamp) -> Option<Timestamp> {
        let is_unheard = |part: &Part| !is_all && part.has_news() && !part.rests(now);
        if self.parts.iter().any(is_unheard) {
            return Some(now);
        }
        let told = self.parts.iter().map(Part::told).min()?;
        (told < Timestamp::MAX).then(|| told.max(now))
    }

    /// What names this state of knowledge.
    pub(super) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Where to learn of another.
    pub(super) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn wake(&self) {
        self.version.send_modify(|version| *version = version.wrapping_add(1));
    }
}
