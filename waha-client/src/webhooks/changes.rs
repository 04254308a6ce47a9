//! What happens to messages afterwards: reactions, new texts, taking back.

use serde_json::Value;

use super::envelope::MalformedWebhook;
use super::payload;
use crate::ids::{ChatId, RawMessageId};
use crate::redaction::debug_shows;
use crate::unix_time::milliseconds;
use crate::wire::lenient;

/// Somebody reacted to a message, or took that back.
#[derive(Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The reaction's own id.
    pub raw_id: RawMessageId,
    /// The message reacted to.
    pub target: RawMessageId,
    /// The chat, where the event names it.
    pub chat: Option<ChatId>,
    /// Who reacted; `None` where that is the session's own account and nobody is named.
    pub author: Option<ChatId>,
    /// Whether the session's own account reacted.
    pub from_me: bool,
    /// The emoji; `None` takes the reaction back.
    pub emoji: Option<String>,
    /// When, Unix time in milliseconds.
    pub timestamp_ms: Option<i64>,
}

debug_shows!(Reaction { raw_id, target, chat, from_me, timestamp_ms });

/// A message got a new text.
#[derive(Clone, PartialEq, Eq)]
pub struct Edited {
    /// The message that carried the edit.
    pub raw_id: RawMessageId,
    /// The message that was edited.
    pub target: RawMessageId,
    /// The chat, where the event names it.
    pub chat: Option<ChatId>,
    /// Whether the session's own account edited.
    pub from_me: bool,
    /// The new text.
    pub text: Option<String>,
    /// When, Unix time in milliseconds.
    pub timestamp_ms: Option<i64>,
}

debug_shows!(Edited { raw_id, target, chat, from_me, timestamp_ms });

/// A message was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The message that was taken back.
    pub target: RawMessageId,
    /// The chat, where the event names it.
    pub chat: Option<ChatId>,
    /// When, Unix time in milliseconds.
    pub timestamp_ms: Option<i64>,
}

impl Reaction {
    pub(super) fn of_payload(
        payload: &Value,
        at_ms: Option<i64>,
    ) -> Result<Self, MalformedWebhook> {
        let key = payload::message_key(payload)?;
        let reaction = &payload["reaction"];
        let target = payload::other_key(&reaction["messageId"])
            .ok_or(MalformedWebhook::Missing { field: "payload.reaction.messageId" })?;
        let from_me = payload["fromMe"].as_bool().or(key.from_me).unwrap_or(false);
        let participant = payload::chat(&payload["participant"]).or(key.participant);
        let peer = || payload::chat(&payload["from"]).filter(|_| !from_me);
        Ok(Self {
            raw_id: key.raw_id,
            target: target.raw_id,
            author: participant.or_else(peer),
            chat: key.chat.or(target.chat),
            from_me,
            emoji: payload::text(&reaction["text"]).map(str::to_owned),
            timestamp_ms: time(payload, at_ms),
        })
    }
}

impl Edited {
    pub(super) fn of_payload(
        payload: &Value,
        at_ms: Option<i64>,
    ) -> Result<Self, MalformedWebhook> {
        let key = payload::message_key(payload)?;
        let target = payload::other_key(&payload["editedMessageId"])
            .ok_or(MalformedWebhook::Missing { field: "payload.editedMessageId" })?;
        Ok(Self {
            target: target.raw_id,
            chat: key.chat,
            from_me: payload["fromMe"].as_bool().or(key.from_me).unwrap_or(false),
            raw_id: key.raw_id,
            text: payload::text(&payload["body"]).map(str::to_owned),
            timestamp_ms: time(payload, at_ms),
        })
    }
}

impl Revoked {
    pub(super) fn of_payload(
        payload: &Value,
        at_ms: Option<i64>,
    ) -> Result<Self, MalformedWebhook> {
        let after = payload::other_key(&payload["after"]["id"]);
        let before = payload::other_key(&payload["before"]["id"]);
        // The notice has an id of its own on some engines, so `after` is asked last.
        let target = payload::other_key(&payload["revokedMessageId"])
            .or_else(|| before.clone())
            .or_else(|| after.clone())
            .ok_or(MalformedWebhook::Missing { field: "payload.revokedMessageId" })?;
        let around = after.and_then(|key| key.chat).or(before.and_then(|key| key.chat));
        Ok(Self {
            target: target.raw_id,
            chat: target.chat.or(around),
            timestamp_ms: time(&payload["after"], at_ms),
        })
    }
}

fn time(payload: &Value, at_ms: Option<i64>) -> Option<i64> {
    lenient::integer(&payload["timestamp"]).map(milliseconds).or(at_ms)
}
