//! What a message consists of, whichever way it came.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::redaction::debug_shows;
use crate::wire::{Contact, File, FileSource, Location, Poll};

/// The kind of a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ContentKind {
    /// Words.
    #[default]
    Text,
    /// A picture.
    Image,
    /// A file of any kind.
    Document,
    /// A voice message.
    Voice,
    /// A film.
    Video,
    /// A place.
    Location,
    /// One or more vCards.
    Contact,
    /// A question with answers to choose from.
    Poll,
}

impl ContentKind {
    pub(super) const fn is_media(self) -> bool {
        matches!(self, Self::Image | Self::Document | Self::Voice | Self::Video)
    }

    pub(super) const fn mimetype(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg",
            Self::Voice => "audio/ogg; codecs=opus",
            Self::Video => "video/mp4",
            _ => "application/octet-stream",
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Image => "jpeg",
            Self::Voice => "oga",
            Self::Video => "mp4",
            _ => "bin",
        }
    }

    /// The word of WhatsApp Web for it.
    pub(super) const fn webjs_type(self) -> &'static str {
        match self {
            Self::Text => "chat",
            Self::Image => "image",
            Self::Document => "document",
            Self::Voice => "ptt",
            Self::Video => "video",
            Self::Location => "location",
            Self::Contact => "vcard",
            Self::Poll => "poll_creation",
        }
    }

    /// The word of the simple webhook dialect for it.
    pub(super) const fn simple_type(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Document => "document",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::Location => "location",
            Self::Contact => "contact",
            Self::Poll => "poll",
        }
    }
}

/// What a message consists of.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Content {
    pub(super) kind: ContentKind,
    /// The text, caption, title or question.
    pub(super) text: Option<String>,
    pub(super) attachment: Option<Attachment>,
    pub(super) location: Option<Location>,
    pub(super) v_cards: Vec<String>,
    pub(super) options: Vec<String>,
}

debug_shows!(Content { kind });

/// The file of a media message.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Attachment {
    pub(super) mimetype: String,
    pub(super) filename: Option<String>,
    /// Path under which the simulator serves it; `None` where it was not downloaded.
    pub(super) path: Option<String>,
}

/// The value of a required field, or the exception that its absence causes in WAHA.
fn required<T: serde::de::DeserializeOwned>(body: &Value, field: &str) -> Result<T, String> {
    match body.get(field) {
        None | Some(Value::Null) => {
            Err(format!("Cannot read properties of undefined (reading '{field}')"))
        }
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|_| format!("{field} is not of the expected type")),
    }
}

/// Reads the body of a send. An error is the message of the exception WAHA throws.
pub(super) fn read(kind: ContentKind, body: &Value) -> Result<(Content, Option<File>), String> {
    let mut content = Content { kind, ..Content::default() };
    match kind {
        ContentKind::Text => content.text = Some(required(body, "text")?),
        ContentKind::Image | ContentKind::Document | ContentKind::Voice | ContentKind::Video => {
            let file: File = required(body, "file")?;
            content.text = body.get("caption").and_then(Value::as_str).map(str::to_owned);
            content.attachment = Some(Attachment {
                mimetype: file.mimetype.clone(),
                filename: file.filename.clone(),
                path: None,
            });
            return Ok((content, Some(file)));
        }
        ContentKind::Location => {
            let title: Option<String> = required(body, "title").ok();
            content.location = Some(Location {
                latitude: Some(required(body, "latitude")?),
                longitude: Some(required(body, "longitude")?),
                name: title.clone(),
                ..Location::default()
            });
            content.text = title;
        }
        ContentKind::Contact => {
            let contacts: Vec<Contact> = required(body, "contacts")?;
            content.v_cards = contacts.iter().map(v_card).collect();
        }
        ContentKind::Poll => {
            let poll: Poll = required(body, "poll")?;
            content.text = Some(poll.name);
            content.options = poll.options;
        }
    }
    Ok((content, None))
}

fn v_card(contact: &Contact) -> String {
    match contact {
        Contact::Vcard { vcard } => vcard.clone(),
        Contact::Fields { full_name, phone_number, organization, whatsapp_id } => {
            let organization = organization.as_deref().unwrap_or_default();
            let whatsapp_id = whatsapp_id.as_deref().unwrap_or_default();
            format!(
                "BEGIN:VCARD\nVERSION:3.0\nFN:{full_name}\nORG:{organization};\n\
                 TEL;type=CELL;type=VOICE;waid={whatsapp_id}:{phone_number}\nEND:VCARD"
            )
        }
    }
}

/// The URL a file has to be fetched from; an error if its bytes cannot be read.
pub(super) fn source_url(file: &File) -> Result<Option<&str>, String> {
    use base64::Engine as _;
    match &file.source {
        FileSource::Url(url) => Ok(Some(url)),
        FileSource::Data(data) => base64::engine::general_purpose::STANDARD
            .decode(data)
            .map(|_| None)
            .map_err(|_| "Invalid base64 in file.data".to_owned()),
    }
}

/// The message in WhatsApp's own form, as NOWEB answers it.
pub(super) fn whatsapp_form(content: &Content) -> Value {
    let text = content.text.as_deref();
    let attachment = content.attachment.as_ref();
    let mimetype = attachment.map(|it| it.mimetype.as_str());
    match content.kind {
        ContentKind::Text => json!({"extendedTextMessage": {"text": text}}),
        ContentKind::Image => json!({"imageMessage": {"mimetype": mimetype, "caption": text}}),
        ContentKind::Video => json!({"videoMessage": {"mimetype": mimetype, "caption": text}}),
        ContentKind::Voice => json!({"audioMessage": {"mimetype": mimetype, "ptt": true}}),
        ContentKind::Document => {
            let name = attachment.and_then(|it| it.filename.as_deref());
            json!({"documentMessage": {"mimetype": mimetype, "fileName": name, "caption": text}})
        }
        ContentKind::Location => {
            let place = content.location.clone().unwrap_or_default();
            json!({"locationMessage": {
                "degreesLatitude": place.latitude, "degreesLongitude": place.longitude, "name": text,
            }})
        }
        ContentKind::Contact => json!({"contactMessage": {"vcard": content.v_cards.first()}}),
        ContentKind::Poll => json!({"pollCreationMessage": {
            "name": text,
            "options": content.options.iter().map(|it| json!({"optionName": it})).collect::<Vec<_>>(),
        }}),
    }
}

/// Whether a send of this kind takes an id chosen by the caller.
pub(super) const fn takes_message_id(engine: Engine, kind: ContentKind) -> bool {
    engine.takes_message_id() && !kind.is_media()
}
