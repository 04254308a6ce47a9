//! Webhooks of both dialects become the same events.

#[path = "support/fixture.rs"]
mod fixture;

use fixture::{fixture, fixtures};
use waha_client::AckLevel;
use waha_client::webhooks::{
    Ack, Edited, Envelope, Message, MessageKind, Qr, Reaction, Revoked, SessionChange, WahaEvent,
};
use waha_client::wire::{SessionStatus, Source};

#[expect(clippy::unwrap_used, reason = "a fixture that cannot be read should fail the test")]
#[track_caller]
fn event(name: &str) -> WahaEvent {
    let body = fixture(&format!("webhooks/{name}"));
    Envelope::read(body.as_bytes()).unwrap().event().unwrap()
}

macro_rules! reads {
    ($function:ident, $variant:ident, $type:ty) => {
        #[track_caller]
        fn $function(name: &str) -> $type {
            match event(name) {
                WahaEvent::$variant(it) => it.into(),
                other => panic!("{name} is {other:?}"),
            }
        }
    };
}

reads!(boxed_message, Message, Box<Message>);
reads!(ack, Ack, Ack);
reads!(change, SessionStatus, SessionChange);
reads!(qr, Qr, Qr);
reads!(reaction, Reaction, Reaction);
reads!(edited, Edited, Edited);
reads!(revoked, Revoked, Revoked);

#[track_caller]
fn message(name: &str) -> Message {
    *boxed_message(name)
}

#[test]
fn every_event_of_waha_is_read_whole() {
    let names = fixtures("webhooks/waha");
    assert!(names.len() > 40);
    for name in names {
        let body = fixture(&name);
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        let is_known = !matches!(envelope.event(), Ok(WahaEvent::Unknown));
        assert_eq!(envelope.is_known(), is_known, "{name}");
        assert_eq!(envelope.session, "t_acme_01");
        assert!(envelope.dedup_key().as_str().starts_with("id:evt_"));
        let event = envelope.event().unwrap();
        let acted_on = matches!(
            envelope.event.as_str(),
            "message"
                | "message.any"
                | "message.ack"
                | "message.ack.group"
                | "message.reaction"
                | "message.edited"
                | "message.revoked"
                | "session.status"
        );
        assert_eq!(event != WahaEvent::Unknown, acted_on, "{name}");
    }
}

#[test]
fn an_inbound_message_is_read() {
    for name in ["waha/message_any", "waha/message"] {
        let message = message(name);
        assert_eq!(message.raw_id.as_str(), "3A7F10C2D45B9E886A01");
        assert_eq!(message.full_id, "false_5511988887777@c.us_3A7F10C2D45B9E886A01");
        assert_eq!(message.chat.as_str(), "5511988887777@c.us");
        assert_eq!(message.author.as_ref(), Some(&message.chat));
        assert_eq!((message.from_me, message.kind), (false, MessageKind::Text));
        assert_eq!(message.text.as_deref(), Some("Where is my parcel?"));
        assert_eq!(message.timestamp_ms, 1_785_000_000_000);
    }
}

#[test]
fn one_id_of_two_events_stays_apart_by_their_names() {
    let (any, plain) = (fixture("webhooks/waha/message_any"), fixture("webhooks/waha/message"));
    let any = Envelope::read(any.as_bytes()).unwrap();
    let plain = Envelope::read(plain.as_bytes()).unwrap();
    assert_eq!(any.dedup_key(), plain.dedup_key());
    assert_ne!(any.event, plain.event);
}

