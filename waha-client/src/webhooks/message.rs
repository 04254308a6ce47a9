//! A message, the same whether a webhook brought it or it was read from its chat.

use serde_json::{Map, Value, json};

use super::envelope::MalformedWebhook;
use super::payload;
use crate::ack::AckLevel;
use crate::ids::{ChatId, ChatKind, MessageKey, RawMessageId};
use crate::redaction::debug_shows;
use crate::unix_time::milliseconds;
use crate::wire::{ChatMessage, Location, Source, lenient};

/// A message.
///
/// Made from webhooks and, by `TryFrom`, from messages read from their chat, so that catching up
/// after downtime takes the same path as what arrives by itself.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// The stable part of its id; with the session, what messages are matched on.
    pub raw_id: RawMessageId,
    /// The full id as it came, which replies, edits and reactions must name.
    pub full_id: String,
    /// The chat it is in.
    pub chat: ChatId,
    /// As sent: the chat on NOWEB and GOWS, the true sender on WEBJS.
    pub from: Option<ChatId>,
    /// As sent: who it went to; often missing.
    pub to: Option<ChatId>,
    /// Whether the session's own account wrote it.
    pub from_me: bool,
    /// Who wrote it; `None` where that is the session's own account and nobody is named.
    pub author: Option<ChatId>,
    /// Which device wrote it, where `from_me`. [`Source::Api`] is the echo of a send.
    pub source: Option<Source>,
    /// When it was written, Unix time in milliseconds.
    pub timestamp_ms: i64,
    /// What it is.
    pub kind: MessageKind,
    /// The text, or the caption of media.
    pub text: Option<String>,
    /// The media that came with it.
    pub media: Option<MediaReference>,
    /// The place, where it is one.
    pub location: Option<Location>,
    /// The contacts' vCards, where it is contacts.
    pub v_cards: Vec<String>,
    /// The message it answers.
    pub reply_to: Option<RawMessageId>,
    /// How far it got.
    pub ack: Option<AckLevel>,
}

debug_shows!(Message { raw_id, chat, from_me, source, timestamp_ms, kind, ack });

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A file.
    Document,
    /// A film.
    Video,
    /// A recorded voice message.
    Voice,
    /// Sound that is not a voice message.
    Audio,
    /// A sticker.
    Sticker,
    /// A place.
    Location,
    /// One or more contacts.
    Contact,
    /// Something else, such as a poll or a notice of the system.
    Other,
}

/// Where a message's media are. WAHA deletes files after 180 s by default: fetch at once.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MediaReference {
    /// Where the file is; `None` where WAHA did not download it. Use only path and query, on the
    /// base URL configured for the server: the host in it is what WAHA believes to be its own.
    pub url: Option<String>,
    /// MIME type, with parameters.
    pub mimetype: Option<String>,
    /// The name the sender gave it.
    pub filename: Option<String>,
    /// Whether WAHA tried to download it and could not.
    pub failed: bool,
}

debug_shows!(MediaReference { mimetype, failed });

impl MessageKind {
    /// The kind's name, lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Document => "document",
            Self::Video => "video",
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::Sticker => "sticker",
            Self::Location => "location",
            Self::Contact => "contact",
            Self::Other => "other",
        }
    }

    /// Reads a word: the simple dialect's, and WhatsApp's own (`chat`, `ptt`, `vcard`).
    fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "text" | "chat" => Self::Text,
            "image" => Self::Image,
            "document" | "file" => Self::Document,
            "video" => Self::Video,
            "voice" | "ptt" => Self::Voice,
            "audio" => Self::Audio,
            "sticker" => Self::Sticker,
            "location" => Self::Location,
            "contact" | "contacts" | "vcard" | "multi_vcard" => Self::Contact,
            _ => return None,
        })
    }

    /// Reads a MIME type. WhatsApp's stickers are WebP, its voice messages Opus in Ogg.
    fn of_mimetype(mimetype: &str) -> Self {
        let mimetype = mimetype.to_ascii_lowercase();
        match mimetype.split('/').next() {
            _ if mimetype.starts_with("image/webp") => Self::Sticker,
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") if mimetype.starts_with("audio/ogg") => Self::Voice,
            Some("audio") => Self::Audio,
            _ => Self::Document,
        }
    }

    /// The kind of a message, which WAHA does not name: the simple dialect's word, then the
    /// event's, then what the message carries.
    fn of_message(message: &ChatMessage, event: &str) -> Self {
        let word = message.kind.as_deref();
        let named =
            word.and_then(Self::of_word).or_else(|| Self::of_word(event.strip_prefix("message.")?));
        if let Some(kind) = named {
            return kind;
        }
        let mimetype = message.media.as_ref().and_then(|media| media.mimetype.as_deref());
        if message.location.is_some() {
            Self::Location
        } else if !message.v_cards.is_empty() {
            Self::Contact
        } else if let Some(mimetype) = mimetype {
            Self::of_mimetype(mimetype)
        } else if message.has_media || word.is_some() {
            Self::Other
        } else if message.body.as_deref().is_some_and(|body| !body.is_empty()) {
            Self::Text
        } else {
            // Neither text nor anything else: a poll, a call, a notice.
            Self::Other
        }
    }
}

