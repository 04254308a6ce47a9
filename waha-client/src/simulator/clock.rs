//! The simulator's time. It stands in for an outside system, so it reads the real clock itself,
//! once; everything after that is counted from there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall-clock time counted from the simulator's start, so that it never jumps back.
#[derive(Debug)]
pub(super) struct Clock {
    started_at: Duration,
    started: Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator is an outside system with a clock of its own"
    )]
    pub(super) fn start() -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_at, started: Instant::now() }
    }

    /// Time since the simulator started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Unix time in milliseconds.
    pub(super) fn now_ms(&self) -> i64 {
        i64::try_from((self.started_at + self.elapsed()).as_millis()).unwrap_or(i64::MAX)
    }
}

/// Waits; not at all for no time, where a timer would still wait for its next tick.
pub(super) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Unix milliseconds as WAHA's error bodies write them: `2026-07-25T12:00:00.000Z`.
pub(super) fn rfc3339(unix_ms: i64) -> String {
    let (days, in_day) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil_date(days);
    let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (seconds, millis) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
}

/// Days since 1970 as a date of the Gregorian calendar, by way of eras of 400 years that begin
/// in March, so that the leap day is the last of its year.
const fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[track_caller]
    fn check(unix_ms: i64, expected: &str) {
        assert_eq!(rfc3339(unix_ms), expected);
    }

    #[test]
    fn the_epoch_is_the_first_of_january_1970() {
        check(0, "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_leap_day_is_a_day() {
        check(1_709_164_800_123, "2024-02-29T00:00:00.123Z");
    }

    #[test]
    fn the_examples_time_is_in_july_2026() {
        check(1_785_000_000_999, "2026-07-25T17:20:00.999Z");
    }
}
