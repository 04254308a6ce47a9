//! A message on its way into a store, and what tells it from one that says the same.

use crate::domain::fingerprint::Fingerprint;
use crate::domain::id::MessageId;
use crate::domain::message::Message;
use crate::domain::timestamp::Timestamp;

/// A new message, to be kept unless it repeats another.
#[derive(Debug, Clone, PartialEq)]
pub struct Insertion {
    /// The message.
    pub message: Message,
    /// What it must not repeat; `None` where it may say what it likes.
    pub distinct: Option<Distinct>,
}

/// What a message says, and for how long nobody else may say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distinct {
    /// Stands for session, recipient and content.
    pub fingerprint: Fingerprint,
    /// When it is said.
    pub at: Timestamp,
    /// Until when the same, said again, is a repeat.
    pub until: Timestamp,
}

/// What became of an [`Insertion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The message is kept.
    Kept,
    /// It is not: it says what this one said a moment ago.
    Repeats(MessageId),
}

impl From<Message> for Insertion {
    /// One that is kept whatever it says.
    fn from(message: Message) -> Self {
        Self { message, distinct: None }
    }
}
