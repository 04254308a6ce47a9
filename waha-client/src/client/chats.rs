//! Reading chats: to catch up after downtime, and to look for a message that was perhaps sent.

use serde::Deserialize;
use serde_json::Value;

use super::{WahaClient, found};
use crate::ack::AckLevel;
use crate::error::WahaError;
use crate::ids::ChatId;
use crate::redaction::debug_shows;
use crate::wire::ChatMessage;

/// Which chats to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatScope<'a> {
    /// One chat.
    One(&'a ChatId),
    /// Every chat. Only on engines where [`crate::Engine::reads_all_chats`]; the others refuse.
    All,
}

impl ChatScope<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::One(chat) => chat.as_str(),
            Self::All => "all",
        }
    }
}

/// Which messages of a chat to read, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageQuery {
    /// Messages on a page (default 100).
    pub limit: u32,
    /// Messages to skip; the next page skips `limit` more.
    pub offset: u32,
    /// Oldest first, where WAHA's order is newest first (default).
    pub oldest_first: bool,
    /// No older than this, Unix time in seconds.
    pub since: Option<i64>,
    /// No newer than this, Unix time in seconds.
    pub until: Option<i64>,
    /// Only ours, or only those of others.
    pub from_me: Option<bool>,
    /// Only those at this level.
    pub ack: Option<AckLevel>,
    /// Whether WAHA downloads media, which makes reading slow (default no).
    pub download_media: bool,
}

impl Default for MessageQuery {
    fn default() -> Self {
        Self {
            limit: 100,
            offset: 0,
            oldest_first: false,
            since: None,
            until: None,
            from_me: None,
            ack: None,
            download_media: false,
        }
    }
}

impl MessageQuery {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("limit", self.limit.to_string()),
            ("offset", self.offset.to_string()),
            ("downloadMedia", self.download_media.to_string()),
            ("sortOrder", if self.oldest_first { "asc" } else { "desc" }.to_owned()),
        ];
        parameters.extend(self.since.map(|it| ("filter.timestamp.gte", it.to_string())));
        parameters.extend(self.until.map(|it| ("filter.timestamp.lte", it.to_string())));
        parameters.extend(self.from_me.map(|it| ("filter.fromMe", it.to_string())));
        parameters.extend(self.ack.map(|it| ("filter.ack", it.name().to_owned())));
        parameters
    }
}

/// A page of messages.
#[derive(Clone, PartialEq, Default)]
pub struct MessagePage {
    /// The messages, in the order asked for.
    pub messages: Vec<ChatMessage>,
    /// How many more were on the page but could not be read. One odd message must not hide the
    /// others, and nobody should have to guess that it was there.
    pub unreadable: usize,
}

debug_shows!(MessagePage { unreadable });

impl MessagePage {
    /// Whether there may be another page after this one.
    #[must_use]
    pub fn is_full(&self, query: &MessageQuery) -> bool {
        let received = self.messages.len() + self.unreadable;
        u32::try_from(received).is_ok_and(|received| received >= query.limit.max(1))
    }

    fn of(items: Vec<Value>) -> Self {
        let received = items.len();
        let messages: Vec<ChatMessage> =
            items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect();
        Self { unreadable: received - messages.len(), messages }
    }
}

/// A chat with its last message.
#[derive(Clone, PartialEq, Default, Deserialize)]
pub struct ChatOverview {
    /// The chat's id.
    pub id: String,
    /// Its last message, where there is one that can be read.
    #[serde(default, rename = "lastMessage", deserialize_with = "crate::wire::lenient::optional")]
    pub last_message: Option<ChatMessage>,
}

debug_shows!(ChatOverview { last_message });

impl WahaClient {
    /// A page of a chat's messages: `GET /api/{session}/chats/{chatId}/messages`.
    ///
    /// NOWEB answers nothing unless its store was on before the session was paired.
    ///
    /// # Errors
    /// [`WahaError::Hold`] while the session does not work, [`WahaError::Permanent`] for
    /// [`ChatScope::All`] on an engine that cannot; otherwise as any read.
    pub async fn messages(
        &self,
        session: &str,
        scope: ChatScope<'_>,
        query: &MessageQuery,
    ) -> Result<MessagePage, WahaError> {
        let segments = ["api", session, "chats", scope.as_str(), "messages"];
        let items = self.read(&segments, query.parameters()).await?;
        Ok(MessagePage::of(items.unwrap_or_default()))
    }

    /// One message as it is now, `None` where WAHA knows none of that id:
    /// `GET /api/{session}/chats/{chatId}/messages/{messageId}`.
    ///
    /// `id` is a full id; with [`ChatScope::All`] a raw id is enough.
    ///
    /// # Errors
    /// As [`WahaClient::messages`].
    pub async fn message(
        &self,
        session: &str,
        scope: ChatScope<'_>,
        id: &str,
    ) -> Result<Option<ChatMessage>, WahaError> {
        let segments = ["api", session, "chats", scope.as_str(), "messages", id];
        let query = vec![("downloadMedia", "false".to_owned())];
        found(self.read(&segments, query).await, "message-unknown")
    }

    /// A page of chats, the one with the latest message first:
    /// `GET /api/{session}/chats/overview`.
    ///
    /// # Errors
    /// As [`WahaClient::messages`].
    pub async fn chats_overview(
        &self,
        session: &str,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<ChatOverview>, WahaError> {
        let query = vec![("limit", limit.to_string()), ("offset", offset.to_string())];
        let answer = self.read(&["api", session, "chats", "overview"], query).await?;
        Ok(answer.unwrap_or_default())
    }
}
