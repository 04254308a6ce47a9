//! What a message carries, as requests and answers write it.

use messaging_core::domain::content::{self, Attachment, Content, MediaKind, MediaSource};
use messaging_core::gateway::error::{GatewayError, InvalidField};
use poem_openapi::Object;
use serde::Deserialize;

use crate::api::named::Named;

/// A file, by reference or in full. Of `url` and `data` give one.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Media {
    /// What the file is shown as: `image`, `document`, `voice` or `video`.
    pub kind: Named<MediaKind>,
    /// Where the file is, with http or https. It is fetched here, from the public Internet alone, unless the
    /// operator lets WAHA fetch it (`MEDIA_URLS`).
    pub url: Option<String>,
    /// The file itself in base64, with padding. Answers leave it out.
    pub data: Option<String>,
    /// The media type, such as `image/jpeg`.
    pub mimetype: Option<String>,
    /// The name shown to the recipient.
    pub filename: Option<String>,
}

/// A place.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    /// Degrees north, from -90 to 90.
    pub latitude: f64,
    /// Degrees east, from -180 to 180.
    pub longitude: f64,
    /// The name shown with it.
    pub title: Option<String>,
}

/// A contact card.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename = "ContactCard", rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contact {
    /// The name shown.
    pub name: String,
    /// The number on the card, with its plus sign.
    pub phone: Option<String>,
}

/// A question with answers to choose from.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The answers, 2 to 12, all different.
    #[oai(validator(min_items = 2, max_items = 12))]
    pub options: Vec<String>,
    /// Whether one may choose several; no by default.
    pub multiple_answers: Option<bool>,
}

/// What is attached to a text, of which there may be one.
#[derive(Default)]
pub struct Attached {
    /// A file.
    pub media: Option<Media>,
    /// A place.
    pub location: Option<Location>,
    /// A contact card.
    pub contact: Option<Contact>,
    /// A poll.
    pub poll: Option<Poll>,
}

impl Attached {
    /// The whole of what a request wants sent.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] where more than one thing is attached, or a file comes by both
    /// ways.
    pub fn with_text(self, body: Option<String>) -> Result<Content, GatewayError> {
        let mut found = Vec::new();
        if let Some(media) = self.media {
            found.push(("/media", Attachment::Media(media.try_into()?)));
        }
        if let Some(place) = self.location {
            found.push(("/location", Attachment::Location(place.into())));
        }
        if let Some(card) = self.contact {
            found.push(("/contact", Attachment::Contact(card.into())));
        }
        if let Some(poll) = self.poll {
            found.push(("/poll", Attachment::Poll(poll.into())));
        }
        if let Some((pointer, _)) = found.get(1) {
            let detail = "cannot be sent in one message with what else is attached";
            return Err(invalid(pointer, detail));
        }
        let attachment = found.pop().map(|(_, attachment)| attachment);
        Ok(Content { body: body.unwrap_or_default(), attachment })
    }

    /// What is attached to a message.
    pub fn of(content: &Content) -> Self {
        let mut attached = Self::default();
        match content.attachment.clone() {
            Some(Attachment::Media(media)) => attached.media = Some(media.into()),
            Some(Attachment::Location(place)) => attached.location = Some(place.into()),
            Some(Attachment::Contact(card)) => attached.contact = Some(card.into()),
            Some(Attachment::Poll(poll)) => attached.poll = Some(poll.into()),
            Some(Attachment::Unsupported) | None => {}
        }
        attached
    }
}

fn invalid(pointer: &str, detail: &str) -> GatewayError {
    GatewayError::Invalid(vec![InvalidField {
        pointer: pointer.to_owned(),
        code: "invalid-request",
        detail: detail.to_owned(),
    }])
}

impl TryFrom<Media> for content::Media {
    type Error = GatewayError;

    fn try_from(media: Media) -> Result<Self, GatewayError> {
        let source = match (media.url, media.data) {
            (Some(url), None) => MediaSource::Url(url),
            (None, Some(data)) => MediaSource::Data(data),
            (None, None) => MediaSource::Missing,
            (Some(_), Some(_)) => {
                return Err(invalid("/media", "must have either url or data, not both"));
            }
        };
        let (mimetype, filename) = (media.mimetype, media.filename);
        Ok(Self { kind: media.kind.0, source, mimetype, filename })
    }
}

impl From<content::Media> for Media {
    fn from(media: content::Media) -> Self {
        let url = match media.source {
            MediaSource::Url(url) => Some(url),
            MediaSource::Data(_) | MediaSource::Missing => None,
        };
        let (mimetype, filename) = (media.mimetype, media.filename);
        Self { kind: Named(media.kind), url, data: None, mimetype, filename }
    }
}

impl From<Location> for content::Location {
    fn from(place: Location) -> Self {
        let Location { latitude, longitude, title } = place;
        Self { latitude, longitude, title }
    }
}

impl From<content::Location> for Location {
    fn from(place: content::Location) -> Self {
        let content::Location { latitude, longitude, title } = place;
        Self { latitude, longitude, title }
    }
}

impl From<Contact> for content::ContactCard {
    fn from(card: Contact) -> Self {
        Self { name: card.name, phone: card.phone }
    }
}

impl From<content::ContactCard> for Contact {
    fn from(card: content::ContactCard) -> Self {
        Self { name: card.name, phone: card.phone }
    }
}

impl From<Poll> for content::Poll {
    fn from(poll: Poll) -> Self {
        let multiple_answers = poll.multiple_answers.unwrap_or(false);
        Self { question: poll.question, options: poll.options, multiple_answers }
    }
}

impl From<content::Poll> for Poll {
    fn from(poll: content::Poll) -> Self {
        let multiple_answers = Some(poll.multiple_answers);
        Self { question: poll.question, options: poll.options, multiple_answers }
    }
}
