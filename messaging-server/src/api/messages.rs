//! Messages over HTTP: send, follow, count, take back, try again.

pub mod bulk;
pub mod message;
pub(super) mod query;
pub mod recipient;
pub mod send;
pub mod statistics;

use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::filter::MessageFilter;
use messaging_core::domain::id::{BatchId, MessageId};
use messaging_core::domain::message::Direction;
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::Status;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::{Gateway, SessionRef};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use uuid::Uuid;

use self::message::{Message, MessageEvent, MessageEvents, MessageList};
use self::query::{ListQuery, default_limit};
use self::send::{SendAnswer, SendMessage};
use self::statistics::Statistics;
use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadMessages, SendMessages};
use crate::api::body::JsonBody;
use crate::api::cursor::Cursor;
use crate::api::idempotency::RequestKey;
use crate::api::named::{DateBound, Named};
use crate::api::problem::{BODY, CALLER, CONFLICT, INVALID, LIMITED, NOT_FOUND, REPEATED, Refusal};

/// Messages.
pub struct MessagesApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::Messages")]
impl MessagesApi {
    /// Send a message
    ///
    /// Needs `messages:send`. When this answers 202, the message is on durable storage and will
    /// be sent, or end as `failed` with a reason. It is refused with 400 while its session is not
    /// working, with 409 where the recipient has opted out, or the same was sent to them a moment ago,
    /// unless `allowDuplicate` is true, and with 429 over the session's quota, unless `onRateLimit` says
    /// `queue`.
    #[oai(path = "/messages/send", method = "post", operation_id = "send_message")]
    async fn send(
        &self,
        caller: Authorized<SendMessages>,
        /// Names the request, for 24 hours: 1 to 255 visible characters of ASCII. Repeated with the
        /// same key and body it does nothing more and is answered alike.
        #[oai(name = "Idempotency-Key")]
        key: RequestKey,
        body: JsonBody<SendMessage>,
    ) -> Result<SendAnswer, Refusal<{ CALLER | BODY | NOT_FOUND | REPEATED | LIMITED }>> {
        let request = SendRequest { idempotency_key: key.0, ..body.0.into_request()? };
        Ok(self.gateway.send(caller.tenant(), request).await?.into())
    }

