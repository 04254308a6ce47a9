//! Dead letters over HTTP: what failed, and can be tried again.

use messaging_core::domain::filter::MessageFilter;
use messaging_core::domain::id::BatchId;
use messaging_core::domain::status::Status;
use messaging_core::gateway::Gateway;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadMessages};
use crate::api::cursor::Cursor;
use crate::api::messages::message::MessageList;
use crate::api::messages::query::{ListQuery, default_limit};
use crate::api::named::DateBound;
use crate::api::problem::{CALLER, INVALID, NOT_FOUND, Refusal};

/// Dead letters.
pub struct DeadLettersApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::DeadLetters")]
impl DeadLettersApi {
    /// List dead letters
    ///
    /// Needs `messages:read`. The messages that failed, newest first; each can be tried again with
    /// `POST /messages/{id}/retry`.
    #[oai(path = "/dead-letters", method = "get", operation_id = "list_dead_letters")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the address")]
    async fn dead_letters(
        &self,
        caller: Authorized<ReadMessages>,
        /// Through this session: its id or its name.
        #[oai(name = "sessionId")]
        session_id: Query<Option<String>>,
        /// Accepted at or after: RFC 3339, or a date alone, which means its beginning (UTC).
        #[oai(name = "fromDate")]
        from_date: Query<Option<DateBound>>,
        /// Accepted at or before: RFC 3339, or a date alone, which means its end (UTC).
        #[oai(name = "toDate")]
        to_date: Query<Option<DateBound>>,
        /// Whose text or recipient contains this; at most 256 characters.
        search: Query<Option<String>>,
        /// Of this bulk request.
        #[oai(name = "bulkId")]
        bulk_id: Query<Option<Uuid>>,
        /// Whose metadata has this `campaignId`.
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
                direction: None,
                status: Some(Status::Failed),
                from: from_date.0.map(|bound| bound.first),
                to: to_date.0.map(|bound| bound.last),
                search: search.0.filter(|text| !text.is_empty()),
                campaign: campaign_id.0,
            },
            page: page.0,
            limit: limit.0,
            cursor: cursor.0,
        };
        let found = query.list(&self.gateway, caller.tenant()).await;
        found.map(Json).map_err(Refusal::in_address)
    }
}
