//! Picking fields out of payloads whose shape is only roughly known.

use serde_json::{Value, json};

use super::envelope::MalformedWebhook;
use crate::ids::{ChatId, MessageKey, key_of_answer};

/// The text of a field, where it has one that is not empty.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// The text of a field that may also be a number.
pub(super) fn text_or_number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        value => text(value).map(str::to_owned),
    }
}

/// The first field that has text.
pub(super) fn first_text<'p>(payload: &'p Value, fields: &[&str]) -> Option<&'p str> {
    fields.iter().find_map(|field| text(&payload[*field]))
}

/// A chat, as a chat id or a phone number.
pub(super) fn chat(value: &Value) -> Option<ChatId> {
    ChatId::of_address(value.as_str()?).ok()
}

/// The id of the message the payload is about.
pub(super) fn message_key(payload: &Value) -> Result<MessageKey, MalformedWebhook> {
    for field in ["id", "messageId"] {
        let found = match &payload[field] {
            // Some engines' own form, which now and then slips through.
            id @ Value::Object(_) => key_of_answer(&json!({ "id": id })),
            value => text_or_number(value).and_then(|it| MessageKey::parse_or_opaque(&it)),
        };
        if let Some(key) = found {
            return Ok(key);
        }
    }
    Err(MalformedWebhook::Missing { field: "payload.id" })
}

/// The id of another message that the payload names in a field.
pub(super) fn other_key(value: &Value) -> Option<MessageKey> {
    MessageKey::parse_or_opaque(value.as_str()?)
}
