//! What is kept of one person, over HTTP: exported, and erased.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::stream;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{InboxId, MessageId, TenantId};
use messaging_core::domain::inbox::InboxEntry;
use messaging_core::domain::message;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::persons::{self, ErasureStep};
use poem::Body;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::types::{Example, ToJSON};
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, EraseData, ExportData};
use crate::api::body::{JsonBody, RequestJson};
use crate::api::messages::message::Message;
use crate::api::named::DateTime;
use crate::api::opt_outs::OptOut;
use crate::api::problem::{BODY, CALLER, FieldProblem, Problem, Refusal, kind};
use crate::api::sight::Sight;

/// Whose data.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonExportRequest {
    /// Who: a number in international form (E.164), or a person's chat id.
    pub phone: String,
}

impl RequestJson for PersonExportRequest {}

impl Example for PersonExportRequest {
    fn example() -> Self {
        Self { phone: "+5511988887777".to_owned() }
    }
}

/// Whose data is to be erased.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonErasureRequest {
    /// Who: a number in international form (E.164), or a person's chat id.
    pub phone: String,
    /// The same once more: nobody can bring back what is erased.
    pub confirm: String,
    /// The `nextCursor` of the answer before, to go on.
    pub cursor: Option<String>,
}

impl RequestJson for PersonErasureRequest {}

impl Example for PersonErasureRequest {
    fn example() -> Self {
        let phone = "+5511988887777".to_owned();
        Self { confirm: phone.clone(), phone, cursor: None }
    }
}

/// How far the erasure came.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct PersonErasure {
    /// Whether all was looked at. If not, ask again with `nextCursor`.
    pub done: bool,
    /// How many messages that waited for the person were taken back.
    pub cancelled: u64,
    /// From how many messages text, numbers, metadata and attachments were taken.
    pub messages: u64,
    /// How many messages are just being sent, and were left as they are: begin anew in a minute.
    pub messages_under_way: u64,
    /// How many webhooks lost their bodies.
    pub webhooks: u64,
    /// How many webhooks about the person are still to be applied: begin anew in a minute.
    pub webhooks_pending: u64,
    /// Whether the person stands on the list of those who want no messages. The entry stays, so that
    /// the wish is kept.
    pub opted_out: bool,
    /// Where the erasure goes on; absent at its end.
    pub next_cursor: Option<String>,
}

impl From<persons::Erasure> for PersonErasure {
    fn from(erasure: persons::Erasure) -> Self {
        Self {
            done: erasure.next.is_none(),
            cancelled: erasure.cancelled,
            messages: erasure.messages,
            messages_under_way: erasure.under_way,
            webhooks: erasure.webhooks,
            webhooks_pending: erasure.webhooks_pending,
            opted_out: erasure.opted_out,
            next_cursor: erasure.next.map(cursor),
        }
    }
}

impl Example for PersonErasure {
    fn example() -> Self {
        persons::Erasure { messages: 12, webhooks: 7, ..persons::Erasure::default() }.into()
    }
}

/// What is kept of a person.
#[derive(ApiResponse)]
pub enum PersonExport {
    /// One thing a line, each with its `kind`: `opt-out`, then `message`, then `webhook` (its body in
    /// base64), and at last `end`: without that line the export is not whole.
    #[oai(status = 200, content_type = "application/x-ndjson")]
    Lines(Binary<Body>),
}

/// What is kept of persons.
pub struct PrivacyApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::Privacy")]
impl PrivacyApi {
    /// Export what is kept of a person
    ///
    /// Needs `data:export`. All messages from and to the person, the entry on the list of those who want
    /// no messages, and the webhooks that name the person. It is all content, so a token without
    /// `messages:read:content` is refused (403).
    #[oai(path = "/privacy/export", method = "post", operation_id = "export_person")]
    async fn export(
        &self,
        caller: Authorized<ExportData>,
        body: JsonBody<PersonExportRequest>,
    ) -> Result<PersonExport, Refusal<{ CALLER | BODY }>> {
        let sight = caller.sight();
        sight.take_out()?;
        let person = self.gateway.person_named(&body.0.phone)?;
        let gateway = self.gateway.clone();
        let export = Arc::new(Export { gateway, tenant: caller.tenant(), person, sight });
        // The first portion before the answer begins, so that a store that is away is told as such.
        let first = export.opt_out().await?;
        let lines = stream::try_unfold((first, Part::Messages(None)), move |(lines, next)| {
            let export = Arc::clone(&export);
            async move {
                if lines.is_empty() && next == Part::End {
                    return Ok(None);
                }
                let following = export.lines(next).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(Some((lines.into_bytes(), following)))
            }
        });
        Ok(PersonExport::Lines(Binary(Body::from_bytes_stream(lines))))
    }

