//! The outside of a webhook: enough to keep it once, without understanding it.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::event::{self, WahaEvent};
use super::payload;
use crate::json;
use crate::unix_time::milliseconds;
use crate::wire::lenient;

/// The outside of a webhook, read in one cheap pass that skips over the payload.
pub struct Envelope<'a> {
    /// The name of the event, such as `message.any`.
    pub event: String,
    /// The session it is about.
    pub session: String,
    /// The event's id, the same on every repeat. WAHA always sends one; the simple dialect may
    /// not. To recognise repeats use [`Envelope::dedup_key`].
    pub event_id: Option<String>,
    /// When it happened, Unix time in milliseconds, where the envelope says so.
    pub timestamp_ms: Option<i64>,
    payload: Option<&'a RawValue>,
    body: &'a [u8],
}

/// Why a body is no webhook. Names the field, never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedWebhook {
    /// The body is not a JSON object.
    #[error("the webhook is not a JSON object")]
    NotAnObject,
    /// A field that must be there is not, or is empty.
    #[error("the webhook's {field} is missing")]
    Missing {
        /// Its path, such as `session` or `payload.id`.
        field: &'static str,
    },
    /// A field cannot be read.
    #[error("the webhook's {field} is malformed")]
    Invalid {
        /// Its path, such as `session` or `payload.id`.
        field: &'static str,
    },
}

impl MalformedWebhook {
    /// The path of the field at fault; `None` where it is the body as a whole.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::NotAnObject => None,
            Self::Missing { field } | Self::Invalid { field } => Some(field),
        }
    }
}

/// Tells a repeat of a webhook from a new one, together with session and event name.
///
/// Never the id alone: WAHA may give `message` and `message.any` of one message the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupKey(String);

impl DedupKey {
    /// The key's text: `id:` and the event's id, or `fields:` or `body:` and a hash in hex. At
    /// most 258 bytes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DedupKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Fields as they stand in the body, so that each can be read, or not, on its own.
#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    session: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    timestamp: Option<i64>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// Ids of the simple dialect may be numbers.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(payload::text_or_number(&Value::deserialize(deserializer)?))
}

impl<'a> Envelope<'a> {
    /// An id longer than this is not trusted to be one.
    const MAX_ID_BYTES: usize = 255;

    /// Reads the outside of a webhook. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// [`MalformedWebhook`] if the body is no JSON object, or names no event or session.
    pub fn read(body: &'a [u8]) -> Result<Self, MalformedWebhook> {
        // serde would read an array into the struct, field by field.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(MalformedWebhook::NotAnObject);
        }
        let raw: RawEnvelope<'_> =
            serde_json::from_slice(body).map_err(|_| MalformedWebhook::NotAnObject)?;
        Ok(Self {
            event: name(raw.event, "event")?,
            session: name(raw.session, "session")?,
            event_id: raw.id,
            timestamp_ms: raw.timestamp.map(milliseconds),
            payload: raw.payload,
            body,
        })
    }

    /// Whether its event is one that [`event`](Self::event) understands.
    #[must_use]
    pub fn is_known(&self) -> bool {
        event::is_known(&self.event)
    }

    /// Understands the webhook. Never panics, whatever the payload.
    ///
    /// # Errors
    /// [`MalformedWebhook`] if the payload lacks what its event cannot do without. An event that
    /// is not known is no error but [`WahaEvent::Unknown`].
    pub fn event(&self) -> Result<WahaEvent, MalformedWebhook> {
        event::of(self)
    }

    /// What tells a repeat of this webhook from a new one.
    ///
    /// That is the event's id, if there is one. Messages without have a hash of session, event,
    /// message id, type and time, if each of them is there. All else has a hash of the raw body,
    /// so that no key is ever built around a hole: two events that both lack a field must not be
    /// taken for one. Acks go by the body, too, as several of one message can share all five.
    #[must_use]
    pub fn dedup_key(&self) -> DedupKey {
        match &self.event_id {
            Some(id) if id.len() <= Self::MAX_ID_BYTES => DedupKey(format!("id:{id}")),
            _ => DedupKey(self.message_hash().map_or_else(
                || format!("body:{}", hex::encode(Sha256::digest(self.body))),
                |hash| format!("fields:{hash}"),
            )),
        }
    }

    /// The payload as a tree; null where there is none.
    pub(super) fn payload(&self) -> Value {
        // It was checked to be JSON when the envelope was read.
        self.payload.and_then(|raw| json::read(raw.get().as_bytes()).ok()).unwrap_or_default()
    }

    fn message_hash(&self) -> Option<String> {
        if !event::is_message(&self.event) {
            return None;
        }
        let payload = self.payload();
        let parts = [
            self.session.clone(),
            self.event.clone(),
            payload::text_or_number(&payload["id"])?,
            payload::text_or_number(&payload["type"])?,
            payload::text_or_number(&payload["timestamp"])?,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            // With its length before each part, no two lists of parts give the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Some(hex::encode(hash.finalize()))
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Envelope")
            .field("event", &self.event)
            .field("session", &self.session)
            .field("event_id", &self.event_id)
            .field("timestamp_ms", &self.timestamp_ms)
            .finish_non_exhaustive()
    }
}