    /// List messages
    ///
    /// Needs `messages:read`. Newest first; all conditions given must hold. For depth, and where
    /// messages come in meanwhile, go on with `cursor` instead of `page`.
    #[oai(path = "/messages", method = "get", operation_id = "list_messages")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the address")]
    async fn list(
        &self,
        caller: Authorized<ReadMessages>,
        /// Through this session: its id or its name.
        #[oai(name = "sessionId")]
        session_id: Query<Option<String>>,
        /// Going this way.
        direction: Query<Option<Named<Direction>>>,
        /// In this status, in whatever case.
        status: Query<Option<Named<Status>>>,
        /// Whose `error` has this code.
        #[oai(name = "errorCode")]
        error_code: Query<Option<Named<FailureCode>>>,
        /// Accepted or received at or after: RFC 3339, or a date alone, which means its beginning
        /// (UTC).
        #[oai(name = "fromDate")]
        from_date: Query<Option<DateBound>>,
        /// Accepted or received at or before: RFC 3339, or a date alone, which means its end
        /// (UTC).
        #[oai(name = "toDate")]
        to_date: Query<Option<DateBound>>,
        /// Whose text has these words (with `ENCRYPTION=words`), or whose sender or recipient ends in these
        /// digits, 4 at least; with `ENCRYPTION=plain`, whose text, sender or recipient contains this; at most 256 characters. Needs
        /// `messages:read:content`.
        search: Query<Option<String>>,
        /// Of this bulk request.
        #[oai(name = "bulkId")]
        bulk_id: Query<Option<Uuid>>,
        /// Whose metadata has this `campaignId`. Needs `messages:read:content`.
        #[oai(name = "campaignId")]
        campaign_id: Query<Option<String>>,
        /// Which page, from 1; 1 by default.
        page: Query<Option<u32>>,
        /// How many a page has at the most: 1 to 100.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer; it takes the place of `page`.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<MessageList>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let query = ListQuery {
            session: session_id.0,
            filter: MessageFilter {
                session: None,
                batch: bulk_id.0.map(BatchId),
                direction: direction.0.map(|direction| direction.0),
                status: status.0.map(|status| status.0),
                failure: error_code.0.map(|code| code.0),
                from: from_date.0.map(|bound| bound.first),
                to: to_date.0.map(|bound| bound.last),
                words: Vec::new(),
                search: search.0.filter(|text| !text.is_empty()),
                campaign: campaign_id.0,
            },
            page: page.0,
            limit: limit.0,
            cursor: cursor.0,
        };
        let found = query.list(&self.gateway, caller.tenant(), caller.sight()).await;
        found.map(Json).map_err(Refusal::in_address)
    }

    /// Count messages
    ///
    /// Needs `messages:read`. Counts over the messages accepted or received in a range.
    #[oai(path = "/messages/stats", method = "get", operation_id = "get_message_statistics")]
    async fn statistics(
        &self,
        caller: Authorized<ReadMessages>,
        /// At or after: RFC 3339, or a date alone, which means its beginning (UTC).
        #[oai(name = "fromDate")]
        from_date: Query<Option<DateBound>>,
        /// At or before: RFC 3339, or a date alone, which means its end (UTC).
        #[oai(name = "toDate")]
        to_date: Query<Option<DateBound>>,
        /// Through this session: its id or its name.
        #[oai(name = "sessionId")]
        session_id: Query<Option<String>>,
    ) -> Result<Json<Statistics>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let session = session_id.0.as_deref().map(SessionRef::from);
        let range = StatisticsRange {
            from: from_date.0.map(|bound| bound.first),
            to: to_date.0.map(|bound| bound.last),
            session: None,
        };
        let counted = self.gateway.statistics(caller.tenant(), session.as_ref(), range).await;
        counted.map(|counted| Json(counted.into())).map_err(Refusal::in_address)
    }

    /// Look a message up
    ///
    /// Needs `messages:read`. While the message waits, `pacing` says why and until when.
    #[oai(path = "/messages/:id", method = "get", operation_id = "get_message")]
    async fn get(
        &self,
        caller: Authorized<ReadMessages>,
        /// The message's id.
        id: Path<Uuid>,
    ) -> Result<Json<Message>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let (message, pacing) = self.gateway.find_message(caller.tenant(), MessageId(id.0)).await?;
        let message = Message::seen(message, caller.sight());
        Ok(Json(Message { pacing: pacing.map(Into::into), ..message }))
    }

    /// Cancel a message
    ///
    /// Needs `messages:send`. Only one that still waits (`queued` or `retry`) can be cancelled.
    #[oai(path = "/messages/:id", method = "delete", operation_id = "cancel_message")]
    async fn cancel(
        &self,
        caller: Authorized<SendMessages>,
        /// The message's id.
        id: Path<Uuid>,
    ) -> Result<Json<Message>, Refusal<{ CALLER | INVALID | NOT_FOUND | CONFLICT }>> {
        let cancelled = self.gateway.cancel(caller.tenant(), MessageId(id.0)).await?;
        Ok(Json(Message::seen(cancelled, caller.sight())))
    }

    /// Read a message's history
    ///
    /// Needs `messages:read`.
    #[oai(path = "/messages/:id/events", method = "get", operation_id = "list_message_events")]
    async fn events(
        &self,
        caller: Authorized<ReadMessages>,
        /// The message's id.
        id: Path<Uuid>,
    ) -> Result<Json<MessageEvents>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let events = self.gateway.message_events(caller.tenant(), MessageId(id.0)).await?;
        let seen = |event| MessageEvent::seen(event, caller.sight());
        Ok(Json(MessageEvents { data: events.into_iter().map(seen).collect() }))
    }

    /// Try a failed message again
    ///
    /// Needs `messages:send`. The message is queued as if it had never been tried, unless its recipient
    /// has opted out by now.
    #[oai(path = "/messages/:id/retry", method = "post", operation_id = "retry_message")]
    async fn retry(
        &self,
        caller: Authorized<SendMessages>,
        /// The message's id.
        id: Path<Uuid>,
    ) -> Result<Json<Message>, Refusal<{ CALLER | INVALID | NOT_FOUND | CONFLICT }>> {
        let queued = self.gateway.replay(caller.tenant(), MessageId(id.0)).await?;
        Ok(Json(Message::seen(queued, caller.sight())))
    }

    /// Discard a failed message
    ///
    /// Needs `messages:send`. The message is `discarded`: it is no dead letter any more and cannot be
    /// tried again; its `error` stays.
    #[oai(path = "/messages/:id/discard", method = "post", operation_id = "discard_message")]
    async fn discard(
        &self,
        caller: Authorized<SendMessages>,
        /// The message's id.
        id: Path<Uuid>,
    ) -> Result<Json<Message>, Refusal<{ CALLER | INVALID | NOT_FOUND | CONFLICT }>> {
        let discarded = self.gateway.discard(caller.tenant(), MessageId(id.0)).await?;
        Ok(Json(Message::seen(discarded, caller.sight())))
    }
}
