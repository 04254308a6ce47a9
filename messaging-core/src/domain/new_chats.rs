//! Who may be written to that never was before: what an account is restricted to, by WhatsApp and by
//! its owner.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::id::SessionId;
use crate::domain::retry::RetryPolicy;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// A day, in any place in time: what new chats are counted over.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long after a restriction's end another is taken for its continuation.
const REMEMBERED: Duration = DAY;

/// How far apart new chats are opened: as far as is drawn each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spacing {
    /// At least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

impl Spacing {
    /// None at all.
    pub const NONE: Self = Self { least: Duration::ZERO, most: Duration::ZERO };

    /// The distance behind an opening of the session's. Follows from the opening, so that whoever
    /// asks, and how often, is told the same.
    fn behind(self, session: SessionId, opened: Timestamp) -> Duration {
        let digest = Sha256::new()
            .chain_update(session.0.as_bytes())
            .chain_update(opened.as_micros().to_be_bytes())
            .finalize();
        let share = f64::from(u16::from_be_bytes([digest[0], digest[1]])) / f64::from(u16::MAX);
        self.least + self.most.saturating_sub(self.least).mul_f64(share)
    }
}

/// How many new chats a session may open; without limits where there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewChatLimits {
    /// In any twenty-four hours.
    pub per_day: Option<u32>,
    /// How far apart.
    pub spacing: Option<Spacing>,
}

impl NewChatLimits {
    /// Whether there is any limit.
    pub fn any(self) -> bool {
        self.per_day.is_some() || self.spacing.is_some()
    }

    /// When the next new chat may be opened, given when others were within a day; `None` for now.
    pub fn next_opening(
        self,
        session: SessionId,
        opened: &[Timestamp],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut opened: Vec<Timestamp> = opened.to_vec();
        opened.sort_unstable();
        let by_count = self.per_day.and_then(|limit| {
            let kept = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
            let oldest = opened.len().checked_sub(kept)?;
            Some(opened.get(oldest)?.plus(DAY))
        });
        let by_distance = self.spacing.and_then(|spacing| {
            let last = *opened.last()?;
            Some(last.plus(spacing.behind(session, last)))
        });
        by_count.max(by_distance).filter(|at| *at > now)
    }
}

/// WhatsApp lets an account open no new chats for a time, or is taken to: it does not always say for
/// how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Since when.
    pub since: Timestamp,
    /// Until when nothing is tried.
    pub until: Timestamp,
    /// How often in a row.
    pub times: u32,
}

impl Restriction {
    /// The restriction that WhatsApp's refusal of a new chat at `now` tells of: longer with each that
    /// follows another within a day.
    pub fn told(before: Option<&Self>, policy: RetryPolicy, now: Timestamp) -> Self {
        if let Some(standing) = before.filter(|before| before.until > now) {
            // What was on its way when it began.
            return *standing;
        }
        let follows = before.filter(|before| before.until.plus(REMEMBERED) > now);
        let times = follows.map_or(1, |before| before.times.saturating_add(1));
        Self { since: now, until: now.plus(policy.wait(times, 1.0)), times }
    }

    /// The restriction of which WhatsApp itself says when it ends; `None` where that is known.
    pub fn announced(before: Option<&Self>, until: Timestamp, now: Timestamp) -> Option<Self> {
        let is_news = until > now && before.is_none_or(|before| before.until < until);
        let times = before.map_or(0, |before| before.times);
        let since = before.filter(|before| before.until > now).map_or(now, |before| before.since);
        is_news.then_some(Self { since, until, times })
    }

    /// Whether it still holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until > now
    }
}

named_enum! {
    /// Whether an account may write to people with whom it has no chat yet.
    pub enum NewChatsState {
        /// As far as anybody knows.
        Open = "open",
        /// WhatsApp does not let it.
        Restricted = "restricted",
    }
}

/// What is kept of a session about its new chats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewChats {
    /// How many in any twenty-four hours, in place of what holds for all; 0 for as many as come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// How far apart, in place of what holds for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<Spacing>,
    /// The latest restriction, also one that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<Restriction>,
}

impl NewChats {
    /// What limits the session, where `usual` holds for those that say nothing.
    pub fn limits(&self, usual: NewChatLimits) -> NewChatLimits {
        NewChatLimits {
            per_day: self.per_day.or(usual.per_day).filter(|limit| *limit > 0),
            spacing: self.spacing.or(usual.spacing).filter(|spacing| !spacing.most.is_zero()),
        }
    }

    /// The restriction that holds at `now`.
    pub fn restricted(&self, now: Timestamp) -> Option<&Restriction> {
        self.restriction.as_ref().filter(|restriction| restriction.holds(now))
    }

