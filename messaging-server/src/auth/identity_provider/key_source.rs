//! A provider's keys as they are held: fetched when the first token comes, then anew now and then,
//! by one at a time, and kept while the provider cannot be asked.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use messaging_core::domain::timestamp::Timestamp;
use tokio::sync::watch;

use super::IdentityProviderConfig;
use super::fetching::{Fetching, KeysError};
use super::keys::Keys;

/// How far apart fetches are at the least, whatever comes in between.
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);

/// How far apart a file is read.
const BETWEEN_READS: Duration = Duration::from_secs(3);

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchResult {
    /// There are keys.
    Fetched,
    /// The provider did not answer, or refused.
    Unreachable,
    /// It answered something else.
    Unusable,
}

impl FetchResult {
    /// All there are.
    pub const ALL: &[Self] = &[Self::Fetched, Self::Unreachable, Self::Unusable];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Unreachable => "unreachable",
            Self::Unusable => "unusable",
        }
    }
}

/// What counts fetches.
pub type FetchCount = Arc<dyn Fn(FetchResult) + Send + Sync>;

/// Nobody can tell whether a token is good: the provider's keys cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the identity provider cannot be had at present")]
pub struct KeysUnavailable {
    /// When they are fetched again at the earliest.
    pub retry_after: Duration,
}

/// The keys of a provider. Clones are one.
#[derive(Clone)]
pub(super) struct KeySource(Arc<Inner>);

struct Inner {
    fetching: Fetching,
    times: Times,
    count: FetchCount,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    last: Option<Attempt>,
    /// Closed when the fetch that is under way has ended.
    flight: Option<watch::Receiver<()>>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<Keys>,
    at: Timestamp,
}

/// The fetch that ended last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    /// When it began.
    at: Timestamp,
    failed: bool,
}

/// When keys are fetched, and how long they are used.
#[derive(Debug, Clone, Copy)]
struct Times {
    refresh: Duration,
    kept: Duration,
    between: Duration,
    /// Whether a fetch takes so little that callers rather wait than use what is old.
    is_quick: bool,
}

/// What is to be done before keys are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Use,
    /// Have them fetched, and use those that are held meanwhile.
    Refresh,
    /// Wait until they are fetched.
    Wait,
    /// There are none, and it is too early to ask again.
    Lack,
}

impl Times {
    /// By when `held` keys were fetched, what became of the `last` fetch, and whether another is under
    /// way.
    fn step(
        &self,
        held: Option<Timestamp>,
        last: Option<Attempt>,
        in_flight: bool,
        now: Timestamp,
    ) -> Step {
        let may_fetch = self.may_fetch(last, now);
        let Some(held) = held.filter(|at| self.is_kept(*at, now)) else {
            return if in_flight || may_fetch { Step::Wait } else { Step::Lack };
        };
        if !passed(held, self.refresh, now) || !(may_fetch || in_flight) {
            return Step::Use;
        }
        // Nobody waits for a provider that did not answer the last time.
        let has_failed = last.is_some_and(|last| last.failed);
        let is_old = self.is_quick || passed(held, self.refresh * 2, now);
        match (is_old && !has_failed, in_flight) {
            (true, _) => Step::Wait,
            (false, true) => Step::Use,
            (false, false) => Step::Refresh,
        }
    }

    fn may_fetch(&self, last: Option<Attempt>, now: Timestamp) -> bool {
        last.is_none_or(|last| passed(last.at, self.between, now))
    }

    fn is_kept(&self, held: Timestamp, now: Timestamp) -> bool {
        now.since(held) < self.kept
    }
}

/// Whether `span` has passed since. Who came a moment before is not sent back; a clock that was set
/// back must not stop everything.
fn passed(since: Timestamp, span: Duration, now: Timestamp) -> bool {
    now >= since.plus(span) || now.plus(span) < since
}

impl KeySource {
    pub(super) fn open(
        config: &IdentityProviderConfig,
        count: FetchCount,
        now: Timestamp,
    ) -> Result<Self, KeysError> {
        let fetching =
            Fetching::new(config.place.clone(), config.algorithms.clone(), config.timeout)?;
        let is_file = fetching.is_file();
        let between = if is_file { BETWEEN_READS } else { BETWEEN_FETCHES };
        let times = Times {
            refresh: if is_file { between } else { config.refresh },
            kept: config.kept,
            between,
            is_quick: is_file,
        };
        let held = fetching.read_now()?.map(|keys| Held { keys: Arc::new(keys), at: now });
        let last = held.as_ref().map(|held| Attempt { at: held.at, failed: false });
        let state = Mutex::new(State { held, last, flight: None });
        Ok(Self(Arc::new(Inner { fetching, times, count, state })))
    }

    /// The keys as they are known.
    pub(super) async fn keys(&self, now: Timestamp) -> Result<Arc<Keys>, KeysUnavailable> {
        let mut flight = {
            let mut state = self.0.state();
            let held = state.held.as_ref().map(|held| held.at);
            let in_flight = state.in_flight().is_some();
            match self.0.times.step(held, state.last, in_flight, now) {
                Step::Use | Step::Lack => return self.0.usable(&state, now),
                Step::Refresh => {
                    self.begin(&mut state, now);
                    return self.0.usable(&state, now);
                }
                Step::Wait => self.begin(&mut state, now),
            }
        };
        // Ends in an error: nothing is ever sent.
        let _ = flight.changed().await;
        self.0.usable(&self.0.state(), now)
    }

