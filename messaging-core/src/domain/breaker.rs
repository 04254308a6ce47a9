//! Whether a server that fails is still called: a circuit breaker, without a clock.

use std::time::Duration;

use crate::domain::retry::RetryPolicy;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

named_enum! {
    /// Whether a server is called.
    pub enum BreakerState {
        /// It is.
        Closed = "closed",
        /// It is not, for a time: it fails.
        Open = "open",
        /// One call at a time tries whether it works again.
        HalfOpen = "half-open",
    }
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    /// It opens after so many failures in a row,
    pub failures: u32,
    /// or where this share of the calls of a window fail,
    pub share: f64,
    /// of which there are so many at least.
    pub calls: u32,
    /// How long the window is.
    pub window: Duration,
    /// For how long it is open, by the number of times in a row. Half of that is drawn.
    pub open: RetryPolicy,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            share: 0.5,
            calls: 20,
            window: Duration::from_secs(60),
            open: RetryPolicy {
                base: Duration::from_secs(4),
                factor: 2.0,
                cap: Duration::from_secs(30),
                max_attempts: u32::MAX,
            },
        }
    }
}

/// What a call came to, for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It answered, whatever it said.
    Answer,
    /// It could not be reached.
    Silence,
    /// It failed, or nobody knows: perhaps over this one thing alone, which stands for the message.
    /// Of one thing that fails again and again only the first counts as a failure in a row.
    Failure(u128),
}

/// How a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// As any other.
    Call,
    /// As the one that tries whether the server works again. What it comes to must be
    /// [told](Breaker::hear), or that it came to nothing.
    Probe {
        /// Whether to ask the server for a sign of life before anything else.
        ping: bool,
    },
    /// Not before then.
    Wait(Timestamp),
}

/// The breaker of one server.
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    phase: Phase,
    in_a_row: u32,
    /// What failed last.
    last_failed: Option<u128>,
    tally: Tally,
    /// How often it was opened since it was closed last.
    openings: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Timestamp },
    HalfOpen { has_answered: bool, is_probed: bool },
}

/// How long somebody who comes while another probes is to wait.
const PROBE_TIME: Duration = Duration::from_secs(1);

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            phase: Phase::Closed,
            in_a_row: 0,
            last_failed: None,
            tally: Tally::default(),
            openings: 0,
        }
    }

    /// Where it stands. One whose time is over is open until somebody [asks](Self::ask).
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Until when it is open, where it still is at `now`.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.phase {
            // Nobody opens it for longer; a clock that was set back would.
            Phase::Open { until } => {
                Some(until.min(now.plus(self.policy.open.cap))).filter(|until| *until > now)
            }
            _ => None,
        }
    }

    /// How many calls failed in a row.
    pub fn failures_in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Asks how a call may be made at `now`.
    pub fn ask(&mut self, now: Timestamp) -> Leave {
        match self.phase {
            Phase::Closed => Leave::Call,
            Phase::Open { .. } => match self.open_until(now) {
                Some(until) => {
                    self.phase = Phase::Open { until };
                    Leave::Wait(until)
                }
                None => {
                    self.phase = Phase::HalfOpen { has_answered: false, is_probed: true };
                    Leave::Probe { ping: true }
                }
            },
            Phase::HalfOpen { is_probed: true, .. } => Leave::Wait(now.plus(PROBE_TIME)),
            Phase::HalfOpen { has_answered, is_probed: false } => {
                self.phase = Phase::HalfOpen { has_answered, is_probed: true };
                Leave::Probe { ping: !has_answered }
            }
        }
    }

    /// Whether somebody is to probe.
    pub fn wants_probe(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Closed => false,
            Phase::Open { .. } => self.open_until(now).is_none(),
            Phase::HalfOpen { is_probed, .. } => !is_probed,
        }
    }

    /// A call that was made as any other came to this at `now`. `drawn` is a number drawn evenly from
    /// 0 to 1.
    pub fn hear(&mut self, heard: Heard, now: Timestamp, drawn: f64) {
        // What was begun before it opened tells nothing new.
        if self.phase != Phase::Closed {
            return;
        }
        let (failed, again) = match heard {
            Heard::Answer => (false, false),
            Heard::Silence => (true, false),
            Heard::Failure(what) => (true, self.last_failed.replace(what) == Some(what)),
        };
        let share = self.tally.count(failed && !again, now, self.policy.window);
        if !failed {
            self.in_a_row = 0;
            self.last_failed = None;
        } else if !again {
            self.in_a_row = self.in_a_row.saturating_add(1);
        }
        let too_many = share
            .is_some_and(|(calls, share)| calls >= self.policy.calls && share >= self.policy.share);
        if failed && (self.in_a_row >= self.policy.failures || too_many) {
            self.open(now, drawn);
        }
    }

    /// The sign of life that the one who probes asked for came, or did not.
    pub fn hear_ping(&mut self, came: bool, now: Timestamp, drawn: f64) {
        match self.phase {
            Phase::HalfOpen { is_probed: true, .. } if came => {
                self.phase = Phase::HalfOpen { has_answered: true, is_probed: false };
            }
            Phase::HalfOpen { .. } => self.open(now, drawn),
            _ => {}
        }
    }

    /// The call of the one who probes came to this at `now`.
    pub fn hear_probe(&mut self, heard: Heard, now: Timestamp, drawn: f64) {
        match (self.phase, heard) {
            (Phase::HalfOpen { .. }, Heard::Answer) => self.close(),
            (Phase::HalfOpen { .. }, _) => self.open(now, drawn),
            _ => {}
        }
    }

    /// The one who probes came to no call: another may.
    pub fn give_up_probe(&mut self) {
        if let Phase::HalfOpen { is_probed, .. } = &mut self.phase {
            *is_probed = false;
        }
    }

    /// It works again, as far as anybody asks.
    pub fn close(&mut self) {
        *self = Self::new(self.policy);
    }

    fn open(&mut self, now: Timestamp, drawn: f64) {
        self.openings = self.openings.saturating_add(1);
        // Half of it is fixed: a server that is down is not to be asked without pause.
        let wait = self.policy.open.wait(self.openings, 0.5 + drawn / 2.0);
        self.phase = Phase::Open { until: now.plus(wait) };
        self.tally = Tally::default();
    }
}

