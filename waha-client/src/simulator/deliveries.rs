//! What reached WhatsApp: the messages recipients see, after repeats were collapsed.

use serde::Serialize;

use super::content::ContentKind;
use super::messages::StoredMessage;
use crate::redaction::debug_shows;

/// A message sent through the API that WhatsApp has.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The session that sent it.
    pub session: String,
    /// The chat it went to; a person's is `…@c.us`, also where it was addressed by hidden id.
    pub chat_id: String,
    /// Its raw id.
    pub raw_id: String,
    /// What kind of message it is.
    pub kind: ContentKind,
    /// The text or caption.
    pub text: Option<String>,
    /// When it was accepted, Unix time in milliseconds.
    pub at_ms: i64,
    /// How far it got: 0 pending, 1 server, 2 device, 3 read, 4 played.
    pub ack: i64,
}

debug_shows!(Delivery { session, raw_id, kind, at_ms, ack });

impl From<&StoredMessage> for Delivery {
    fn from(message: &StoredMessage) -> Self {
        Self {
            session: message.session.to_string(),
            chat_id: message.chat.clone(),
            raw_id: message.raw_id.clone(),
            kind: message.content.kind,
            text: message.content.text.clone(),
            at_ms: message.at_ms,
            ack: message.ack,
        }
    }
}
