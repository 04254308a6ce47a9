//! Dead letters over HTTP: what failed, and can be tried again or left so.

use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::filter::MessageFilter;
use messaging_core::domain::id::BatchId;
use messaging_core::domain::status::Status;
use messaging_core::gateway::dead_letters::{DeadLetters, Moved};
use messaging_core::gateway::{Gateway, SessionRef};
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadMessages, SendMessages};
use crate::api::body::{JsonBody, RequestJson};
use crate::api::cursor::Cursor;
use crate::api::messages::message::MessageList;
use crate::api::messages::query::{ListQuery, default_limit};
use crate::api::named::{DateBound, DateTime, Named};
use crate::api::problem::{BODY, CALLER, INVALID, NOT_FOUND, Refusal};

/// How many failed messages one request moves, where it does not say.
const DEFAULT_LIMIT: u32 = 100;

/// Which failed messages to move: all conditions given must hold.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetterSelection {
    /// Through this session: its id or its name.
    pub session_id: Option<String>,
    /// Whose `error` has this code.
    pub error_code: Option<Named<FailureCode>>,
    /// Accepted at or after.
    pub from_date: Option<DateTime>,
    /// Accepted at or before.
    pub to_date: Option<DateTime>,
    /// Whose text has these words (with `ENCRYPTION=words`), or whose recipient ends in these digits, 4 at
    /// least; with `ENCRYPTION=plain`, whose text or recipient contains this; at most 256 characters. Needs `messages:read:content`.
    pub search: Option<String>,
    /// Of this bulk request.
    pub bulk_id: Option<Uuid>,
    /// Whose metadata has this `campaignId`. Needs `messages:read:content`.
    pub campaign_id: Option<String>,
    /// How many at the most: 1 to 1000, 100 by default. Those accepted first go first.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub limit: Option<u32>,
}

impl RequestJson for DeadLetterSelection {}

impl Example for DeadLetterSelection {
    fn example() -> Self {
        Self {
            session_id: Some("main".to_owned()),
            error_code: Some(Named(FailureCode::ProviderError)),
            from_date: None,
            to_date: None,
            search: None,
            bulk_id: None,
            campaign_id: None,
            limit: Some(DEFAULT_LIMIT),
        }
    }
}

impl From<DeadLetterSelection> for DeadLetters {
    fn from(selection: DeadLetterSelection) -> Self {
        Self {
            session: selection.session_id.as_deref().map(SessionRef::from),
            filter: MessageFilter {
                batch: selection.bulk_id.map(BatchId),
                failure: selection.error_code.map(|code| code.0),
                from: selection.from_date.map(|at| at.0),
                to: selection.to_date.map(|at| at.0),
                search: selection.search.filter(|text| !text.is_empty()),
                campaign: selection.campaign_id,
                ..MessageFilter::default()
            },
            limit: selection.limit.unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// How far a request came that concerned many failed messages.
#[derive(Clone, PartialEq, Object)]
#[oai(example)]
pub struct DeadLettersMoved {
    /// How many it moved.
    pub moved: u32,
    /// How many failed messages the conditions still let through. Ask again until there are none, or none
    /// is moved: what was erased cannot be tried again.
    pub remaining: u64,
}

impl From<Moved> for DeadLettersMoved {
    fn from(moved: Moved) -> Self {
        Self { moved: moved.count, remaining: moved.remaining }
    }
}

impl Example for DeadLettersMoved {
    fn example() -> Self {
        Self { moved: 100, remaining: 23 }
    }
}

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
    /// `POST /messages/{id}/retry`, or left so with `POST /messages/{id}/discard`.
    #[oai(path = "/dead-letters", method = "get", operation_id = "list_dead_letters")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the address")]
    async fn dead_letters(
        &self,
        caller: Authorized<ReadMessages>,
        /// Through this session: its id or its name.
        #[oai(name = "sessionId")]
        session_id: Query<Option<String>>,
        /// Whose `error` has this code.
        #[oai(name = "errorCode")]
        error_code: Query<Option<Named<FailureCode>>>,
        /// Accepted at or after: RFC 3339, or a date alone, which means its beginning (UTC).
        #[oai(name = "fromDate")]
        from_date: Query<Option<DateBound>>,
        /// Accepted at or before: RFC 3339, or a date alone, which means its end (UTC).
        #[oai(name = "toDate")]
        to_date: Query<Option<DateBound>>,
        /// Whose text has these words (with `ENCRYPTION=words`), or whose recipient ends in these digits,
        /// 4 at least; with `ENCRYPTION=plain`, whose text or recipient contains this; at most 256 characters. Needs `messages:read:content`.
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
                direction: None,
                status: Some(Status::Failed),
                failure: error_code.0.map(|code| code.0),
                from: from_date.0.map(|bound| bound.first),
                to: to_date.0.map(|bound| bound.last),
                search: search.0.filter(|text| !text.is_empty()),
                words: Vec::new(),
                campaign: campaign_id.0,
            },
            page: page.0,
            limit: limit.0,
            cursor: cursor.0,
        };
        let found = query.list(&self.gateway, caller.tenant(), caller.sight()).await;
        found.map(Json).map_err(Refusal::in_address)
    }

    /// Try many dead letters again
    ///
    /// Needs `messages:send`. A message that fails again is a dead letter again.
    #[oai(path = "/dead-letters/retry", method = "post", operation_id = "retry_dead_letters")]
    async fn retry(
        &self,
        caller: Authorized<SendMessages>,
        body: JsonBody<DeadLetterSelection>,
    ) -> Result<Json<DeadLettersMoved>, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        caller.sight().look_for(body.0.search.as_ref())?;
        caller.sight().look_for(body.0.campaign_id.as_ref())?;
        let moved = self.gateway.replay_many(caller.tenant(), body.0.into()).await?;
        Ok(Json(moved.into()))
    }

    /// Discard many dead letters
    ///
    /// Needs `messages:send`. They are `discarded` and cannot be tried again.
    #[oai(path = "/dead-letters/discard", method = "post", operation_id = "discard_dead_letters")]
    async fn discard(
        &self,
        caller: Authorized<SendMessages>,
        body: JsonBody<DeadLetterSelection>,
    ) -> Result<Json<DeadLettersMoved>, Refusal<{ CALLER | BODY | NOT_FOUND }>> {
        caller.sight().look_for(body.0.search.as_ref())?;
        caller.sight().look_for(body.0.campaign_id.as_ref())?;
        let moved = self.gateway.discard_many(caller.tenant(), body.0.into()).await?;
        Ok(Json(moved.into()))
    }
}
