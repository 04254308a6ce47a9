//! Which webhook posts were made, and how they were answered.

use std::collections::VecDeque;

use serde::Serialize;

/// One attempt to deliver an event to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookPost {
    /// When it was made, Unix time in milliseconds.
    pub at_ms: i64,
    /// The session the event is about.
    pub session: String,
    /// The event's name.
    pub event: String,
    /// The event's id.
    pub event_id: String,
    /// 0 for the first attempt, then counting up.
    pub attempt: u32,
    /// The status it was answered with; `None` if it was not answered.
    pub status: Option<u16>,
}

/// How many events reached their webhooks, one count for each event and webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookCounts {
    /// Answered 2xx in the end.
    pub delivered: u64,
    /// Given up after the last repeat.
    pub given_up: u64,
    /// Lost by a knob, a restart, or because too many were waiting.
    pub lost: u64,
}

/// The latest posts.
pub(super) struct PostLog {
    kept: VecDeque<WebhookPost>,
    limit: usize,
    pub(super) counts: WebhookCounts,
}

impl PostLog {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit, counts: WebhookCounts::default() }
    }

    pub(super) fn record(&mut self, post: WebhookPost) {
        self.kept.push_back(post);
        if self.kept.len() > self.limit {
            self.kept.pop_front();
        }
    }

    pub(super) fn all(&self) -> Vec<WebhookPost> {
        self.kept.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.counts = WebhookCounts::default();
    }
}
