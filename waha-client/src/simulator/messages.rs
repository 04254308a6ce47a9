//! The messages WhatsApp and WAHA's store hold, the latest of all sessions together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::content::Content;
use crate::redaction::debug_shows;
use crate::wire::Source;

/// A message in a chat.
#[derive(Clone)]
pub(super) struct StoredMessage {
    /// Counts up over all sessions.
    pub(super) sequence: u64,
    pub(super) session: Arc<str>,
    /// In the one form of [`super::directory::canonical_chat`].
    pub(super) chat: String,
    pub(super) raw_id: String,
    pub(super) from_me: bool,
    pub(super) source: Option<Source>,
    pub(super) participant: Option<String>,
    pub(super) at_ms: i64,
    pub(super) content: Content,
    pub(super) ack: i64,
    /// Whether WhatsApp itself takes it, which a number that is not there prevents.
    pub(super) reaches: bool,
    pub(super) reply_to: Option<String>,
}

debug_shows!(StoredMessage { sequence, session, raw_id, from_me, content, ack, reaches });

impl StoredMessage {
    /// Moves on to an acknowledgement; false if that says nothing new.
    pub(super) fn acknowledge(&mut self, level: i64) -> bool {
        let is_news = if level < 0 { self.ack < 2 && self.ack >= 0 } else { level > self.ack };
        if is_news {
            self.ack = level;
        }
        is_news
    }

    /// Whether it was sent through the API and WhatsApp has it.
    pub(super) fn is_delivery(&self) -> bool {
        self.source == Some(Source::Api) && self.reaches && self.ack >= 0
    }
}

/// Numbers of messages, oldest first.
type Sequences = VecDeque<u64>;

#[derive(Default)]
struct SessionIndex {
    all: Sequences,
    chats: HashMap<String, Sequences>,
    raw_ids: HashMap<String, u64>,
}

/// The latest messages, found by session, chat and raw id.
pub(super) struct MessageLog {
    kept: VecDeque<StoredMessage>,
    sessions: HashMap<Arc<str>, SessionIndex>,
    limit: usize,
    last_sequence: u64,
}

impl MessageLog {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), sessions: HashMap::new(), limit, last_sequence: 0 }
    }

    /// Keeps a message and returns it with its number.
    pub(super) fn insert(&mut self, mut message: StoredMessage) -> StoredMessage {
        self.last_sequence += 1;
        message.sequence = self.last_sequence;
        let index = self.sessions.entry(Arc::clone(&message.session)).or_default();
        index.all.push_back(message.sequence);
        index.chats.entry(message.chat.clone()).or_default().push_back(message.sequence);
        index.raw_ids.insert(message.raw_id.clone(), message.sequence);
        self.kept.push_back(message.clone());
        if self.kept.len() > self.limit {
            self.forget_oldest();
        }
        message
    }

    fn forget_oldest(&mut self) {
        let Some(message) = self.kept.pop_front() else { return };
        let Some(index) = self.sessions.get_mut(&message.session) else { return };
        // The oldest of all is also the oldest of its session and of its chat.
        index.all.pop_front();
        if let Some(chat) = index.chats.get_mut(&message.chat) {
            chat.pop_front();
            if chat.is_empty() {
                index.chats.remove(&message.chat);
            }
        }
        if index.raw_ids.get(&message.raw_id) == Some(&message.sequence) {
            index.raw_ids.remove(&message.raw_id);
        }
    }

    fn at(&self, sequence: u64) -> Option<&StoredMessage> {
        let first = self.kept.front()?.sequence;
        self.kept.get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    fn at_mut(&mut self, sequence: u64) -> Option<&mut StoredMessage> {
        let first = self.kept.front()?.sequence;
        self.kept.get_mut(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    pub(super) fn find(&self, session: &str, raw_id: &str) -> Option<&StoredMessage> {
        self.at(*self.sessions.get(session)?.raw_ids.get(raw_id)?)
    }

    pub(super) fn find_mut(&mut self, session: &str, raw_id: &str) -> Option<&mut StoredMessage> {
        let sequence = *self.sessions.get(session)?.raw_ids.get(raw_id)?;
        self.at_mut(sequence)
    }

    pub(super) fn by_sequence_mut(&mut self, sequence: u64) -> Option<&mut StoredMessage> {
        self.at_mut(sequence)
    }

    pub(super) fn has_chat(&self, session: &str, chat: &str) -> bool {
        self.sessions.get(session).is_some_and(|index| index.chats.contains_key(chat))
    }

    /// Messages of one chat, or of all chats, newest first.
    pub(super) fn newest_first(
        &self,
        session: &str,
        chat: Option<&str>,
    ) -> impl DoubleEndedIterator<Item = &StoredMessage> {
        let index = self.sessions.get(session);
        let sequences = index.and_then(|index| match chat {
            None => Some(&index.all),
            Some(chat) => index.chats.get(chat),
        });
        sequences.into_iter().flatten().rev().filter_map(|sequence| self.at(*sequence))
    }

    /// The last message of every chat, newest chat first.
    pub(super) fn chats(&self, session: &str) -> Vec<&StoredMessage> {
        let chats = self.sessions.get(session).into_iter().flat_map(|index| index.chats.values());
        let mut last: Vec<_> = chats.filter_map(|chat| self.at(*chat.back()?)).collect();
        last.sort_by_key(|message| std::cmp::Reverse(message.sequence));
        last
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &StoredMessage> {
        self.kept.iter()
    }

    /// Forgets the messages, but goes on counting: what still follows one must not meet another.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.sessions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(chat: &str, raw_id: &str) -> StoredMessage {
        StoredMessage {
            sequence: 0,
            session: "main".into(),
            chat: chat.into(),
            raw_id: raw_id.into(),
            from_me: true,
            source: Some(Source::Api),
            participant: None,
            at_ms: 0,
            content: Content::default(),
            ack: 0,
            reaches: true,
            reply_to: None,
        }
    }

    fn ids(messages: impl Iterator<Item = impl std::borrow::Borrow<StoredMessage>>) -> Vec<String> {
        messages.map(|message| message.borrow().raw_id.clone()).collect()
    }

    #[test]
    fn a_chat_is_read_newest_first() {
        let mut log = MessageLog::new(9);
        for (chat, raw_id) in [("a", "1"), ("b", "2"), ("a", "3")] {
            log.insert(message(chat, raw_id));
        }
        assert_eq!(ids(log.newest_first("main", Some("a"))), ["3", "1"]);
        assert_eq!(ids(log.newest_first("main", None)), ["3", "2", "1"]);
        assert_eq!(ids(log.chats("main").into_iter().cloned()), ["3", "2"]);
        assert_eq!(log.newest_first("other", None).count(), 0);
    }

    #[test]
    fn forgotten_messages_leave_no_trace() {
        let mut log = MessageLog::new(1);
        log.insert(message("a", "1"));
        log.insert(message("b", "2"));
        assert!(log.find("main", "1").is_none());
        assert!(!log.has_chat("main", "a"));
        assert!(log.find("main", "2").is_some());
    }

    #[test]
    fn acknowledgements_only_go_forward() {
        let mut it = message("a", "1");
        assert!(it.acknowledge(2));
        assert!(!it.acknowledge(1));
        assert!(!it.acknowledge(-1));
        assert_eq!(it.ack, 2);
    }
}
