//! A request to send one message, and its answer.

use messaging_core::domain::message::Priority;
use messaging_core::domain::session::{OnRateLimit, OnUnavailable};
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::{Accepted, SendRequest, Timing};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::message::Metadata;
use crate::api::BodyLimits;
use crate::api::body::RequestJson;
use crate::api::content::{Attached, Contact, Location, Media, Poll};
use crate::api::named::{DateTime, Named};
use crate::api::problem;

/// One message to be sent: a text, or one of `media`, `location`, `contact` and `poll`.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendMessage {
    /// Through which session: its id or its name.
    pub session_id: String,
    /// To whom: a number in international form (E.164), or a chat id as a received message has
    /// it.
    pub to: String,
    /// The text, or the caption of a file: at most 4096 characters (Unicode code points).
    #[oai(validator(max_length = 4096))]
    pub body: Option<String>,
    /// What leaves first; `normal` by default.
    pub priority: Option<Named<Priority>>,
    /// Your own data, given back as it came: at most 16 KiB.
    pub metadata: Option<Metadata>,
    /// What to do over the session's quota: `reject` with 429, or `queue` and send later. By default
    /// what the session says.
    pub on_rate_limit: Option<Named<OnRateLimit>>,
    /// What to do while the session's WAHA server cannot be used: `accept` and send later, as by default,
    /// or `reject` with 503.
    pub on_unavailable: Option<Named<OnUnavailable>>,
    /// Not before: at most a year ahead. What is scheduled holds up nothing that is not.
    pub send_at: Option<DateTime>,
    /// Not from then on: what has not been sent by then is `expired`.
    pub expires_at: Option<DateTime>,
    /// Whether the same may be sent to the same recipient again at once; no by default.
    pub allow_duplicate: Option<bool>,
    /// A file.
    pub media: Option<Media>,
    /// A place.
    pub location: Option<Location>,
    /// A contact card.
    pub contact: Option<Contact>,
    /// A poll.
    pub poll: Option<Poll>,
}

impl RequestJson for SendMessage {
    fn limit(limits: &BodyLimits) -> usize {
        limits.media
    }
}

impl SendMessage {
    pub(super) fn into_request(self) -> Result<SendRequest, GatewayError> {
        let Self { media, location, contact, poll, .. } = self;
        let timing = Timing {
            send_at: self.send_at.map(|at| at.0),
            expires_at: self.expires_at.map(|at| at.0),
        };
        Ok(SendRequest {
            session: self.session_id.as_str().into(),
            to: self.to,
            content: Attached { media, location, contact, poll }.with_text(self.body)?,
            priority: self.priority.map_or(Priority::Normal, |priority| priority.0),
            metadata: self.metadata.map(|fields| Value::Object(fields.into_iter().collect())),
            on_rate_limit: self.on_rate_limit.map(|choice| choice.0),
            on_unavailable: self.on_unavailable.map_or(OnUnavailable::Accept, |choice| choice.0),
            timing,
            allow_duplicate: self.allow_duplicate.unwrap_or(false),
            idempotency_key: None,
        })
    }
}

pub(super) fn example_metadata() -> Metadata {
    [("campaignId".to_owned(), Value::from("campaign-123"))].into()
}

impl Example for SendMessage {
    fn example() -> Self {
        Self {
            session_id: "main".to_owned(),
            to: "+5511988887777".to_owned(),
            body: Some("Hello, this is a test message".to_owned()),
            priority: Some(Named(Priority::Normal)),
            metadata: Some(example_metadata()),
            on_rate_limit: None,
            on_unavailable: None,
            send_at: None,
            expires_at: None,
            allow_duplicate: None,
            media: None,
            location: None,
            contact: None,
            poll: None,
        }
    }
}

/// A message that was accepted: it is kept, and will be sent or end as `failed` with a reason.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", example)]
pub struct AcceptedMessage {
    /// The message's id.
    pub id: Uuid,
    /// Where it stands: `queued`.
    pub status: Named<Status>,
    /// When it is likely to leave.
    pub estimated_send_at: DateTime,
}

impl Example for AcceptedMessage {
    fn example() -> Self {
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0001),
            status: Named(Status::Queued),
            estimated_send_at: DateTime(Timestamp::from_millis(1_767_225_600_000)),
        }
    }
}

/// The answer to a request to send.
#[derive(ApiResponse)]
pub enum SendAnswer {
    /// The message is accepted.
    #[oai(status = 202)]
    Accepted(
        Json<AcceptedMessage>,
        /// Where the message can be looked at.
        #[oai(header = "Location")]
        String,
        /// The session's quota; absent while it cannot be counted.
        #[oai(header = "RateLimit-Policy")]
        Option<String>,
        /// What is left of it, and until when; absent while it cannot be counted.
        #[oai(header = "RateLimit")]
        Option<String>,
        /// `true` where the request was done before; absent where it was not.
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
}

impl From<Accepted> for SendAnswer {
    fn from(accepted: Accepted) -> Self {
        let (id, quota, is_replay) = (accepted.message.id, accepted.quota, accepted.is_replay);
        let body = AcceptedMessage {
            id: id.0,
            status: Named(accepted.message.status),
            estimated_send_at: DateTime(accepted.estimated_send_at),
        };
        Self::Accepted(
            Json(body),
            format!("/messages/{id}"),
            quota.map(|state| problem::rate_limit_policy("session", state.quota)),
            quota.map(|state| problem::rate_limit("session", state.remaining, state.reset_after)),
            is_replay.then_some(true),
        )
    }
}
