//! Bulk requests over HTTP: one content for many recipients.

use messaging_core::domain::id::BatchId;
use messaging_core::domain::portion::PortionBy;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::bulk::BulkRequest;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadMessages, SendMessages};
use crate::api::body::JsonBody;
use crate::api::cursor::Cursor;
use crate::api::idempotency::RequestKey;
use crate::api::messages::bulk::{Bulk, BulkAnswer, BulkList, SendBulk};
use crate::api::messages::query::default_limit;
use crate::api::problem::{BODY, CALLER, INVALID, LIMITED, NOT_FOUND, REPEATED, Refusal};
use crate::api::suspension::Suspend;

/// Bulk requests.
pub struct BulkApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::Bulk")]
impl BulkApi {
    /// Send to many
    ///
    /// Needs `messages:send`. Accepts a message for each recipient that can be sent to and lists
    /// the others. They are paced by the session's quota, never refused for it.
    #[oai(path = "/messages/bulk", method = "post", operation_id = "send_bulk")]
    async fn send_bulk(
        &self,
        caller: Authorized<SendMessages>,
        /// Names the request, for 24 hours: 1 to 255 visible characters of ASCII. Repeated with the
        /// same key and body it does nothing more and is answered alike.
        #[oai(name = "Idempotency-Key")]
        key: RequestKey,
        body: JsonBody<SendBulk>,
    ) -> Result<BulkAnswer, Refusal<{ CALLER | BODY | NOT_FOUND | REPEATED | LIMITED }>> {
        let request = BulkRequest { idempotency_key: key.0, ..body.0.into_request()? };
        let accepted = self.gateway.send_bulk(caller.tenant(), request).await?;
        Ok(BulkAnswer::seen(accepted, caller.sight()))
    }

    /// Follow a bulk request
    ///
    /// Needs `messages:read`. Its messages are listed by `GET /messages?bulkId=…`; what of it still waits
    /// says why in `pacing`.
    #[oai(path = "/messages/bulk/:id", method = "get", operation_id = "get_bulk")]
    async fn get_bulk(
        &self,
        caller: Authorized<ReadMessages>,
        /// The bulk request's id.
        id: Path<Uuid>,
    ) -> Result<Json<Bulk>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let found = self.gateway.find_bulk(caller.tenant(), BatchId(id.0)).await?;
        let pacing = self.gateway.bulk_pacing(&found).await?;
        Ok(Json(Bulk { pacing: pacing.map(Into::into), ..found.into() }))
    }

    /// List bulk requests
    ///
    /// Needs `messages:read`. Newest first, each with how far it has come. For depth, and where requests
    /// come in meanwhile, go on with `cursor` instead of `page`.
    #[oai(path = "/messages/bulk", method = "get", operation_id = "list_bulks")]
    async fn list_bulks(
        &self,
        caller: Authorized<ReadMessages>,
        /// Which page, from 1; 1 by default.
        page: Query<Option<u32>>,
        /// How many a page has at the most: 1 to 100.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer; it takes the place of `page`.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<BulkList>, Refusal<{ CALLER | INVALID }>> {
        let limit = limit.0;
        let portion = match cursor.0 {
            Some(Cursor(last)) => PortionBy::OlderThan { last: BatchId(last.0), limit },
            None => PortionBy::Page { page: page.0.unwrap_or(1), limit },
        };
        let found = self.gateway.list_bulks(caller.tenant(), portion).await;
        Ok(Json(BulkList::new(found.map_err(Refusal::in_address)?, &portion)))
    }

    /// Pause a bulk request
    ///
    /// Needs `messages:send`. What of it waits stays where it is until then, or until it is resumed;
    /// what is under way goes on.
    #[oai(path = "/messages/bulk/:id/pause", method = "post", operation_id = "pause_bulk")]
    async fn pause_bulk(
        &self,
        caller: Authorized<SendMessages>,
        /// The bulk request's id.
        id: Path<Uuid>,
        body: JsonBody<Suspend>,
    ) -> Result<Json<Bulk>, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        let stop = body.0.into();
        let paused = self.gateway.suspend_bulk(caller.tenant(), BatchId(id.0), stop).await?;
        Ok(Json(paused.into()))
    }

    /// Resume a bulk request
    ///
    /// Needs `messages:send`. Ends its pause, if there is one.
    #[oai(path = "/messages/bulk/:id/resume", method = "post", operation_id = "resume_bulk")]
    async fn resume_bulk(
        &self,
        caller: Authorized<SendMessages>,
        /// The bulk request's id.
        id: Path<Uuid>,
    ) -> Result<Json<Bulk>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let resumed = self.gateway.resume_bulk(caller.tenant(), BatchId(id.0)).await?;
        Ok(Json(resumed.into()))
    }

    /// Cancel a bulk request
    ///
    /// Needs `messages:send`. Cancels what of it still waits; what is under way goes on. A second
    /// time nothing more happens.
    #[oai(path = "/messages/bulk/:id", method = "delete", operation_id = "cancel_bulk")]
    async fn cancel_bulk(
        &self,
        caller: Authorized<SendMessages>,
        /// The bulk request's id.
        id: Path<Uuid>,
    ) -> Result<Json<Bulk>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let cancelled = self.gateway.cancel_bulk(caller.tenant(), BatchId(id.0)).await?;
        Ok(Json(cancelled.into()))
    }
}
