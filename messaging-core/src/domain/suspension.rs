//! Stopping something for a time.

use crate::domain::timestamp::Timestamp;

/// Somebody stopped a tenant, a session or a bulk request. What is accepted for it meanwhile waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` for until somebody resumes it.
    pub until: Option<Timestamp>,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
}

impl Suspension {
    /// Whether it still holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}
