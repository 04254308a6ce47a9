//! What WAHA has of its sessions' chats behind [`ProviderHistory`].

use std::collections::HashSet;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::session::ProviderSession;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::provider_history::{
    HistoryCursor, HistoryPage, HistoryQuery, HistoryRecord, ProviderHistory, Remembered, Report,
};
use messaging_core::ports::session_control::ProviderError;
use messaging_core::ports::transport::Envelope;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::control::refusal;
use super::webhooks::receipt;
use super::{Server, WahaProvider};
use crate::WahaError;
use crate::ack::AckLevel;
use crate::client::{ChatScope, MessageQuery};
use crate::ids::{ChatId, ChatKind, MessageKey};
use crate::wire::ChatMessage;

/// Messages on a page.
const PAGE: u32 = 100;

/// Chats on a page of the overview.
const CHATS: u32 = 100;

/// The most pages of the overview that are looked through for chats with something new.
const PAGES_OF_CHATS: u32 = 100;

/// Where a reading stands.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// The chats that are to be read still, where they are read one by one, the present one last.
    chats: Option<Vec<String>>,
    /// How many messages of the present one, or of all, were read.
    offset: u32,
}

impl Cursor {
    fn of(cursor: &HistoryCursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    fn written(&self) -> Option<HistoryCursor> {
        Some(HistoryCursor(serde_json::to_string(self).ok()?))
    }
}

impl WahaProvider {
    async fn page(
        &self,
        place: &ProviderSession,
        query: HistoryQuery<'_>,
    ) -> Result<HistoryPage, WahaError> {
        let server = self.server(&place.server).await?;
        let mut cursor = match query.after.and_then(Cursor::of) {
            Some(cursor) => cursor,
            None if self.engine(&server).await?.reads_all_chats() => {
                Cursor { chats: None, offset: 0 }
            }
            None => {
                let chats = latest_chats(&server, place, query.since).await?;
                Cursor { chats: Some(chats), offset: 0 }
            }
        };
        let asked = MessageQuery {
            limit: PAGE,
            offset: cursor.offset,
            // WAHA's times are whole seconds.
            since: Some(query.since.as_millis() / 1000),
            from_me: query.own_only.then_some(true),
            ..MessageQuery::default()
        };
        let present = match &cursor.chats {
            None => None,
            Some(chats) => match chats.last() {
                // An id that cannot be read is passed over.
                Some(chat) => match ChatId::parse(chat) {
                    Ok(chat) => Some(chat),
                    Err(_) => {
                        return Ok(HistoryPage {
                            next: next_chat(cursor),
                            ..HistoryPage::default()
                        });
                    }
                },
                None => return Ok(HistoryPage::default()),
            },
        };
        let scope = present.as_ref().map_or(ChatScope::All, ChatScope::One);
        let page = server.client.messages(&place.name, scope, &asked).await?;
        let next = if page.is_full(&asked) {
            cursor.offset = cursor.offset.saturating_add(PAGE);
            cursor.written()
        } else {
            next_chat(cursor)
        };
        let read = page.messages.len();
        let records: Vec<_> =
            page.messages.iter().filter_map(|message| record(place, message)).collect();
        let unreadable = page.unreadable + (read - records.len());
        Ok(HistoryPage { records, unreadable, next })
    }

    async fn one(
        &self,
        place: &ProviderSession,
        to: &Address,
        id: &ProviderMessageId,
    ) -> Result<Option<HistoryRecord>, WahaError> {
        let server = self.server(&place.server).await?;
        let found = if self.engine(&server).await?.reads_all_chats() {
            server.client.message(&place.name, ChatScope::All, id.as_str()).await?
        } else {
            let content = Content::text("");
            let envelope = Envelope { session: place, to, content: &content };
            let Some(chat) = self.chat(&server, envelope).await? else { return Ok(None) };
            let full = format!("true_{}_{}", chat.as_str(), id.as_str());
            server.client.message(&place.name, ChatScope::One(&chat), &full).await?
        };
        Ok(found.and_then(|message| record(place, &message)).filter(|record| record.id == *id))
    }
}

/// On to the next chat, where there is one.
fn next_chat(cursor: Cursor) -> Option<HistoryCursor> {
    let mut chats = cursor.chats?;
    chats.pop();
    if chats.is_empty() {
        return None;
    }
    Cursor { chats: Some(chats), offset: 0 }.written()
}

/// The chats whose last message is no older, the latest last.
async fn latest_chats(
    server: &Server,
    place: &ProviderSession,
    since: Timestamp,
) -> Result<Vec<String>, WahaError> {
    let mut seen = HashSet::new();
    let mut chats = Vec::new();
    let mut pages = (0..PAGES_OF_CHATS).map(|page| page * CHATS).peekable();
    let mut is_end = false;
    while let Some(offset) = pages.next_if(|_| !is_end) {
        let listed = server.client.chats_overview(&place.name, CHATS, offset).await?;
        is_end = listed.len() < CHATS as usize;
        for chat in listed {
            let latest = chat.last_message.as_ref().map(ChatMessage::timestamp_ms);
            // One whose last message cannot be read may hold something.
            if latest.is_some_and(|latest| latest / 1000 < since.as_millis() / 1000) {
                is_end = true;
            } else if seen.insert(chat.id.clone()) {
                chats.push(chat.id);
            }
        }
    }
    if seen.len() > CHATS as usize {
        // Who wrote meanwhile has come to the front, and was perhaps not seen.
        let front = server.client.chats_overview(&place.name, CHATS, 0).await?;
        chats.extend(front.into_iter().map(|chat| chat.id).filter(|id| seen.insert(id.clone())));
    }
    chats.reverse();
    Ok(chats)
}

/// A message as it is remembered; `None` where it cannot be read, or is in nobody's chat.
fn record(place: &ProviderSession, message: &ChatMessage) -> Option<HistoryRecord> {
    let key = MessageKey::parse_or_opaque(&message.id)?;
    if key.chat.as_ref().is_some_and(|chat| chat.kind() == ChatKind::Broadcast) {
        return None;
    }
    let at = Timestamp::from_millis(message.timestamp_ms());
    let id = ProviderMessageId(key.raw_id.into_string());
    let (what, event, payload) = if message.from_me {
        let level = message.ack.and_then(AckLevel::from_number);
        let what = Remembered::Sent(level.and_then(receipt));
        let payload = json!({
            "id": message.id,
            "from": message.from,
            "fromMe": true,
            "ack": message.ack,
        });
        (what, "message.ack", payload)
    } else {
        (Remembered::Received, "message.any", serde_json::to_value(message).ok()?)
    };
    let body = json!({ "event": event, "session": place.name, "payload": payload });
    let body = serde_json::to_vec(&body).ok()?;
    Some(HistoryRecord { id, at, what, report: Report { event: event.to_owned(), body } })
}

#[async_trait]
impl ProviderHistory for WahaProvider {
    async fn started_at(&self, server: &str) -> Result<Timestamp, ProviderError> {
        let server = self.server(server).await.map_err(refusal)?;
        let status = server.client.server_status().await.map_err(refusal)?;
        Ok(Timestamp::from_millis(status.start_timestamp))
    }

