//! Messages over HTTP: sending, looking, counting, taking back, trying again.

mod harness;

use harness::{Harness, main_session};
use messaging_core::conformance::build::{at, batch_id, inbound, message, message_id, session_id};
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::message::Message;
use messaging_core::domain::status::Status;
use messaging_core::ports::message_store::MessageStore;
use serde_json::{Value, json};
use std::time::Duration;

fn text() -> Value {
    json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" })
}

fn failed(n: u64) -> Message {
    Message {
        status: Status::Failed,
        failure: Some(Failure::new(FailureCode::NotOnWhatsapp)),
        failed_at: Some(at(n)),
        ..message(n)
    }
}

#[tokio::test]
async fn an_accepted_message_is_kept_and_can_be_looked_at() {
    let api = Harness::new().await;
    let answer = api.post("/messages/send", text()).await;
    let accepted = answer.expect(202);
    assert_eq!(accepted["status"], "queued");
    assert_eq!(accepted["estimatedSendAt"], "2026-01-01T00:00:00Z");
    let location = answer.header("location").unwrap();
    assert_eq!(location, format!("/messages/{}", accepted["id"].as_str().unwrap()));
    let found = api.get(location).await.expect(200);
    assert_eq!(found["sessionId"], main_session(1));
    assert_eq!(found["direction"], "outbound");
    assert_eq!(found["type"], "text");
    assert_eq!(found["to"], "+5511988887777");
    assert_eq!(found["body"], "Hello");
    assert_eq!(found["priority"], "normal");
    assert_eq!(found["attempts"], 0);
    assert_eq!(found["pacing"]["heldBy"], "ready");
    assert!(found.get("error").is_none());
}

#[tokio::test]
async fn a_message_says_how_many_leave_before_it_and_when_it_is_likely_to() {
    let api = Harness::new().await;
    let mut last = Value::Null;
    for n in 0..=20 {
        let mut body = text();
        body["to"] = format!("+55119888877{n:02}").into();
        body["onRateLimit"] = "queue".into();
        last = api.post("/messages/send", body).await.expect(202);
        let expected = if n < 20 { "2026-01-01T00:00:00Z" } else { "2026-01-01T00:01:00.25Z" };
        assert_eq!(last["estimatedSendAt"], expected, "{n}");
    }
    let location = format!("/messages/{}", last["id"].as_str().unwrap());
    let pacing = api.get(&location).await.expect(200)["pacing"].clone();
    let expected = json!({
        "heldBy": "queue", "ahead": 20, "estimatedSendAt": "2026-01-01T00:01:00.25Z",
    });
    assert_eq!(pacing, expected);
}

#[tokio::test]
async fn a_session_is_named_by_its_id_too() {
    let api = Harness::new().await;
    let mut body = text();
    body["sessionId"] = main_session(1).into();
    api.post("/messages/send", body).await.expect(202);
}

#[tokio::test]
async fn metadata_and_priority_come_back_as_they_were_given() {
    let api = Harness::new().await;
    let mut body = text();
    body["priority"] = "high".into();
    body["metadata"] = json!({ "campaignId": "c", "nested": { "a": [1, null] } });
    let sent = api.post("/messages/send", body.clone()).await;
    let found = api.get(sent.header("location").unwrap()).await.expect(200);
    assert_eq!(found["metadata"], body["metadata"]);
    assert_eq!(found["priority"], "high");
}

#[tokio::test]
async fn whatever_can_be_attached_is_accepted() {
    let api = Harness::new().await;
    for (kind, attached) in [
        ("image", json!({ "media": { "kind": "image", "url": "https://example.com/a.png" } })),
        (
            "document",
            json!({ "media": { "kind": "document", "data": "aGVsbG8=", "filename": "a" } }),
        ),
        ("location", json!({ "location": { "latitude": 52.5, "longitude": 13.4 } })),
        ("contact", json!({ "contact": { "name": "Ada", "phone": "+5511988886666" } })),
        ("poll", json!({ "poll": { "question": "When?", "options": ["now", "later"] } })),
    ] {
        let mut body = attached.clone();
        body["sessionId"] = "main".into();
        body["to"] = "+5511988887777".into();
        let sent = api.post("/messages/send", body).await;
        sent.expect(202);
        let found = api.get(sent.header("location").unwrap()).await.expect(200);
        assert_eq!(found["type"], kind);
        let (name, _) = attached.as_object().unwrap().iter().next().unwrap();
        assert!(found[name].is_object(), "{found}");
        assert!(found[name].get("data").is_none(), "a file is not sent back: {found}");
    }
}

