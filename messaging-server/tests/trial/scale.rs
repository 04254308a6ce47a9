//! How much is tried, and the chance in it.

use std::time::Duration;

use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::ports::entropy::{Entropy, SystemEntropy};

/// How many messages go through each session before it has to wait for the next window, of those that
/// it is given: each takes about three windows.
const WINDOWS: usize = 3;

/// How much is tried.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) mode: &'static str,
    pub(crate) seed: u64,
    /// Of each dialect.
    pub(crate) messages: usize,
    pub(crate) sessions: usize,
    /// In which a session may send [`limit`](Self::limit) messages.
    pub(crate) window: Duration,
}

impl Scale {
    /// What the environment says, and else so many messages and sessions of each dialect.
    pub(crate) fn of(mode: &'static str, messages: usize, sessions: usize) -> Self {
        let number = |name: &str| -> Option<u64> {
            std::env::var(name).ok().map(|text| text.parse().expect("a number"))
        };
        let size = |name: &str, usual: usize| number(name).map_or(usual, |it| it as usize);
        Self {
            mode,
            seed: number("TRIAL_SEED").unwrap_or_else(|| SystemEntropy.next_u64() % 1_000_000),
            messages: size("TRIAL_MESSAGES", messages),
            sessions: size("TRIAL_SESSIONS", sessions),
            window: Duration::from_secs(number("TRIAL_WINDOW").unwrap_or(4)),
        }
    }

    pub(crate) fn per_session(&self) -> usize {
        self.messages / self.sessions
    }

    /// The quota: so many in any window.
    pub(crate) fn limit(&self) -> usize {
        self.per_session().div_ceil(WINDOWS)
    }

    /// The shortest that all of it can take.
    pub(crate) fn shortest(&self) -> Duration {
        self.window * WINDOWS as u32
    }

    /// How long everything may take to come to its end, once nothing goes wrong any more.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(90) + self.shortest() * 4
    }

    /// The chances of one part, which do not depend on how often another draws.
    pub(crate) fn dice(&self, part: u64) -> Dice {
        let mixed = SeededEntropy::new(self.seed).next_u64();
        Dice(SeededEntropy::new(mixed ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Says how to repeat the same faults, should what follows fail.
    pub(crate) fn told_on_failure(&self) -> Told {
        Told(format!(
            "To let the same faults happen again:\n\
             scripts/trial --seed {} --messages {} --sessions {} --window {} {}",
            self.seed,
            self.messages,
            self.sessions,
            self.window.as_secs(),
            self.mode,
        ))
    }
}

/// Speaks when it is dropped by a panic.
pub(crate) struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// A row of chances that depends on nothing but its seed.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) fn number(&self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to, not including, `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    /// Whether something happens that happens `share` of the time.
    pub(crate) fn chance(&self, share: f64) -> bool {
        self.0.next_unit() < share
    }

    /// A time between two.
    pub(crate) fn time(&self, first: Duration, last: Duration) -> Duration {
        first + last.saturating_sub(first).mul_f64(self.0.next_unit())
    }

    /// The same things in another order.
    pub(crate) fn shuffled<T>(&self, mut things: Vec<T>) -> Vec<T> {
        for place in (1..things.len()).rev() {
            things.swap(place, self.below(place + 1));
        }
        things
    }
}
