//! What is counted about a tenant's messages.

use std::collections::BTreeMap;

use crate::domain::content::ContentKind;
use crate::domain::id::SessionId;
use crate::domain::message::Direction;
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;

/// Which messages are counted: created within, both ends included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatisticsRange {
    /// At or after.
    pub from: Option<Timestamp>,
    /// At or before.
    pub to: Option<Timestamp>,
    /// Through this session.
    pub session: Option<SessionId>,
}

/// Counts over a range.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// All messages.
    pub total: u64,
    /// By status; those without any are left out, here and below.
    pub by_status: BTreeMap<Status, u64>,
    /// By direction.
    pub by_direction: BTreeMap<Direction, u64>,
    /// By kind.
    pub by_kind: BTreeMap<ContentKind, u64>,
    /// By session.
    pub by_session: BTreeMap<SessionId, u64>,
    /// How many outbound messages stand in each status.
    pub outbound_by_status: BTreeMap<Status, u64>,
    /// The time from acceptance to the provider's acceptance, in seconds, over the messages that
    /// have one; `None` where there is none.
    pub time_to_sent: Option<Percentiles>,
}

/// Two points of a distribution, nearest rank, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentiles {
    /// Half take no longer.
    pub p50: f64,
    /// Of twenty, nineteen take no longer.
    pub p95: f64,
}

impl Percentiles {
    /// The percentiles of `seconds`, which are put in order; `None` where there are none.
    pub fn of(seconds: &mut [f64]) -> Option<Self> {
        seconds.sort_unstable_by(f64::total_cmp);
        let ranked = |percent| seconds.get(Self::rank(percent, seconds.len())?).copied();
        Some(Self { p50: ranked(50)?, p95: ranked(95)? })
    }

    /// Where, from 0, the value that `percent` of `count` values do not exceed stands in their
    /// order; `None` where there are none. For stores that sort by themselves.
    pub fn rank(percent: usize, count: usize) -> Option<usize> {
        // In whole numbers: 0.95 has no exact form, and a rank rounded up wrongly is off by one.
        (count * percent).div_ceil(100).max(1).checked_sub(1).filter(|rank| *rank < count)
    }
}

impl Statistics {
    fn outbound(&self, statuses: &[Status]) -> u64 {
        statuses.iter().filter_map(|status| self.outbound_by_status.get(status)).sum()
    }

    /// Of the outbound messages that have an outcome (sent, delivered, read or failed, also where
    /// that was discarded), the share
    /// that was delivered or read, from 0 to 1; `None` while there are none.
    pub fn success_rate(&self) -> Option<f64> {
        self.share(&[Status::Delivered, Status::Read])
    }

    /// Of the outbound messages that have an outcome, the share that failed, from 0 to 1; `None`
    /// while there are none.
    pub fn failure_rate(&self) -> Option<f64> {
        self.share(&[Status::Failed, Status::Discarded])
    }

    fn share(&self, of: &[Status]) -> Option<f64> {
        let outcomes = self.outbound(&[
            Status::Sent,
            Status::Delivered,
            Status::Read,
            Status::Failed,
            Status::Discarded,
        ]);
        // Exact below 2^53 messages.
        (outcomes > 0).then(|| self.outbound(of) as f64 / outcomes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(count: u32, p50: f64, p95: f64) {
        let mut seconds: Vec<f64> = (1..=count).rev().map(f64::from).collect();
        assert_eq!(Percentiles::of(&mut seconds), Some(Percentiles { p50, p95 }));
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        check(1, 1.0, 1.0);
        check(2, 1.0, 2.0);
        check(3, 2.0, 3.0);
        check(20, 10.0, 19.0);
        check(21, 11.0, 20.0);
        check(100, 50.0, 95.0);
        assert_eq!(Percentiles::of(&mut []), None);
    }

    #[test]
    fn rates_are_shares_of_the_outbound_messages_with_an_outcome() {
        let statistics = Statistics {
            outbound_by_status: [
                (Status::Queued, 10),
                (Status::Sent, 2),
                (Status::Delivered, 3),
                (Status::Read, 1),
                (Status::Failed, 1),
                (Status::Discarded, 1),
            ]
            .into(),
            ..Statistics::default()
        };
        assert_eq!(statistics.success_rate(), Some(0.5));
        assert_eq!(statistics.failure_rate(), Some(0.25));
        assert_eq!(Statistics::default().success_rate(), None);
    }
}
