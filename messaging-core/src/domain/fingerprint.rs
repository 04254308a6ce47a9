//! What stands for something long where two are compared, so that it need not be kept to compare.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::address::Address;
use crate::domain::content::Content;
use crate::domain::id::SessionId;

/// Stands for what is said to one recipient of one session. Equal contents give equal fingerprints,
/// on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of `content` to `to`, however its number is written, through `session`.
    pub fn of(session: SessionId, to: &Address, content: &Content) -> Self {
        let digest = Fingerprinter::default()
            .bytes(session.0.as_bytes())
            .text(to.line().as_str())
            .content(content)
            .finish();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(first)
    }
}

/// Reads values into a SHA-256, each so that no two rows of values read the same.
#[derive(Default)]
pub(crate) struct Fingerprinter(Sha256);

impl Fingerprinter {
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn content(self, content: &Content) -> Self {
        self.text(&content.body).value(&content.attachment)
    }

    /// Anything that can be written as JSON, whatever the order of its fields.
    pub(crate) fn value(self, value: &impl Serialize) -> Self {
        // What cannot be written is no content that could be sent.
        self.json(&serde_json::to_value(value).unwrap_or(Value::Null))
    }

    fn json(self, value: &Value) -> Self {
        match value {
            Value::Array(items) => {
                let begun = self.text("array").bytes(&(items.len() as u64).to_be_bytes());
                items.iter().fold(begun, Self::json)
            }
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                let begun = self.text("object").bytes(&(fields.len() as u64).to_be_bytes());
                fields.into_iter().fold(begun, |read, (name, field)| read.text(name).json(field))
            }
            Value::String(text) => self.text("string").text(text),
            other => self.text("other").text(&other.to_string()),
        }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Stands for all that a request says. Requests that say the same have the same, in whatever order
/// they name their fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestHash(pub [u8; 32]);

impl fmt::Debug for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestHash")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::content::{Attachment, ContactCard};

    fn of(session: u128, to: &str, content: &Content) -> Fingerprint {
        Fingerprint::of(SessionId(Uuid::from_u128(session)), &Address::from_stored(to), content)
    }

    #[test]
    fn whoever_says_the_same_to_the_same_has_the_same_fingerprint() {
        let hello = Content::text("hello");
        let card = Attachment::Contact(ContactCard { name: "hello".into(), phone: None });
        let card = Content { body: String::new(), attachment: Some(card) };
        assert_eq!(of(1, "+12025550123", &hello), of(1, "+12025550123", &hello.clone()));
        assert_ne!(of(1, "+12025550123", &hello), of(2, "+12025550123", &hello));
        assert_ne!(of(1, "+12025550123", &hello), of(1, "+12025550124", &hello));
        assert_ne!(of(1, "+12025550123", &hello), of(1, "+12025550123", &Content::text("Hello")));
        assert_ne!(of(1, "+12025550123", &hello), of(1, "+12025550123", &card));
    }

    #[track_caller]
    fn check(one: &Value, other: &Value, is_same: bool) {
        let read = |value| Fingerprinter::default().value(value).finish();
        assert_eq!(read(one) == read(other), is_same, "{one} and {other}");
    }

    #[test]
    fn values_are_told_apart_whatever_the_order_of_their_fields() {
        check(
            &json!({"a": 1, "b": {"c": 2, "d": 3}}),
            &json!({"b": {"d": 3, "c": 2}, "a": 1}),
            true,
        );
        check(&json!([1, 2]), &json!([2, 1]), false);
        check(&json!(["1"]), &json!([1]), false);
        check(&json!([["a"], "b"]), &json!([["a", "b"]]), false);
        check(&json!({"a": "b"}), &json!(["a", "b"]), false);
        check(&json!(null), &json!("null"), false);
    }
}
