//! Every error WAHA answers ends in the class that says what to do next.

use waha_client::client::{ChatScope, MessageQuery};
use waha_client::wire::{SessionStatus, TextRequest};
use waha_client::{WahaClient, WahaError};

use crate::canned::{Canned, Reply};
use crate::fixture::{fixture, fixtures};

#[derive(Debug, PartialEq)]
enum Class {
    Hold,
    Permanent,
    Restricted,
    BackOff,
    UnknownOutcome,
    SafeRetry,
    Unavailable,
}

#[expect(clippy::panic, reason = "a new class should fail the tests until they know it")]
fn class(error: &WahaError) -> Class {
    match error {
        WahaError::Hold { .. } => Class::Hold,
        WahaError::Permanent { .. } => Class::Permanent,
        WahaError::Restricted { .. } => Class::Restricted,
        WahaError::BackOff { .. } => Class::BackOff,
        WahaError::UnknownOutcome { .. } => Class::UnknownOutcome,
        WahaError::SafeRetry { .. } => Class::SafeRetry,
        WahaError::Unavailable { .. } => Class::Unavailable,
        _ => panic!("a new class"),
    }
}

#[expect(clippy::unwrap_used, reason = "the names of these fixtures begin with a status")]
async fn answering(name: &str) -> Canned {
    let status = name.get(..3).unwrap().parse().unwrap();
    Canned::new(Reply::json(status, fixture(&format!("errors/{name}")))).await
}

fn text() -> TextRequest {
    TextRequest {
        session: "t_acme_01".to_owned(),
        chat_id: "5514638887777@c.us".to_owned(),
        text: "The very secret text".to_owned(),
        ..TextRequest::default()
    }
}

#[expect(clippy::unwrap_used, reason = "an error that is a success should fail the test")]
async fn send_error(name: &str) -> WahaError {
    answering(name).await.client().send_text(&text()).await.unwrap_err()
}

#[tokio::test]
async fn every_error_of_a_send_has_its_class() {
    let expected = [
        ("400_session_name", Class::Permanent, "invalid-request"),
        ("400_validation", Class::Permanent, "invalid-request"),
        ("401", Class::Permanent, "unauthorized"),
        ("403", Class::Permanent, "forbidden"),
        ("404_media", Class::Permanent, "media-gone"),
        ("404_message", Class::Permanent, "message-unknown"),
        ("404_session", Class::Permanent, "session-unknown"),
        ("422_already_started", Class::Permanent, "session-already-started"),
        ("422_name_taken", Class::Permanent, "session-exists"),
        ("422_not_scanning", Class::Hold, "session-not-ready"),
        ("422_session_starting", Class::Hold, "session-not-ready"),
        ("422_session_unknown", Class::Permanent, "session-unknown"),
        ("500_missing_chat", Class::UnknownOutcome, "server-error"),
        ("500_overlimit", Class::BackOff, "rate-overlimit"),
        ("500_restricted", Class::Restricted, "new-chats-restricted"),
        ("500_thrown", Class::UnknownOutcome, "server-error"),
        ("500_too_large", Class::Permanent, "too-large"),
        ("501", Class::Permanent, "engine-cannot"),
    ];
    let named: Vec<String> = expected.iter().map(|(name, ..)| format!("errors/{name}")).collect();
    assert_eq!(fixtures("errors"), named, "every error kept is checked");
    for (name, expected, reason) in expected {
        let error = send_error(name).await;
        assert_eq!((class(&error), error.reason()), (expected, reason), "{name}");
    }
}

#[tokio::test]
async fn a_hold_tells_the_status_the_session_is_in() {
    let error = send_error("422_session_starting").await;
    assert!(matches!(error, WahaError::Hold { status: SessionStatus::Starting }));
}

#[tokio::test]
async fn what_waha_said_is_kept_out_of_display_and_debug() {
    for name in fixtures("errors") {
        let error = send_error(name.strip_prefix("errors/").unwrap()).await;
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret") && !shown.contains("55146"), "{name}: {shown}");
    }
    let error = send_error("400_validation").await;
    assert!(error.detail().unwrap().reveal().contains("; name must match"));
}

#[tokio::test]
async fn a_read_that_failed_in_the_server_is_unavailable() {
    for name in ["500_thrown", "500_restricted"] {
        let server = answering(name).await;
        let error = server
            .client()
            .messages("t_acme_01", ChatScope::All, &MessageQuery::default())
            .await
            .unwrap_err();
        assert_eq!(class(&error), Class::Unavailable, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let server = answering("404_session").await;
    assert_eq!(server.client().session("t_nobody").await.unwrap(), None);
    server.client().delete_session("t_nobody").await.unwrap();
    let server = answering("404_message").await;
    assert_eq!(server.client().message("s", ChatScope::All, "3EB0").await.unwrap(), None);
}

#[tokio::test]
async fn starting_what_runs_already_is_a_success() {
    answering("422_already_started").await.client().start_session("t_acme_01").await.unwrap();
}

#[tokio::test]
async fn no_code_to_scan_means_wait() {
    let error =
        answering("422_not_scanning").await.client().qr_value("t_acme_01").await.unwrap_err();
    assert!(matches!(error, WahaError::Hold { status: SessionStatus::Working }));
}

#[tokio::test]
async fn a_lost_connection_leaves_a_send_unknown_and_a_read_unavailable() {
    let server = Canned::new(Reply::Close).await;
    check_lost(&server.client(), "connection-lost").await;
}

#[tokio::test]
async fn silence_leaves_a_send_unknown_and_a_read_unavailable() {
    let server = Canned::new(Reply::Hang).await;
    check_lost(&server.impatient_client(), "timeout").await;
}

#[expect(clippy::unwrap_used, reason = "an error that is a success should fail the test")]
async fn check_lost(client: &WahaClient, reason: &str) {
    let error = client.send_text(&text()).await.unwrap_err();
    assert_eq!((class(&error), error.reason()), (Class::UnknownOutcome, reason));
    let error = client.sessions().await.unwrap_err();
    assert_eq!((class(&error), error.reason()), (Class::Unavailable, reason));
}

#[tokio::test]
async fn a_refused_connection_is_safe_to_try_again() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let client = WahaClient::new(&url, "key".to_owned().into()).unwrap();
    let error = client.send_text(&text()).await.unwrap_err();
    assert_eq!((class(&error), error.reason()), (Class::SafeRetry, "connect-failed"));
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_safe_to_try_again() {
    let url = "http://waha.invalid:3000";
    let client = WahaClient::new(url, "key".to_owned().into()).unwrap();
    assert_eq!(class(&client.send_text(&text()).await.unwrap_err()), Class::SafeRetry);
}

#[tokio::test]
async fn a_failed_tls_handshake_is_safe_to_try_again() {
    // The server hangs up during the handshake, so no request was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let client = WahaClient::new(&url, "key".to_owned().into()).unwrap();
    assert_eq!(class(&client.send_text(&text()).await.unwrap_err()), Class::SafeRetry);
}

#[tokio::test]
async fn neither_number_nor_key_is_in_the_error_of_a_lost_call() {
    let server = Canned::new(Reply::Close).await;
    let error = server.client().check_exists("t_acme_01", "+5511988887777").await.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(!shown.contains("5511988887777") && !shown.contains("the key"), "{shown}");
}
