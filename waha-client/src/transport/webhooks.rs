//! WAHA's webhooks behind [`WebhookVerifier`] and [`WebhookDecoder`].

use messaging_core::domain::content::{
    Attachment, ContactCard, Content, Location, Media, MediaKind, MediaSource,
};
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::inbox::{ProviderEvent, ProviderMessage};
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::StatusEvent;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::ports::webhook_decoder::{MalformedWebhook, WebhookDecoder, WebhookHead};
use messaging_core::ports::webhook_verifier::{Headers, SignatureError, WebhookVerifier};

use super::control::{address, status};
use crate::AckLevel;
use crate::ids::ChatKind;
use crate::webhooks::{self, Envelope, Message, MessageKind, SigningKeys, WahaEvent};

/// Believes webhooks that are signed in either dialect with one of the secrets.
#[derive(Debug)]
pub struct WahaVerifier(SigningKeys);

impl WahaVerifier {
    /// A verifier with these keys.
    pub fn new(keys: SigningKeys) -> Self {
        Self(keys)
    }
}

impl WebhookVerifier for WahaVerifier {
    fn verify(&self, headers: &dyn Headers, body: &[u8]) -> Result<(), SignatureError> {
        checked(&self.0, headers, body)
    }

    fn verify_with(
        &self,
        secrets: &[&WebhookSecret],
        headers: &dyn Headers,
        body: &[u8],
    ) -> Result<(), SignatureError> {
        let secrets = secrets.iter().map(|secret| secret.0.as_str().into());
        // Without a secret, or with an empty one, anybody could sign.
        let keys = SigningKeys::new(secrets).map_err(|_| SignatureError::Mismatch)?;
        checked(&keys, headers, body)
    }
}

fn checked(keys: &SigningKeys, headers: &dyn Headers, body: &[u8]) -> Result<(), SignatureError> {
    match keys.verify(|name| headers.get(name), body) {
        Ok(_dialect) => Ok(()),
        Err(error) => Err(match error {
            webhooks::SignatureError::Missing => SignatureError::Missing,
            webhooks::SignatureError::Malformed => SignatureError::Malformed,
            webhooks::SignatureError::UnsupportedAlgorithm => SignatureError::UnsupportedAlgorithm,
            webhooks::SignatureError::Mismatch => SignatureError::Mismatch,
        }),
    }
}

/// Reads webhooks of either dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct WahaDecoder;

impl WebhookDecoder for WahaDecoder {
    fn head(&self, body: &[u8]) -> Result<WebhookHead, MalformedWebhook> {
        let envelope = Envelope::read(body).map_err(malformed)?;
        let key = envelope.dedup_key().as_str().to_owned();
        let has_effect = envelope.is_known();
        Ok(WebhookHead { key, event: envelope.event, session: envelope.session, has_effect })
    }

    fn decode(&self, body: &[u8]) -> Result<ProviderEvent, MalformedWebhook> {
        let envelope = Envelope::read(body).map_err(malformed)?;
        let event = envelope.event().map_err(malformed)?;
        let session = |status, at_ms: Option<i64>| ProviderEvent::Session {
            status,
            at: at_ms.map(Timestamp::from_millis),
            own_address: None,
        };
        Ok(match event {
            WahaEvent::Message(message) => of_message(*message),
            WahaEvent::Ack(ack) => match ack.level_of_ours().and_then(receipt) {
                Some(event) => {
                    let id = ProviderMessageId(ack.raw_id.into_string());
                    ProviderEvent::Receipt { id, event }
                }
                None => ProviderEvent::Other,
            },
            WahaEvent::SessionStatus(change) => session(status(change.status), change.timestamp_ms),
            WahaEvent::Qr(_) => session(SessionStatus::ScanQr, envelope.timestamp_ms),
            WahaEvent::SessionFailed(_) => session(SessionStatus::Failed, envelope.timestamp_ms),
            WahaEvent::ApiError(_) => ProviderEvent::Error,
            _ => ProviderEvent::Other,
        })
    }
}

pub(super) fn receipt(level: AckLevel) -> Option<StatusEvent> {
    Some(match level {
        AckLevel::Error => StatusEvent::Bounce,
        AckLevel::Pending => return None,
        AckLevel::Server => StatusEvent::Accept,
        AckLevel::Device => StatusEvent::Deliver,
        AckLevel::Read | AckLevel::Played => StatusEvent::Read,
    })
}

fn of_message(message: Message) -> ProviderEvent {
    // Status updates ("stories") are addressed to nobody in particular.
    if message.chat.kind() == ChatKind::Broadcast {
        return ProviderEvent::Other;
    }
    let own = if message.from_me { &message.from } else { &message.to };
    ProviderEvent::Message(ProviderMessage {
        from_me: message.from_me,
        peer: address(&message.chat),
        own: own.as_ref().filter(|own| **own != message.chat).map(address),
        at: Some(Timestamp::from_millis(message.timestamp_ms)),
        content: content(&message),
        id: ProviderMessageId(message.raw_id.into_string()),
    })
}

fn content(message: &Message) -> Content {
    let media = |kind| {
        let media = message.media.clone().unwrap_or_default();
        Some(Attachment::Media(Media {
            kind,
            source: media.url.map_or(MediaSource::Missing, MediaSource::Url),
            mimetype: media.mimetype,
            filename: media.filename,
        }))
    };
    let attachment = match message.kind {
        MessageKind::Text => None,
        MessageKind::Image => media(MediaKind::Image),
        MessageKind::Document => media(MediaKind::Document),
        MessageKind::Video => media(MediaKind::Video),
        MessageKind::Voice | MessageKind::Audio => media(MediaKind::Voice),
        MessageKind::Sticker => media(MediaKind::Sticker),
        MessageKind::Location => Some(location(message)),
        MessageKind::Contact => Some(Attachment::Contact(contact(message))),
        MessageKind::Other => Some(Attachment::Unsupported),
    };
    Content { body: message.text.clone().unwrap_or_default(), attachment }
}

fn location(message: &Message) -> Attachment {
    let place = message.location.as_ref();
    match place.and_then(|place| place.latitude.zip(place.longitude)) {
        Some((latitude, longitude)) => {
            Attachment::Location(Location { latitude, longitude, title: None })
        }
        None => Attachment::Unsupported,
    }
}

/// The first card's name (`FN`, RFC 6350, section 6.2.1) and number (`TEL`, section 6.4.1).
fn contact(message: &Message) -> ContactCard {
    let card = message.v_cards.first().map(String::as_str).unwrap_or_default();
    let property = |name: &str| {
        card.lines().find_map(|line| {
            let (head, value) = line.trim_end().split_once(':')?;
            let (property, _parameters) = head.split_once(';').unwrap_or((head, ""));
            // iOS groups properties: `item1.TEL`.
            let property = property.rsplit('.').next().unwrap_or(property);
            property.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    ContactCard { name: property("FN").unwrap_or_default(), phone: property("TEL") }
}

fn malformed(error: webhooks::MalformedWebhook) -> MalformedWebhook {
    let pointer = error.field().map(|field| format!("/{}", field.replace('.', "/")));
    let problem = match error {
        webhooks::MalformedWebhook::Missing { .. } => "a field that must be there is missing",
        webhooks::MalformedWebhook::Invalid { .. } => "a field cannot be read",
        _ => "the body is not a JSON object",
    };
    MalformedWebhook { pointer: pointer.unwrap_or_default(), problem }
}
