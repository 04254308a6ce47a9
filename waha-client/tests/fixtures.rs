//! The client's types read what each engine of WAHA answers.
//!
//! The fixtures are written by hand after WAHA's OpenAPI description of version 2026.7.1 and what
//! is known of its engines; names, numbers and keys in them are made up.

#[path = "support/fixture.rs"]
mod fixture;

use fixture::{fixture, fixtures};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use waha_client::client::ChatOverview;
use waha_client::ids::{key_of_answer, raw_id_of_answer};
use waha_client::webhooks::{Message, MessageKind};
use waha_client::wire::{
    ChatMessage, Environment, ErrorBody, GowsAnswer, Health, LidMapping, Me, NewMessageId,
    NowebAnswer, NumberStatus, Pong, ServerStatus, SessionCreateRequest, SessionInfo,
    SessionStatus, WebhookEnvelope, WebjsAnswer,
};
use waha_client::{AckLevel, Engine};

const RAW_ID: &str = "3EB0C1D2E3F4A5B6C7D8E9";
const FULL_ID: &str = "true_5511988887777@c.us_3EB0C1D2E3F4A5B6C7D8E9";

#[expect(clippy::unwrap_used, reason = "a fixture that cannot be read should fail the test")]
#[track_caller]
fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// Writing what was read gives the fixture again.
#[expect(clippy::unwrap_used, reason = "a fixture that cannot be read should fail the test")]
#[track_caller]
fn check_round_trip<T: DeserializeOwned + Serialize>(name: &str) {
    let expected: Value = read(name);
    assert_eq!(serde_json::to_value(read::<T>(name)).unwrap(), expected, "{name}");
}

#[test]
fn the_raw_id_is_found_in_every_engines_answer() {
    let names: Vec<String> =
        fixtures("answers").into_iter().filter(|it| !it.ends_with("new_message_id")).collect();
    assert!(names.len() >= 13);
    for name in names {
        let raw_id = raw_id_of_answer(&read(&name));
        assert_eq!(raw_id.as_ref().map(|it| it.as_str()), Some(RAW_ID), "{name}");
    }
}

#[test]
fn the_full_id_is_found_where_the_answer_tells_it() {
    for name in
        ["webjs_text", "webjs_minified_id", "wpp_text", "noweb_text", "noweb_poll", "gows_text"]
    {
        let key = key_of_answer(&read(&format!("answers/{name}"))).unwrap();
        assert_eq!(key.full(), FULL_ID, "{name}");
    }
}

#[test]
fn a_group_answer_keeps_its_participant() {
    let key = key_of_answer(&read("answers/noweb_group_text")).unwrap();
    assert_eq!(key.chat.unwrap().as_str(), "120363000000000001@g.us");
    assert_eq!(key.participant.unwrap().as_str(), "5511900001111@c.us");
}

#[test]
fn answers_have_the_shape_the_simulator_writes() {
    check_round_trip::<WebjsAnswer>("answers/webjs_text");
    check_round_trip::<NowebAnswer>("answers/noweb_text");
    check_round_trip::<GowsAnswer>("answers/gows_text");
    check_round_trip::<NewMessageId>("answers/new_message_id");
}

#[test]
fn errors_have_the_shape_the_simulator_writes() {
    for name in fixtures("errors") {
        let status = name.strip_prefix("errors/").and_then(|it| it.get(..3)).unwrap();
        assert_eq!(read::<ErrorBody>(&name).status_code().to_string(), status, "{name}");
        if !name.contains("too_large") {
            check_round_trip::<ErrorBody>(&name);
        }
    }
}

#[test]
fn the_constructors_of_errors_write_the_same_bodies() {
    for (name, body) in [
        ("401", ErrorBody::unauthorized()),
        ("403", ErrorBody::forbidden()),
        ("400_session_name", ErrorBody::session_name_required()),
        ("404_session", ErrorBody::session_not_found()),
        ("404_message", ErrorBody::message_not_found()),
        ("404_media", ErrorBody::file_not_found("/api/files/t_acme_01/gone.jpg")),
        ("422_session_unknown", ErrorBody::session_does_not_exist("t_nobody")),
        ("422_name_taken", ErrorBody::session_exists("t_acme_01")),
        (
            "422_session_starting",
            ErrorBody::session_status(
                "t_acme_01",
                SessionStatus::Starting,
                vec![SessionStatus::Working],
            ),
        ),
    ] {
        assert_eq!(read::<ErrorBody>(&format!("errors/{name}")), body);
    }
}

#[test]
fn a_working_session_is_read() {
    let session: SessionInfo = read("sessions/working");
    assert_eq!((session.name.as_str(), session.status), ("t_acme_01", SessionStatus::Working));
    let me = session.me.unwrap();
    assert_eq!(
        (me.id.as_str(), me.push_name.as_deref()),
        ("5511900001111@c.us", Some("Acme Store"))
    );
    assert_eq!(session.timestamps.unwrap().activity, Some(1_785_000_000_123));
    assert_eq!(session.engine.unwrap()["engine"], "NOWEB");
}

#[test]
fn changing_a_configuration_keeps_what_is_not_known() {
    let session: SessionInfo = read("sessions/working");
    let expected: Value = read("sessions/working");
    assert_eq!(serde_json::to_value(session.config).unwrap(), expected["config"]);
}

