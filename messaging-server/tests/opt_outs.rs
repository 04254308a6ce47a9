//! Those who want no messages, over HTTP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::Arc;

use futures::FutureExt;
use harness::{Harness, main_session, request};
use messaging_core::conformance::build::{address, at, batch, message, message_id, opt_out};
use messaging_core::delivery::inbox::InboxProcessor;
use messaging_core::domain::message::Message;
use messaging_core::domain::opt_out::OptOut;
use messaging_core::domain::tenant::Role;
use messaging_core::ports::idempotency_store::{Begun, MockIdempotencyStore};
use serde_json::{Value, json};

const NUMBER: &str = "+5511988887777";

fn send(to: &str) -> Value {
    json!({ "sessionId": "main", "to": to, "body": "Hello" })
}

#[tokio::test]
async fn who_is_put_on_the_list_gets_no_message_until_taken_from_it() {
    let api = Harness::new().await;
    let waiting = api.post("/messages/send", send(NUMBER)).await.expect(202)["id"].clone();
    let note = "Asked by e-mail";
    let answer = api.post("/opt-outs", json!({ "number": NUMBER, "note": note })).await;
    let added = answer.expect(201);
    let id = added["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/opt-outs/{id}").as_str()));
    let expected = json!({
        "id": id, "number": NUMBER, "since": "2026-01-01T00:00:00Z", "source": "api", "note": note,
    });
    let since = added["since"].as_str().unwrap();
    assert!(since.starts_with("2026-01-01T00:00:00"), "{since}");
    let mut shown = added.clone();
    shown["since"] = expected["since"].clone();
    assert_eq!(shown, expected);

    let refused = api.post(
        "/messages/send",
        json!({
            "sessionId": "main", "to": NUMBER, "body": "Hello again",
        }),
    );
    let refused = refused.await;
    refused.refused(409, "opted-out");
    assert!(!String::from_utf8(refused.body.clone()).unwrap().contains("5511"));
    let path = format!("/messages/{}", waiting.as_str().unwrap());
    let ended = api.get(&path).await.expect(200);
    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&json!("failed"), &json!("opted-out"))
    );
    let events = api.get(&format!("{path}/events")).await.expect(200);
    assert_eq!(events["data"][1]["error"]["code"], "opted-out");
    api.post(&format!("{path}/retry"), json!({})).await.refused(409, "opted-out");

    assert_eq!(api.delete(&format!("/opt-outs/{NUMBER}")).await.expect(200), added);
    api.delete(&format!("/opt-outs/{NUMBER}")).await.refused(404, "opt-out-not-found");
    api.post(&format!("{path}/retry"), json!({})).await.expect(200);
    api.post("/messages/send", send("+5511988886666")).await.expect(202);
}

