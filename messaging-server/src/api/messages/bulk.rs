//! A request to send one content to many, and its answers.

use std::collections::BTreeMap;

use messaging_core::domain::batch::{BatchProgress, MAX_BATCH_SIZE};
use messaging_core::domain::id::{BatchId, MessageId};
use messaging_core::domain::message::Priority;
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::bulk::{self, BulkAccepted, BulkRecipient, BulkRequest};
use messaging_core::gateway::bulk_pacing;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::Timing;
use messaging_core::ports::queue::HeldBy;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::message::Metadata;
use super::recipient::Recipient;
use crate::api::BodyLimits;
use crate::api::body::RequestJson;
use crate::api::content::{Attached, Contact, Location, Media, Poll};
use crate::api::cursor::Cursor;
use crate::api::named::{DateTime, Named};
use crate::api::sight::Sight;
use crate::api::suspension::Suspension;

/// How many of a bulk request are in the queue at a time, where the request does not say.
const DEFAULT_BATCH_SIZE: u32 = 10;

const _: () = assert!(DEFAULT_BATCH_SIZE <= MAX_BATCH_SIZE);

/// One content for many recipients: a message each, in this order, paced by the session's quota.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendBulk {
    /// Through which session: its id or its name.
    pub session_id: String,
    /// To whom: numbers in international form (E.164), or chat ids, each alone or as an object with
    /// the `variables` that the text names. Those that cannot be sent to are listed in the answer, and
    /// the others are accepted.
    #[oai(validator(min_items = 1, max_items = 10000))]
    pub recipients: Vec<Recipient>,
    /// The text, or the caption of a file: at most 4096 characters (Unicode code points). `{{name}}`
    /// stands for the recipient's variable of that name.
    #[oai(validator(max_length = 4096))]
    pub body: Option<String>,
    /// How many of these messages are in the queue at a time: 1 to 100, 10 by default.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub batch_size: Option<u32>,
    /// What leaves first; `normal` by default.
    pub priority: Option<Named<Priority>>,
    /// Your own data, put on every message: at most 16 KiB.
    pub metadata: Option<Metadata>,
    /// Not before: at most a year ahead. What is scheduled holds up nothing that is not.
    pub send_at: Option<DateTime>,
    /// Not from then on: what has not been sent by then is `expired`.
    pub expires_at: Option<DateTime>,
    /// A file.
    pub media: Option<Media>,
    /// A place.
    pub location: Option<Location>,
    /// A contact card.
    pub contact: Option<Contact>,
    /// A poll.
    pub poll: Option<Poll>,
}

impl RequestJson for SendBulk {
    fn limit(limits: &BodyLimits) -> usize {
        limits.media
    }
}

impl SendBulk {
    pub(in crate::api) fn into_request(self) -> Result<BulkRequest, GatewayError> {
        let Self { media, location, contact, poll, .. } = self;
        let timing = Timing {
            send_at: self.send_at.map(|at| at.0),
            expires_at: self.expires_at.map(|at| at.0),
        };
        Ok(BulkRequest {
            session: self.session_id.as_str().into(),
            recipients: self.recipients.into_iter().map(BulkRecipient::from).collect(),
            content: Attached { media, location, contact, poll }.with_text(self.body)?,
            batch_size: self.batch_size.unwrap_or(DEFAULT_BATCH_SIZE),
            priority: self.priority.map_or(Priority::Normal, |priority| priority.0),
            metadata: self.metadata.map(|fields| Value::Object(fields.into_iter().collect())),
            timing,
            idempotency_key: None,
        })
    }
}

impl Example for SendBulk {
    fn example() -> Self {
        Self {
            session_id: "main".to_owned(),
            recipients: vec!["+5511988887777".into(), "+5511988886666".into()],
            body: Some("Hello, this is a bulk message".to_owned()),
            batch_size: Some(DEFAULT_BATCH_SIZE),
            priority: Some(Named(Priority::Normal)),
            metadata: None,
            send_at: None,
            expires_at: None,
            media: None,
            location: None,
            contact: None,
            poll: None,
        }
    }
}

/// A bulk request that was accepted, in whole or in part.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", example)]
pub struct AcceptedBulk {
    /// The bulk request's id.
    pub id: Uuid,
    /// How many messages were accepted.
    pub accepted: u32,
    /// The recipients that were refused, in the order of the request.
    pub rejected: Vec<RejectedRecipient>,
}

/// A recipient that was refused.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct RejectedRecipient {
    /// Where in `recipients`, from 0.
    pub index: u64,
    /// As the request has it.
    pub to: String,
    /// Why, for programs: `invalid-phone`, `invalid-request`, `duplicate-recipient`, `missing-variable`,
    /// `message-too-long` or `opted-out`.
    pub code: String,
    /// Why, for people.
    pub detail: String,
}

impl RejectedRecipient {
    fn seen(refused: bulk::RejectedRecipient, sight: Sight) -> Self {
        Self {
            index: refused.index as u64,
            to: sight.written(refused.to),
            code: refused.code.into_owned(),
            detail: refused.detail,
        }
    }
}

impl Example for AcceptedBulk {
    fn example() -> Self {
        let id = Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0003);
        Self { id, accepted: 2, rejected: vec![] }
    }
}