#[tokio::test]
async fn only_one_thing_is_attached_by_one_way() {
    let api = Harness::new().await;
    let mut body = text();
    body["media"] = json!({ "kind": "image", "url": "https://a.b/c", "data": "aGVsbG8=" });
    api.post("/messages/send", body).await.refused_field("invalid-request", "#/media");
    let mut body = text();
    body["location"] = json!({ "latitude": 0, "longitude": 0 });
    body["poll"] = json!({ "question": "?", "options": ["a", "b"] });
    api.post("/messages/send", body).await.refused_field("invalid-request", "#/poll");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    let api = Harness::new().await;
    let body = json!({ "sessionId": "main", "to": "123", "body": "" });
    let refused = api.post("/messages/send", body).await.refused(400, "invalid-request");
    let pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|each| &each["pointer"]).collect();
    assert_eq!(pointers, ["#/to", "#/body"]);
}

#[tokio::test]
async fn a_session_that_is_not_there_is_not_found() {
    let api = Harness::new().await;
    let mut body = text();
    body["sessionId"] = "another".into();
    api.post("/messages/send", body).await.refused(404, "session-not-found");
}

#[tokio::test]
async fn a_session_that_does_not_work_takes_nothing() {
    let api = Harness::new().await;
    api.waha.has("waha-1", messaging_core::domain::session::SessionStatus::Working);
    api.clock.advance(Duration::from_secs(1));
    api.post("/sessions/main/stop", json!({})).await.expect(200);
    let refused = api.post("/messages/send", text()).await.refused(400, "session-not-working");
    assert_eq!(refused["sessionStatus"], "stopped");
}

#[tokio::test]
async fn the_twenty_first_message_of_a_minute_is_refused_or_queued() {
    let api = Harness::new().await;
    let text = || {
        let mut text = text();
        text["allowDuplicate"] = true.into();
        text
    };
    for sent in 1..=20 {
        let answer = api.post("/messages/send", text()).await;
        answer.expect(202);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"session\";q=20;w=60"));
        let left = format!("\"session\";r={};t=60", 20 - sent);
        assert_eq!(answer.header("ratelimit"), Some(left.as_str()));
        if sent == 1 {
            api.clock.advance(Duration::from_millis(1500));
        }
    }
    let answer = api.post("/messages/send", text()).await;
    let refused = answer.refused(429, "rate-limited");
    assert_eq!(refused["retryAfter"], 59);
    assert_eq!(answer.header("retry-after"), Some("59"));
    assert_eq!(answer.header("ratelimit-policy"), Some("\"session\";q=20;w=60"));
    assert_eq!(answer.header("ratelimit"), Some("\"session\";r=0;t=59"));

    let mut queued = text();
    queued["onRateLimit"] = "queue".into();
    api.post("/messages/send", queued).await.expect(202);
    api.clock.advance(Duration::from_secs(59));
    api.post("/messages/send", text()).await.expect(202);
}

#[tokio::test]
async fn a_full_queue_and_a_busy_tenant_are_told_to_come_back() {
    let api = Harness::with(|parts| parts.settings.max_waiting = 0).await;
    api.post("/messages/send", text()).await.refused(429, "queue-full");
    let api = Harness::with(|parts| parts.settings.tenant_quota.limit = 1).await;
    api.post("/messages/send", text()).await.expect(202);
    let answer = api.post("/messages/send", text()).await;
    answer.refused(429, "rate-limited");
    assert_eq!(answer.header("ratelimit-policy"), Some("\"tenant\";q=1;w=60"));
}

