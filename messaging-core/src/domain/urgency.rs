//! What leaves first within a session.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::id::{MessageId, first_uuid_v7_at};
use crate::domain::message::Priority;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

named_enum! {
    /// Whether a message goes to a chat that is open already. In the order of declaration, the first
    /// leaving before the second.
    pub enum Lane {
        /// The chat is open: an answer, or one more message.
        Known = "known",
        /// It is the account's first message to this recipient, a cold opening.
        New = "new",
    }
}

/// Who waits this long is taken as one class of priority more urgent, who waits twice as long as two.
pub const AGE: Duration = Duration::from_secs(5 * 60);

/// [`AGE`], as ids tell it.
const AGE_MILLIS: i64 = 5 * 60 * 1000;

/// How many kinds of messages there are: of each priority those of each [`Lane`].
pub const KINDS: usize = Priority::ALL.len() * Lane::ALL.len();

/// A priority and a lane, numbered by who leaves first of those accepted at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u8);

impl Kind {
    /// Messages of this priority in this lane.
    pub const fn of(priority: Priority, lane: Lane) -> Self {
        Self(priority as u8 * Lane::ALL.len() as u8 + lane as u8)
    }

    /// Every kind, in order.
    pub fn all() -> impl Iterator<Item = (Self, Lane)> {
        let of = |priority: &Priority| {
            let priority = *priority;
            Lane::ALL.iter().map(move |lane| (Self::of(priority, *lane), *lane))
        };
        Priority::ALL.iter().flat_map(of)
    }

    /// From 0 to [`KINDS`], exclusive.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// How urgent a message of this kind is at `now`: 0 the most. The order in which messages leave is
    /// that of this number, and then of their ids.
    ///
    /// Waiting makes more urgent, by a class for every [`AGE`]; and once a message is of the most
    /// urgent class, as if its chat were open. So whatever else is accepted, none waits for ever.
    pub fn urgency(self, message: MessageId, now: Timestamp) -> u8 {
        let classes = (now.as_millis() - accepted_millis(message)).max(0) / AGE_MILLIS;
        let raised = u8::try_from(classes.min(KINDS as i64)).unwrap_or(u8::MAX);
        self.0.saturating_sub(raised * Lane::ALL.len() as u8)
    }

    /// Those of this kind that are of this urgency at `now`, or more urgent, are those with ids before
    /// the one that is given; all, where none is.
    pub fn end_of(self, urgency: u8, now: Timestamp) -> Option<MessageId> {
        let missing = self.0.checked_sub(urgency).filter(|missing| *missing > 0)?;
        let classes = i64::from(missing.div_ceil(Lane::ALL.len() as u8));
        let waited = now.as_millis() - classes * AGE_MILLIS;
        Some(MessageId(first_uuid_v7_at(Timestamp::from_millis(waited + 1))))
    }

    /// Those of this kind that do not leave after a message with this urgency and id are those with
    /// ids before the one that is given; all, where none is.
    pub fn end_of_those_before(
        self,
        (urgency, message): (u8, MessageId),
        now: Timestamp,
    ) -> Option<MessageId> {
        let behind = MessageId(Uuid::from_u128(message.0.as_u128().saturating_add(1)));
        let of_equals = self.end_of(urgency, now).map_or(behind, |end| end.min(behind));
        match urgency.checked_sub(1) {
            Some(more_urgent) => Some(self.end_of(more_urgent, now)?.max(of_equals)),
            None => Some(of_equals),
        }
    }
}

fn accepted_millis(message: MessageId) -> i64 {
    let (high, _) = message.0.as_u64_pair();
    i64::try_from(high >> 16).unwrap_or(i64::MAX)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::build::{at, message_id};

    const MINUTE: u64 = 60_000;

    #[track_caller]
    fn check(priority: Priority, lane: Lane, waited: u64, expected: u8) {
        let now = at(waited + 1);
        assert_eq!(Kind::of(priority, lane).urgency(message_id(1), now), expected);
    }

    #[test]
    fn who_waits_becomes_more_urgent() {
        check(Priority::High, Lane::Known, 0, 0);
        check(Priority::High, Lane::New, 0, 1);
        check(Priority::Normal, Lane::Known, 5 * MINUTE - 1, 2);
        check(Priority::Normal, Lane::Known, 5 * MINUTE, 0);
        check(Priority::Normal, Lane::Known, 5000 * MINUTE, 0);
        check(Priority::Normal, Lane::New, 5 * MINUTE, 1);
        check(Priority::Low, Lane::Known, 5 * MINUTE, 2);
        check(Priority::Low, Lane::New, 9 * MINUTE, 3);
        check(Priority::Low, Lane::New, 10 * MINUTE, 1);
        check(Priority::Low, Lane::New, 15 * MINUTE, 0);
    }

    #[test]
    fn a_clock_that_is_behind_makes_nothing_more_urgent() {
        assert_eq!(Kind::of(Priority::Low, Lane::Known).urgency(message_id(5000), at(0)), 4);
        assert_eq!(
            Kind::of(Priority::Low, Lane::Known).urgency(message_id(0), Timestamp::EPOCH),
            4
        );
    }

    #[test]
    fn kinds_are_numbered_from_the_most_urgent() {
        let numbers: Vec<usize> = Kind::all().map(|(kind, _)| kind.index()).collect();
        assert_eq!(numbers, (0..KINDS).collect::<Vec<_>>());
        assert_eq!(Kind::all().nth(3).unwrap(), (Kind::of(Priority::Normal, Lane::New), Lane::New));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_ids_of_an_urgency_are_those_that_have_it(
            kind in 0..KINDS as u8,
            urgency in 0..KINDS as u8,
            message in 0..20 * MINUTE,
            other in 0..20 * MINUTE,
            now in 0..20 * MINUTE,
        ) {
            let (kind, id, now) = (Kind(kind), message_id(message), at(now));
            let before = |end: Option<MessageId>| end.is_none_or(|end| id < end);
            prop_assert_eq!(kind.urgency(id, now) <= urgency, before(kind.end_of(urgency, now)));
            let other = (urgency, message_id(other));
            let end = kind.end_of_those_before(other, now);
            prop_assert_eq!((kind.urgency(id, now), id) <= other, before(end));
        }
    }
}
