//! Requests that name a key over HTTP: done once, answered alike.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use harness::{Answer, Harness, request};
use messaging_core::conformance::build::{self, at};
use messaging_core::domain::id::MessageId;
use messaging_core::domain::message::Message;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::idempotency_store::{Begun, MockIdempotencyStore};
use poem::http::HeaderValue;
use serde_json::{Value, json};
use uuid::Uuid;

fn text() -> Value {
    json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" })
}

/// Posts with these keys, each in a header of its own.
async fn post(api: &Harness, tenant: u64, path: &str, keys: &[&[u8]], body: &Value) -> Answer {
    let token = api.token(tenant, Role::Owner);
    let body = body.to_string().into_bytes();
    let mut request = request("POST", path, Some(&token), Some(body));
    for key in keys {
        request.headers_mut().append("Idempotency-Key", HeaderValue::from_bytes(key).unwrap());
    }
    api.call(request).await
}

async fn send(api: &Harness, key: &str, body: &Value) -> Answer {
    post(api, 1, "/messages/send", &[key.as_bytes()], body).await
}

async fn count(api: &Harness) -> Value {
    api.get("/messages").await.expect(200)["total"].clone()
}

#[tokio::test]
async fn a_repeated_request_is_answered_alike_and_marked() {
    let api = Harness::new().await;
    let first = send(&api, "b1f0c7de", &text()).await;
    first.expect(202);
    assert_eq!(first.header("idempotency-replayed"), None);
    assert!(first.header("ratelimit").is_some());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    api.delete(&format!("/messages/{id}")).await.expect(200);
    api.clock.advance(Duration::from_secs(120));
    // In quotes, as the standard has it, or without; and with the fields in another order.
    let other_order = json!({ "body": "Hello", "to": "+5511988887777", "sessionId": "main" });
    for (key, body) in [("b1f0c7de", text()), ("\"b1f0c7de\"", other_order)] {
        let again = send(&api, key, &body).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(count(&api).await, 1);
}

#[tokio::test]
async fn a_repeated_bulk_request_is_answered_alike_and_marked() {
    let api = Harness::new().await;
    let recipients = ["+5511988887777", "nobody", "+5511988886666"];
    let bulk = json!({ "sessionId": "main", "recipients": recipients, "body": "Hello all" });
    let first = post(&api, 1, "/messages/bulk", &[b"k"], &bulk).await;
    first.expect(202);
    let again = post(&api, 1, "/messages/bulk", &[b"k"], &bulk).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(count(&api).await, 2);
    let mut other = bulk;
    other["recipients"] = json!(["+5511988887777"]);
    let refused = post(&api, 1, "/messages/bulk", &[b"k"], &other).await;
    refused.refused(422, "idempotency-key-reused");
    // The key of one operation says nothing about another.
    send(&api, "k", &text()).await.expect(202);
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_tenant() {
    let api = Harness::new().await;
    send(&api, "k", &text()).await.expect(202);
    let mut other = text();
    other["body"] = json!("Something else");
    send(&api, "k", &other).await.refused(422, "idempotency-key-reused");
    let of_another = post(&api, 2, "/messages/send", &[b"k"], &other).await;
    of_another.expect(202);
    assert_eq!(of_another.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn a_request_that_was_refused_may_be_made_anew_with_its_key() {
    let api = Harness::new().await;
    let mut wrong = text();
    wrong["to"] = json!("123");
    send(&api, "k", &wrong).await.refused_field("invalid-phone", "#/to");
    send(&api, "k", &text()).await.expect(202);
}

#[tokio::test]
async fn a_request_that_is_not_done_is_to_be_repeated_later() {
    let mut store = MockIdempotencyStore::new();
    store.expect_begin().returning(|_, _| Ok(Begun::Running { until: at(17_000) }));
    let api = Harness::with(|parts| parts.ports.idempotency = Arc::new(store)).await;
    let answer = send(&api, "k", &text()).await;
    let refused = answer.refused(409, "idempotency-in-flight");
    assert_eq!(answer.header("retry-after"), Some("17"));
    assert_eq!(refused["retryAfter"], 17);
    assert_eq!(count(&api).await, 0);
}

/// Somebody else keeps the message between this request's look and its own try, or has before it.
#[tokio::test]
async fn who_finds_that_it_is_done_answers_for_whoever_did_it() {
    let subject = MessageId(Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0001));
    for (taken_over, is_kept) in [(false, true), (true, true), (true, false)] {
        let api = Harness::with(|parts| {
            let messages = Arc::clone(&parts.ports.messages);
            let mut store = MockIdempotencyStore::new();
            store.expect_begin().returning(move |undertaking, _| {
                let id = if taken_over { subject } else { MessageId(undertaking.subject) };
                if is_kept {
                    let kept = Message { id, ..build::message(1) };
                    messages.insert(&[kept]).now_or_never().unwrap().unwrap();
                }
                Ok(if taken_over { Begun::TakenOver { subject: id.0 } } else { Begun::New })
            });
            store.expect_finish().times(1).returning(|_, _| Ok(()));
            parts.ports.idempotency = Arc::new(store);
        })
        .await;
        let answer = send(&api, "k", &text()).await;
        let accepted = answer.expect(202);
        let listed = api.get("/messages").await.expect(200);
        assert_eq!(listed["total"], 1);
        assert_eq!(listed["data"][0]["id"], accepted["id"]);
        assert_eq!(taken_over, accepted["id"] == subject.to_string());
        assert_eq!(answer.header("idempotency-replayed"), is_kept.then_some("true"));
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_refused_and_nothing_is_done() {
    let api = Harness::new().await;
    let long = [b'k'; 256];
    let bad: [&[&[u8]]; 8] = [
        &[b""],
        &[b"\"\""],
        &[b"a b"],
        &[b"a\tb"],
        &[b"\xc3\xa9"],
        &[b"\xff"],
        &[&long],
        &[b"a", b"a"],
    ];
    for keys in bad {
        for path in ["/messages/send", "/messages/bulk"] {
            let answer = post(&api, 1, path, keys, &text()).await;
            answer.refused_parameter("Idempotency-Key");
        }
    }
    assert_eq!(count(&api).await, 0);
    post(&api, 1, "/messages/send", &[&long[..255]], &text()).await.expect(202);
}
