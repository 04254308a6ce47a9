//! A message as answers write it.

use std::collections::HashMap;

use messaging_core::domain::content::ContentKind;
use messaging_core::domain::failure;
use messaging_core::domain::filter::MessagePage;
use messaging_core::domain::message::{self, Direction, Priority};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::pacing;
use messaging_core::ports::queue::HeldBy;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde_json::Value;
use uuid::Uuid;

use crate::api::content::{Attached, Contact, Location, Media, Poll};
use crate::api::cursor::Cursor;
use crate::api::named::{DateTime, Named};
use crate::api::sight::Sight;

/// A tenant's own data about a message: any JSON object. `campaignId` can be filtered by.
pub type Metadata = HashMap<String, Value>;

/// One message, in or out.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Message {
    /// The message's id.
    pub id: Uuid,
    /// The session it goes or came through.
    pub session_id: Uuid,
    /// The bulk request it belongs to.
    pub bulk_id: Option<Uuid>,
    /// Which way it goes.
    pub direction: Named<Direction>,
    /// What kind of message it is.
    #[oai(rename = "type")]
    pub kind: Named<ContentKind>,
    /// Where it stands.
    pub status: Named<Status>,
    /// Who sent it, where known: a number with its plus sign, or a chat id.
    pub from: Option<String>,
    /// Whom it goes to, where known: a number with its plus sign, or a chat id.
    pub to: Option<String>,
    /// The text, or the caption of a file; empty where there is none. `[hidden]` for callers without
    /// `messages:read:content`, to whom numbers show as `+49…12`, and files, places, contact cards,
    /// polls, metadata and details of errors not at all.
    pub body: String,
    /// The file, where it has one.
    pub media: Option<Media>,
    /// The place, where it is one.
    pub location: Option<Location>,
    /// The contact card, where it is one.
    pub contact: Option<Contact>,
    /// The poll, where it is one.
    pub poll: Option<Poll>,
    /// What leaves first.
    pub priority: Named<Priority>,
    /// The tenant's own data, as it was given.
    pub metadata: Option<Metadata>,
    /// How many attempts to send it were made.
    pub attempts: u32,
    /// Why it failed, or is tried again.
    pub error: Option<MessageError>,
    /// The message's id at WhatsApp, once known.
    pub provider_message_id: Option<String>,
    /// While it waits: why. Lists leave it out.
    pub pacing: Option<Pacing>,
    /// When it was accepted or received.
    pub created_at: DateTime,
    /// When anything about it changed last.
    pub updated_at: DateTime,
    /// When WhatsApp accepted it.
    pub sent_at: Option<DateTime>,
    /// When it reached the device.
    pub delivered_at: Option<DateTime>,
    /// When it was opened.
    pub read_at: Option<DateTime>,
    /// When it failed.
    pub failed_at: Option<DateTime>,
    /// From when on it is not sent any more.
    pub expires_at: Option<DateTime>,
}

/// Why a message failed, or is tried again.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct MessageError {
    /// Stable, for programs, such as `not-on-whatsapp`.
    pub code: String,
    /// For people.
    pub detail: Option<String>,
}

/// Why a message waits, and until when.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct Pacing {
    /// What holds it.
    pub held_by: Named<HeldBy>,
    /// Until when, where that is known.
    pub until: Option<DateTime>,
    /// How many messages of its session leave before it, counted to 10000.
    pub ahead: u64,
    /// When it is likely to leave; missing while nobody knows until when it is stopped.
    pub estimated_send_at: Option<DateTime>,
}

/// A portion of a list of messages, newest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct MessageList {
    /// The messages.
    pub data: Vec<Message>,
    /// Which page this is; absent where a cursor was given.
    pub page: Option<u32>,
    /// How many a page has at the most.
    pub limit: u32,
    /// How many there are in all.
    pub total: u64,
    /// Where the list goes on, to be given as `cursor`; absent at its end.
    pub next_cursor: Option<String>,
}

/// A message's history, oldest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct MessageEvents {
    /// The events.
    pub data: Vec<MessageEvent>,
}