#[test]
fn a_list_holds_sessions_in_every_status_known_or_not() {
    let sessions: Vec<SessionInfo> = read("sessions/list");
    let statuses: Vec<SessionStatus> = sessions.iter().map(|it| it.status).collect();
    assert_eq!(
        statuses,
        [
            SessionStatus::Working,
            SessionStatus::ScanQrCode,
            SessionStatus::Stopped,
            SessionStatus::Unknown
        ]
    );
}

#[test]
fn the_documented_create_request_is_written() {
    check_round_trip::<SessionCreateRequest>("sessions/create_request");
    assert_eq!(read::<SessionInfo>("sessions/created").status, SessionStatus::Starting);
    assert_eq!(read::<Me>("sessions/me").lid.as_deref(), Some("199887766550000@lid"));
}

#[test]
fn the_chat_of_a_number_may_be_another_number_a_hidden_id_or_missing() {
    let chat = |name: &str| {
        read::<NumberStatus>(&format!("contacts/{name}")).chat().map(|it| it.as_str().to_owned())
    };
    assert_eq!(chat("exists_brazil").as_deref(), Some("551188887777@c.us"));
    assert_eq!(chat("exists_hidden").as_deref(), Some("199887766554433@lid"));
    assert_eq!(chat("exists_without_chat"), None);
    assert!(read::<NumberStatus>("contacts/exists_without_chat").number_exists);
    assert_eq!(chat("missing"), None);
}

#[test]
fn hidden_ids_lead_to_numbers_where_known() {
    let known: LidMapping = read("contacts/lid");
    assert_eq!(known.phone_chat().unwrap().phone(), Some("5511988887777"));
    assert_eq!(known.lid_chat().unwrap().phone(), None);
    assert_eq!(read::<LidMapping>("contacts/lid_unknown").phone_chat(), None);
}

#[test]
fn the_server_tells_engine_and_start() {
    let version: Environment = read("server/version");
    assert_eq!((version.engine, version.is_supported()), (Engine::Gows, Some(true)));
    assert!(version.engine.takes_message_id());
    assert!(!read::<Environment>("server/version_webjs").engine.takes_message_id());
    assert_eq!(read::<ServerStatus>("server/status").start_timestamp, 1_784_990_000_000);
    assert!(read::<Health>("server/health").is_ok());
    assert_eq!(read::<Pong>("server/ping").message, "pong");
}

#[test]
fn messages_read_from_a_chat_are_like_those_of_webhooks() {
    for engine in ["webjs", "noweb"] {
        let page: Vec<ChatMessage> = read(&format!("chats/{engine}_messages"));
        let message = Message::try_from(page[0].clone()).unwrap();
        assert_eq!(message.raw_id.as_str(), RAW_ID, "{engine}");
        assert_eq!((message.kind, message.text.as_deref()), (MessageKind::Text, Some("Hi")));
        assert!(message.from_me);
        assert_eq!(message.timestamp_ms, 1_785_000_000_000);
    }
}

#[test]
fn the_kind_of_a_message_is_told_by_what_it_carries() {
    let page: Vec<Value> = read("chats/gows_messages");
    let kinds: Vec<MessageKind> = page
        .into_iter()
        .filter_map(|it| serde_json::from_value::<ChatMessage>(it).ok())
        .map(|it| Message::try_from(it).unwrap().kind)
        .collect();
    assert_eq!(
        kinds,
        [
            MessageKind::Text,
            MessageKind::Text,
            MessageKind::Location,
            MessageKind::Contact,
            MessageKind::Image
        ]
    );
}

#[test]
fn one_message_tells_how_far_it_got() {
    let message = Message::try_from(read::<ChatMessage>("chats/message")).unwrap();
    assert_eq!(message.ack, Some(AckLevel::Read));
    assert_eq!(message.chat.as_str(), "5511988887777@c.us");
    let overview: Vec<ChatOverview> = read("chats/overview");
    assert!(overview[0].last_message.is_some() && overview[1].last_message.is_none());
}

#[test]
fn debug_shows_neither_text_nor_numbers_nor_secrets() {
    let mut shown = format!(
        "{:?}{:?}{:?}{:?}",
        read::<Vec<SessionInfo>>("sessions/list"),
        read::<SessionCreateRequest>("sessions/create_request"),
        read::<Vec<ChatMessage>>("chats/webjs_messages"),
        read::<NumberStatus>("contacts/exists_brazil"),
    );
    for name in fixtures("errors") {
        shown += &format!("{:?}", read::<ErrorBody>(&name));
    }
    for name in fixtures("webhooks/waha") {
        shown += &format!("{:?}", read::<WebhookEnvelope>(&name));
    }
    for name in ["webjs_text", "noweb_text", "gows_text"] {
        let answer = fixture(&format!("answers/{name}"));
        shown += &format!("{:?}", serde_json::from_str::<WebjsAnswer>(&answer).ok());
        shown += &format!("{:?}", serde_json::from_str::<NowebAnswer>(&answer).ok());
        shown += &format!("{:?}", serde_json::from_str::<GowsAnswer>(&answer).ok());
    }
    for hidden in ["5511", "test-hmac-key", "parcel", "secret text", "gw.example.net", "Acme Store"]
    {
        assert!(!shown.contains(hidden), "{hidden} is shown");
    }
}
