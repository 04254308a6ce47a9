//! No tenant can tell another's ids from ids that do not exist.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Harness, main_session};
use messaging_core::conformance::build::{message_id, session_id};
use serde_json::{Value, json};

/// What of an answer may not tell whether something exists: all of it but its own address.
fn shape(answer: &harness::Answer) -> Value {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("instance");
    let headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    json!({ "status": answer.status.as_u16(), "headers": headers, "body": body })
}

#[tokio::test]
async fn anothers_id_is_answered_as_an_unknown_one() {
    let api = Harness::new().await;
    let send = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    let message = api.post("/messages/send", send).await.expect(202)["id"].clone();
    let bulk = json!({ "sessionId": "main", "recipients": ["+5511988887777"], "body": "Hello" });
    let bulk = api.post("/messages/bulk", bulk).await.expect(202)["id"].clone();
    let opt_out = json!({ "number": "+5511988886666" });
    let opt_out = api.post("/opt-outs", opt_out).await.expect(201)["id"].clone();
    let opt_out = opt_out.as_str().unwrap();
    let message = message.as_str().unwrap();
    let bulk = bulk.as_str().unwrap();
    let session = main_session(1);
    let unknown = message_id(99).to_string();

    for (method, path, own) in [
        ("GET", "/messages/{}", message),
        ("DELETE", "/messages/{}", message),
        ("GET", "/messages/{}/events", message),
        ("POST", "/messages/{}/retry", message),
        ("POST", "/messages/{}/discard", message),
        ("GET", "/messages/bulk/{}", bulk),
        ("DELETE", "/messages/bulk/{}", bulk),
        ("POST", "/messages/bulk/{}/resume", bulk),
        ("GET", "/opt-outs/{}", opt_out),
        ("DELETE", "/opt-outs/{}", opt_out),
        ("GET", "/messages?sessionId={}", &session),
        ("GET", "/messages/stats?sessionId={}", &session),
        ("GET", "/dead-letters?sessionId={}", &session),
        ("GET", "/queue?sessionId={}", &session),
        ("GET", "/sessions/{}", &session),
        ("DELETE", "/sessions/{}", &session),
        ("POST", "/sessions/{}/start", &session),
        ("POST", "/sessions/{}/stop", &session),
        ("POST", "/sessions/{}/restart", &session),
        ("POST", "/sessions/{}/logout", &session),
        ("POST", "/sessions/{}/webhook-secret/rotate", &session),
        ("POST", "/sessions/{}/new-chats/resume", &session),
        ("GET", "/sessions/{}/qr", &session),
    ] {
        let theirs = api.ask_as(2, method, &path.replace("{}", own), None).await;
        let nobodys = api.ask_as(2, method, &path.replace("{}", &unknown), None).await;
        assert_eq!(theirs.status, 404, "{method} {path}");
        assert_eq!(shape(&theirs), shape(&nobodys), "{method} {path}");
    }
    for body in [
        json!({ "to": "+5511988887777", "body": "Hello" }),
        json!({ "recipients": ["+5511988887777"], "body": "Hello" }),
    ] {
        let path = if body.get("to").is_some() { "/messages/send" } else { "/messages/bulk" };
        let with = |id: &str| {
            let mut body = body.clone();
            body["sessionId"] = id.into();
            Some(body)
        };
        let theirs = api.ask_as(2, "POST", path, with(&session)).await;
        let nobodys = api.ask_as(2, "POST", path, with(&unknown)).await;
        theirs.refused(404, "session-not-found");
        assert_eq!(shape(&theirs), shape(&nobodys));
    }
    let patch = Some(json!({ "name": "stolen" }));
    let theirs = api.ask_as(2, "PATCH", &format!("/sessions/{session}"), patch).await;
    theirs.refused(404, "session-not-found");

    // And nothing has happened to it.
    assert_eq!(api.get(&format!("/messages/{message}")).await.expect(200)["status"], "queued");
    assert_eq!(api.get("/sessions/main").await.expect(200)["id"], session);
    api.get(&format!("/opt-outs/{opt_out}")).await.expect(200);
}

#[tokio::test]
async fn lists_and_counts_hold_the_callers_own_only() {
    let api = Harness::new().await;
    let send = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.post("/messages/send", send).await.expect(202);
    let listed = api.ask_as(2, "GET", "/messages", None).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"]), (&json!(0), &json!([])));
    let counted = api.ask_as(2, "GET", "/messages/stats", None).await.expect(200);
    assert_eq!(counted["total"], 0);
    let waiting = api.ask_as(2, "GET", "/queue", None).await.expect(200);
    assert_eq!(waiting["data"], json!([]));
    let bulk = json!({ "sessionId": "main", "recipients": ["+5511988886666"], "body": "Hello" });
    api.post("/messages/bulk", bulk).await.expect(202);
    api.post("/opt-outs", json!({ "number": "+5511988885555" })).await.expect(201);
    for list in ["/messages/bulk", "/opt-outs", "/opt-outs?number=%2B5511988885555"] {
        let listed = api.ask_as(2, "GET", list, None).await.expect(200);
        assert_eq!((&listed["total"], &listed["data"]), (&json!(0), &json!([])), "{list}");
    }
    // One tenant's list keeps nobody from another's messages.
    let send = json!({ "sessionId": "main", "to": "+5511988885555", "body": "Hello" });
    api.ask_as(2, "POST", "/messages/send", Some(send)).await.expect(202);
    let sessions = api.ask_as(2, "GET", "/sessions", None).await.expect(200);
    assert_eq!(sessions["data"][0]["id"], session_id(2).to_string());
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_means_ones_own_session() {
    let api = Harness::new().await;
    for tenant in [1, 2] {
        let found = api.ask_as(tenant, "GET", "/sessions/main", None).await.expect(200);
        assert_eq!(found["id"], main_session(tenant));
    }
}
