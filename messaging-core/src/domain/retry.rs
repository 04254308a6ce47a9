//! When, after an attempt that did not succeed, the next one is due.

use std::time::Duration;

/// Exponential backoff with full jitter and a limit of attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// The longest wait after the first attempt.
    pub base: Duration,
    /// By what the longest wait grows with each attempt.
    pub factor: f64,
    /// What no wait exceeds.
    pub cap: Duration,
    /// After how many attempts to give up.
    pub max_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(300),
            max_attempts: 5,
        }
    }
}

/// What follows an attempt that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Another attempt after this time.
    RetryAfter(Duration),
    /// No other attempt.
    GiveUp,
}

impl RetryPolicy {
    /// What follows the `attempt`th attempt (from 1), given a number drawn evenly from 0 to 1
    /// and the wait the provider asked for, which is never undercut.
    pub fn after_attempt(&self, attempt: u32, drawn: f64, asked: Option<Duration>) -> NextStep {
        if attempt >= self.max_attempts {
            return NextStep::GiveUp;
        }
        NextStep::RetryAfter(self.wait(attempt, drawn).max(asked.unwrap_or_default()))
    }

    /// The wait behind the `attempt`th of a row of failures, however many there were.
    pub fn wait(&self, attempt: u32, drawn: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.base.as_secs_f64() * self.factor.powi(exponent);
        let longest = longest.min(self.cap.as_secs_f64());
        // `max` first: unlike `clamp`, it takes NaN for 0.
        let share = drawn.max(0.0).clamp(0.0, 1.0);
        Duration::try_from_secs_f64(longest * share).unwrap_or(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(attempt: u32, drawn: f64, asked: Option<u64>, expected: NextStep) {
        let asked = asked.map(Duration::from_secs);
        assert_eq!(RetryPolicy::default().after_attempt(attempt, drawn, asked), expected);
    }

    fn after_secs(secs: f64) -> NextStep {
        NextStep::RetryAfter(Duration::from_secs_f64(secs))
    }

    #[test]
    fn waits_double_with_each_attempt() {
        check(1, 1.0, None, after_secs(1.0));
        check(2, 1.0, None, after_secs(2.0));
        check(3, 1.0, None, after_secs(4.0));
        check(4, 1.0, None, after_secs(8.0));
    }

    #[test]
    fn the_fifth_attempt_is_the_last() {
        check(5, 1.0, None, NextStep::GiveUp);
        check(u32::MAX, 1.0, Some(1), NextStep::GiveUp);
    }

    #[test]
    fn jitter_takes_from_the_whole_of_the_wait() {
        check(3, 0.0, None, after_secs(0.0));
        check(3, 0.25, None, after_secs(1.0));
    }

    #[test]
    fn what_the_provider_asks_for_is_not_undercut() {
        check(1, 1.0, Some(30), after_secs(30.0));
        check(4, 1.0, Some(3), after_secs(8.0));
    }

    #[test]
    fn no_wait_exceeds_the_cap() {
        let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
        assert_eq!(policy.wait(9, 1.0), Duration::from_secs(256));
        assert_eq!(policy.wait(10, 1.0), Duration::from_secs(300));
        assert_eq!(policy.wait(u32::MAX, 1.0), Duration::from_secs(300));
        assert_eq!(policy.wait(0, 1.0), Duration::from_secs(1));
    }
}