#[tokio::test]
async fn to_add_somebody_twice_changes_nothing() {
    let api = Harness::new().await;
    let added = api.post("/opt-outs", json!({ "number": NUMBER })).await.expect(201);
    let again = api.post("/opt-outs", json!({ "number": NUMBER, "note": "again" })).await;
    assert_eq!(again.expect(200), added);
    let chat = "5511988887777@c.us";
    assert_eq!(api.post("/opt-outs", json!({ "number": chat })).await.expect(200), added);
    assert_eq!(api.get("/opt-outs").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn the_list_is_read_by_page_by_cursor_and_by_number() {
    let api = Harness::new().await;
    for n in 0..5 {
        let number = format!("+551198888777{n}");
        api.post("/opt-outs", json!({ "number": number })).await.expect(201);
    }
    let of = |list: &Value| -> Vec<String> {
        let numbers = list["data"].as_array().unwrap().iter();
        numbers.map(|each| each["number"].as_str().unwrap()[13..].to_owned()).collect()
    };
    let first = api.get("/opt-outs?limit=2").await.expect(200);
    assert_eq!((of(&first), &first["total"]), (vec!["4".to_owned(), "3".to_owned()], &json!(5)));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = api.get(&format!("/opt-outs?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(of(&second), ["2", "1"]);
    let last = api.get("/opt-outs?limit=2&page=3").await.expect(200);
    assert_eq!((of(&last), last.get("nextCursor")), (vec!["0".to_owned()], None));
    for plus in ["%2B", "+"] {
        let found = api.get(&format!("/opt-outs?number={plus}5511988887773")).await.expect(200);
        assert_eq!((of(&found), &found["total"]), (vec!["3".to_owned()], &json!(1)));
    }
    let none = api.get("/opt-outs?number=%2B5511988887779").await.expect(200);
    assert_eq!((of(&none), &none["total"]), (vec![], &json!(0)));
    let wrong = api.get("/opt-outs?number=12").await.refused(400, "invalid-phone");
    assert_eq!(wrong["errors"][0]["parameter"], "number");
    for (query, name) in [("limit=0", "limit"), ("page=0", "page")] {
        api.get(&format!("/opt-outs?{query}")).await.refused_parameter(name);
    }
}

#[tokio::test]
async fn an_entry_is_looked_up_by_id_or_number() {
    let api = Harness::new().await;
    let added = api.post("/opt-outs", json!({ "number": NUMBER })).await.expect(201);
    for name in [added["id"].as_str().unwrap(), NUMBER] {
        assert_eq!(api.get(&format!("/opt-outs/{name}")).await.expect(200), added);
    }
    for method in ["GET", "DELETE"] {
        let unknown = format!("/opt-outs/{}", message_id(99));
        api.ask(method, &unknown, None).await.refused(404, "opt-out-not-found");
        api.ask(method, "/opt-outs/abc", None).await.refused_parameter("id");
        // What is refused repeats no number, not even that of its address.
        let refused = api.ask(method, "/opt-outs/+5511988886666", None).await;
        refused.refused(404, "opt-out-not-found");
        assert!(!String::from_utf8(refused.body.clone()).unwrap().contains("5511"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let api = Harness::new().await;
    let wrong = api.post("/opt-outs", json!({ "number": "123" })).await;
    wrong.refused_field("invalid-phone", "#/number");
    let long = json!({ "number": NUMBER, "note": "x".repeat(501) });
    api.post("/opt-outs", long).await.refused_field("invalid-request", "#/note");
    let hidden = json!({ "number": NUMBER, "note": "by\u{202E} e-mail" });
    api.post("/opt-outs", hidden).await.refused_field("invalid-request", "#/note");
    let missing = api.post("/opt-outs", json!({})).await;
    missing.refused_field("invalid-request", "#/number");
    let unknown = json!({ "number": NUMBER, "reason": "x" });
    api.post("/opt-outs", unknown).await.refused_field("invalid-request", "#/reason");
}

#[tokio::test]
async fn an_answer_that_says_stop_is_seen_on_the_list() {
    let api = Harness::new().await;
    let webhook = json!({
        "id": "evt_1",
        "event": "message",
        "session": "waha-1",
        "timestamp": 1_767_225_600_000_i64,
        "engine": "NOWEB",
        "payload": {
            "id": "false_5511988887777@c.us_3EB0538DA65A59F6D8A251",
            "timestamp": 1_767_225_600,
            "from": "5511988887777@c.us",
            "fromMe": false,
            "to": "5511900000001@c.us",
            "body": " Sair! ",
            "hasMedia": false,
        },
    });
    let path = format!("/webhooks/waha/{}", main_session(1));
    let answer = api.webhook(&path, &webhook.to_string()).await;
    assert!(answer.status.is_success(), "{answer:?}");
    InboxProcessor::new(api.gateway.clone()).run_once().await.unwrap();
    let listed = api.get("/opt-outs").await.expect(200);
    let entry = &listed["data"][0];
    assert_eq!((&entry["number"], &entry["source"]), (&json!(NUMBER), &json!("reply")));
    assert_eq!(entry["words"], "pt");
    let said = entry["messageId"].as_str().unwrap();
    assert_eq!(api.get(&format!("/messages/{said}")).await.expect(200)["body"], " Sair! ");
    api.post("/messages/send", send(NUMBER)).await.refused(409, "opted-out");
}

/// Whoever answers for a node that died after it had kept a bulk request says what that would have
/// said: who opted out since was not refused.
#[tokio::test]
async fn a_bulk_request_that_is_taken_over_names_those_who_had_opted_out_when_it_was_accepted() {
    let api = Harness::with(|parts| {
        let kept = batch(7);
        let messages =
            [1, 2].map(|n| Message { batch: Some(kept.id), to: Some(address(n)), ..message(n) });
        let ports = &mut parts.ports;
        ports.messages.insert_batch(&kept, &messages).now_or_never().unwrap().unwrap();
        for (person, since) in [(2, 8), (3, 6)] {
            let entry = OptOut { since: at(since), ..opt_out(person) };
            ports.opt_outs.add(&entry).now_or_never().unwrap().unwrap();
        }
        let mut store = MockIdempotencyStore::new();
        store.expect_begin().returning(move |_, _| Ok(Begun::TakenOver { subject: kept.id.0 }));
        store.expect_finish().times(1).returning(|_, _| Ok(()));
        ports.idempotency = Arc::new(store);
    })
    .await;
    let recipients = [1, 2, 3].map(|n| address(n).as_str().to_owned());
    let body = json!({ "sessionId": "main", "recipients": recipients, "body": "Hello all" });
    let token = api.token(1, Role::Owner);
    let mut asked =
        request("POST", "/messages/bulk", Some(&token), Some(body.to_string().into_bytes()));
    asked.headers_mut().insert("idempotency-key", "k".parse().unwrap());
    let answer = api.call(asked).await;
    let accepted = answer.expect(202);
    assert_eq!(accepted["id"], batch(7).id.to_string());
    let rejected: Vec<_> = accepted["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["index"].clone(), it["code"].clone()))
        .collect();
    assert_eq!(rejected, [(json!(2), json!("opted-out"))]);
}