/// How many parts a window is counted in.
const PARTS: usize = 6;

/// How many calls there were within a window, and how many of them failed.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    parts: [(u32, u32); PARTS],
    /// The number of the latest part, counted from the epoch.
    latest: i64,
}

impl Tally {
    /// Counts a call; gives how many there were, and the share of those that failed.
    fn count(&mut self, failed: bool, now: Timestamp, window: Duration) -> Option<(u32, f64)> {
        let part_micros = i64::try_from(window.as_micros() / PARTS as u128).ok()?.max(1);
        let part = now.as_micros().div_euclid(part_micros);
        // A clock that was set back, or long silence, begins anew.
        if part < self.latest || part - self.latest >= PARTS as i64 {
            self.parts = Default::default();
        } else {
            for gone in self.latest + 1..=part {
                *self.slot(gone) = (0, 0);
            }
        }
        self.latest = part;
        let (calls, failures) = self.slot(part);
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(failed));
        let sum =
            |pick: fn(&(u32, u32)) -> u32| self.parts.iter().map(pick).fold(0, u32::saturating_add);
        let (calls, failures) = (sum(|it| it.0), sum(|it| it.1));
        Some((calls, f64::from(failures) / f64::from(calls.max(1))))
    }

    fn slot(&mut self, part: i64) -> &mut (u32, u32) {
        let slot = usize::try_from(part.rem_euclid(PARTS as i64)).unwrap_or_default();
        &mut self.parts[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// One that opened at 0, for 4 seconds.
    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..5 {
            breaker.hear(Heard::Silence, at(0), 1.0);
        }
        breaker
    }

    /// One whose server has given a sign of life.
    fn half_open() -> Breaker {
        let mut breaker = opened();
        assert_eq!(breaker.ask(at(4000)), Leave::Probe { ping: true });
        breaker.hear_ping(true, at(4000), 1.0);
        breaker
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for n in 0..4 {
            breaker.hear(Heard::Failure(n), at(0), 1.0);
            assert_eq!((breaker.state(), breaker.ask(at(0))), (BreakerState::Closed, Leave::Call));
        }
        breaker.hear(Heard::Silence, at(0), 1.0);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.ask(at(0)), Leave::Wait(at(4000)));
    }

    #[test]
    fn an_answer_between_them_begins_the_row_anew() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..3 {
            for _ in 0..4 {
                breaker.hear(Heard::Silence, at(0), 1.0);
            }
            breaker.hear(Heard::Answer, at(0), 1.0);
            // Few enough that the share does not count.
            breaker.close();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn one_message_that_a_server_stumbles_over_opens_nothing() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..100 {
            breaker.hear(Heard::Failure(7), at(0), 1.0);
        }
        assert_eq!((breaker.state(), breaker.failures_in_a_row()), (BreakerState::Closed, 1));
    }

    #[test]
    fn it_opens_where_half_of_twenty_calls_within_a_minute_fail() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for n in 0_u32..20 {
            assert_eq!(breaker.state(), BreakerState::Closed, "{n}");
            breaker.hear(Heard::Answer, at(i64::from(n) * 1000), 1.0);
            let heard = if n % 2 == 0 { Heard::Failure(n.into()) } else { Heard::Silence };
            breaker.hear(heard, at(i64::from(n) * 1000), 1.0);
            if breaker.state() == BreakerState::Open {
                assert_eq!(n, 9);
                return;
            }
        }
        panic!("it never opened");
    }

    #[test]
    fn what_failed_more_than_a_minute_ago_is_forgotten() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for n in 0..200 {
            breaker.hear(Heard::Answer, at(n * 7000), 1.0);
            breaker.hear(Heard::Silence, at(n * 7000), 1.0);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn when_its_time_is_over_one_asks_for_a_sign_of_life_and_the_others_wait() {
        let mut breaker = opened();
        assert!(!breaker.wants_probe(at(3999)));
        assert!(breaker.wants_probe(at(4000)));
        assert_eq!(breaker.ask(at(4000)), Leave::Probe { ping: true });
        assert!(!breaker.wants_probe(at(4000)));
        assert_eq!(breaker.ask(at(4000)), Leave::Wait(at(5000)));
        breaker.hear_ping(true, at(4100), 1.0);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.ask(at(4100)), Leave::Probe { ping: false });
        assert_eq!(breaker.ask(at(4100)), Leave::Wait(at(5100)));
    }

    #[test]
    fn a_probe_that_is_answered_closes_it() {
        let mut breaker = half_open();
        breaker.ask(at(4000));
        breaker.hear_probe(Heard::Answer, at(4000), 1.0);
        assert_eq!((breaker.state(), breaker.ask(at(4000))), (BreakerState::Closed, Leave::Call));
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_twice_as_long_up_to_half_a_minute() {
        let mut breaker = opened();
        let mut now = at(0);
        for expected in [4, 8, 16, 30, 30] {
            let until = breaker.open_until(now).unwrap();
            assert_eq!(until.since(now), Duration::from_secs(expected));
            now = until;
            breaker.ask(now);
            breaker.hear_ping(true, now, 1.0);
            breaker.ask(now);
            breaker.hear_probe(Heard::Failure(1), now, 1.0);
        }
    }

    #[test]
    fn without_a_sign_of_life_it_opens_again() {
        let mut breaker = opened();
        breaker.ask(at(4000));
        breaker.hear_ping(false, at(4000), 0.0);
        assert_eq!(breaker.open_until(at(4000)), Some(at(8000)));
    }

    #[test]
    fn a_probe_that_comes_to_nothing_leaves_the_place_to_another() {
        let mut breaker = half_open();
        breaker.ask(at(4000));
        breaker.give_up_probe();
        assert_eq!(breaker.ask(at(4000)), Leave::Probe { ping: false });
    }

    #[test]
    fn what_was_begun_before_it_opened_changes_nothing() {
        for heard in [Heard::Answer, Heard::Silence, Heard::Failure(1)] {
            let mut breaker = opened();
            breaker.hear(heard, at(1000), 1.0);
            assert_eq!(breaker.open_until(at(1000)), Some(at(4000)), "{heard:?}");
            let mut breaker = half_open();
            breaker.hear(heard, at(4000), 1.0);
            assert_eq!(breaker.state(), BreakerState::HalfOpen, "{heard:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_waiting_longer_than_usual() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..5 {
            breaker.hear(Heard::Silence, at(3_600_000), 1.0);
        }
        assert_eq!(breaker.ask(at(0)), Leave::Wait(at(30_000)));
        assert_eq!(breaker.ask(at(30_000)), Leave::Probe { ping: true });
    }
}
