//! What is kept of one person is shown, and let go of.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Harness, request};
use messaging_core::conformance::build::{inbound, inbox_entry, inbox_id, message, tenant_id};
use messaging_core::domain::address::Address;
use messaging_core::domain::audit::Chain;
use messaging_core::domain::inbox::{InboxEntry, InboxVerdict};
use messaging_core::domain::message::Message;
use messaging_core::domain::status::Status;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::inbox_store::InboxStore;
use serde_json::{Value, json};

const NUMBER: &str = "+5511988887777";
const OTHER: &str = "+5511988886666";

/// Messages in and out, an opt-out and a webhook of a person, and as much of another.
async fn two_persons() -> Harness {
    let api = Harness::new().await;
    for (n, number) in [(1_u64, NUMBER), (2, OTHER)] {
        let metadata = json!({ "name": "Ana" });
        let send = json!({
            "sessionId": "main", "to": number, "body": format!("Hello {n}"), "metadata": metadata,
        });
        api.post("/messages/send", send).await.expect(202);
        let from = Some(Address::from_stored(number));
        api.keep(Message { from, ..inbound(100 + n) }).await;
        let body = json!({ "from": format!("{}@c.us", &number[1..]), "body": "Hi" });
        let payload = body.to_string().into_bytes();
        let entry = InboxEntry { payload, ..inbox_entry(n) };
        api.store.keep(&[entry]).await.unwrap();
        api.store.defer(&[(inbox_id(n), InboxVerdict::Dead)]).await.unwrap();
    }
    api
}

async fn exported(api: &Harness, number: &str) -> Vec<Value> {
    let answer = api.post("/privacy/export", json!({ "phone": number })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["kind"], "end");
    lines
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_export_holds_what_is_kept_of_a_person_and_of_nobody_else() {
    let api = two_persons().await;
    api.post("/opt-outs", json!({ "number": NUMBER, "note": "by e-mail" })).await.expect(201);
    let lines = exported(&api, NUMBER).await;
    assert_eq!(kinds(&lines), ["opt-out", "message", "message", "webhook", "end"]);
    assert_eq!(lines[0]["note"], "by e-mail");
    let ways: Vec<_> = lines[1..3].iter().map(|line| line["direction"].as_str().unwrap()).collect();
    assert!(ways.contains(&"inbound") && ways.contains(&"outbound"), "{ways:?}");
    assert!(lines.iter().any(|line| line["body"] == "Hello 1"));
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains(OTHER) && !text.contains("Hello 2"), "{text}");
    assert_eq!(kinds(&exported(&api, "+5511988885555").await), ["end"]);
    // Another tenant has nothing of the person.
    let theirs = json!({ "phone": NUMBER });
    let theirs = api.ask_as(2, "POST", "/privacy/export", Some(theirs)).await;
    assert_eq!(theirs.body, b"{\"kind\":\"end\"}\n");
}

/// What an export holds are contents: whoever sees none is shown none, and not masks in their place.
#[tokio::test]
async fn who_sees_no_contents_exports_nobody() {
    let api = two_persons().await;
    for (scope, is_allowed) in
        [(json!(["data:export"]), false), (json!(["data:export", "messages:read:content"]), true)]
    {
        let wanted = json!({ "name": "export", "role": "owner", "scope": scope });
        let key = api.post("/api-keys", wanted).await.expect(201)["key"].clone();
        let body = Some(json!({ "phone": NUMBER }).to_string().into_bytes());
        let answer = api.call(request("POST", "/privacy/export", key.as_str(), body)).await;
        if is_allowed {
            assert_eq!(answer.status, 200);
            continue;
        }
        let refused = answer.refused(403, "forbidden");
        assert!(refused["detail"].as_str().unwrap().contains("messages:read:content"));
    }
}

