//! Sends: every kind arrives, ids are kept, repeats collapse.

use std::time::Duration;

use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{ContentKind, Latency, Outcome, RecipientScript};

use crate::harness::{CHAT, MAIN, Receiver, Rig, text_to};

fn file() -> Value {
    json!({"mimetype": "image/jpeg", "data": "aGVsbG8=", "filename": "a.jpg"})
}

#[tokio::test]
async fn every_kind_of_message_arrives() {
    let rig = Rig::of(Engine::Gows).await;
    let poll = json!({"name": "Tea?", "options": ["Yes", "No"], "multipleAnswers": false});
    let sends = [
        ("sendText", json!({"text": "Hi"}), ContentKind::Text, Some("Hi")),
        ("sendImage", json!({"file": file(), "caption": "See"}), ContentKind::Image, Some("See")),
        ("sendFile", json!({"file": file()}), ContentKind::Document, None),
        ("sendVoice", json!({"file": file(), "convert": true}), ContentKind::Voice, None),
        ("sendVideo", json!({"file": file(), "convert": true}), ContentKind::Video, None),
        (
            "sendLocation",
            json!({"latitude": 1.5, "longitude": -2.5, "title": "Office"}),
            ContentKind::Location,
            Some("Office"),
        ),
        (
            "sendContactVcard",
            json!({"contacts": [{"fullName": "Jane", "phoneNumber": "+1"}]}),
            ContentKind::Contact,
            None,
        ),
        ("sendPoll", json!({"poll": poll}), ContentKind::Poll, Some("Tea?")),
    ];
    for (endpoint, mut body, kind, text) in sends {
        body["session"] = json!(MAIN);
        body["chatId"] = json!(CHAT);
        let (status, _) = rig.post(&format!("/api/{endpoint}"), body).await;
        assert_eq!(status, 201, "{endpoint}");
        let arrived = rig.simulator.arrivals().pop().unwrap();
        assert_eq!((arrived.kind, arrived.text.as_deref()), (kind, text));
        assert_eq!(arrived.outcome, Outcome::Accepted);
        let delivered = rig.simulator.deliveries().pop().unwrap();
        assert_eq!((delivered.kind, delivered.raw_id), (kind, arrived.raw_id.unwrap()));
    }
}

#[tokio::test]
async fn a_repeat_with_the_same_id_is_no_second_message() {
    for engine in [Engine::Noweb, Engine::Gows] {
        let rig = Rig::of(engine).await;
        let (_, drawn) = rig.get(&format!("/api/{MAIN}/new-message-id")).await;
        let mut body = text_to(CHAT, "Hi");
        body["id"] = drawn["id"].clone();
        let (_, first) = rig.post("/api/sendText", body.clone()).await;
        let (_, second) = rig.post("/api/sendText", body).await;
        assert_eq!(first, second);
        let outcomes: Vec<_> = rig.simulator.arrivals().iter().map(|it| it.outcome).collect();
        assert_eq!(outcomes, [Outcome::Accepted, Outcome::Collapsed]);
        let delivered = rig.simulator.deliveries();
        assert_eq!(delivered.len(), 1);
        assert_eq!(json!(delivered[0].raw_id), drawn["id"]);
    }
}

#[tokio::test]
async fn a_repeat_may_become_a_second_message_after_all() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| knobs.collapses_same_id = false);
    let mut body = text_to(CHAT, "Hi");
    body["id"] = json!("3EB0C1D2E3F4A5B6C7D8E9");
    for _ in 0..2 {
        rig.post("/api/sendText", body.clone()).await;
    }
    assert_eq!(rig.simulator.deliveries().len(), 2);
}

#[tokio::test]
async fn webjs_and_media_do_not_take_an_id() {
    for (engine, endpoint) in [(Engine::Webjs, "sendText"), (Engine::Gows, "sendImage")] {
        let rig = Rig::of(engine).await;
        let mut body = text_to(CHAT, "Hi");
        body["file"] = file();
        body["id"] = json!("3EB0C1D2E3F4A5B6C7D8E9");
        for _ in 0..2 {
            assert_eq!(rig.post(&format!("/api/{endpoint}"), body.clone()).await.0, 201);
        }
        let delivered = rig.simulator.deliveries();
        assert_eq!(delivered.len(), 2, "{engine} {endpoint}");
        assert!(delivered.iter().all(|it| it.raw_id != "3EB0C1D2E3F4A5B6C7D8E9"));
    }
}

