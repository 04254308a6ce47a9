//! Which sends arrived, in order, and what became of each: what tests of quotas, order and
//! duplicates are judged by.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::content::ContentKind;
use crate::redaction::debug_shows;

/// A send that arrived, whether it was accepted or not.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrival {
    /// Counts up from 1 in order of arrival.
    pub sequence: u64,
    /// When it arrived, Unix time in milliseconds.
    pub at_ms: i64,
    /// When it arrived, counted from the simulator's start; finer than `at_ms`.
    #[serde(rename = "sinceStartMs", serialize_with = "super::latency::milliseconds::serialize")]
    pub since_start: Duration,
    /// The session named in it.
    pub session: String,
    /// The chat as written in it.
    pub chat_id: String,
    /// What kind of message it is.
    pub kind: ContentKind,
    /// The text or caption.
    pub text: Option<String>,
    /// The id chosen by the caller.
    pub preset_id: Option<String>,
    /// The id the message got, once accepted.
    pub raw_id: Option<String>,
    /// How many sends of the session were under way, this one included.
    pub under_way: u32,
    /// What became of it.
    pub outcome: Outcome,
}

debug_shows!(Arrival { sequence, at_ms, session, kind, preset_id, raw_id, under_way, outcome });

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "status")]
#[non_exhaustive]
pub enum Outcome {
    /// Not decided yet.
    Pending,
    /// Became a message.
    Accepted,
    /// Became no second message, because one with its id was there.
    Collapsed,
    /// Became a message, but the caller never learnt.
    AnswerLost,
    /// Was refused with this status.
    Refused(u16),
    /// Its connection was closed, and nothing was sent.
    Dropped,
}

impl Outcome {
    /// Whether a message came of it, now or with an earlier send of the same id.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::Collapsed | Self::AnswerLost)
    }
}

/// The latest arrivals.
pub(super) struct ArrivalLog {
    kept: VecDeque<Arrival>,
    limit: usize,
    last_sequence: u64,
}

impl ArrivalLog {
    pub(super) const fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit, last_sequence: 0 }
    }

    /// Keeps an arrival and returns its sequence number.
    pub(super) fn record(&mut self, mut arrival: Arrival) -> u64 {
        self.last_sequence += 1;
        arrival.sequence = self.last_sequence;
        self.kept.push_back(arrival);
        if self.kept.len() > self.limit {
            self.kept.pop_front();
        }
        self.last_sequence
    }

    fn at_mut(&mut self, sequence: u64) -> Option<&mut Arrival> {
        // Sequence numbers have no gaps, so the place follows from the first one kept.
        let first = self.kept.front()?.sequence;
        self.kept.get_mut(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    pub(super) fn settle(&mut self, sequence: u64, outcome: Outcome, raw_id: Option<String>) {
        if let Some(arrival) = self.at_mut(sequence) {
            arrival.outcome = outcome;
            arrival.raw_id = raw_id;
        }
    }

    pub(super) fn settle_undecided(&mut self, sequence: u64, outcome: Outcome) {
        if let Some(arrival) = self.at_mut(sequence).filter(|it| it.outcome == Outcome::Pending) {
            arrival.outcome = outcome;
        }
    }

    pub(super) fn after(&self, sequence: u64, limit: usize) -> Vec<Arrival> {
        let start = self.kept.partition_point(|arrival| arrival.sequence <= sequence);
        self.kept.range(start..).take(limit).cloned().collect()
    }

    pub(super) const fn total(&self) -> u64 {
        self.last_sequence
    }

    /// Forgets the arrivals, but goes on counting: what is under way must not settle another's.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival() -> Arrival {
        Arrival {
            sequence: 0,
            at_ms: 0,
            since_start: Duration::ZERO,
            session: "main".into(),
            chat_id: "12025550123@c.us".into(),
            kind: ContentKind::Text,
            text: Some("secret".into()),
            preset_id: None,
            raw_id: None,
            under_way: 1,
            outcome: Outcome::Pending,
        }
    }

    #[test]
    fn the_oldest_arrivals_make_room() {
        let mut log = ArrivalLog::new(2);
        for _ in 0..5 {
            log.record(arrival());
        }
        let kept: Vec<_> = log.after(0, 9).iter().map(|arrival| arrival.sequence).collect();
        assert_eq!(kept, [4, 5]);
        assert_eq!(log.total(), 5);
    }

    #[test]
    fn an_outcome_finds_its_arrival() {
        let mut log = ArrivalLog::new(2);
        for _ in 0..4 {
            log.record(arrival());
        }
        log.settle(4, Outcome::Accepted, Some("A".into()));
        log.settle(1, Outcome::Dropped, None);
        assert_eq!(log.after(3, 9)[0].outcome, Outcome::Accepted);
        assert_eq!(log.after(0, 9)[0].outcome, Outcome::Pending);
    }

    #[test]
    fn debug_output_hides_text_and_numbers() {
        let shown = format!("{:?}", arrival());
        assert!(!shown.contains("secret") && !shown.contains("12025550123"));
    }
}
