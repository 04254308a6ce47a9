//! What the queue could not be told.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::domain::id::MessageId;

/// The first of the messages, by id, that this node could not tell the queue of. All that wait from
/// there on are told again; which of them the queue knows, it finds out itself.
#[derive(Default)]
pub(crate) struct Untold(Mutex<Option<MessageId>>);

impl Untold {
    /// These could not be told.
    pub(crate) fn add(&self, messages: impl Iterator<Item = MessageId>) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *first = first.into_iter().chain(messages).min();
    }

    /// Takes what was added: the id after which to begin, the last before the first that could not
    /// be told.
    pub(crate) fn take(&self) -> Option<MessageId> {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(MessageId(Uuid::from_u128(first.0.as_u128().saturating_sub(1))))
    }
}
