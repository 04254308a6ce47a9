//! Bodies of the send endpoints.
//!
//! WAHA answers 500 where a required field is missing, so required fields are not optional here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::file::File;
use crate::redaction::debug_shows;

/// Body of `POST /api/sendText`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TextRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to, in WAHA's form (`…@c.us`, `…@lid`, `…@g.us`).
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The text.
    pub text: String,
    /// A raw message id chosen beforehand; only for engines that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Whether WAHA adds a preview of the first link; WAHA's default is yes.
    #[serde(default, rename = "linkPreview", skip_serializing_if = "Option::is_none")]
    pub link_preview: Option<bool>,
    /// Whether that preview has a large picture, which WAHA uploads first.
    #[serde(default, rename = "linkPreviewHighQuality", skip_serializing_if = "Option::is_none")]
    pub link_preview_high_quality: Option<bool>,
    /// Chat ids of the people mentioned. Works, though WAHA's description leaves it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

debug_shows!(TextRequest { session, id });

/// Body of `POST /api/sendImage`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The picture; WhatsApp wants JPEG.
    pub file: File,
    /// Text shown under the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Chat ids of the people mentioned in the caption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

debug_shows!(ImageRequest { session, file });

/// Body of `POST /api/sendFile`, which sends a document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The document.
    pub file: File,
    /// Text shown under the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Chat ids of the people mentioned in the caption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

debug_shows!(FileRequest { session, file });

/// Body of `POST /api/sendVoice`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The sound; WhatsApp wants `audio/ogg; codecs=opus`.
    pub file: File,
    /// Whether WAHA converts the sound first. Required by WAHA.
    #[serde(default)]
    pub convert: bool,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

debug_shows!(VoiceRequest { session, file, convert });

/// Body of `POST /api/sendVideo`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The film; WhatsApp wants MP4.
    pub file: File,
    /// Whether WAHA converts the film first. Required by WAHA.
    #[serde(default)]
    pub convert: bool,
    /// Text shown under the film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Whether it is shown as a round video note.
    #[serde(default, rename = "asNote", skip_serializing_if = "Option::is_none")]
    pub as_note: Option<bool>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Chat ids of the people mentioned in the caption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

debug_shows!(VideoRequest { session, file, convert, as_note });

/// Body of `POST /api/sendLocation`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LocationRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What the place is called.
    pub title: String,
    /// A raw message id chosen beforehand; only for engines that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

debug_shows!(LocationRequest { session, id });

/// Body of `POST /api/sendContactVcard`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContactRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The contacts, at least one.
    pub contacts: Vec<Contact>,
    /// A raw message id chosen beforehand; only for engines that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

debug_shows!(ContactRequest { session, id });

/// A contact to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contact {
    /// A finished vCard (RFC 2426 text beginning with `BEGIN:VCARD`).
    Vcard {
        /// The vCard's text.
        vcard: String,
    },
    /// Fields from which WAHA writes the vCard.
    Fields {
        /// The name shown.
        #[serde(rename = "fullName")]
        full_name: String,
        /// The number shown, in any human form.
        #[serde(rename = "phoneNumber")]
        phone_number: String,
        /// The company.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization: Option<String>,
        /// Digits of the contact's WhatsApp number, which make the card clickable.
        #[serde(default, rename = "whatsappId", skip_serializing_if = "Option::is_none")]
        whatsapp_id: Option<String>,
    },
}

impl fmt::Debug for Contact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Vcard { .. } => "Vcard { .. }",
            Self::Fields { .. } => "Fields { .. }",
        })
    }
}

/// Body of `POST /api/sendPoll`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PollRequest {
    /// The session that sends.
    pub session: String,
    /// The chat to send to.
    #[serde(rename = "chatId")]
    pub chat_id: String,
    /// The poll.
    pub poll: Poll,
    /// A raw message id chosen beforehand; only for engines that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Full id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

debug_shows!(PollRequest { session, id });

/// A question with answers to choose from.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Poll {
    /// The question.
    pub name: String,
    /// The answers, two at least.
    pub options: Vec<String>,
    /// Whether several answers may be chosen.
    #[serde(default, rename = "multipleAnswers")]
    pub multiple_answers: bool,
}

debug_shows!(Poll { multiple_answers });
