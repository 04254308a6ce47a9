//! A range of time as the whole hours in it, whose messages are counted already, and what is left
//! of it at both ends.

use messaging_core::domain::timestamp::Timestamp;

use crate::message_store::change::HOUR_MICROS;

/// A range of time, both ends included, in microseconds.
pub(super) struct Hours {
    /// The beginning of the first whole hour.
    pub(super) first: i64,
    /// The end of the last whole hour; no later than `first` where there is none.
    pub(super) end: i64,
    /// From here until before [`left_until`](Self::left_until) is no whole hour.
    pub(super) left_from: i64,
    /// See [`left_from`](Self::left_from).
    pub(super) left_until: i64,
    /// From here until before [`right_until`](Self::right_until) is no whole hour.
    pub(super) right_from: i64,
    /// See [`right_from`](Self::right_from).
    pub(super) right_until: i64,
}

impl Hours {
    /// All time where no end is given.
    pub(super) fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        let from = from.unwrap_or(Timestamp::EPOCH).as_micros();
        let until = to.unwrap_or(Timestamp::MAX).as_micros() + 1;
        let first = (from + HOUR_MICROS - 1) / HOUR_MICROS * HOUR_MICROS;
        let end = until / HOUR_MICROS * HOUR_MICROS;
        let (left_until, right_from) = if first < end { (first, end) } else { (until, until) };
        Self { first, end, left_from: from, left_until, right_from, right_until: until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: Option<i64>, to: Option<i64>) {
        let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
        let hours = Hours::between(at(from), at(to));
        let edge = [0, 1, HOUR_MICROS - 1, HOUR_MICROS, HOUR_MICROS + 1, 5 * HOUR_MICROS];
        let near = [from, to].into_iter().flatten().flat_map(|end| [end - 1, end, end + 1]);
        for created_at in edge.into_iter().chain(near).filter(|micros| *micros >= 0) {
            let hour = created_at - created_at % HOUR_MICROS;
            let times = [
                hours.first <= hour && hour < hours.end,
                hours.left_from <= created_at && created_at < hours.left_until,
                hours.right_from <= created_at && created_at < hours.right_until,
            ];
            let is_in =
                from.is_none_or(|from| from <= created_at) && to.is_none_or(|to| created_at <= to);
            let counted = times.into_iter().filter(|counts| *counts).count();
            assert_eq!(counted, usize::from(is_in), "{created_at} in {from:?}..={to:?}");
        }
    }

    #[test]
    fn every_instant_is_counted_once() {
        let ends =
            [None, Some(0), Some(1), Some(HOUR_MICROS - 1), Some(HOUR_MICROS), Some(9_000_000_001)];
        for from in ends {
            for to in ends {
                if from <= to || to.is_none() {
                    check(from, to);
                }
            }
        }
    }
}
