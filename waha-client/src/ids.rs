//! Ids of chats and messages in WhatsApp's forms.
//!
//! Chat ids and full message ids hold phone numbers, so `Debug` hides them and neither has a
//! `Display`; ask for the text with `as_str` where it is really needed.

mod answer;
mod chat;
mod message;

pub use answer::{key_of_answer, raw_id_of_answer};
pub use chat::{ChatId, ChatKind, InvalidChatId};
pub use message::{InvalidMessageKey, MessageKey, RawMessageId};