    async fn read<'a>(
        &self,
        place: &ProviderSession,
        query: HistoryQuery<'a>,
    ) -> Result<HistoryPage, ProviderError> {
        self.page(place, query).await.map_err(refusal)
    }

    async fn recall(
        &self,
        place: &ProviderSession,
        to: &Address,
        id: &ProviderMessageId,
    ) -> Result<Option<HistoryRecord>, ProviderError> {
        self.one(place, to, id).await.map_err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use messaging_core::domain::inbox::ProviderEvent;
    use messaging_core::domain::status::StatusEvent;
    use messaging_core::ports::webhook_decoder::WebhookDecoder;

    use super::*;
    use crate::transport::WahaDecoder;

    fn place() -> ProviderSession {
        ProviderSession { server: "default".into(), name: "main".into() }
    }

    fn read(message: serde_json::Value) -> Option<HistoryRecord> {
        record(&place(), &serde_json::from_value(message).unwrap())
    }

    #[test]
    fn what_came_in_is_told_as_a_webhook_tells_it() {
        let record = read(json!({
            "id": "false_5511988887777@c.us_3A7F", "timestamp": 1_785_000_000,
            "from": "5511988887777@c.us", "fromMe": false, "body": "Where is it?", "ack": 2,
        }))
        .unwrap();
        assert_eq!((record.id.as_str(), record.what), ("3A7F", Remembered::Received));
        assert_eq!(record.at, Timestamp::from_millis(1_785_000_000_000));
        assert_eq!(WahaDecoder.head(&record.report.body).unwrap().session, "main");
        match WahaDecoder.decode(&record.report.body).unwrap() {
            ProviderEvent::Message(message) => {
                assert_eq!((message.id, message.from_me), (record.id, false));
                assert_eq!(message.content, Content::text("Where is it?"));
                assert_eq!(message.at, Some(record.at));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn how_far_what_we_sent_got_is_told_as_an_ack_tells_it() {
        for (ack, expected) in [
            (json!(-1), Some(StatusEvent::Bounce)),
            (json!(0), None),
            (json!(1), Some(StatusEvent::Accept)),
            (json!(2), Some(StatusEvent::Deliver)),
            (json!(3), Some(StatusEvent::Read)),
            (json!(4), Some(StatusEvent::Read)),
            (json!(null), None),
            (json!(9), None),
        ] {
            let record = read(json!({
                "id": "true_199887766554433@lid_3EB0", "timestamp": 1_785_000_000,
                "from": "199887766554433@lid", "fromMe": true, "body": "Hi", "ack": ack,
            }))
            .unwrap();
            assert_eq!(record.what, Remembered::Sent(expected), "{ack}");
            let told = WahaDecoder.decode(&record.report.body).unwrap();
            match expected {
                Some(event) => {
                    assert_eq!(told, ProviderEvent::Receipt { id: record.id, event });
                }
                None => assert_eq!(told, ProviderEvent::Other),
            }
        }
    }

    #[test]
    fn what_is_addressed_to_nobody_is_left_out() {
        let story = json!({
            "id": "false_status@broadcast_3A7F_5511988887777@c.us", "timestamp": 1_785_000_000,
            "from": "status@broadcast", "fromMe": false, "body": "a story",
        });
        assert!(read(story).is_none());
    }

    #[test]
    fn chats_are_read_one_after_the_other() {
        let cursor = Cursor { chats: Some(vec!["2@c.us".into(), "1@c.us".into()]), offset: 100 };
        let next = next_chat(cursor).unwrap();
        let cursor = Cursor::of(&next).unwrap();
        assert_eq!((cursor.chats.clone(), cursor.offset), (Some(vec!["2@c.us".to_owned()]), 0));
        assert_eq!(next_chat(cursor), None);
        assert_eq!(next_chat(Cursor { chats: None, offset: 0 }), None);
    }
}