impl Message {
    /// Reads the payload of an event that brings a message.
    pub(super) fn of_payload(
        mut payload: Value,
        event: &str,
        at_ms: Option<i64>,
    ) -> Result<Self, MalformedWebhook> {
        let key = payload::message_key(&payload)?;
        let fields =
            payload.as_object_mut().ok_or(MalformedWebhook::Invalid { field: "payload" })?;
        complete(fields, &key, at_ms)?;
        let message: ChatMessage = serde_json::from_value(payload)
            .map_err(|_| MalformedWebhook::Invalid { field: "payload" })?;
        Self::of_message(message, key, event)
    }

    fn of_message(
        message: ChatMessage,
        key: MessageKey,
        event: &str,
    ) -> Result<Self, MalformedWebhook> {
        let kind = MessageKind::of_message(&message, event);
        let from = ChatId::of_address(&message.from).ok();
        let to = message.to.as_deref().and_then(|to| ChatId::of_address(to).ok());
        let participant = message.participant.as_deref().and_then(|it| it.parse().ok());
        // `from` of our own messages is our own number on WEBJS, so it counts last for them.
        let peer = if message.from_me { to.clone().or(from.clone()) } else { from.clone() };
        let chat = key.chat.or(peer).ok_or(MalformedWebhook::Invalid { field: "payload.from" })?;
        let is_person = matches!(chat.kind(), ChatKind::Person | ChatKind::HiddenPerson);
        let writer = (!message.from_me && is_person).then(|| chat.clone());
        Ok(Self {
            raw_id: key.raw_id,
            full_id: message.id,
            author: participant.or(key.participant).or(writer),
            chat,
            from,
            to,
            from_me: message.from_me,
            source: message.source,
            timestamp_ms: milliseconds(message.timestamp),
            kind,
            text: message.body.filter(|body| !body.is_empty()),
            media: message.media.map(|media| MediaReference {
                failed: media.error.is_some_and(|error| !error.is_null()),
                url: media.url,
                mimetype: media.mimetype,
                filename: media.filename,
            }),
            location: message.location,
            v_cards: message.v_cards,
            reply_to: message.reply_to.and_then(|it| raw_id_of(&it.id)),
            ack: message.ack.and_then(AckLevel::from_number),
        })
    }
}

impl TryFrom<ChatMessage> for Message {
    type Error = MalformedWebhook;

    /// Takes a message read from its chat.
    fn try_from(message: ChatMessage) -> Result<Self, Self::Error> {
        let key = MessageKey::parse_or_opaque(&message.id)
            .ok_or(MalformedWebhook::Missing { field: "payload.id" })?;
        Self::of_message(message, key, "message.any")
    }
}

impl ChatMessage {
    /// The stable part of the message's id; `None` where the id is empty.
    #[must_use]
    pub fn raw_id(&self) -> Option<RawMessageId> {
        raw_id_of(&self.id)
    }

    /// When it was written, Unix time in milliseconds.
    #[must_use]
    pub fn timestamp_ms(&self) -> i64 {
        milliseconds(self.timestamp)
    }
}

fn raw_id_of(id: &str) -> Option<RawMessageId> {
    MessageKey::parse_or_opaque(id).map(|key| key.raw_id)
}

/// Adds what WAHA always sends and the simple dialect may leave out or call otherwise, so that
/// one type reads both.
fn complete(
    fields: &mut Map<String, Value>,
    key: &MessageKey,
    at_ms: Option<i64>,
) -> Result<(), MalformedWebhook> {
    if !fields.get("id").is_some_and(Value::is_string) {
        fields.insert("id".to_owned(), json!(key.full()));
    }
    if !fields.get("fromMe").is_some_and(Value::is_boolean) {
        fields.insert("fromMe".to_owned(), json!(key.from_me.unwrap_or(false)));
    }
    if !fields.get("from").is_some_and(Value::is_string) {
        let chat = key.chat.as_ref().ok_or(MalformedWebhook::Missing { field: "payload.from" })?;
        fields.insert("from".to_owned(), json!(chat.as_str()));
    }
    if fields.get("timestamp").and_then(lenient::integer).is_none() {
        let time = at_ms.ok_or(MalformedWebhook::Missing { field: "payload.timestamp" })?;
        fields.insert("timestamp".to_owned(), json!(time));
    }
    let text_in = |fields: &Map<String, Value>, names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name).and_then(payload::text).map(str::to_owned))
    };
    if let Some(text) = text_in(fields, &["body", "text", "caption"]) {
        fields.insert("body".to_owned(), json!(text));
    }
    if !fields.get("media").is_some_and(Value::is_object)
        && let Some(url) = text_in(fields, &["mediaUrl", "url"])
    {
        let media = json!({
            "url": url,
            "mimetype": text_in(fields, &["mimetype", "mimeType"]),
            "filename": text_in(fields, &["filename", "fileName"]),
        });
        fields.insert("media".to_owned(), media);
    }
    Ok(())
}
