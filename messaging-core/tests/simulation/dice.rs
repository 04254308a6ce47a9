//! All the chance there is in a simulation, drawn from its seed.

use std::time::Duration;

use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::ports::entropy::Entropy;

/// A row of chances that depends on nothing but its seed.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// Another row, for somebody who draws as often as it likes without changing this one.
    pub(crate) fn seed(&self) -> u64 {
        self.0.next_u64()
    }

    /// Whether something happens that happens `share` of the time.
    pub(crate) fn chance(&self, share: f64) -> bool {
        self.0.next_unit() < share
    }

    /// A number from 0 up to, not including, `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// A number from `first` to `last`.
    pub(crate) fn within(&self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// A time from `first` to `last`, in milliseconds.
    pub(crate) fn millis(&self, first: u64, last: u64) -> Duration {
        Duration::from_millis(self.within(first, last))
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&self, among: &'a [T]) -> Option<&'a T> {
        among.get(usize::try_from(self.below(among.len() as u64)).unwrap_or(0))
    }
}
