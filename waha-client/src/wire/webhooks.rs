//! What WAHA posts to webhooks.
//!
//! The receiving side reads webhooks loosely and in two dialects ([`crate::webhooks`]); these
//! types are WAHA's own dialect as the simulator sends it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient;
use super::messages::{ChatMessage, Source};
use super::server::Environment;
use super::sessions::{Me, SessionStatus};
use crate::engine::Engine;
use crate::redaction::debug_shows;

/// One event.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookEnvelope<P = Value> {
    /// `evt_` and 26 characters; the same on every repeat. `message` and `message.any` of one
    /// message may share it.
    pub id: String,
    /// When it happened, Unix time in milliseconds.
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: i64,
    /// Its name, such as `message.any`.
    pub event: String,
    /// The session it is about.
    pub session: String,
    /// The session's metadata.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub metadata: Option<BTreeMap<String, String>>,
    /// The account signed in.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub me: Option<Me>,
    /// What happened.
    pub payload: P,
    /// The engine of the process that sent it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub engine: Engine,
    /// The process that sent it.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub environment: Option<Environment>,
}

impl<P> std::fmt::Debug for WebhookEnvelope<P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WebhookEnvelope")
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .field("event", &self.event)
            .field("session", &self.session)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// Payload of `message.ack` and, once for each participant, of `message.ack.group`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AckPayload {
    /// Full id of the message.
    pub id: String,
    /// The chat.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub from: Option<String>,
    /// Who it went to.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub to: Option<String>,
    /// Whose ack it is, in groups.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub participant: Option<String>,
    /// Whether the message is ours; acks of others' messages mean nothing.
    #[serde(default, rename = "fromMe", deserialize_with = "lenient::optional")]
    pub from_me: Option<bool>,
    /// -1 error, 0 pending, 1 server, 2 device, 3 read, 4 played.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub ack: Option<i64>,
    /// The name of `ack`.
    #[serde(default, rename = "ackName", deserialize_with = "lenient::optional")]
    pub ack_name: Option<String>,
    /// The engine's own form; never read.
    #[serde(rename = "_data", skip_deserializing)]
    pub data: Option<Value>,
}

debug_shows!(AckPayload { from_me, ack });

/// Payload of `session.status`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionStatusPayload {
    /// The session.
    pub name: String,
    /// Its status now. The event is repeated for every new QR code.
    #[serde(deserialize_with = "lenient::or_default")]
    pub status: SessionStatus,
    /// The statuses it went through lately, oldest first.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub statuses: Vec<StatusPoint>,
    /// Null at present.
    #[serde(default)]
    pub data: Option<Value>,
}

debug_shows!(SessionStatusPayload { name, status, statuses });

/// When a session came into a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatusPoint {
    /// The status.
    pub status: SessionStatus,
    /// Unix time in milliseconds.
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: i64,
}

/// Payload of `message.reaction`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReactionPayload {
    /// Full id of the reaction itself.
    pub id: String,
    /// Unix time in seconds.
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: i64,
    /// As in [`ChatMessage::from`].
    pub from: String,
    /// Whether the session's own account reacted.
    #[serde(rename = "fromMe")]
    pub from_me: bool,
    /// Which device reacted, where `fromMe`.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub source: Option<Source>,
    /// Who it went to.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub to: Option<String>,
    /// Who reacted, in groups.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub participant: Option<String>,
    /// The reaction.
    pub reaction: Reaction,
}

debug_shows!(ReactionPayload { timestamp, from_me });

/// A reaction.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji; empty takes the reaction back.
    pub text: String,
    /// Full id of the message reacted to.
    #[serde(rename = "messageId")]
    pub message_id: String,
}

debug_shows!(Reaction {});

/// Payload of `message.edited`: the message with its new body.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EditedPayload {
    /// The message that carried the edit; its `body` is the new text.
    #[serde(flatten)]
    pub message: ChatMessage,
    /// Raw id of the message that was edited.
    #[serde(rename = "editedMessageId")]
    pub edited_message_id: String,
}

debug_shows!(EditedPayload { edited_message_id });

/// Payload of `message.revoked`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RevokedPayload {
    /// Raw id of the message taken back.
    #[serde(
        default,
        rename = "revokedMessageId",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_message_id: Option<String>,
    /// The message that took it back.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub after: Option<ChatMessage>,
    /// The message as it was; mostly null.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub before: Option<ChatMessage>,
}

debug_shows!(RevokedPayload { revoked_message_id });
