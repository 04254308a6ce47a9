//! How far another machine's clock is from ours.

use std::time::Duration;

use crate::domain::timestamp::Timestamp;

/// How far another machine's clock is from ours, as well as one question and its answer can tell:
/// it was read at some moment between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Theirs less ours, had it been read halfway.
    micros: i64,
    round_trip: Duration,
    /// How coarsely they tell the time.
    step: Duration,
}

impl ClockOffset {
    /// From when their clock was asked for, what it showed, and when the answer came.
    pub fn measured(asked: Timestamp, shown: Timestamp, answered: Timestamp) -> Self {
        let round_trip = answered.since(asked);
        let halfway = asked.plus(round_trip / 2);
        Self {
            micros: shown.as_micros().saturating_sub(halfway.as_micros()),
            round_trip,
            step: Duration::ZERO,
        }
    }

    /// The same for a clock that shows only whole steps, as HTTP's shows whole seconds.
    #[must_use]
    pub fn in_steps_of(self, step: Duration) -> Self {
        let half = i64::try_from(step.as_micros() / 2).unwrap_or(i64::MAX);
        Self { micros: self.micros.saturating_add(half), step, ..self }
    }

    /// How far they are apart at the least: what the way there and back explains is left out.
    pub fn at_least(self) -> Duration {
        self.about().saturating_sub(self.round_trip / 2).saturating_sub(self.step / 2)
    }

    /// How far they are apart, as a best guess.
    pub fn about(self) -> Duration {
        Duration::from_micros(self.micros.unsigned_abs())
    }

    /// Whether theirs shows the later time.
    pub fn is_ahead(self) -> bool {
        self.micros > 0
    }

    /// How long the answer took.
    pub fn round_trip(self) -> Duration {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[track_caller]
    fn check(offset: ClockOffset, about_ms: u64, at_least_ms: u64, is_ahead: bool) {
        assert_eq!(offset.about(), Duration::from_millis(about_ms));
        assert_eq!(offset.at_least(), Duration::from_millis(at_least_ms));
        assert_eq!(offset.is_ahead(), is_ahead);
    }

    #[test]
    fn what_the_way_explains_is_not_held_against_a_clock() {
        check(ClockOffset::measured(at(0), at(20), at(20)), 10, 0, true);
        check(ClockOffset::measured(at(0), at(310), at(20)), 300, 290, true);
        check(ClockOffset::measured(at(0), at(-290), at(20)), 300, 290, false);
    }

    #[test]
    fn a_clock_of_whole_seconds_is_right_within_one() {
        let seconds = |shown| {
            ClockOffset::measured(at(0), at(shown), at(0)).in_steps_of(Duration::from_secs(1))
        };
        // It shows 0 until just before 1000.
        check(seconds(0), 500, 0, true);
        check(seconds(-999), 499, 0, false);
        check(seconds(6000), 6500, 6000, true);
    }
}