#[tokio::test]
async fn a_list_can_be_filtered_by_everything() {
    let api = Harness::new().await;
    api.keep(Message { batch: Some(batch_id(9)), ..message(1) }).await;
    api.keep(inbound(2)).await;
    let metadata = Some(json!({ "campaignId": "spring" }));
    api.keep(Message { metadata, ..message(3) }).await;
    api.keep(failed(4)).await;
    let session = main_session(1);
    for (query, expected) in [
        (String::new(), vec![4, 3, 2, 1]),
        ("sessionId=main".into(), vec![4, 3, 2, 1]),
        (format!("sessionId={session}"), vec![4, 3, 2, 1]),
        ("direction=inbound".into(), vec![2]),
        ("direction=OUTBOUND".into(), vec![4, 3, 1]),
        ("status=failed".into(), vec![4]),
        ("status=QUEUED".into(), vec![3, 1]),
        (format!("bulkId={}", batch_id(9)), vec![1]),
        ("campaignId=spring".into(), vec![3]),
        ("search=text%203".into(), vec![3]),
        ("search=%2B5511900000001".into(), vec![4, 3, 2, 1]),
        ("search=".into(), vec![4, 3, 2, 1]),
        ("fromDate=2026-01-01&toDate=2026-01-01".into(), vec![4, 3, 2, 1]),
        ("toDate=2025-12-31".into(), vec![]),
        ("fromDate=2026-01-01T00:00:00.003Z".into(), vec![4, 3]),
        ("toDate=2026-01-01T01:00:00.002%2B01:00".into(), vec![2, 1]),
        ("status=queued&direction=outbound&search=text&campaignId=spring".into(), vec![3]),
    ] {
        let found = api.get(&format!("/messages?{query}")).await.expect(200);
        let ids: Vec<_> =
            found["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
        let expected: Vec<_> = expected.into_iter().map(|n| message_id(n).to_string()).collect();
        assert_eq!(ids, expected, "{query}");
        assert_eq!(found["total"], expected.len());
    }
}

#[tokio::test]
async fn a_session_that_is_not_there_is_not_found_in_a_filter_either() {
    let api = Harness::new().await;
    api.get("/messages?sessionId=abc").await.refused(404, "session-not-found");
    api.get("/messages/stats?sessionId=abc").await.refused(404, "session-not-found");
}

#[tokio::test]
async fn pages_and_cursors_lead_through_the_whole_list() {
    let api = Harness::new().await;
    for n in 1..=5 {
        api.keep(message(n)).await;
    }
    let page = api.get("/messages?page=2&limit=2").await.expect(200);
    assert_eq!((&page["page"], &page["limit"], &page["total"]), (&json!(2), &json!(2), &json!(5)));
    assert_eq!(page["data"][0]["id"], message_id(3).to_string());

    let mut seen = vec![];
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let cursor = if cursor.is_empty() { cursor } else { format!("&page=7&cursor={cursor}") };
        let page = api.get(&format!("/messages?limit=2{cursor}")).await.expect(200);
        assert_eq!(page.get("page").is_some(), cursor.is_empty());
        seen.extend(page["data"].as_array().unwrap().iter().map(|m| m["id"].clone()));
        next = page["nextCursor"].as_str().map(str::to_owned);
        // What comes in meanwhile shifts nothing.
        if seen.len() == 2 {
            api.keep(message(6)).await;
        }
    }
    let expected: Vec<_> = (1..=5).rev().map(|n| message_id(n).to_string()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn parameters_out_of_bounds_are_named() {
    let api = Harness::new().await;
    for (query, parameter) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=1000000000", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("status=gone", "status"),
        ("direction=sideways", "direction"),
        ("fromDate=yesterday", "fromDate"),
        ("toDate=2026-13-01", "toDate"),
        ("fromDate=2026-02-01&toDate=2026-01-01", "fromDate"),
        ("bulkId=abc", "bulkId"),
        ("cursor=garbage", "cursor"),
        ("cursor=", "cursor"),
    ] {
        let answer = api.get(&format!("/messages?{query}")).await;
        answer.refused_parameter(parameter);
    }
    let refused = api.get("/messages?limit=101").await.refused_parameter("limit");
    assert!(refused["detail"].as_str().unwrap().contains("100"));
    let long = "a".repeat(257);
    api.get(&format!("/messages?search={long}")).await.refused_parameter("search");
    api.get("/messages?limit=100").await.expect(200);
    api.get("/messages?page=4294967295&limit=100").await.expect(200);
}

#[tokio::test]
async fn statistics_count_what_is_in_the_range() {
    let api = Harness::new().await;
    api.keep(message(1)).await;
    api.keep(inbound(2)).await;
    api.keep(failed(3)).await;
    let sent = Message { status: Status::Delivered, sent_at: Some(at(1004)), ..message(4) };
    api.keep(sent).await;
    let counted =
        api.get("/messages/stats?fromDate=2026-01-01&toDate=2026-01-31").await.expect(200);
    assert_eq!(
        counted,
        json!({
            "total": 4,
            "byStatus": { "queued": 1, "received": 1, "failed": 1, "delivered": 1 },
            "byDirection": { "outbound": 3, "inbound": 1 },
            "byType": { "text": 4 },
            "bySession": { session_id(1).to_string(): 4 },
            "successRate": 0.5,
            "failureRate": 0.5,
            "timeToSent": { "p50": 1.0, "p95": 1.0 }
        })
    );
    let none = api.get("/messages/stats?toDate=2024-01-01").await.expect(200);
    assert_eq!(none["total"], 0);
    assert!(none.get("successRate").is_none());
    let reversed = "/messages/stats?fromDate=2024-01-31T00:00:00Z&toDate=2024-01-01T00:00:00Z";
    api.get(reversed).await.refused_parameter("fromDate");
}

#[tokio::test]
async fn a_message_that_waits_can_be_cancelled_once() {
    let api = Harness::new().await;
    let sent = api.post("/messages/send", text()).await;
    let location = sent.header("location").unwrap();
    assert_eq!(api.delete(location).await.expect(200)["status"], "cancelled");
    let refused = api.delete(location).await.refused(409, "message-state-conflict");
    assert_eq!(refused["messageStatus"], "cancelled");
    let history = api.get(&format!("{location}/events")).await.expect(200);
    let statuses: Vec<_> =
        history["data"].as_array().unwrap().iter().map(|event| &event["status"]).collect();
    assert_eq!(statuses, ["queued", "cancelled"]);
    assert!(history["data"][0].get("event").is_none());
    assert_eq!(history["data"][1]["event"], "cancel");
}

#[tokio::test]
async fn a_failed_message_is_a_dead_letter_until_it_is_tried_again() {
    let api = Harness::new().await;
    let id = api.keep(failed(1)).await.id;
    api.keep(message(2)).await;
    let letters = api.get("/dead-letters?limit=5&sessionId=main").await.expect(200);
    assert_eq!(letters["total"], 1);
    assert_eq!(letters["data"][0]["id"], id.to_string());
    assert_eq!(letters["data"][0]["error"]["code"], "not-on-whatsapp");
    let queued = api.post(&format!("/messages/{id}/retry"), json!({})).await.expect(200);
    assert_eq!(queued["status"], "queued");
    let again = api.post(&format!("/messages/{id}/retry"), json!({})).await;
    assert_eq!(again.refused(409, "message-state-conflict")["messageStatus"], "queued");
    assert_eq!(api.get("/dead-letters").await.expect(200)["total"], 0);
    api.get("/dead-letters?page=0").await.refused_parameter("page");
}

#[tokio::test]
async fn dead_letters_are_moved_by_what_they_have_in_common() {
    let api = Harness::new().await;
    for n in 1..=5 {
        api.keep(failed(n)).await;
    }
    let unknown = Some(Failure::new(FailureCode::OutcomeUnknown));
    let id = api.keep(Message { failure: unknown, ..failed(6) }).await.id;
    let of_code = |code, limit: u32| json!({ "errorCode": code, "limit": limit });
    let retry = api.post("/dead-letters/retry", of_code("not-on-whatsapp", 2)).await.expect(200);
    assert_eq!(retry, json!({ "moved": 2, "remaining": 3 }));
    let discard = of_code("not-on-whatsapp", 1000);
    let discarded = api.post("/dead-letters/discard", discard).await.expect(200);
    assert_eq!(discarded, json!({ "moved": 3, "remaining": 0 }));
    let letters = api.get("/dead-letters?errorCode=outcome-unknown").await.expect(200);
    assert_eq!((&letters["total"], &letters["data"][0]["id"]), (&json!(1), &json!(id.to_string())));
    assert_eq!(api.get("/dead-letters").await.expect(200)["total"], 1);
    assert_eq!(api.get("/messages?status=discarded").await.expect(200)["total"], 3);
    let one = api.post(&format!("/messages/{id}/discard"), json!({})).await.expect(200);
    assert_eq!(
        (&one["status"], &one["error"]["code"]),
        (&json!("discarded"), &json!("outcome-unknown"))
    );
    let again = api.post(&format!("/messages/{id}/discard"), json!({})).await;
    assert_eq!(again.refused(409, "message-state-conflict")["messageStatus"], "discarded");

    for limit in [0, 1001] {
        let many = api.post("/dead-letters/retry", json!({ "limit": limit })).await;
        many.refused_field("invalid-request", "#/limit");
    }
    let unheard = json!({ "errorCode": "bad-luck" });
    api.post("/dead-letters/discard", unheard)
        .await
        .refused_field("invalid-request", "#/errorCode");
    let elsewhere = json!({ "sessionId": "nowhere" });
    api.post("/dead-letters/retry", elsewhere).await.refused(404, "session-not-found");
    let turned = json!({ "fromDate": "2026-02-01T00:00:00Z", "toDate": "2026-01-01T00:00:00Z" });
    api.post("/dead-letters/retry", turned).await.refused_field("invalid-request", "#/fromDate");
}

#[tokio::test]
async fn what_is_no_id_is_named_and_what_is_unknown_is_not_found() {
    let api = Harness::new().await;
    let id = message_id(99);
    for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/events"), ("POST", "/retry")] {
        api.ask(method, &format!("/messages/abc{path}"), None).await.refused_parameter("id");
        let unknown = api.ask(method, &format!("/messages/{id}{path}"), None).await;
        unknown.refused(404, "message-not-found");
    }
}

#[tokio::test]
async fn what_was_answered_is_in_the_store() {
    let api = Harness::new().await;
    let accepted = api.post("/messages/send", text()).await.expect(202);
    let id = accepted["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(api.store.load(&[id]).await.unwrap().len(), 1);
}
