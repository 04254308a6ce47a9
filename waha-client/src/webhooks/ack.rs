//! How far a message got, from either dialect.

use serde_json::Value;

use super::envelope::MalformedWebhook;
use super::payload;
use crate::ack::AckLevel;
use crate::error::ErrorDetail;
use crate::ids::{ChatId, RawMessageId};
use crate::unix_time::milliseconds;
use crate::wire::lenient;

/// A message got further, or failed.
///
/// May arrive before the send was answered, several times, and out of order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The message.
    pub raw_id: RawMessageId,
    /// The chat, where the id names it.
    pub chat: Option<ChatId>,
    /// How far it got; `None` where WAHA says `UNKNOWN` or nothing.
    pub level: Option<AckLevel>,
    /// Whether the message is ours, where the event says so.
    pub from_me: Option<bool>,
    /// Whose ack it is, in groups: each participant has their own.
    pub participant: Option<ChatId>,
    /// Why it failed, where the event says so.
    pub error: Option<ErrorDetail>,
    /// When, Unix time in milliseconds.
    pub timestamp_ms: Option<i64>,
}

impl Ack {
    /// The level, if it tells anything about a message of ours: acks of others' messages and
    /// those without a level are to be ignored.
    #[must_use]
    pub fn level_of_ours(&self) -> Option<AckLevel> {
        self.level.filter(|_| self.from_me != Some(false))
    }

    pub(super) fn of_payload(
        payload: &Value,
        at_ms: Option<i64>,
    ) -> Result<Self, MalformedWebhook> {
        // By `id` alone: the engine's own form beneath it is of another time or message.
        let key = payload::message_key(payload)?;
        let level = ["ack", "status", "ackName"].iter().find_map(|name| match &payload[*name] {
            Value::String(word) => AckLevel::from_word(word),
            value => lenient::integer(value).and_then(AckLevel::from_number),
        });
        let sent_at = || lenient::integer(&payload["timestamp"]).map(milliseconds);
        Ok(Self {
            level,
            from_me: payload["fromMe"].as_bool().or(key.from_me),
            participant: payload::chat(&payload["participant"]).or(key.participant),
            chat: key.chat,
            raw_id: key.raw_id,
            error: payload::first_text(payload, &["error", "reason"])
                .map(ErrorDetail::new)
                .or_else(|| ErrorDetail::of_body(&payload["error"])),
            timestamp_ms: at_ms.or_else(sent_at),
        })
    }
}
