//! Those who want no messages, over HTTP.

use messaging_core::domain::id::{MessageId, OptOutId};
use messaging_core::domain::opt_out::words::WordList;
use messaging_core::domain::opt_out::{self, OptOutSource};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadMessages, SendMessages};
use crate::api::body::{JsonBody, RequestJson};
use crate::api::cursor::Cursor;
use crate::api::messages::query::default_limit;
use crate::api::named::{DateTime, Named};
use crate::api::problem::{BODY, CALLER, INVALID, NOT_FOUND, Problem, Refusal};
use crate::api::sight::Sight;

/// Somebody who is to get no more messages.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddOptOut {
    /// Who: a number in international form (E.164), or a chat id.
    pub number: String,
    /// Your own remark: at most 500 characters.
    #[oai(validator(max_length = 500))]
    pub note: Option<String>,
}

impl RequestJson for AddOptOut {}

impl Example for AddOptOut {
    fn example() -> Self {
        let note = Some("Asked our support by e-mail".to_owned());
        Self { number: "+5511988887777".to_owned(), note }
    }
}

/// Somebody who gets no messages.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct OptOut {
    /// The entry's id.
    pub id: Uuid,
    /// Who: a number, or a chat id.
    pub number: String,
    /// Since when.
    pub since: DateTime,
    /// Who said so: you (`api`), or the person by an answer (`reply`).
    pub source: Named<OptOutSource>,
    /// Of an answer, which list its words stand in: a language, or `own` for `OPT_OUT_WORDS`.
    pub words: Option<Named<WordList>>,
    /// Of an answer, the message.
    pub message_id: Option<Uuid>,
    /// Your own remark.
    pub note: Option<String>,
}

impl OptOut {
    /// An entry, as far as the caller sees it.
    pub fn seen(entry: opt_out::OptOut, sight: Sight) -> Self {
        Self {
            id: entry.id.0,
            number: sight.address(&entry.address),
            since: DateTime(entry.since),
            source: Named(entry.source),
            words: entry.words.map(Named),
            message_id: entry.message.map(|message| message.0),
            note: sight.part(entry.note),
        }
    }
}

impl Example for OptOut {
    fn example() -> Self {
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0004),
            number: "+5511988887777".to_owned(),
            since: DateTime(Timestamp::from_millis(1_767_225_600_000)),
            source: Named(OptOutSource::Reply),
            words: Some(Named(WordList::Portuguese)),
            message_id: Some(Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0004)),
            note: None,
        }
    }
}

/// A portion of the list, newest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct OptOutList {
    /// The entries.
    pub data: Vec<OptOut>,
    /// Which page this is; absent where a cursor was given.
    pub page: Option<u32>,
    /// How many a page has at the most.
    pub limit: u32,
    /// How many there are in all.
    pub total: u64,
    /// Where the list goes on; absent at its end.
    pub next_cursor: Option<String>,
}

impl OptOutList {
    fn new(found: Page<opt_out::OptOut>, portion: &PortionBy<OptOutId>, sight: Sight) -> Self {
        let last = found.items.last().filter(|_| found.has_more);
        Self {
            next_cursor: last.map(|last| Cursor(MessageId(last.id.0)).to_string()),
            page: portion.page(),
            limit: portion.limit(),
            total: found.total,
            data: found.items.into_iter().map(|each| OptOut::seen(each, sight)).collect(),
        }
    }
}

/// The answer to a request to put somebody on the list.
#[derive(ApiResponse)]
pub enum AddAnswer {
    /// Who it is about was on the list already, and stands there as before.
    #[oai(status = 200)]
    Known(Json<OptOut>),
    /// The same to callers without `messages:read:content`, who are told no more of a number they name.
    #[oai(status = 204)]
    KnownToOthers,
    /// Who it is about is on the list now.
    #[oai(status = 201)]
    Added(
        Json<OptOut>,
        /// Where the entry can be looked at.
        #[oai(header = "Location")]
        String,
    ),
}

