//! Messages that are to be sent at a time, or not after one; and what somebody stopped.

mod harness;

use harness::Harness;
use serde_json::{Value, json};

fn timed(field: &str, at: &str) -> Value {
    json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello", field: at })
}

#[tokio::test]
async fn a_scheduled_message_says_when_it_leaves() {
    let api = Harness::new().await;
    let body = timed("sendAt", "2026-01-01T02:00:00+01:00");
    let accepted = api.post("/messages/send", body).await.expect(202);
    assert_eq!(accepted["estimatedSendAt"], "2026-01-01T01:00:00Z");
    let path = format!("/messages/{}", accepted["id"].as_str().unwrap());
    let found = api.get(&path).await.expect(200);
    assert_eq!(found["pacing"]["heldBy"], "scheduled");
    assert_eq!(found["pacing"]["until"], "2026-01-01T01:00:00Z");
}

#[tokio::test]
async fn a_message_says_when_it_expires() {
    let api = Harness::new().await;
    let body = timed("expiresAt", "2026-01-01T00:05:00Z");
    let accepted = api.post("/messages/send", body).await.expect(202);
    let path = format!("/messages/{}", accepted["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["expiresAt"], "2026-01-01T00:05:00Z");
}

#[tokio::test]
async fn times_that_are_none_or_make_no_sense_are_refused_by_name() {
    let api = Harness::new().await;
    for (field, at) in [
        ("sendAt", "tomorrow"),
        ("sendAt", "2028-01-01T00:00:00Z"),
        ("expiresAt", "2025-12-31T23:59:59Z"),
        ("expiresAt", "2026-13-01T00:00:00Z"),
    ] {
        let refused = api.post("/messages/send", timed(field, at)).await;
        refused.refused_field("invalid-request", &format!("#/{field}"));
    }
    let mut bulk = timed("expiresAt", "2025-12-31T23:59:59Z");
    bulk["recipients"] = json!(["+5511988887777"]);
    bulk.as_object_mut().unwrap().remove("to");
    let refused = api.post("/messages/bulk", bulk).await;
    refused.refused_field("invalid-request", "#/expiresAt");
}

#[tokio::test]
async fn a_suspended_session_says_so_and_accepts_what_is_to_wait() {
    let api = Harness::new().await;
    let body = json!({ "until": "2026-01-01T01:00:00Z", "reason": "complaints" });
    let suspended = api.post("/sessions/main/suspend", body).await.expect(200);
    let expected = json!({
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-01T01:00:00Z",
        "reason": "complaints",
    });
    assert_eq!(suspended["suspension"], expected);
    assert_eq!(api.get("/sessions/main").await.expect(200)["suspension"], expected);
    let body = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.post("/messages/send", body).await.expect(202);
    let resumed = api.post("/sessions/main/resume", json!({})).await.expect(200);
    assert_eq!(resumed["suspension"], Value::Null);
}

#[tokio::test]
async fn a_bulk_request_is_paused_and_resumed() {
    let api = Harness::new().await;
    let body = json!({
        "sessionId": "main",
        "recipients": ["+5511988887777", "+5511988886666"],
        "body": "Hello all",
        "batchSize": 1,
    });
    let answer = api.post("/messages/bulk", body).await;
    let path = answer.header("location").unwrap().to_owned();
    let paused = api.post(&format!("{path}/pause"), json!({})).await.expect(200);
    assert_eq!(paused["suspension"], json!({ "since": "2026-01-01T00:00:00Z" }));
    let messages = api.get("/messages").await.expect(200);
    let first = messages["data"][0]["id"].as_str().unwrap();
    let found = api.get(&format!("/messages/{first}")).await.expect(200);
    assert_eq!(found["pacing"]["heldBy"], "suspended");
    let resumed = api.post(&format!("{path}/resume"), json!({})).await.expect(200);
    assert_eq!(resumed["suspension"], Value::Null);
    assert_eq!(resumed["byStatus"], json!({ "queued": 2 }));
}

#[tokio::test]
async fn a_stop_that_makes_no_sense_is_refused_by_name() {
    let api = Harness::new().await;
    for (body, field) in [
        (json!({ "until": "2025-12-31T00:00:00Z" }), "#/until"),
        (json!({ "reason": "x".repeat(501) }), "#/reason"),
        (json!({ "for": "1h" }), "#/for"),
    ] {
        let refused = api.post("/sessions/main/suspend", body).await;
        refused.refused_field("invalid-request", field);
    }
    api.post("/sessions/other/suspend", json!({})).await.refused(404, "session-not-found");
}