    /// Erase what is kept of a person
    ///
    /// Needs `data:erase`. What waits for the person is taken back; from messages, text, number, metadata
    /// and attachment are taken, and from webhooks that name the person their bodies, for good. What is
    /// counted stays. Works in steps: while `done` is false, ask again with `nextCursor`.
    #[oai(path = "/privacy/erase", method = "post", operation_id = "erase_person")]
    async fn erase(
        &self,
        caller: Authorized<EraseData>,
        body: JsonBody<PersonErasureRequest>,
    ) -> Result<Json<PersonErasure>, Refusal<{ CALLER | BODY }>> {
        let PersonErasureRequest { phone, confirm, cursor } = body.0;
        let person = self.gateway.person_named(&phone)?;
        if confirm != phone {
            return Err(wrong("/confirm", "must be the same as phone").into());
        }
        let step = cursor.as_deref().map_or(Some(ErasureStep::Messages), step);
        let step =
            step.ok_or_else(|| wrong("/cursor", "must be a nextCursor that an answer gave"))?;
        Ok(Json(self.gateway.erase_person(caller.tenant(), &person, step).await?.into()))
    }
}

fn wrong(pointer: &str, detail: &str) -> Problem {
    let field = FieldProblem::in_body(pointer, detail);
    Problem::new(&kind::INVALID_REQUEST).with_errors(vec![field])
}

fn cursor(step: ErasureStep) -> String {
    match step {
        ErasureStep::Messages => "m".to_owned(),
        ErasureStep::Webhooks(after) => format!("w{}", URL_SAFE_NO_PAD.encode(after.0)),
    }
}

fn step(cursor: &str) -> Option<ErasureStep> {
    match cursor.strip_prefix('w') {
        None => (cursor == "m").then_some(ErasureStep::Messages),
        Some(after) => {
            let bytes = URL_SAFE_NO_PAD.decode(after).ok()?;
            Some(ErasureStep::Webhooks(InboxId(Uuid::from_slice(&bytes).ok()?)))
        }
    }
}

/// What an export goes on with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Messages(Option<MessageId>),
    Webhooks(Option<InboxId>),
    End,
}

struct Export {
    gateway: Gateway,
    tenant: TenantId,
    person: Address,
    sight: Sight,
}

impl Export {
    async fn opt_out(&self) -> Result<String, GatewayError> {
        let entry = self.gateway.opt_out_of(self.tenant, &self.person).await?;
        let entry = entry.map(|entry| line("opt-out", OptOut::seen(entry, self.sight).to_json()));
        Ok(entry.unwrap_or_default())
    }

    /// The lines of the next portion that has any, and what comes behind it.
    async fn lines(&self, mut part: Part) -> Result<(String, Part), GatewayError> {
        loop {
            let (lines, next): (String, Part) = match part {
                Part::Messages(after) => {
                    let found =
                        self.gateway.messages_with(self.tenant, &self.person, after).await?;
                    let last = found.last().map(|last| last.id);
                    let next = last.map_or(Part::Webhooks(None), |last| Part::Messages(Some(last)));
                    (found.into_iter().map(|each| of_message(each, self.sight)).collect(), next)
                }
                Part::Webhooks(after) => {
                    let found =
                        self.gateway.webhooks_about(self.tenant, &self.person, after).await?;
                    match found {
                        (_, None) => return Ok((line("end", Some(json!({}))), Part::End)),
                        (about, reached) => {
                            (about.into_iter().map(of_webhook).collect(), Part::Webhooks(reached))
                        }
                    }
                }
                Part::End => return Ok((String::new(), Part::End)),
            };
            if !lines.is_empty() {
                return Ok((lines, next));
            }
            part = next;
        }
    }
}

fn of_message(message: message::Message, sight: Sight) -> String {
    line("message", Message::seen(message, sight).to_json())
}

fn of_webhook(entry: InboxEntry) -> String {
    let json = json!({
        "id": entry.id,
        "sessionId": entry.session,
        "event": entry.event,
        "receivedAt": DateTime(entry.received_at).to_json(),
        "body": STANDARD.encode(entry.payload),
    });
    line("webhook", Some(json))
}

fn line(kind: &str, json: Option<Value>) -> String {
    let mut fields = match json {
        Some(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    // A message has a `type`, and none of them a `kind`.
    fields.insert("kind".to_owned(), kind.into());
    format!("{}\n", Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::inbox_id;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        for each in [ErasureStep::Messages, ErasureStep::Webhooks(inbox_id(7))] {
            assert_eq!(step(&cursor(each)), Some(each));
        }
        for text in ["", "x", "w", "w!", "mm", &"w".repeat(10_000)] {
            assert_eq!(step(text), None);
        }
    }
}