/// The same line of Brazil, from before its mobiles had a ninth digit: WhatsApp names it by either.
#[tokio::test]
async fn a_person_is_found_by_either_spelling_of_the_number() {
    let api = two_persons().await;
    let old = "+551188887777";
    api.keep(Message { from: Some(Address::from_stored(old)), ..inbound(201) }).await;
    let payload = json!({ "from": "551188887777@c.us" }).to_string().into_bytes();
    api.store.keep(&[InboxEntry { payload, ..inbox_entry(3) }]).await.unwrap();
    api.store.defer(&[(inbox_id(3), InboxVerdict::Dead)]).await.unwrap();
    api.post("/opt-outs", json!({ "number": old })).await.expect(201);
    for spelling in [NUMBER, old] {
        let lines = exported(&api, spelling).await;
        let expected = ["opt-out", "message", "message", "message", "webhook", "webhook", "end"];
        assert_eq!(kinds(&lines), expected, "{spelling}");
    }
    let erase = json!({ "phone": old, "confirm": old });
    let told = api.post("/privacy/erase", erase).await.expect(200);
    assert_eq!((&told["messages"], &told["webhooks"]), (&json!(3), &json!(2)), "{told}");
    assert_eq!(told["optedOut"], true);
    assert_eq!(kinds(&exported(&api, NUMBER).await), ["opt-out", "end"]);
}

#[tokio::test]
async fn an_export_of_many_messages_is_whole() {
    let api = Harness::new().await;
    for n in 1..=450 {
        // In either spelling, by turns of different length.
        let from = if n % 3 == 0 { "+551188887777" } else { NUMBER };
        api.keep(Message { from: Some(Address::from_stored(from)), ..inbound(n) }).await;
    }
    let lines = exported(&api, NUMBER).await;
    assert_eq!(lines.len(), 451);
    let ids: std::collections::HashSet<_> =
        lines.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(ids.len(), 450);
}

