//! Callers without `messages:read:content` see no text, no whole number and nothing that tells.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Answer, Harness, request};
use messaging_core::conformance::build::{message, session_id};
use messaging_core::domain::address::Address;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::message::Message;
use messaging_core::domain::session::{ProviderSession, Session};
use messaging_core::domain::status::Status;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::session_store::SessionStore;
use serde_json::{Value, json};

const TO: &str = "+5511988887777";
const SECRET_WORDS: &str = "the code is 4711";

/// Somebody who may send and look at everything, but not at contents.
async fn masked(api: &Harness) -> String {
    let scope = ["messages:read", "messages:send", "sessions:read"];
    let wanted = json!({ "name": "dashboard", "role": "sender", "scope": scope });
    api.post("/api-keys", wanted).await.expect(201)["key"].as_str().unwrap().to_owned()
}

async fn ask(api: &Harness, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let body = body.map(|body| body.to_string().into_bytes());
    api.call(request(method, path, Some(token), body)).await
}

#[tokio::test]
async fn contents_and_numbers_are_masked_wherever_they_are_answered() {
    let api = Harness::new().await;
    let send = json!({
        "sessionId": "main", "to": TO, "body": SECRET_WORDS, "metadata": { "secret": 4711 },
        "media": { "kind": "image", "url": "https://example.com/4711.jpg" },
    });
    let id = api.post("/messages/send", send).await.expect(202)["id"].clone();
    let id = id.as_str().unwrap();
    let detail = Some(format!("no account has {TO}: {SECRET_WORDS}"));
    let failure = Some(Failure { code: FailureCode::ProviderError, detail });
    let failed = Message { status: Status::Failed, failure, ..message(7) };
    let failed = Message { session: harness::session(1).id, ..failed };
    let failed = api.keep(failed).await.id.to_string();
    let note = json!({ "number": TO, "note": SECRET_WORDS });
    let token = masked(&api).await;
    let opt_out = ask(&api, &token, "POST", "/opt-outs", Some(note)).await;
    let entry = opt_out.expect(201)["id"].as_str().unwrap().to_owned();
    let bulk = json!({ "sessionId": "main", "recipients": ["+5511988886666", TO, "+5511"], "body": SECRET_WORDS });
    let bulk = ask(&api, &token, "POST", "/messages/bulk", Some(bulk)).await;
    bulk.expect(202);
    let session = Session {
        id: session_id(3),
        name: "second".to_owned(),
        place: ProviderSession { server: "waha".into(), name: "second".into() },
        own_address: Some(Address::from_stored("+5511900004711")),
        ..harness::session(1)
    };
    SessionStore::insert(&*api.store, &session).await.unwrap();

    let mut answers = vec![opt_out, bulk];
    for (method, path) in [
        ("GET", "/messages".to_owned()),
        ("GET", format!("/messages/{id}")),
        ("GET", format!("/messages/{id}/events")),
        ("GET", format!("/messages/{failed}")),
        ("GET", format!("/messages/{failed}/events")),
        ("GET", "/dead-letters".to_owned()),
        ("POST", format!("/messages/{failed}/discard")),
        ("GET", "/messages/bulk".to_owned()),
        ("GET", "/opt-outs".to_owned()),
        ("GET", format!("/opt-outs/{entry}")),
        ("GET", "/sessions".to_owned()),
        ("GET", "/sessions/second".to_owned()),
        ("GET", "/queue".to_owned()),
        ("DELETE", format!("/opt-outs/{entry}")),
    ] {
        answers.push(ask(&api, &token, method, &path, None).await);
    }
    for answer in &answers {
        assert!(answer.status.is_success(), "{answer:?}");
        let text = String::from_utf8(answer.body.clone()).unwrap();
        for secret in ["4711", "88887777", "88886666", "+5511\"", "551190", "hello"] {
            assert!(!text.to_lowercase().contains(secret), "{secret} in {text}");
        }
    }
    let seen = ask(&api, &token, "GET", &format!("/messages/{id}"), None).await.expect(200);
    assert_eq!((&seen["to"], &seen["body"]), (&json!("+55…77"), &json!("[hidden]")));
    assert!(seen.get("media").is_none() && seen.get("metadata").is_none());
    // Who may, sees it all.
    let all = api.get(&format!("/messages/{id}")).await.expect(200);
    assert_eq!((&all["to"], &all["body"]), (&json!(TO), &json!(SECRET_WORDS)));
    assert_eq!(all["metadata"]["secret"], 4711);
    assert_eq!(api.get("/sessions/second").await.expect(200)["address"], "+5511900004711");
    let second = ask(&api, &token, "GET", "/sessions/second", None).await.expect(200);
    assert_eq!(second["address"], "+55…11");
}

#[tokio::test]
async fn who_sees_no_contents_cannot_search_them() {
    let api = Harness::new().await;
    api.post("/opt-outs", json!({ "number": TO })).await.expect(201);
    let token = masked(&api).await;
    for path in [
        "/messages?search=a".to_owned(),
        "/dead-letters?search=a".to_owned(),
        "/opt-outs?number=%2B5511988887777".to_owned(),
        format!("/opt-outs/{TO}"),
    ] {
        let refused = ask(&api, &token, "GET", &path, None).await.refused(403, "forbidden");
        assert!(refused["detail"].as_str().unwrap().contains("messages:read:content"));
        assert_ne!(api.get(&path).await.status, 403);
        let viewer = api.token(1, Role::Viewer);
        ask(&api, &viewer, "GET", &path, None).await.refused(403, "forbidden");
    }
    for path in ["/dead-letters/retry", "/dead-letters/discard"] {
        let body = Some(json!({ "search": "a" }));
        ask(&api, &token, "POST", path, body.clone()).await.refused(403, "forbidden");
        ask(&api, &api.token(1, Role::Sender), "POST", path, body).await.expect(200);
    }
}
