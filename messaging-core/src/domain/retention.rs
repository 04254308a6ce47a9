//! How long a tenant wants its data to be kept.

use std::time::Duration;

use crate::domain::timestamp::Timestamp;

/// The shortest time that anything can be kept for: what counts within windows must stay for longer than
/// any of them.
pub const SHORTEST: Duration = Duration::from_secs(24 * 3600);

/// For how long what a tenant has is kept, kind by kind; as long as the deployment keeps it where there is
/// nothing. What the deployment lets go of sooner goes sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionRules {
    /// Messages that are over, with their histories.
    pub messages: Option<Duration>,
    /// Webhooks that were applied, or cannot be.
    pub webhooks: Option<Duration>,
    /// Entries of the audit log.
    pub audit: Option<Duration>,
}

impl RetentionRules {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether each time is long enough.
    pub fn is_valid(&self) -> bool {
        let all = [self.messages, self.webhooks, self.audit];
        all.into_iter().flatten().all(|time| time >= SHORTEST)
    }
}

/// What is to be otherwise in how long things are kept: `None` leaves a time as it is, and `Some(None)`
/// makes it that of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionPatch {
    /// Messages that are over.
    pub messages: Option<Option<Duration>>,
    /// Webhooks that were applied, or cannot be.
    pub webhooks: Option<Option<Duration>>,
    /// Entries of the audit log.
    pub audit: Option<Option<Duration>>,
}

impl RetentionPatch {
    /// All of them, as the deployment has them.
    pub const USUAL: Self = Self { messages: Some(None), webhooks: Some(None), audit: Some(None) };

    /// The times with what is to be otherwise.
    #[must_use]
    pub fn applied(self, before: RetentionRules) -> RetentionRules {
        RetentionRules {
            messages: self.messages.unwrap_or(before.messages),
            webhooks: self.webhooks.unwrap_or(before.webhooks),
            audit: self.audit.unwrap_or(before.audit),
        }
    }
}

/// Since when something is kept at `now`. Ids hold milliseconds, so no less is told apart.
pub fn kept_since(now: Timestamp, time: Duration) -> Timestamp {
    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_less_than_a_day() {
        let rules = |messages| RetentionRules { messages, ..RetentionRules::default() };
        assert!(rules(None).is_valid() && rules(None).is_empty());
        assert!(rules(Some(SHORTEST)).is_valid() && !rules(Some(SHORTEST)).is_empty());
        assert!(!rules(Some(SHORTEST - Duration::from_secs(1))).is_valid());
    }

    #[test]
    fn what_is_not_said_of_times_stays() {
        let before =
            RetentionRules { messages: Some(SHORTEST), audit: Some(SHORTEST), webhooks: None };
        let (longer, usual) = (SHORTEST * 2, None);
        let patch =
            RetentionPatch { messages: Some(usual), webhooks: Some(Some(longer)), audit: None };
        let after = RetentionRules { messages: None, webhooks: Some(longer), ..before };
        assert_eq!(patch.applied(before), after);
        assert_eq!(RetentionPatch::USUAL.applied(before), RetentionRules::default());
    }

    #[test]
    fn what_is_kept_begins_so_long_before_now() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        assert_eq!(kept_since(now, Duration::from_millis(5)).as_millis(), 1_767_225_599_995);
        assert!(kept_since(now, Duration::MAX) < now);
    }
}
