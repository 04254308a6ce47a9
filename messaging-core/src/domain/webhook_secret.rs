//! What a provider signs the webhooks of a session with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::timestamp::Timestamp;

/// What a provider signs its webhooks with. No Debug shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookSecret(pub String);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(hidden)")
    }
}

impl WebhookSecret {
    /// A secret made of what was drawn: 256 bits in hexadecimal.
    pub fn of(drawn: [u64; 4]) -> Self {
        Self(drawn.iter().map(|each| format!("{each:016x}")).collect())
    }
}

/// The secrets of one session's webhooks: one that the provider is to sign with and, while it is
/// being replaced, the one before.
///
/// Kept as one text in one place of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSecrets {
    /// What the provider is to sign with.
    pub current: WebhookSecret,
    /// What it may still sign with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// The secret.
    pub secret: WebhookSecret,
    /// Until when it is believed; for ever while the provider has not taken the one behind it.
    pub until: Option<Timestamp>,
}

impl WebhookSecrets {
    /// The secrets of a new session.
    pub fn new(current: WebhookSecret) -> Self {
        Self { current, previous: None }
    }

    /// Those that are believed at `now`, the newest first.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &WebhookSecret> {
        let previous = self.previous.as_ref();
        let previous = previous.filter(|it| it.until.is_none_or(|until| now < until));
        std::iter::once(&self.current).chain(previous.map(|it| &it.secret))
    }

    /// With `next` in place of the current one, which is believed until the provider has taken
    /// that. A replacement that the provider has not taken yet is gone on with instead: the provider
    /// may have it, so it must not be forgotten.
    #[must_use]
    pub fn replaced_by(self, next: WebhookSecret) -> Self {
        if self.previous.as_ref().is_some_and(|it| it.until.is_none()) {
            return self;
        }
        let previous = Some(Previous { secret: self.current, until: None });
        Self { current: next, previous }
    }

    /// Once the provider has taken the current one: the one before is believed until `until`.
    #[must_use]
    pub fn taken(mut self, until: Timestamp) -> Self {
        if let Some(previous) = &mut self.previous {
            previous.until.get_or_insert(until);
        }
        self
    }

    /// As the store keeps them.
    pub fn to_stored(&self) -> String {
        // Texts and numbers have a form in JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What the store kept; `None` where it is nothing of ours.
    pub fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret(text.to_owned())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[track_caller]
    fn live(secrets: &WebhookSecrets, now: i64, expected: &[&str]) {
        let live: Vec<_> = secrets.live(at(now)).map(|it| it.0.as_str()).collect();
        assert_eq!(live, expected);
    }

    #[test]
    fn the_one_before_is_believed_until_its_time_ends() {
        let secrets = WebhookSecrets::new(secret("a"));
        live(&secrets, 0, &["a"]);
        let secrets = secrets.replaced_by(secret("b"));
        live(&secrets, i64::from(u32::MAX), &["b", "a"]);
        let secrets = secrets.taken(at(10));
        live(&secrets, 9, &["b", "a"]);
        live(&secrets, 10, &["b"]);
    }

    #[test]
    fn a_replacement_that_was_not_taken_is_gone_on_with() {
        let secrets = WebhookSecrets::new(secret("a")).replaced_by(secret("b"));
        let again = secrets.clone().replaced_by(secret("c"));
        assert_eq!(again, secrets);
        // Once it is taken, the next may come.
        live(&again.taken(at(10)).replaced_by(secret("c")), 0, &["c", "b"]);
    }

    #[test]
    fn what_was_taken_twice_ends_when_it_was_to_end_first() {
        let secrets = WebhookSecrets::new(secret("a")).replaced_by(secret("b")).taken(at(10));
        assert_eq!(secrets.clone().taken(at(20)), secrets);
    }

    #[test]
    fn secrets_are_kept_and_read_and_never_shown() {
        let secrets = WebhookSecrets::new(secret("first")).replaced_by(secret("second"));
        for each in [secrets.clone(), secrets.taken(at(5))] {
            assert_eq!(WebhookSecrets::from_stored(&each.to_stored()), Some(each.clone()));
            let shown = format!("{each:?}");
            assert!(!shown.contains("first") && !shown.contains("second"), "{shown}");
        }
        assert_eq!(WebhookSecrets::from_stored("nothing of ours"), None);
    }

    #[test]
    fn a_secret_has_all_that_was_drawn() {
        assert_eq!(WebhookSecret::of([1, 2, 3, u64::MAX]).0.len(), 64);
        assert_ne!(WebhookSecret::of([1, 2, 3, 4]), WebhookSecret::of([1, 2, 3, 5]));
    }
}
