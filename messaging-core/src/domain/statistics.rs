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

impl Statistics {
    fn outbound(&self, statuses: &[Status]) -> u64 {
        statuses.iter().filter_map(|status| self.outbound_by_status.get(status)).sum()
    }

    /// Of the outbound messages that have an outcome (sent, delivered, read or failed), the share
    /// that was delivered or read, from 0 to 1; `None` while there are none.
    pub fn success_rate(&self) -> Option<f64> {
        self.share(&[Status::Delivered, Status::Read])
    }

    /// Of the outbound messages that have an outcome, the share that failed, from 0 to 1; `None`
    /// while there are none.
    pub fn failure_rate(&self) -> Option<f64> {
        self.share(&[Status::Failed])
    }

    fn share(&self, of: &[Status]) -> Option<f64> {
        let outcomes =
            self.outbound(&[Status::Sent, Status::Delivered, Status::Read, Status::Failed]);
        // Exact below 2^53 messages.
        (outcomes > 0).then(|| self.outbound(of) as f64 / outcomes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shares_of_the_outbound_messages_with_an_outcome() {
        let statistics = Statistics {
            outbound_by_status: [
                (Status::Queued, 10),
                (Status::Sent, 2),
                (Status::Delivered, 4),
                (Status::Read, 1),
                (Status::Failed, 1),
            ]
            .into(),
            ..Statistics::default()
        };
        assert_eq!(statistics.success_rate(), Some(0.625));
        assert_eq!(statistics.failure_rate(), Some(0.125));
        assert_eq!(Statistics::default().success_rate(), None);
    }
}
