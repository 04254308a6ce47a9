//! Where a list goes on, as an opaque word that is safe in an address.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use messaging_core::domain::id::MessageId;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use uuid::Uuid;

/// Tells this form of cursors from later ones.
const FORM: u8 = 1;

/// The last message of a portion: the next one begins behind it. Lists of other things put their ids
/// in its place.
///
/// It needs no signature: whatever it names, the list holds the caller's own messages only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub MessageId);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(self.0.0.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl ParseFromParameter for Cursor {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(value).unwrap_or_default();
        match bytes.split_first() {
            Some((&FORM, id)) => Uuid::from_slice(id).ok().map(|id| Self(MessageId(id))),
            _ => None,
        }
        .ok_or_else(|| ParseError::custom("must be a nextCursor that an earlier answer gave"))
    }
}

impl Type for Cursor {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "cursor".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::message_id;

    #[test]
    fn what_is_written_is_read() {
        let cursor = Cursor(message_id(7));
        let text = cursor.to_string();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(Cursor::parse_from_parameter(&text).ok(), Some(cursor));
    }

    #[test]
    fn anything_else_is_refused() {
        let id = message_id(7).to_string();
        for text in ["", "!", "AAAA", &id, &"A".repeat(23), &"A".repeat(10_000)] {
            assert!(Cursor::parse_from_parameter(text).is_err());
        }
    }
}