/// One event of a message's history.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct MessageEvent {
    /// When it happened.
    pub at: DateTime,
    /// What happened; absent where the message came into being.
    pub event: Option<Named<StatusEvent>>,
    /// The status afterwards.
    pub status: Named<Status>,
    /// The number of attempts afterwards.
    pub attempts: u32,
    /// Why.
    pub error: Option<MessageError>,
}

impl Message {
    /// A message, as far as the caller sees it.
    pub fn seen(message: message::Message, sight: Sight) -> Self {
        let attached = sight.part(Some(Attached::of(&message.content))).unwrap_or_default();
        let Attached { media, location, contact, poll } = attached;
        Self {
            id: message.id.0,
            session_id: message.session.0,
            bulk_id: message.batch.map(|batch| batch.0),
            direction: Named(message.direction),
            kind: Named(message.content.kind()),
            status: Named(message.status),
            from: message.from.map(|from| sight.address(&from)),
            to: message.to.map(|to| sight.address(&to)),
            body: sight.text(message.content.body),
            media,
            location,
            contact,
            poll,
            priority: Named(message.priority),
            metadata: sight.part(message.metadata).and_then(|metadata| match metadata {
                Value::Object(fields) => Some(fields.into_iter().collect()),
                _ => None,
            }),
            attempts: message.attempts,
            error: message.failure.map(|failure| MessageError::seen(failure, sight)),
            provider_message_id: message.provider_message_id.map(|id| id.0),
            pacing: None,
            created_at: DateTime(message.created_at),
            updated_at: DateTime(message.updated_at),
            sent_at: message.sent_at.map(DateTime),
            delivered_at: message.delivered_at.map(DateTime),
            read_at: message.read_at.map(DateTime),
            failed_at: message.failed_at.map(DateTime),
            expires_at: message.expires_at.map(DateTime),
        }
    }
}

impl MessageError {
    /// A failure. What WAHA says of it in its own words may repeat what was sent, and to whom.
    fn seen(failure: failure::Failure, sight: Sight) -> Self {
        Self { code: failure.code.as_str().to_owned(), detail: sight.part(failure.detail) }
    }
}

impl From<pacing::Pacing> for Pacing {
    fn from(pacing: pacing::Pacing) -> Self {
        Self {
            held_by: Named(pacing.held_by),
            until: pacing.until.map(DateTime),
            ahead: pacing.ahead,
            estimated_send_at: pacing.estimated_send_at.map(DateTime),
        }
    }
}

impl MessageEvent {
    /// An event, as far as the caller sees it.
    pub fn seen(event: message::MessageEvent, sight: Sight) -> Self {
        Self {
            at: DateTime(event.at),
            event: event.event.map(Named),
            status: Named(event.status),
            attempts: event.attempts,
            error: event.failure.map(|failure| MessageError::seen(failure, sight)),
        }
    }
}

impl MessageList {
    /// What answers a request for this page (none where there was a cursor).
    pub fn new(found: MessagePage, page: Option<u32>, limit: u32, sight: Sight) -> Self {
        let last = found.messages.last().filter(|_| found.has_more);
        Self {
            next_cursor: last.map(|last| Cursor(last.id).to_string()),
            page,
            limit,
            total: found.total,
            data: found.messages.into_iter().map(|each| Message::seen(each, sight)).collect(),
        }
    }
}

impl Example for Message {
    fn example() -> Self {
        let at = |millis: i64| DateTime(Timestamp::from_millis(1_767_225_600_000 + millis));
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0001),
            session_id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0002),
            bulk_id: None,
            direction: Named(Direction::Outbound),
            kind: Named(ContentKind::Text),
            status: Named(Status::Delivered),
            from: Some("+5511900000001".to_owned()),
            to: Some("+5511988887777".to_owned()),
            body: "Hello, this is a test message".to_owned(),
            media: None,
            location: None,
            contact: None,
            poll: None,
            priority: Named(Priority::Normal),
            metadata: Some(super::send::example_metadata()),
            attempts: 1,
            error: None,
            provider_message_id: Some("3EB0538DA65A59F6D8A251".to_owned()),
            pacing: None,
            created_at: at(0),
            updated_at: at(2750),
            sent_at: Some(at(340)),
            delivered_at: Some(at(2750)),
            read_at: None,
            failed_at: None,
            expires_at: None,
        }
    }
}