    /// The keys as they are, for a token whose key is not among those known: fetched now, unless that
    /// was done a moment ago.
    pub(super) async fn newer_keys(&self, now: Timestamp) -> Result<Arc<Keys>, KeysUnavailable> {
        let flight = {
            let mut state = self.0.state();
            let may_fetch = self.0.times.may_fetch(state.last, now);
            (may_fetch || state.in_flight().is_some()).then(|| self.begin(&mut state, now))
        };
        if let Some(mut flight) = flight {
            let _ = flight.changed().await;
        }
        let state = self.0.state();
        if state.last.is_some_and(|last| last.failed) {
            // There may be a newer key that nobody could tell of.
            return Err(self.0.lack(&state, now));
        }
        self.0.usable(&state, now)
    }

    /// The fetch that is under way, begun where there is none. It goes on without whoever asked for it:
    /// others wait, too.
    fn begin(&self, state: &mut State, now: Timestamp) -> watch::Receiver<()> {
        if let Some(flight) = state.in_flight() {
            return flight.clone();
        }
        let (end, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let fetched = inner.fetching.fetch().await;
            inner.take(fetched, now);
            drop(end);
        });
        flight
    }
}

impl State {
    /// One whose task is gone, however that came, is none.
    fn in_flight(&self) -> Option<&watch::Receiver<()>> {
        self.flight.as_ref().filter(|flight| flight.has_changed().is_ok())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self, state: &State, now: Timestamp) -> Result<Arc<Keys>, KeysUnavailable> {
        let held = state.held.as_ref().filter(|held| self.times.is_kept(held.at, now));
        held.map(|held| Arc::clone(&held.keys)).ok_or_else(|| self.lack(state, now))
    }

    fn lack(&self, state: &State, now: Timestamp) -> KeysUnavailable {
        let again = state.last.map_or(now, |last| last.at.plus(self.times.between));
        KeysUnavailable { retry_after: again.since(now) }
    }

    /// Takes what was fetched, or goes on with what is held.
    fn take(&self, fetched: Result<Keys, KeysError>, at: Timestamp) {
        let result = match &fetched {
            Ok(_) => FetchResult::Fetched,
            Err(KeysError::Unreachable(_)) => FetchResult::Unreachable,
            Err(_) => FetchResult::Unusable,
        };
        let mut state = self.state();
        let had_failed = state.last.is_some_and(|last| last.failed);
        state.last = Some(Attempt { at, failed: fetched.is_err() });
        state.flight = None;
        match fetched {
            Ok(keys) => {
                if had_failed || state.held.is_none() {
                    let keys = keys.count();
                    tracing::info!(keys, "the identity provider has {keys} keys");
                }
                state.held = Some(Held { keys: Arc::new(keys), at });
            }
            Err(error) => {
                let is_held =
                    state.held.as_ref().is_some_and(|held| self.times.is_kept(held.at, at));
                let then =
                    if is_held { "those held are used on" } else { "its tokens cannot be judged" };
                tracing::warn!(%error, "the keys of the identity provider cannot be had: {then}");
            }
        }
        drop(state);
        (self.count)(result);
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::at;

    const TIMES: Times = Times {
        refresh: Duration::from_secs(600),
        kept: Duration::from_secs(3600),
        between: Duration::from_secs(10),
        is_quick: false,
    };

    fn secs(seconds: u64) -> Timestamp {
        at(seconds * 1000)
    }

    fn ended(at: u64, failed: bool) -> Option<Attempt> {
        Some(Attempt { at: secs(at), failed })
    }

    #[track_caller]
    fn check(held: Option<u64>, last: Option<Attempt>, in_flight: bool, now: u64, expected: Step) {
        let step = TIMES.step(held.map(secs), last, in_flight, secs(now));
        assert_eq!(step, expected, "{held:?} {last:?} {in_flight} {now}");
    }

    #[test]
    fn the_first_token_waits_for_keys_and_those_after_a_failure_are_told() {
        check(None, None, false, 0, Step::Wait);
        check(None, None, true, 0, Step::Wait);
        check(None, ended(0, true), false, 9, Step::Lack);
        check(None, ended(0, true), false, 10, Step::Wait);
    }

    #[test]
    fn keys_are_fetched_anew_while_those_held_are_used() {
        let last = ended(0, false);
        check(Some(0), last, false, 599, Step::Use);
        check(Some(0), last, false, 600, Step::Refresh);
        check(Some(0), last, true, 600, Step::Use);
        // Where nothing came for long, what was taken back meanwhile is not to be believed once more.
        check(Some(0), last, false, 1200, Step::Wait);
        check(Some(0), last, true, 1200, Step::Wait);
    }

    #[test]
    fn while_the_provider_is_away_nobody_waits_until_keys_are_too_old() {
        check(Some(0), ended(1200, true), false, 1205, Step::Use);
        check(Some(0), ended(1200, true), false, 1210, Step::Refresh);
        check(Some(0), ended(1200, true), true, 1210, Step::Use);
        check(Some(0), ended(3590, true), false, 3599, Step::Use);
        check(Some(0), ended(3590, true), false, 3600, Step::Wait);
        check(Some(0), ended(3595, true), false, 3600, Step::Lack);
    }

    #[test]
    fn a_file_is_waited_for() {
        let times =
            Times { refresh: BETWEEN_READS, between: BETWEEN_READS, is_quick: true, ..TIMES };
        let step = |now| times.step(Some(secs(0)), ended(0, false), false, secs(now));
        assert_eq!((step(2), step(3)), (Step::Use, Step::Wait));
        let failed = times.step(Some(secs(0)), ended(3, true), false, secs(6));
        assert_eq!(failed, Step::Refresh);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing_and_who_came_a_moment_before_fetches_nothing() {
        assert!(TIMES.may_fetch(ended(1000, false), secs(900)));
        assert!(!TIMES.may_fetch(ended(1000, false), secs(999)));
        check(Some(10_000), ended(10_000, false), false, 0, Step::Wait);
    }
}