fn name(raw: Option<&RawValue>, field: &'static str) -> Result<String, MalformedWebhook> {
    let raw = raw.ok_or(MalformedWebhook::Missing { field })?;
    let name: String =
        serde_json::from_str(raw.get()).map_err(|_| MalformedWebhook::Invalid { field })?;
    if name.trim().is_empty() { Err(MalformedWebhook::Missing { field }) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn key(body: &str) -> String {
        Envelope::read(body.as_bytes()).unwrap().dedup_key().as_str().to_owned()
    }

    #[track_caller]
    fn check(body: &str, expected: MalformedWebhook) {
        assert_eq!(Envelope::read(body.as_bytes()).unwrap_err(), expected);
    }

    #[test]
    fn a_missing_or_wrong_field_is_named() {
        check(r#"{"event":"message"}"#, MalformedWebhook::Missing { field: "session" });
        check(
            r#"{"event":"message","session":null}"#,
            MalformedWebhook::Missing { field: "session" },
        );
        check(
            r#"{"event":"message","session":" "}"#,
            MalformedWebhook::Missing { field: "session" },
        );
        check(r#"{"event":"message","session":7}"#, MalformedWebhook::Invalid { field: "session" });
        check(r#"{"session":"s"}"#, MalformedWebhook::Missing { field: "event" });
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for body in ["", " ", "null", "7", "[]", r#"["message","s"]"#, "{", r#"{"event":"#, "{}x"] {
            check(body, MalformedWebhook::NotAnObject);
        }
        assert!(Envelope::read(b"{\"event\":\"\xff\"}").is_err());
    }

    /// WAHA is JavaScript, and a name that is cut short may end in half an emoji.
    #[test]
    fn half_a_character_anywhere_costs_no_message() {
        let body = r#"{"event":"message","session":"s","payload":{"id":"false_49@c.us_A","from":"49@c.us",
            "fromMe":false,"body":"STOP","timestamp":1,"_data":{"notifyName":"Ann \ud83d"}}}"#;
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        assert_eq!(envelope.payload()["body"], "STOP");
        assert!(matches!(envelope.event(), Ok(WahaEvent::Message(_))), "{:?}", envelope.event());
    }

    #[test]
    fn the_event_id_is_the_key() {
        assert_eq!(key(r#"{"event":"message","session":"s","id":"evt_1"}"#), "id:evt_1");
        assert_eq!(key(r#"{"event":"message","session":"s","id":7}"#), "id:7");
    }

    #[test]
    fn a_message_without_an_event_id_goes_by_its_fields() {
        let body = |id: &str, more: &str| {
            format!(
                r#"{{"event":"message.text","session":"s",{more}"payload":{{"id":"{id}","type":"text","timestamp":1}}}}"#
            )
        };
        assert!(key(&body("a", "")).starts_with("fields:"));
        assert_eq!(key(&body("a", "")), key(&body("a", r#""retry":1,"#)));
        assert_ne!(key(&body("a", "")), key(&body("b", "")));
    }

    #[test]
    fn an_absent_field_never_makes_two_events_one() {
        for payload in [
            r#"{"type":"text","timestamp":1,"body":"BODY"}"#,
            r#"{"id":"","type":"text","timestamp":1,"body":"BODY"}"#,
            r#"{"id":"a","timestamp":1,"body":"BODY"}"#,
            r#"{"id":"a","type":"text","body":"BODY"}"#,
        ] {
            let body = format!(r#"{{"event":"message.any","session":"s","payload":{payload}}}"#);
            assert!(key(&body).starts_with("body:"), "{body}");
            assert_ne!(key(&body), key(&body.replace("BODY", "other")), "{body}");
        }
    }

    #[test]
    fn two_levels_of_one_message_are_two_events() {
        let body = |status: &str| {
            format!(
                r#"{{"event":"message.status","session":"s","payload":{{"id":"a","type":"text","timestamp":1,"status":"{status}"}}}}"#
            )
        };
        assert_ne!(key(&body("delivered")), key(&body("read")));
    }

    #[test]
    fn an_absurdly_long_id_is_not_taken() {
        let body = format!(r#"{{"event":"x","session":"s","id":"{}"}}"#, "a".repeat(300));
        assert!(key(&body).starts_with("body:"));
    }

    #[test]
    fn the_time_is_in_milliseconds_whatever_was_sent() {
        for time in ["1785000000", "1785000000000", "\"1785000000\"", "1785000000.5"] {
            let body = format!(r#"{{"event":"x","session":"s","timestamp":{time}}}"#);
            let envelope = Envelope::read(body.as_bytes()).unwrap();
            assert_eq!(envelope.timestamp_ms, Some(1_785_000_000_000), "{time}");
        }
    }

    #[test]
    fn debug_hides_the_payload() {
        let body = br#"{"event":"x","session":"s","payload":{"body":"secret"}}"#;
        assert!(!format!("{:?}", Envelope::read(body).unwrap()).contains("secret"));
    }
}