/// Those who want no messages.
pub struct OptOutsApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::OptOuts")]
impl OptOutsApi {
    /// Put somebody on the list
    ///
    /// Needs `messages:send`. No message to them is accepted any more (409 `opted-out`), through
    /// whichever session; what waits for them ends as `failed` with the code `opted-out`. To ask twice
    /// does no harm.
    #[oai(path = "/opt-outs", method = "post", operation_id = "add_opt_out")]
    async fn add(
        &self,
        caller: Authorized<SendMessages>,
        body: JsonBody<AddOptOut>,
    ) -> Result<AddAnswer, Refusal<{ CALLER | BODY }>> {
        let AddOptOut { number, note } = body.0;
        let (entry, is_new) = self.gateway.opt_out(caller.tenant(), &number, note).await?;
        let location = format!("/opt-outs/{}", entry.id);
        let is_told = is_new || caller.sight().look_for(Some(&number)).is_ok();
        let entry = Json(OptOut::seen(entry, caller.sight()));
        Ok(match is_new {
            true => AddAnswer::Added(entry, location),
            false if is_told => AddAnswer::Known(entry),
            false => AddAnswer::KnownToOthers,
        })
    }

    /// List who wants no messages
    ///
    /// Needs `messages:read`. Newest first. For depth, and where entries come in meanwhile, go on with
    /// `cursor` instead of `page`.
    #[oai(path = "/opt-outs", method = "get", operation_id = "list_opt_outs")]
    async fn list(
        &self,
        caller: Authorized<ReadMessages>,
        /// Only this number, or chat id; needs `messages:read:content`. (In an address a plus sign is written `%2B`.)
        number: Query<Option<String>>,
        /// Which page, from 1; 1 by default.
        page: Query<Option<u32>>,
        /// How many a page has at the most: 1 to 100.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer; it takes the place of `page`.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<OptOutList>, Refusal<{ CALLER | INVALID }>> {
        let limit = limit.0;
        let portion = match cursor.0 {
            Some(Cursor(last)) => PortionBy::OlderThan { last: OptOutId(last.0), limit },
            None => PortionBy::Page { page: page.0.unwrap_or(1), limit },
        };
        let number = number.0.map(|number| with_plus(&number));
        caller.sight().look_for(number.as_ref())?;
        let found = self.gateway.list_opt_outs(caller.tenant(), number.as_deref(), portion).await;
        let found = found.map_err(Refusal::in_address)?;
        Ok(Json(OptOutList::new(found, &portion, caller.sight())))
    }

    /// Look an entry up
    ///
    /// Needs `messages:read`. By number it needs `messages:read:content`, too.
    #[oai(path = "/opt-outs/:id", method = "get", operation_id = "get_opt_out")]
    async fn get(
        &self,
        caller: Authorized<ReadMessages>,
        /// The entry's id, or the number or chat id that it is about.
        id: Path<String>,
    ) -> Result<Json<OptOut>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        look_for(&id.0, caller.sight())?;
        let found = self.gateway.find_opt_out(caller.tenant(), &id.0).await;
        let found = found.map_err(Refusal::in_address)?;
        Ok(Json(OptOut::seen(found, caller.sight())))
    }

    /// Take somebody from the list
    ///
    /// Needs `messages:send`. By number it needs `messages:read:content`, too. What was ended because of it
    /// stays so; it can be tried again.
    #[oai(path = "/opt-outs/:id", method = "delete", operation_id = "remove_opt_out")]
    async fn remove(
        &self,
        caller: Authorized<SendMessages>,
        /// The entry's id, or the number or chat id that it is about.
        id: Path<String>,
    ) -> Result<Json<OptOut>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        look_for(&id.0, caller.sight())?;
        let removed = self.gateway.take_opt_out_back(caller.tenant(), &id.0).await;
        let removed = removed.map_err(Refusal::in_address)?;
        Ok(Json(OptOut::seen(removed, caller.sight())))
    }
}

/// Lets those name an entry by whom it is about who see that.
fn look_for(entry: &str, sight: Sight) -> Result<(), Problem> {
    let number = entry.parse::<OptOutId>().is_err().then_some(entry);
    sight.look_for(number.as_ref())
}

/// A plus sign that was not escaped arrives as a space.
fn with_plus(number: &str) -> String {
    match number.strip_prefix(' ') {
        Some(digits) => format!("+{digits}"),
        None => number.to_owned(),
    }
}