/// The answer to a bulk request.
#[derive(ApiResponse)]
pub enum BulkAnswer {
    /// The messages are accepted, but for the recipients listed.
    #[oai(status = 202)]
    Accepted(
        Json<AcceptedBulk>,
        /// Where the bulk request can be looked at.
        #[oai(header = "Location")]
        String,
        /// `true` where the request was done before; absent where it was not.
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
}

impl BulkAnswer {
    /// What was accepted, as far as the caller sees it.
    pub fn seen(accepted: BulkAccepted, sight: Sight) -> Self {
        let (id, is_replay) = (accepted.batch.id, accepted.is_replay);
        let body = AcceptedBulk {
            id: id.0,
            accepted: accepted.batch.accepted,
            rejected: accepted
                .rejected
                .into_iter()
                .map(|refused| RejectedRecipient::seen(refused, sight))
                .collect(),
        };
        Self::Accepted(Json(body), format!("/messages/bulk/{id}"), is_replay.then_some(true))
    }
}

/// Why a bulk request waits, until when, and when it is likely to be done.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct BulkPacing {
    /// What holds it.
    pub held_by: Named<HeldBy>,
    /// Until when, where that is known.
    pub until: Option<DateTime>,
    /// How many of its messages are still to be sent.
    pub waiting: u64,
    /// When the last of them is likely to leave.
    pub estimated_end_at: DateTime,
}

impl From<bulk_pacing::BulkPacing> for BulkPacing {
    fn from(pacing: bulk_pacing::BulkPacing) -> Self {
        Self {
            held_by: Named(pacing.held_by),
            until: pacing.until.map(DateTime),
            waiting: pacing.waiting,
            estimated_end_at: DateTime(pacing.estimated_end_at),
        }
    }
}

/// A portion of a list of bulk requests, newest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct BulkList {
    /// The bulk requests.
    pub data: Vec<Bulk>,
    /// Which page this is; absent where a cursor was given.
    pub page: Option<u32>,
    /// How many a page has at the most.
    pub limit: u32,
    /// How many there are in all.
    pub total: u64,
    /// Where the list goes on; absent at its end.
    pub next_cursor: Option<String>,
}

impl BulkList {
    /// What answers a request for this portion.
    pub fn new(found: Page<BatchProgress>, portion: &PortionBy<BatchId>) -> Self {
        let last = found.items.last().filter(|_| found.has_more);
        Self {
            next_cursor: last.map(|last| Cursor(MessageId(last.batch.id.0)).to_string()),
            page: portion.page(),
            limit: portion.limit(),
            total: found.total,
            data: found.items.into_iter().map(Bulk::from).collect(),
        }
    }
}

/// A bulk request and how far it has come.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Bulk {
    /// The bulk request's id.
    pub id: Uuid,
    /// The session its messages go through.
    pub session_id: Uuid,
    /// How many of its messages are in the queue at a time.
    pub batch_size: u32,
    /// How many messages it was accepted with.
    pub accepted: u32,
    /// How many of its recipients were refused.
    pub rejected: u32,
    /// How many messages stand in each status; statuses without any are left out.
    pub by_status: BTreeMap<String, u64>,
    /// Of those that are `failed`, how many have which `error.code`.
    pub failures: BTreeMap<String, u64>,
    /// Why what is still to be sent waits, until when, and when the last is likely to leave. Absent in
    /// lists, and where nothing waits.
    pub pacing: Option<BulkPacing>,
    /// Nothing of it is sent before.
    pub send_at: Option<DateTime>,
    /// Whether it is paused, until when and why.
    pub suspension: Option<Suspension>,
    /// When it was accepted.
    pub created_at: DateTime,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime>,
}

impl From<BatchProgress> for Bulk {
    fn from(progress: BatchProgress) -> Self {
        let batch = progress.batch;
        Self {
            id: batch.id.0,
            session_id: batch.session.0,
            batch_size: batch.batch_size,
            accepted: batch.accepted,
            rejected: batch.rejected,
            by_status: progress.by_status.iter().map(|(s, n)| (s.to_string(), *n)).collect(),
            failures: progress.failures.iter().map(|(c, n)| (c.to_string(), *n)).collect(),
            pacing: None,
            send_at: batch.send_at.map(DateTime),
            suspension: batch.suspension.map(Suspension::from),
            created_at: DateTime(batch.created_at),
            cancelled_at: batch.cancelled_at.map(DateTime),
        }
    }
}

impl Example for Bulk {
    fn example() -> Self {
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0003),
            session_id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0002),
            batch_size: DEFAULT_BATCH_SIZE,
            accepted: 25,
            rejected: 0,
            by_status: [
                ("failed".to_owned(), 2),
                ("queued".to_owned(), 13),
                ("sent".to_owned(), 10),
            ]
            .into(),
            failures: [("not-on-whatsapp".to_owned(), 2)].into(),
            pacing: Some(BulkPacing {
                held_by: Named(HeldBy::Rate),
                until: Some(DateTime(Timestamp::from_millis(1_767_225_660_000))),
                waiting: 13,
                estimated_end_at: DateTime(Timestamp::from_millis(1_767_225_660_000)),
            }),
            send_at: None,
            suspension: None,
            created_at: DateTime(Timestamp::from_millis(1_767_225_600_000)),
            cancelled_at: None,
        }
    }
}
