//! What a message says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::named::named_enum;

/// The most characters a text or caption may have. A character is a Unicode scalar value (a
/// code point that is no surrogate), as in JSON Schema's `maxLength`: the count is the same in
/// every version of Unicode, unlike one of grapheme clusters, and in every programming language,
/// unlike one of UTF-16 units or bytes.
pub const MAX_TEXT_CHARS: usize = 4096;

/// A text, or something attached with the text as its caption.
#[derive(Clone, PartialEq)]
pub struct Content {
    /// The text or caption; empty where there is none.
    pub body: String,
    /// What is attached; `None` for plain text.
    pub attachment: Option<Attachment>,
}

impl Content {
    /// Something of the same kind that says nothing.
    #[must_use]
    pub fn erased(&self) -> Self {
        let attachment = self.attachment.as_ref().map(Attachment::erased);
        Self { body: String::new(), attachment }
    }
}

impl Attachment {
    /// Something of the same kind that says nothing.
    #[must_use]
    pub fn erased(&self) -> Self {
        match self {
            Self::Media(media) => Self::Media(Media {
                kind: media.kind,
                source: MediaSource::Missing,
                mimetype: None,
                filename: None,
            }),
            Self::Location(_) => {
                Self::Location(Location { latitude: 0.0, longitude: 0.0, title: None })
            }
            Self::Contact(_) => Self::Contact(ContactCard { name: String::new(), phone: None }),
            Self::Poll(_) => Self::Poll(Poll {
                question: String::new(),
                options: Vec::new(),
                multiple_answers: false,
            }),
            Self::Unsupported => Self::Unsupported,
        }
    }
}

/// What a message carries beside text.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Attachment {
    /// A file.
    Media(Media),
    /// A place.
    Location(Location),
    /// Somebody's contact card.
    Contact(ContactCard),
    /// A question with answers to choose from.
    Poll(Poll),
    /// Something received that the gateway has no form for.
    Unsupported,
}

/// A file, by reference or in full.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// What the file is to be shown as.
    pub kind: MediaKind,
    /// Where the bytes are.
    pub source: MediaSource,
    /// The media type, such as `image/jpeg`.
    pub mimetype: Option<String>,
    /// The name shown to the recipient.
    pub filename: Option<String>,
}

named_enum! {
    /// What a file is to be shown as.
    pub enum MediaKind {
        /// A picture.
        Image = "image",
        /// A file to keep.
        Document = "document",
        /// A voice message or other sound.
        Voice = "voice",
        /// A film.
        Video = "video",
        /// A sticker; received only.
        Sticker = "sticker",
    }
}

/// Where a file's bytes are.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaSource {
    /// The provider fetches them from here.
    Url(String),
    /// Here, in base64 with padding.
    Data(String),
    /// Nowhere that is known: received, but the provider did not keep the file.
    Missing,
}

/// A place.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The name shown with it.
    pub title: Option<String>,
}

/// A contact card.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactCard {
    /// The name shown.
    pub name: String,
    /// The number on the card, with its plus sign.
    pub phone: Option<String>,
}

/// A question with answers to choose from.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The answers, two to twelve.
    pub options: Vec<String>,
    /// Whether one may choose several.
    pub multiple_answers: bool,
}

named_enum! {
    /// The kind of a message, as callers filter and metrics count by it.
    pub enum ContentKind {
        /// Plain text.
        Text = "text",
        /// A picture.
        Image = "image",
        /// A file to keep.
        Document = "document",
        /// A voice message or other sound.
        Voice = "voice",
        /// A film.
        Video = "video",
        /// A sticker.
        Sticker = "sticker",
        /// A place.
        Location = "location",
        /// A contact card.
        Contact = "contact",
        /// A poll.
        Poll = "poll",
        /// Anything else.
        Unsupported = "unsupported",
    }
}

impl From<MediaKind> for ContentKind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Image => Self::Image,
            MediaKind::Document => Self::Document,
            MediaKind::Voice => Self::Voice,
            MediaKind::Video => Self::Video,
            MediaKind::Sticker => Self::Sticker,
        }
    }
}

impl Content {
    /// Plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), attachment: None }
    }

    /// What kind of message this makes.
    pub fn kind(&self) -> ContentKind {
        match &self.attachment {
            None => ContentKind::Text,
            Some(Attachment::Media(media)) => media.kind.into(),
            Some(Attachment::Location(_)) => ContentKind::Location,
            Some(Attachment::Contact(_)) => ContentKind::Contact,
            Some(Attachment::Poll(_)) => ContentKind::Poll,
            Some(Attachment::Unsupported) => ContentKind::Unsupported,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({}, {} bytes)", self.kind().as_str(), self.body.len())
    }
}

macro_rules! debug_hides {
    ($($type:ident),*) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(hidden)"))
            }
        })*
    };
}

debug_hides!(Attachment, Media, MediaSource, Location, ContactCard, Poll);
