//! What a webhook says, whichever dialect it says it in.

use super::ack::Ack;
use super::changes::{Edited, Reaction, Revoked};
use super::envelope::{Envelope, MalformedWebhook};
use super::message::Message;
use super::session::{ApiError, Qr, SessionChange, SessionFailed};

/// What a webhook says.
///
/// `Debug` shows neither text nor phone numbers, nor what a QR code holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WahaEvent {
    /// A message came in, or went out, from here or from another device of the account.
    Message(Box<Message>),
    /// A message got further, or failed.
    Ack(Ack),
    /// A session came into a status. Repeated for every new QR code.
    SessionStatus(SessionChange),
    /// A QR code to scan.
    Qr(Qr),
    /// A session gave up.
    SessionFailed(SessionFailed),
    /// WAHA reports an error of its own. For people; nothing follows from it.
    ApiError(ApiError),
    /// Somebody reacted to a message, or took that back.
    Reaction(Reaction),
    /// A message got a new text.
    Edited(Edited),
    /// A message was taken back.
    Revoked(Revoked),
    /// An event nothing here acts on. Answer it 2xx, or WAHA repeats it.
    Unknown,
}

/// Names of events that bring a message. WAHA's own dialect has only the first two.
const MESSAGES: [&str; 11] = [
    "message",
    "message.any",
    "message.text",
    "message.image",
    "message.document",
    "message.video",
    "message.voice",
    "message.audio",
    "message.sticker",
    "message.location",
    "message.contact",
];

/// Whether an event of this name brings a message.
pub(super) fn is_message(event: &str) -> bool {
    MESSAGES.contains(&event)
}

/// Whether something is known of events of this name: of others nothing follows.
pub(super) fn is_known(event: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "message.ack",
        "message.ack.group",
        "message.status",
        "message.reaction",
        "message.edited",
        "message.revoked",
        "session.status",
        "session.qr",
        "session.failed",
        "api.error",
    ];
    is_message(event) || OTHERS.contains(&event)
}

/// Understands a webhook.
pub(super) fn of(envelope: &Envelope<'_>) -> Result<WahaEvent, MalformedWebhook> {
    let payload = envelope.payload();
    let at_ms = envelope.timestamp_ms;
    Ok(match envelope.event.as_str() {
        "message.ack" | "message.ack.group" | "message.status" => {
            WahaEvent::Ack(Ack::of_payload(&payload, at_ms)?)
        }
        "message.reaction" => WahaEvent::Reaction(Reaction::of_payload(&payload, at_ms)?),
        "message.edited" => WahaEvent::Edited(Edited::of_payload(&payload, at_ms)?),
        "message.revoked" => WahaEvent::Revoked(Revoked::of_payload(&payload, at_ms)?),
        "session.status" => WahaEvent::SessionStatus(SessionChange::of_payload(&payload, at_ms)?),
        "session.qr" => WahaEvent::Qr(Qr::of_payload(&payload)),
        "session.failed" => WahaEvent::SessionFailed(SessionFailed::of_payload(&payload)),
        "api.error" => WahaEvent::ApiError(ApiError::of_payload(&payload)),
        event if is_message(event) => {
            WahaEvent::Message(Box::new(Message::of_payload(payload, event, at_ms)?))
        }
        _ => WahaEvent::Unknown,
    })
}
