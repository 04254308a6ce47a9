//! The specification's own requests, to the letter. (Its environment: `specification_environment.rs`.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Harness, Parts, request, session, sign};
use messaging_core::domain::phone::PhoneValidation;
use messaging_core::domain::session::Session;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::session_store::SessionStore;
use poem::Request;
use poem::http::Method;
use serde_json::json;

const SEND: &str = r#"{
  "sessionId": "a1b2c3d4-e5f6-7890-1234-567890abcdef",
  "to": "+1234567890",
  "body": "Hello, this is a test message",
  "priority": "normal",
  "metadata": {
    "campaignId": "campaign-123"
  }
}"#;

const BULK: &str = r#"{
  "sessionId": "a1b2c3d4-e5f6-7890-1234-567890abcdef",
  "recipients": ["+1234567890", "+0987654321"],
  "body": "Hello, this is a bulk message",
  "batchSize": 10,
  "priority": "normal"
}"#;

const WEBHOOK: &str = r#"{
  "event": "message.text",
  "session": "main-session",
  "payload": {
    "id": "waha_msg_123456",
    "from": "+1234567890",
    "to": "+0987654321",
    "body": "Hello, this is a test message",
    "timestamp": 1642248600000,
    "type": "text"
  }
}"#;

/// A tenant whose session has the id, and the names, of the samples.
async fn harness(change: impl FnOnce(&mut Parts)) -> Harness {
    let api = Harness::with(change).await;
    let mut sample = Session {
        id: "a1b2c3d4-e5f6-7890-1234-567890abcdef".parse().unwrap(),
        name: "abc".to_owned(),
        ..session(1)
    };
    sample.place.name = "main-session".to_owned();
    SessionStore::insert(&*api.store, &sample).await.unwrap();
    api
}

#[tokio::test]
async fn send_single_message() {
    let api = harness(|_| {}).await;
    let answer = api.post_raw("/messages/send", SEND).await;
    assert_eq!(answer.expect(202)["status"], "queued");
    let found = api.get(answer.header("location").unwrap()).await.expect(200);
    assert_eq!(found["to"], "+1234567890");
    assert_eq!(found["metadata"]["campaignId"], "campaign-123");
}

#[tokio::test]
async fn send_bulk_messages() {
    // No country code begins with 0, so one recipient of the sample is refused …
    let api = harness(|_| {}).await;
    let accepted = api.post_raw("/messages/bulk", BULK).await.expect(202);
    assert_eq!(accepted["accepted"], 1);
    assert_eq!(accepted["rejected"][0]["index"], 1);
    assert_eq!(accepted["rejected"][0]["code"], "invalid-phone");
    // … unless numbers are judged by their form alone.
    let lenient = |parts: &mut Parts| parts.settings.phone_validation = PhoneValidation::Lenient;
    let api = harness(lenient).await;
    let accepted = api.post_raw("/messages/bulk", BULK).await.expect(202);
    assert_eq!((&accepted["accepted"], &accepted["rejected"]), (&json!(2), &json!([])));
}

#[tokio::test]
async fn list_messages() {
    let api = harness(|_| {}).await;
    api.post_raw("/messages/send", SEND).await.expect(202);
    let path = "/messages?sessionId=abc&direction=outbound&status=sent&page=1&limit=20";
    let listed = api.get(path).await.expect(200);
    assert_eq!(listed, json!({ "data": [], "page": 1, "limit": 20, "total": 0 }));
    let queued = api.get(&path.replace("sent", "QUEUED")).await.expect(200);
    assert_eq!(queued["total"], 1);
}

#[tokio::test]
async fn get_message_statistics() {
    let api = harness(|_| {}).await;
    let path = "/messages/stats?fromDate=2024-01-01T00:00:00Z&toDate=2024-01-31T23:59:59Z";
    assert_eq!(api.get(path).await.expect(200)["total"], 0);
}

#[tokio::test]
async fn requests_carry_a_bearer_token() {
    let api = harness(|_| {}).await;
    let body = Some(SEND.as_bytes().to_vec());
    let without = api.call(request("POST", "/messages/send", None, body.clone())).await;
    without.refused(401, "unauthenticated");
    let placeholder = request("POST", "/messages/send", Some("<jwt_token>"), body.clone());
    api.call(placeholder).await.refused(401, "invalid-token");
    let token = api.token(1, Role::Sender);
    api.call(request("POST", "/messages/send", Some(&token), body)).await.expect(202);
}

#[tokio::test]
async fn waha_webhook() {
    let api = harness(|_| {}).await;
    let post = |signature: String| {
        Request::builder()
            .method(Method::POST)
            .uri_str("/webhooks/waha")
            .content_type("application/json")
            .header("X-Waha-Signature", signature)
            .body(WEBHOOK)
    };
    let placeholder = api.call(post("sha256=abc123...".to_owned())).await;
    placeholder.refused(401, "invalid-signature");
    let signature = sign(WEBHOOK.as_bytes());
    assert_eq!(signature.len(), "sha256=".len() + 64);
    for repeat in [false, true] {
        let kept = api.call(post(signature.clone())).await.expect(200);
        assert_eq!(kept, json!({ "status": "accepted", "repeat": repeat }));
    }
}

#[tokio::test]
async fn health_checks() {
    let api = harness(|_| {}).await;
    for path in ["/webhooks/health", "/health"] {
        let health = api.call(request("GET", path, None, None)).await.expect(200);
        assert_eq!(health["status"], "pass");
    }
}
