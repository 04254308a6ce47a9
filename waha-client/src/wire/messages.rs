//! Messages as WAHA tells them, in webhooks and when chats are read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient;
use crate::redaction::debug_shows;

/// A message in a chat, received or sent.
///
/// WAHA's description calls many fields required that engines leave out or set to null; only
/// `id`, `timestamp`, `from` and `fromMe` are always there.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChatMessage {
    /// The full id, `{fromMe}_{chatId}_{rawId}` and in groups `_{participant}`. Only the raw id
    /// in it is stable.
    pub id: String,
    /// Unix time in seconds.
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: i64,
    /// The chat on NOWEB and GOWS, also of messages from ourselves; the true sender on WEBJS.
    pub from: String,
    /// Whether the session's own account wrote it.
    #[serde(rename = "fromMe")]
    pub from_me: bool,
    /// Which device wrote it, where `fromMe`; only in webhooks.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub source: Option<Source>,
    /// Who it went to.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub to: Option<String>,
    /// Who wrote it, in groups.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub participant: Option<String>,
    /// The text, or the caption of media.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub body: Option<String>,
    /// Whether media came with it.
    #[serde(default, rename = "hasMedia", deserialize_with = "lenient::or_default")]
    pub has_media: bool,
    /// The media that came with it.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub media: Option<Media>,
    /// How far it got, -1 to 4.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub ack: Option<i64>,
    /// The name of `ack`.
    #[serde(default, rename = "ackName", deserialize_with = "lenient::optional")]
    pub ack_name: Option<String>,
    /// The place, where the message is one.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub location: Option<Location>,
    /// The contacts' vCards, where the message is contacts.
    #[serde(default, rename = "vCards", deserialize_with = "lenient::or_default")]
    pub v_cards: Vec<String>,
    /// The message it answers.
    #[serde(default, rename = "replyTo", deserialize_with = "lenient::optional")]
    pub reply_to: Option<ReplyTo>,
    /// The kind of message. WAHA has no such field; the simpler webhook dialect has.
    #[serde(
        default,
        rename = "type",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    /// The engine's own form of the message. Written by the simulator, never read: it differs by
    /// engine and version, and is larger than all the rest.
    #[serde(rename = "_data", skip_deserializing)]
    pub data: Option<Value>,
}

debug_shows!(ChatMessage { timestamp, from_me, source, has_media, ack });

/// Which device wrote a message of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A call to WAHA.
    Api,
    /// The phone, or another device of the account.
    App,
}

/// Media that came with a message. WAHA deletes the file after 180 s by default.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Media {
    /// Where the file is; absent where WAHA did not download it.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub url: Option<String>,
    /// MIME type, with parameters.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub mimetype: Option<String>,
    /// The name the sender gave it.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub filename: Option<String>,
    /// Where the file is in object storage, if WAHA is set up so.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub s3: Option<S3Object>,
    /// Why the file could not be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

debug_shows!(Media { mimetype });

/// A place in object storage.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct S3Object {
    /// The bucket.
    pub bucket: String,
    /// The key, which holds the message's full id and so a phone number.
    pub key: String,
}

debug_shows!(S3Object { bucket });

/// A place on earth.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north. WAHA's description says a string; engines also send a number.
    #[serde(default, deserialize_with = "lenient::optional_float")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(default, deserialize_with = "lenient::optional_float")]
    pub longitude: Option<f64>,
    /// Whether it is followed for a while.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub live: bool,
    /// What the place is called.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// Its address.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub address: Option<String>,
}

debug_shows!(Location { live });

/// The message that another one answers.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplyTo {
    /// Its raw id.
    #[serde(default)]
    pub id: String,
    /// Who wrote it.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub participant: Option<String>,
    /// Its text.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub body: Option<String>,
}

debug_shows!(ReplyTo {});