#[test]
fn the_echo_of_a_send_is_told_by_its_source() {
    for name in ["waha/message_any_echo", "waha/message_any_echo_webjs"] {
        let message = message(name);
        assert_eq!(message.raw_id.as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
        assert_eq!((message.from_me, message.source), (true, Some(Source::Api)));
        assert_eq!(message.chat.as_str(), "5511988887777@c.us", "{name}");
        assert_eq!(message.author, None);
    }
}

#[test]
fn the_kind_is_told_by_what_the_message_carries() {
    for (name, kind) in [
        ("image", MessageKind::Image),
        ("voice", MessageKind::Voice),
        ("document", MessageKind::Document),
        ("location", MessageKind::Location),
        ("contact", MessageKind::Contact),
        ("poll", MessageKind::Other),
        ("reply", MessageKind::Text),
    ] {
        assert_eq!(message(&format!("waha/message_any_{name}")).kind, kind, "{name}");
    }
}

#[test]
fn media_are_referred_to() {
    let image = message("waha/message_any_image");
    assert_eq!(image.text.as_deref(), Some("See this"));
    assert!(image.media.unwrap().url.unwrap().ends_with("3A7F10C2D45B9E886A05.jpeg"));
    let media = message("waha/message_any_document").media.unwrap();
    assert_eq!((media.url, media.filename.as_deref()), (None, Some("invoice.pdf")));
    assert!(media.failed);
    let location = message("waha/message_any_location").location.unwrap();
    assert_eq!(location.latitude, Some(-23.55));
    assert_eq!(message("waha/message_any_contact").v_cards.len(), 1);
}

#[test]
fn a_message_in_a_group_has_an_author_of_its_own() {
    let message = message("waha/message_any_group");
    assert_eq!(message.chat.as_str(), "120363000000000001@g.us");
    assert_eq!(message.author.unwrap().as_str(), "5511988887777@c.us");
    assert_eq!(message.raw_id.as_str(), "3A7F10C2D45B9E886A11");
}

#[test]
fn a_reply_names_what_it_answers() {
    let reply_to = message("waha/message_any_reply").reply_to.unwrap();
    assert_eq!(reply_to.as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
}

#[test]
fn an_ack_is_matched_by_the_raw_id_of_its_payload_alone() {
    let ack = ack("waha/message_ack");
    assert_eq!(ack.raw_id.as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
    assert_eq!((ack.level_of_ours(), ack.from_me), (Some(AckLevel::Device), Some(true)));
    assert_eq!(ack.timestamp_ms, Some(1_785_000_000_412));
}

#[test]
fn acks_that_tell_nothing_of_ours_are_told_apart() {
    assert_eq!(ack("waha/message_ack_error").level_of_ours(), Some(AckLevel::Error));
    assert_eq!(ack("waha/message_ack_unknown").level_of_ours(), None);
    let others = ack("waha/message_ack_of_others");
    assert_eq!((others.level, others.level_of_ours()), (Some(AckLevel::Device), None));
}

#[test]
fn an_ack_in_a_group_has_a_participant() {
    let ack = ack("waha/message_ack_group");
    assert_eq!(ack.participant.unwrap().as_str(), "199887766554433@lid");
    assert_eq!(ack.level, Some(AckLevel::Read));
}

#[test]
fn what_happens_to_a_message_names_the_message() {
    let up = reaction("waha/message_reaction");
    assert_eq!((up.target.as_str(), up.emoji.as_deref()), ("3EB0C1D2E3F4A5B6C7D8E9", Some("👍")));
    assert_eq!(reaction("waha/message_reaction_removed").emoji, None);
    let edited = edited("waha/message_edited");
    assert_eq!(edited.target.as_str(), "3A7F10C2D45B9E886A01");
    assert_eq!(edited.text.as_deref(), Some("Where is my parcel, please?"));
    for name in ["waha/message_revoked", "waha/message_revoked_webjs"] {
        assert_eq!(revoked(name).target.as_str(), "3A7F10C2D45B9E886A01", "{name}");
    }
}

#[test]
fn a_session_tells_its_status_and_when() {
    let scan = change("waha/session_status_scan");
    assert!(scan.has_qr());
    assert_eq!(scan.timestamp_ms, Some(1_785_000_003_020));
    assert_eq!(change("waha/session_status_working").status, SessionStatus::Working);
    assert_eq!(change("waha/session_status_failed").status, SessionStatus::Failed);
    assert_eq!(change("waha/session_status_passkey").status, SessionStatus::PasskeyRequired);
    assert_eq!(change("simple/session_status").status, SessionStatus::Working);
}

#[test]
fn the_specified_sample_is_read() {
    let body = br#"{"event":"message.text","session":"main-session","payload":{"id":"waha_msg_123456","from":"+1234567890","to":"+0987654321","body":"Hello, this is a test message","timestamp":1642248600000,"type":"text"}}"#;
    let envelope = Envelope::read(body).unwrap();
    assert_eq!((envelope.session.as_str(), envelope.event_id.as_deref()), ("main-session", None));
    assert!(envelope.dedup_key().as_str().starts_with("fields:"));
    assert_eq!(envelope.event().unwrap(), event("simple/message_text"));

    let message = message("simple/message_text");
    assert_eq!(message.raw_id.as_str(), "waha_msg_123456");
    assert_eq!(message.chat.phone(), Some("1234567890"));
    assert_eq!(message.to.unwrap().phone(), Some("0987654321"));
    assert_eq!((message.kind, message.from_me), (MessageKind::Text, false));
    assert_eq!(message.text.as_deref(), Some("Hello, this is a test message"));
    assert_eq!(message.timestamp_ms, 1_642_248_600_000);
}

#[test]
fn the_simple_dialect_brings_media_in_its_own_places() {
    let image = message("simple/message_image");
    assert_eq!((image.kind, image.text.as_deref()), (MessageKind::Image, Some("See this")));
    assert_eq!(image.media.unwrap().url.as_deref(), Some("https://files.example.net/1.jpg"));
    let document = message("simple/message_document");
    assert_eq!(document.kind, MessageKind::Document);
    assert_eq!(document.media.unwrap().filename.as_deref(), Some("invoice.pdf"));
    assert_eq!(message("simple/message_any").kind, MessageKind::Text);
    assert_eq!(message("simple/message_any_jid").timestamp_ms, 1_642_248_600_000);
}

#[test]
fn a_status_may_be_a_word_or_a_number() {
    assert_eq!(ack("simple/message_status_word").level_of_ours(), Some(AckLevel::Device));
    assert_eq!(ack("simple/message_status_number").level_of_ours(), Some(AckLevel::Read));
    let failed = ack("simple/message_status_failed");
    assert_eq!(failed.level_of_ours(), Some(AckLevel::Error));
    assert_eq!(failed.error.unwrap().reveal(), "number is not on WhatsApp");
}

#[test]
fn a_qr_code_comes_as_text_or_as_a_picture() {
    assert_eq!(qr("simple/session_qr").value.as_deref(), Some("2@abcDEF,ghi,jkl="));
    let picture = qr("simple/session_qr_image");
    assert_eq!(picture.value, None);
    assert_eq!(picture.image.unwrap().data, "iVBORw0KGgo=");
}

#[test]
fn failures_and_errors_say_why() {
    let WahaEvent::SessionFailed(failed) = event("simple/session_failed") else { unreachable!() };
    assert_eq!(failed.detail.unwrap().reveal(), "logged out from the phone");
    let WahaEvent::ApiError(error) = event("simple/api_error") else { unreachable!() };
    assert_eq!(error.code.as_deref(), Some("500"));
    assert_eq!(error.detail.unwrap().reveal(), "something broke");
}

#[test]
fn an_unknown_event_is_no_error() {
    assert_eq!(event("simple/unknown"), WahaEvent::Unknown);
}

#[test]
fn a_payload_without_what_it_cannot_lack_names_the_field() {
    for (event, payload, field) in [
        ("message.any", "{}", "payload.id"),
        ("message.any", r#"{"id":"a"}"#, "payload.from"),
        ("message.any", r#"{"id":"a","from":"+123"}"#, "payload.timestamp"),
        ("message.any", r#"{"id":"a","from":"nobody","timestamp":1}"#, "payload.from"),
        ("message.any", "null", "payload.id"),
        ("message.ack", r#"{"ack":2}"#, "payload.id"),
        ("message.reaction", r#"{"id":"a"}"#, "payload.reaction.messageId"),
        ("message.edited", r#"{"id":"a"}"#, "payload.editedMessageId"),
        ("message.revoked", "{}", "payload.revokedMessageId"),
        ("session.status", "{}", "payload.status"),
    ] {
        let body = format!(r#"{{"event":"{event}","session":"s","payload":{payload}}}"#);
        let error = Envelope::read(body.as_bytes()).unwrap().event().unwrap_err();
        assert_eq!(error.field(), Some(field), "{body}");
    }
}

#[test]
fn debug_shows_neither_text_nor_numbers() {
    let mut shown = String::new();
    for name in fixtures("webhooks/waha").into_iter().chain(fixtures("webhooks/simple")) {
        let body = fixture(&name);
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        shown += &format!("{envelope:?} {:?}\n", envelope.event());
    }
    for hidden in ["55119", "1998877", "1234567", "parcel", "Hello", "2@abc", "logged out", "👍"]
    {
        assert!(!shown.contains(hidden), "{hidden} is shown");
    }
}