#[tokio::test]
async fn what_is_erased_is_nowhere_to_be_found() {
    let api = two_persons().await;
    let before = exported(&api, NUMBER).await;
    let ids: Vec<_> = before.iter().filter(|it| it["kind"] == "message").collect();
    let statistics = api.get("/messages/stats").await.expect(200);
    api.post("/opt-outs", json!({ "number": NUMBER })).await.expect(201);
    let erase = json!({ "phone": NUMBER, "confirm": NUMBER });
    let told = api.post("/privacy/erase", erase.clone()).await.expect(200);
    // What waited was ended by the opt-out.
    let expected = json!({
        "done": true, "cancelled": 0, "messages": 2, "messagesUnderWay": 0, "webhooks": 1,
        "webhooksPending": 0, "optedOut": true,
    });
    assert_eq!(told, expected);
    assert_eq!(kinds(&exported(&api, NUMBER).await), ["opt-out", "end"]);
    for id in ids {
        let path = format!("/messages/{}", id["id"].as_str().unwrap());
        let message = api.get(&path).await.expect(200);
        assert_eq!(message["body"], "");
        assert!(message.get("metadata").is_none_or(Value::is_null), "{message}");
        assert!(!message.to_string().contains(&NUMBER[1..]), "{message}");
    }
    let after = api.get("/messages/stats").await.expect(200);
    assert_eq!(after["total"], statistics["total"]);
    // The other person's is as before, and a second time there is nothing.
    assert_eq!(kinds(&exported(&api, OTHER).await), ["message", "message", "webhook", "end"]);
    let again = api.post("/privacy/erase", erase).await.expect(200);
    assert_eq!((&again["messages"], &again["webhooks"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn what_waits_for_the_person_is_taken_back_first() {
    let api = two_persons().await;
    let erase = json!({ "phone": NUMBER, "confirm": NUMBER });
    let told = api.post("/privacy/erase", erase).await.expect(200);
    assert_eq!((&told["cancelled"], &told["messages"]), (&json!(1), &json!(2)));
    let listed = api.get("/messages?status=cancelled").await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0]["body"]), (&json!(1), &json!("")));
    let waiting = api.get("/messages?status=queued").await.expect(200);
    assert_eq!(waiting["total"], 1);
}

#[tokio::test]
async fn an_erasure_goes_on_where_it_stopped() {
    let api = Harness::new().await;
    let number = Some(Address::from_stored(NUMBER));
    for n in 1..=2100 {
        api.keep(Message { from: number.clone(), ..inbound(n) }).await;
    }
    let mut erase = json!({ "phone": NUMBER, "confirm": NUMBER });
    let first = api.post("/privacy/erase", erase.clone()).await.expect(200);
    assert_eq!((&first["done"], &first["messages"]), (&json!(false), &json!(2000)));
    erase["cursor"] = first["nextCursor"].clone();
    let second = api.post("/privacy/erase", erase).await.expect(200);
    assert_eq!((&second["done"], &second["messages"]), (&json!(true), &json!(100)));
}

#[tokio::test]
async fn nothing_is_erased_that_is_not_confirmed() {
    let api = two_persons().await;
    for (body, pointer) in [
        (json!({ "phone": NUMBER, "confirm": OTHER }), "#/confirm"),
        (json!({ "phone": NUMBER, "confirm": NUMBER, "cursor": "x" }), "#/cursor"),
    ] {
        api.post("/privacy/erase", body).await.refused_field("invalid-request", pointer);
    }
    let group = json!({ "phone": "120363041234567890@g.us", "confirm": "120363041234567890@g.us" });
    api.post("/privacy/erase", group).await.refused_field("invalid-request", "#/phone");
    let nobody = json!({ "phone": "123" });
    api.post("/privacy/export", nobody).await.refused_field("invalid-phone", "#/phone");
    assert_eq!(kinds(&exported(&api, NUMBER).await), ["message", "message", "webhook", "end"]);
    let token = api.token(1, messaging_core::domain::tenant::Role::Operator);
    let body = Some(json!({ "phone": NUMBER, "confirm": NUMBER }).to_string().into_bytes());
    let asked = request("POST", "/privacy/erase", Some(&token), body);
    api.call(asked).await.refused(403, "forbidden");
}

#[tokio::test]
async fn the_audit_log_tells_of_both_and_names_no_number() {
    let api = two_persons().await;
    exported(&api, NUMBER).await;
    let erase = json!({ "phone": NUMBER, "confirm": NUMBER });
    api.post("/privacy/erase", erase).await.expect(200);
    api.trail.flush().await;
    let entries = api.store.walk(Chain::Tenant(tenant_id(1)), 0, 99).await.unwrap();
    let actions: Vec<_> = entries.iter().map(|entry| entry.event.action.as_str()).collect();
    assert!(actions.contains(&"export_person") && actions.contains(&"erase_person"), "{actions:?}");
    assert!(!format!("{entries:?}").contains(&NUMBER[1..]));
}

/// Nobody knows any more to whom, or what: it would wait for ever, past the list of opt-outs.
#[tokio::test]
async fn a_dead_letter_that_was_erased_is_not_tried_again_and_keeps_no_other_from_it() {
    let api = Harness::new().await;
    let failed = |n, number| Message {
        session: harness::session(1).id,
        to: Some(Address::from_stored(number)),
        status: Status::Failed,
        ..message(n)
    };
    // More than are looked at together, and accepted before the other.
    for n in 1..=120 {
        api.keep(failed(n, NUMBER)).await;
    }
    let other = api.keep(failed(200, OTHER)).await.id;
    api.post("/privacy/erase", json!({ "phone": NUMBER, "confirm": NUMBER })).await.expect(200);
    let retry = format!("/messages/{}/retry", message(1).id);
    api.post(&retry, json!({})).await.refused(409, "message-state-conflict");
    let moved = api.post("/dead-letters/retry", json!({})).await.expect(200);
    assert_eq!(moved, json!({ "moved": 1, "remaining": 120 }));
    let moved = api.post("/dead-letters/retry", json!({})).await.expect(200);
    assert_eq!(moved, json!({ "moved": 0, "remaining": 120 }));
    let listed = api.get("/messages?status=queued").await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0]["id"]), (&json!(1), &json!(other)));
    // They can be left so.
    let moved = api.post("/dead-letters/discard", json!({ "limit": 1000 })).await.expect(200);
    assert_eq!(moved, json!({ "moved": 120, "remaining": 0 }));
}
