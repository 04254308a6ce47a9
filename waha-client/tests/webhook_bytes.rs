//! No bytes, however odd, make the webhook reader panic or contradict itself.

use proptest::prelude::*;
use serde_json::{Value, json};
use waha_client::ids::{ChatId, MessageKey, key_of_answer};
use waha_client::webhooks::Envelope;

/// Any JSON, a few levels deep, with the keys that mean something.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(true|false)_[0-9]{1,4}@(c[.]us|lid|g[.]us)_[A-F0-9]{0,4}(_[0-9]@lid)?"
            .prop_map(Value::from),
        "[+]?[0-9]{1,16}(@c[.]us)?".prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "id",
            "from",
            "to",
            "fromMe",
            "timestamp",
            "body",
            "type",
            "ack",
            "status",
            "media",
            "hasMedia",
            "reaction",
            "messageId",
            "location",
            "vCards",
            "key",
            "_data",
            "after",
            "participant",
            "replyTo",
            "revokedMessageId",
            "editedMessageId",
            "qr",
            "error",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    leaf.prop_recursive(3, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_event() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "message",
        "message.any",
        "message.text",
        "message.image",
        "message.ack",
        "message.ack.group",
        "message.status",
        "message.reaction",
        "message.edited",
        "message.revoked",
        "session.status",
        "session.qr",
        "session.failed",
        "api.error",
        "other",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    // A failure is turned into a test of its own, not kept in a file beside this one.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(envelope) = Envelope::read(&bytes) {
            let _ = (envelope.event(), envelope.dedup_key());
        }
    }

    #[test]
    fn any_payload_is_read_or_refused(
        event in any_event(),
        payload in any_json(),
        id in any_json(),
        timestamp in any_json(),
    ) {
        let body = json!({
            "event": event, "session": "s", "payload": payload, "id": id, "timestamp": timestamp,
        });
        let body = body.to_string();
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        let _ = envelope.event();
        prop_assert!(envelope.dedup_key().as_str().len() <= 258);
        prop_assert_eq!(envelope.dedup_key(), Envelope::read(body.as_bytes()).unwrap().dedup_key());
    }

    #[test]
    fn any_outside_is_read_or_refused(value in any_json(), noise in any_json()) {
        let body = json!({ "event": value, "session": noise }).to_string();
        if let Ok(envelope) = Envelope::read(body.as_bytes()) {
            let _ = (envelope.event(), envelope.dedup_key());
        }
    }

    #[test]
    fn a_body_cut_short_is_refused(payload in any_json(), cut in 0.0_f64..1.0) {
        let body = json!({ "event": "message.any", "session": "s", "payload": payload }).to_string();
        let end = (body.len() as f64 * cut) as usize;
        prop_assert!(Envelope::read(&body.as_bytes()[..end]).is_err());
    }

    #[test]
    fn any_answer_of_a_send_is_looked_through(answer in any_json()) {
        let _ = key_of_answer(&answer);
    }

    #[test]
    fn what_is_read_as_an_id_is_written_the_same(text in ".{0,40}") {
        if let Ok(chat) = ChatId::parse(&text) {
            prop_assert_eq!(ChatId::parse(chat.as_str()).unwrap(), chat);
        }
        if let Ok(key) = MessageKey::parse(&text) {
            prop_assert_eq!(MessageKey::parse(&key.full()).unwrap(), key);
        }
    }

    #[test]
    fn a_message_key_survives_writing(
        text in "(true|false)_[0-9]{1,9}(:[0-9]{1,2})?@(c[.]us|lid|g[.]us|s[.]whatsapp[.]net)_[A-F0-9]{1,20}(_[0-9]{1,9}@(c[.]us|lid))?"
    ) {
        let key = MessageKey::parse(&text).unwrap();
        prop_assert_eq!(MessageKey::parse(&key.full()).unwrap(), key);
    }
}

#[test]
fn deep_nesting_is_refused_without_overflowing_the_stack() {
    let deep = "[".repeat(100_000);
    let body = format!(r#"{{"event":"message.any","session":"s","payload":{deep}"#);
    assert!(Envelope::read(body.as_bytes()).is_err());
    let closed = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(r#"{{"event":"message.any","session":"s","payload":{closed}}}"#);
    if let Ok(envelope) = Envelope::read(body.as_bytes()) {
        let _ = envelope.event();
    }
}
