//! What the send endpoints answer: each engine has its own shape.
//!
//! The client does not read these types, because versions of WAHA mix the shapes and some answer
//! nothing at all; it looks for the raw id in all the places ([`crate::ids::raw_id_of_answer`]).
//! The simulator writes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::redaction::debug_shows;

/// Answer of `GET /api/{session}/new-message-id`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewMessageId {
    /// A raw id nobody has used.
    pub id: String,
}

/// Answer of a send on WEBJS.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WebjsAnswer {
    /// The id in its parts.
    pub id: WebjsKey,
    /// How far it got, 0 at first.
    #[serde(default)]
    pub ack: i64,
    /// The text.
    #[serde(default)]
    pub body: String,
    /// WhatsApp's word for the kind, `chat` for text.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Unix time in seconds.
    #[serde(default)]
    pub timestamp: i64,
    /// The session's own chat id.
    #[serde(default)]
    pub from: String,
    /// The chat it went to.
    #[serde(default)]
    pub to: String,
    /// Always true.
    #[serde(default, rename = "fromMe")]
    pub from_me: bool,
    /// The engine's own form of the message.
    #[serde(default, rename = "_data")]
    pub data: Value,
}

debug_shows!(WebjsAnswer { ack, kind, timestamp });

/// The id in an answer of WEBJS.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WebjsKey {
    /// Always true.
    #[serde(rename = "fromMe")]
    pub from_me: bool,
    /// The chat it went to.
    pub remote: String,
    /// The raw id.
    pub id: String,
    /// The full id.
    #[serde(rename = "_serialized")]
    pub serialized: String,
}

debug_shows!(WebjsKey { id });

/// Answer of a send on NOWEB, except of polls and forwards.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NowebAnswer {
    /// The id in its parts.
    pub key: NowebKey,
    /// The message in WhatsApp's own form.
    #[serde(default)]
    pub message: Value,
    /// Unix time in seconds, as a string.
    #[serde(default, rename = "messageTimestamp")]
    pub message_timestamp: String,
    /// `PENDING`.
    #[serde(default)]
    pub status: String,
}

debug_shows!(NowebAnswer { key, message_timestamp, status });

/// The id in an answer of NOWEB.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NowebKey {
    /// The chat it went to, in WhatsApp's internal form `…@s.whatsapp.net`.
    #[serde(rename = "remoteJid")]
    pub remote_jid: String,
    /// Always true.
    #[serde(rename = "fromMe")]
    pub from_me: bool,
    /// The raw id.
    pub id: String,
}

debug_shows!(NowebKey { id });

/// Answer of a send on GOWS.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GowsAnswer {
    /// The full id.
    pub id: String,
    /// Null at present.
    #[serde(default, rename = "_data")]
    pub data: Value,
}

debug_shows!(GowsAnswer {});