#[tokio::test]
async fn media_by_url_are_fetched_before_they_are_sent() {
    let rig = Rig::of(Engine::Gows).await;
    let receiver = Receiver::start().await;
    let url = receiver.webhook(&[]).url;
    let file = |url: &str| json!({"mimetype": "image/jpeg", "url": url});
    let send = |url: &str| json!({"session": MAIN, "chatId": CHAT, "file": file(url)});
    assert_eq!(rig.post("/api/sendImage", send(&url)).await.0, 201);
    assert_eq!(receiver.all()[0].method, "GET");
    receiver.answer_next(404, &[]);
    assert_eq!(rig.post("/api/sendImage", send(&url)).await.0, 500);
    assert_eq!(rig.simulator.deliveries().len(), 1);
}

#[tokio::test]
async fn bad_base64_is_thrown_back() {
    let rig = Rig::of(Engine::Gows).await;
    let file = json!({"mimetype": "image/jpeg", "data": "data:image/png;base64,xx"});
    let body = json!({"session": MAIN, "chatId": CHAT, "file": file});
    assert_eq!(rig.post("/api/sendImage", body).await.0, 500);
}

#[tokio::test]
async fn a_number_that_is_not_there_is_refused_by_webjs_only() {
    let rig = Rig::of(Engine::Webjs).await;
    rig.simulator.script_recipient("+1 202 555 0123", RecipientScript::missing());
    assert_eq!(rig.send_text("Hi").await.0, 500);
    rig.simulator.turn_knobs(|knobs| knobs.engine = Engine::Gows);
    assert_eq!(rig.send_text("Hi").await.0, 201);
    assert!(rig.simulator.deliveries().is_empty());
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_send() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| knobs.latency = Latency::millis(600));
    let request = rig
        .request(reqwest::Method::POST, "/api/sendText")
        .json(&text_to(CHAT, "Hi"))
        .timeout(Duration::from_millis(200));
    assert!(request.send().await.unwrap_err().is_timeout());
    crate::harness::eventually("the send goes on", || rig.simulator.deliveries().len() == 1).await;
}

#[tokio::test]
async fn sends_under_way_at_once_are_counted() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| knobs.latency = Latency::millis(150));
    tokio::join!(rig.send_text("one"), rig.send_text("two"));
    rig.send_text("three").await;
    let under_way: Vec<_> = rig.simulator.arrivals().iter().map(|it| it.under_way).collect();
    assert_eq!(under_way, [1, 2, 1]);
}

#[tokio::test]
async fn arrivals_are_in_order_of_time() {
    let rig = Rig::of(Engine::Gows).await;
    for text in ["one", "two", "three"] {
        rig.send_text(text).await;
    }
    let arrivals = rig.simulator.arrivals();
    assert!(arrivals.is_sorted_by_key(|it| (it.sequence, it.since_start, it.at_ms)));
    assert_eq!(rig.simulator.arrivals_after(2)[0].text.as_deref(), Some("three"));
    assert_eq!(rig.simulator.arrival_count(), 3);
}

#[tokio::test]
async fn gestures_are_answered() {
    let rig = Rig::of(Engine::Gows).await;
    let body = json!({"session": MAIN, "chatId": CHAT});
    for gesture in ["startTyping", "stopTyping"] {
        let answer = rig.post(&format!("/api/{gesture}"), body.clone()).await;
        assert_eq!(answer, (201, json!({"result": true})));
    }
    assert_eq!(rig.post("/api/sendSeen", body).await.0, 201);
    let presence = json!({"presence": "online"});
    let answer = rig.post(&format!("/api/{MAIN}/presence"), presence).await;
    assert_eq!(answer, (201, Value::Null));
    assert_eq!(rig.get(&format!("/api/sessions/{MAIN}")).await.1["presence"], "online");
}

#[tokio::test]
async fn thousands_of_sends_stay_within_the_limits() {
    let mut config = crate::harness::config(Engine::Gows);
    config.limits.arrivals = 10;
    config.limits.messages = 10;
    let rig = Rig::start(config).await;
    for number in 0..30 {
        rig.send_text(&number.to_string()).await;
    }
    assert_eq!(rig.simulator.arrivals().len(), 10);
    assert_eq!(rig.simulator.deliveries().len(), 10);
    assert_eq!(rig.simulator.deliveries()[9].text.as_deref(), Some("29"));
}
