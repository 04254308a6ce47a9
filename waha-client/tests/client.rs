//! What the client asks, byte by byte, and how it takes every kind of answer.

#[path = "client/canned.rs"]
mod canned;
#[path = "client/errors.rs"]
mod errors;
#[path = "support/fixture.rs"]
mod fixture;
#[path = "client/sends.rs"]
mod sends;

use canned::{Canned, Reply};
use fixture::fixture;
use serde_json::{Value, json};
use waha_client::client::{ChatScope, MessageQuery};
use waha_client::ids::ChatId;
use waha_client::wire::{SessionCreateRequest, SessionUpdateRequest, TextRequest};
use waha_client::{AckLevel, WahaClient, WahaError};

const CHAT: &str = "5511988887777@c.us";

/// A text to send.
fn text() -> TextRequest {
    TextRequest {
        session: "main".to_owned(),
        chat_id: CHAT.to_owned(),
        text: "Hi".to_owned(),
        ..TextRequest::default()
    }
}

/// The request line of the only request, and its body.
#[expect(clippy::unwrap_used, reason = "a request that is none should fail the test")]
#[track_caller]
fn asked(server: &Canned) -> (String, Value) {
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "one call is one request");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    (line, serde_json::from_str(body).unwrap_or_default())
}

/// Makes a call against a fixture and checks what was asked and answered.
macro_rules! check {
    ($fixture:expr, $line:expr, |$client:ident| $call:expr) => {{
        let server = Canned::new(Reply::json(200, fixture($fixture))).await;
        let $client = server.client();
        let answer = $call.await.unwrap();
        assert_eq!(asked(&server).0, $line);
        answer
    }};
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let other = Canned::new(Reply::json(201, "{}")).await;
    let headers = format!("location: {}/elsewhere\r\n", other.url);
    for status in [301, 302, 307, 308] {
        let headers: &'static str = headers.clone().leak();
        let server = Canned::new(Reply::Answer { status, headers, body: String::new() }).await;
        let error = server.client().send_text(&text()).await.unwrap_err();
        assert!(matches!(error, WahaError::Permanent { reason: "redirected", .. }));
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_read() {
    let server = Canned::new(Reply::json(200, format!("\"{}\"", "a".repeat(70_000)))).await;
    let error = server.client().sessions().await.unwrap_err();
    assert_eq!(error.reason(), "answer-too-large");
    assert!(server.client().send_text(&text()).await.unwrap().key.is_none());
}

#[tokio::test]
async fn sessions_are_read_and_changed() {
    let list = check!("sessions/list", "GET /api/sessions?all=true", |it| it.sessions());
    assert_eq!(list.len(), 4);
    let one =
        check!("sessions/working", "GET /api/sessions/t_acme_01", |it| it.session("t_acme_01"));
    assert_eq!(one.unwrap().name, "t_acme_01");
    let create: SessionCreateRequest =
        serde_json::from_str(&fixture("sessions/create_request")).unwrap();
    check!("sessions/created", "POST /api/sessions", |it| it.create_session(&create));
    let update = SessionUpdateRequest { config: create.config };
    check!("sessions/created", "PUT /api/sessions/main", |it| it.update_session("main", &update));
    let me = check!("sessions/me", "GET /api/sessions/main/me", |it| it.session_account("main"));
    assert_eq!(me.unwrap().id, "5511900001111@c.us");
}

#[tokio::test]
async fn steps_of_a_sessions_life_take_any_answer() {
    for body in [String::new(), "null".to_owned(), fixture("sessions/created")] {
        macro_rules! steps {
            ($($method:ident $line:expr),*) => {$(
                let server = Canned::new(Reply::json(201, body.clone())).await;
                server.client().$method("main").await.unwrap();
                assert_eq!(asked(&server), ($line.to_owned(), Value::Null));
            )*};
        }
        steps!(
            start_session "POST /api/sessions/main/start",
            stop_session "POST /api/sessions/main/stop",
            restart_session "POST /api/sessions/main/restart",
            logout_session "POST /api/sessions/main/logout",
            delete_session "DELETE /api/sessions/main"
        );
    }
}

#[tokio::test]
async fn a_session_nobody_signed_in_has_no_account() {
    let server = Canned::new(Reply::json(200, "")).await;
    assert_eq!(server.client().session_account("main").await.unwrap(), None);
}

#[tokio::test]
async fn pairing_codes_are_asked_for() {
    let image =
        check!("sessions/qr_image", "GET /api/main/auth/qr?format=image", |it| it.qr_image("main"));
    assert_eq!(image.mimetype, "image/png");
    let raw =
        check!("sessions/qr_raw", "GET /api/main/auth/qr?format=raw", |it| it.qr_value("main"));
    assert_eq!(raw.value, "2@abcDEF,ghi,jkl=");
    let server = Canned::new(Reply::json(201, fixture("sessions/pairing_code"))).await;
    let code = server.client().request_pairing_code("main", "+5511900001111").await.unwrap();
    assert_eq!(code.code, "ABCD-EFGH");
    let body = json!({"phoneNumber": "5511900001111"});
    assert_eq!(asked(&server), ("POST /api/main/auth/request-code".to_owned(), body));
}

#[tokio::test]
async fn chats_are_read_with_filters_and_encoded_ids() {
    let chat = ChatId::parse(CHAT).unwrap();
    let query = MessageQuery {
        limit: 6,
        offset: 12,
        since: Some(1_785_000_000),
        until: Some(1_785_000_100),
        from_me: Some(true),
        ack: Some(AckLevel::Device),
        ..MessageQuery::default()
    };
    let line = "GET /api/main/chats/5511988887777%40c.us/messages?limit=6&offset=12\
                &downloadMedia=false&sortOrder=desc&filter.timestamp.gte=1785000000\
                &filter.timestamp.lte=1785000100&filter.fromMe=true&filter.ack=DEVICE";
    let page = check!("chats/gows_messages", line, |it| it.messages(
        "main",
        ChatScope::One(&chat),
        &query
    ));
    assert_eq!((page.messages.len(), page.unreadable), (5, 1));
    assert!(page.is_full(&query), "what could not be read counts as well");

    let line = "GET /api/main/chats/all/messages/3EB0?downloadMedia=false";
    let message = check!("chats/message", line, |it| it.message("main", ChatScope::All, "3EB0"));
    assert_eq!(message.unwrap().raw_id().unwrap().as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
    let line = "GET /api/main/chats/overview?limit=20&offset=0";
    let chats = check!("chats/overview", line, |it| it.chats_overview("main", 20, 0));
    assert_eq!(chats.len(), 2);
}

#[tokio::test]
async fn numbers_and_hidden_ids_are_looked_up() {
    let line = "GET /api/contacts/check-exists?phone=5511988887777&session=main";
    let status =
        check!("contacts/exists_brazil", line, |it| it.check_exists("main", "+5511988887777"));
    assert_eq!(status.chat().unwrap().as_str(), "551188887777@c.us");
    let lid = ChatId::parse("199887766554433@lid").unwrap();
    let line = "GET /api/main/lids/199887766554433%40lid";
    let mapping = check!("contacts/lid", line, |it| it.phone_of_lid("main", &lid));
    assert_eq!(mapping.phone_chat().unwrap().as_str(), CHAT);
    let line = "GET /api/main/lids/pn/5511988887777";
    let mapping = check!("contacts/lid", line, |it| it.lid_of_phone("main", "+5511988887777"));
    assert_eq!(mapping.lid_chat(), Some(lid));
}

#[tokio::test]
async fn the_server_is_asked_about_itself() {
    check!("server/ping", "GET /ping", |it| it.ping());
    assert!(check!("server/health", "GET /health", |it| it.health()).is_ok());
    check!("server/version", "GET /api/server/version", |it| it.version());
    check!("server/status", "GET /api/server/status", |it| it.server_status());
    let id = check!("answers/new_message_id", "GET /api/main/new-message-id", |it| it
        .new_message_id("main"));
    assert_eq!(id.as_str(), "3EB0C1D2E3F4A5B6C7D8E9");
}

#[tokio::test]
async fn an_unwell_server_is_an_answer() {
    let server = Canned::new(Reply::json(503, r#"{"status":"error"}"#)).await;
    assert!(!server.client().health().await.unwrap().is_ok());
}

/// A proxy may answer 200 with a page of its own: then nobody knows what became of the message.
#[tokio::test]
async fn a_send_that_somebody_else_answers_has_an_unknown_outcome() {
    for body in ["<html>", "true", "[]", "{\"key\":", r#"{"statusCode":500,"message":"no"}"#] {
        let server = Canned::new(Reply::json(200, body)).await;
        let error = server.client().send_text(&text()).await.unwrap_err();
        assert!(matches!(error, WahaError::UnknownOutcome { .. }), "{body}");
        assert_eq!(error.reason(), "answer-unreadable");
    }
    for body in ["", " ", "null", "{}"] {
        let server = Canned::new(Reply::json(201, body)).await;
        assert!(server.client().send_text(&text()).await.unwrap().key.is_none(), "{body}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_unavailable() {
    for (body, reason) in
        [("<html>", "answer-unreadable"), ("", "answer-empty"), ("null", "answer-empty")]
    {
        let server = Canned::new(Reply::json(200, body)).await;
        let error = server.client().version().await.unwrap_err();
        assert!(matches!(error, WahaError::Unavailable { .. }));
        assert_eq!(error.reason(), reason);
    }
}

#[tokio::test]
async fn a_path_before_the_api_is_kept() {
    let server = Canned::new(Reply::json(200, fixture("server/version"))).await;
    for base in [format!("{}/waha", server.url), format!("{}/waha/", server.url)] {
        WahaClient::new(&base, "".into()).unwrap().version().await.unwrap();
    }
    for request in server.requests() {
        assert!(request.starts_with("GET /waha/api/server/version HTTP/1.1"), "{request}");
        assert!(!request.to_lowercase().contains("x-api-key"), "an empty key is not sent");
    }
}

#[test]
fn a_base_url_or_key_that_cannot_work_is_refused() {
    for url in ["", "localhost:3000", "ftp://x", "http://x?y=1", "http://x#y"] {
        assert!(WahaClient::new(url, "key".into()).is_err(), "{url}");
    }
    assert!(WahaClient::new("http://x", "a\nb".into()).is_err());
}

#[test]
fn debug_hides_key_and_password() {
    let client = WahaClient::new("http://user:hunter2@waha:3000", "hunter3".into()).unwrap();
    let shown = format!("{client:?}");
    assert!(shown.contains("waha") && !shown.contains("hunter"), "{shown}");
}

#[tokio::test]
async fn the_servers_time_is_read_from_its_answer() {
    let reply =
        |headers| Reply::Answer { status: 200, headers, body: r#"{"message":"pong"}"#.into() };
    let server = Canned::new(reply("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")).await;
    let time = server.client().server_time().await.unwrap().unwrap();
    assert_eq!(time, std::time::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777));
    assert!(asked(&server).0.starts_with("GET /ping"));
    for headers in ["", "date: yesterday\r\n"] {
        let server = Canned::new(reply(headers)).await;
        assert_eq!(server.client().server_time().await.unwrap(), None);
    }
    let server = Canned::new(Reply::json(200, r#"{"hello":"world"}"#)).await;
    let error = server.client().server_time().await.unwrap_err();
    assert_eq!(error.reason(), "answer-unreadable", "something else answers there");
}