    /// Changes what is given.
    pub fn patch(&mut self, patch: &NewChatsPatch) {
        self.per_day = patch.per_day.unwrap_or(self.per_day);
        self.spacing = patch.spacing.unwrap_or(self.spacing);
    }
}

/// What a tenant may change about a session's new chats: `None` leaves it, `Some(None)` makes it as for
/// all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewChatsPatch {
    /// How many in any twenty-four hours; 0 for as many as come.
    pub per_day: Option<Option<u32>>,
    /// How far apart.
    pub spacing: Option<Option<Spacing>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const POLICY: RetryPolicy =
        RetryPolicy { base: HOUR, factor: 2.0, cap: DAY, max_attempts: u32::MAX };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn session(n: u128) -> SessionId {
        SessionId(uuid::Uuid::from_u128(n))
    }

    fn seconds(least: u64, most: u64) -> Option<Spacing> {
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        Some(Spacing { least, most })
    }

    #[test]
    fn as_many_as_allowed_are_opened_in_any_day() {
        let limits = NewChatLimits { per_day: Some(2), spacing: None };
        let next = |opened: &[Timestamp]| limits.next_opening(session(1), opened, at(100));
        assert_eq!(next(&[]), None);
        assert_eq!(next(&[at(90)]), None);
        assert_eq!(next(&[at(90), at(50)]), Some(at(50).plus(DAY)));
        assert_eq!(next(&[at(90), at(50), at(70)]), Some(at(70).plus(DAY)));
        let later = at(50).plus(DAY);
        assert_eq!(limits.next_opening(session(1), &[at(50), at(90)], later), None);
    }

    #[test]
    fn each_keeps_a_distance_that_is_drawn_once() {
        let limits = NewChatLimits { per_day: None, spacing: seconds(30, 60) };
        let mut drawn = Vec::new();
        for n in 0..200 {
            let next = limits.next_opening(session(n), &[at(100)], at(100)).unwrap();
            assert_eq!(limits.next_opening(session(n), &[at(100)], at(110)), Some(next));
            drawn.push(next.since(at(100)).as_secs());
        }
        assert!(drawn.iter().all(|it| (30..=60).contains(it)), "{drawn:?}");
        assert!(drawn.iter().any(|it| *it < 37) && drawn.iter().any(|it| *it > 53), "{drawn:?}");
        assert_eq!(limits.next_opening(session(1), &[at(100)], at(160)), None);
    }

    #[test]
    fn the_later_of_both_limits_holds() {
        let limits = NewChatLimits { per_day: Some(1), spacing: seconds(30, 30) };
        assert_eq!(limits.next_opening(session(1), &[at(0)], at(1)), Some(at(0).plus(DAY)));
    }

    #[test]
    fn what_a_session_says_goes_before_what_holds_for_all() {
        let usual = NewChatLimits { per_day: Some(50), spacing: seconds(30, 60) };
        assert_eq!(NewChats::default().limits(usual), usual);
        let own = NewChats { per_day: Some(5), spacing: Some(Spacing::NONE), restriction: None };
        assert_eq!(own.limits(usual), NewChatLimits { per_day: Some(5), spacing: None });
        let none = NewChats { per_day: Some(0), ..own };
        assert!(!none.limits(usual).any());
    }

    #[test]
    fn a_restriction_lasts_longer_each_time_in_a_row() {
        let mut told = Restriction::told(None, POLICY, at(0));
        for hours in [1, 2, 4, 8, 16, 24, 24] {
            assert_eq!(told.until.since(told.since), HOUR * hours);
            let again = told.until.plus(HOUR);
            told = Restriction::told(Some(&told), POLICY, again);
        }
        let long_after = told.until.plus(DAY);
        assert_eq!(Restriction::told(Some(&told), POLICY, long_after).times, 1);
    }

    #[test]
    fn a_second_refusal_meanwhile_does_not_make_it_longer() {
        let told = Restriction::told(None, POLICY, at(0));
        assert_eq!(Restriction::told(Some(&told), POLICY, at(60)), told);
    }

    #[test]
    fn what_whatsapp_announces_holds_where_it_is_later() {
        let told = Restriction::told(None, POLICY, at(0));
        assert_eq!(Restriction::announced(Some(&told), at(1800), at(60)), None);
        let longer = Restriction::announced(Some(&told), at(7200), at(60)).unwrap();
        assert_eq!((longer.since, longer.until, longer.times), (at(0), at(7200), 1));
        assert_eq!(Restriction::announced(None, at(50), at(60)), None);
        assert_eq!(Restriction::announced(None, at(70), at(60)).map(|it| it.since), Some(at(60)));
    }
}
