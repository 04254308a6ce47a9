//! Webhooks: headers, signatures, repeats, redirects, and what goes wrong on purpose.

use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{ContentKind, Inbound, WebhookDialect};
use waha_client::webhooks::{Dialect, Envelope, SigningKeys, WahaEvent};
use waha_client::wire::{CustomHeader, RetriesConfig, RetryPolicy, SessionStatus};

use crate::harness::{HMAC_KEY, MAIN, Received, Receiver, Rig, config, eventually};

const ANY: &[&str] = &["message.any"];

async fn rig() -> (Rig, Receiver) {
    Rig::with_receiver(config(Engine::Gows), ANY).await
}

fn receive(rig: &Rig, text: &str) {
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", text)).unwrap();
}

fn verified(received: &Received) -> Dialect {
    let keys = SigningKeys::new([HMAC_KEY.to_owned().into()]).unwrap();
    let header = |name: &str| received.headers.get(name).map(String::as_bytes);
    keys.verify(header, &received.raw).unwrap()
}

#[tokio::test]
async fn a_post_is_signed_and_headed_like_wahas() {
    let (rig, receiver) = rig().await;
    receive(&rig, "Hello");
    let post = receiver.wait_for(1).await.remove(0);
    assert_eq!(verified(&post), Dialect::Waha);
    let header = |name: &str| post.headers[name].as_str();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("user-agent"), "WAHA/2026.7.1");
    assert_eq!(header("x-webhook-hmac-algorithm"), "sha512");
    assert_eq!(header("x-webhook-hmac").len(), 128);
    assert_eq!(header("x-webhook-request-id").len(), 26);
    assert_eq!(header("x-webhook-timestamp"), post.body["timestamp"].to_string());
    assert!(post.body["id"].as_str().unwrap().starts_with("evt_"));
}

#[tokio::test]
async fn the_receiving_side_understands_a_post() {
    let (rig, receiver) = rig().await;
    receive(&rig, "Hello");
    let post = receiver.wait_for(1).await.remove(0);
    let envelope = Envelope::read(&post.raw).unwrap();
    let Ok(WahaEvent::Message(message)) = envelope.event() else {
        unreachable!("a message was sent")
    };
    assert_eq!(message.text.as_deref(), Some("Hello"));
}

#[tokio::test]
async fn a_refused_post_is_repeated_with_the_same_id() {
    let (rig, receiver) = rig().await;
    receiver.answer_next(500, &[]);
    receiver.answer_next(401, &[]);
    receive(&rig, "Hello");
    let posts = receiver.wait_for(3).await;
    assert!(posts.iter().all(|post| post.raw == posts[0].raw));
    assert!(posts.iter().all(|post| post.headers == posts[0].headers));
    eventually("it counts as delivered", || rig.simulator.webhook_counts().delivered >= 1).await;
    let statuses: Vec<_> = rig.simulator.webhook_posts().iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Some(500), Some(401), Some(200)]);
}

#[tokio::test]
async fn after_its_repeats_a_post_is_given_up() {
    let (rig, receiver) = rig().await;
    for _ in 0..9 {
        receiver.answer_next(503, &[]);
    }
    receive(&rig, "Hello");
    eventually("it is given up", || rig.simulator.webhook_counts().given_up == 1).await;
    assert_eq!(receiver.all().len(), 4);
    assert_eq!(rig.simulator.waiting_webhooks(), 0);
}

#[tokio::test]
async fn retry_after_is_respected() {
    let (rig, receiver) = rig().await;
    receiver.answer_next(429, &[("retry-after", "10")]);
    let started = tokio::time::Instant::now();
    receive(&rig, "Hello");
    receiver.wait_for(2).await;
    assert!(started.elapsed().as_millis() >= 100, "ten seconds, a hundred times faster");
}

#[tokio::test]
async fn every_retry_policy_repeats() {
    for policy in [RetryPolicy::Constant, RetryPolicy::Linear, RetryPolicy::Exponential] {
        let (rig, receiver) = rig().await;
        let retries =
            RetriesConfig { policy: Some(policy), delay_seconds: Some(1), attempts: Some(1) };
        let mut webhook = receiver.webhook(ANY);
        webhook.retries = Some(retries);
        let change = json!({"config": {"webhooks": [webhook]}});
        rig.put(&format!("/api/sessions/{MAIN}"), change).await;
        rig.simulator.wait_for_status(MAIN, SessionStatus::Working).await;
        receiver.answer_next(500, &[]);
        receive(&rig, "Hello");
        receiver.wait_for(2).await;
    }
}

#[tokio::test]
async fn a_redirected_post_becomes_an_empty_get_and_counts() {
    for status in [301, 302] {
        let (rig, receiver) = rig().await;
        receiver.answer_next(status, &[("location", "/elsewhere")]);
        receive(&rig, "Hello");
        let posts = receiver.wait_for(2).await;
        assert_eq!((posts[1].method.as_str(), posts[1].raw.len()), ("GET", 0));
        eventually("it counts", || rig.simulator.webhook_counts().delivered == 1).await;
    }
}

#[tokio::test]
async fn custom_headers_are_sent() {
    let (rig, receiver) = rig().await;
    let mut webhook = receiver.webhook(ANY);
    webhook.hmac = None;
    webhook.custom_headers =
        Some(vec![CustomHeader { name: "X-Route".into(), value: "blue".into() }]);
    let change = json!({"config": {"webhooks": [webhook]}});
    rig.put(&format!("/api/sessions/{MAIN}"), change).await;
    rig.simulator.wait_for_status(MAIN, SessionStatus::Working).await;
    receive(&rig, "Hello");
    let post = receiver.wait_for(1).await.remove(0);
    assert_eq!(post.headers["x-route"], "blue");
    assert!(!post.headers.contains_key("x-webhook-hmac"));
}

#[tokio::test]
async fn events_come_twice_on_request() {
    for new_ids in [false, true] {
        let (rig, receiver) = rig().await;
        rig.simulator.turn_knobs(|knobs| {
            knobs.webhooks.duplicate_chance = 1.0;
            knobs.webhooks.duplicates_have_new_ids = new_ids;
        });
        receive(&rig, "Hello");
        let posts = receiver.wait_for(2).await;
        assert_eq!(posts[0].body["id"] != posts[1].body["id"], new_ids);
        assert_eq!(posts[0].payload(), posts[1].payload());
    }
}

#[tokio::test]
async fn events_get_lost_on_request() {
    let (rig, receiver) =
        Rig::with_receiver(config(Engine::Gows), &["message", "message.any"]).await;
    rig.simulator.turn_knobs(|knobs| {
        knobs.webhooks.lost_chance = 1.0;
        knobs.webhooks.lost_events = vec!["message".to_owned()];
    });
    receive(&rig, "Hello");
    receiver.wait_for(1).await;
    assert_eq!(rig.simulator.webhook_counts().lost, 1);
    assert_eq!(receiver.all()[0].event(), "message.any");
}

#[tokio::test]
async fn events_come_out_of_order_on_request() {
    let (rig, receiver) = rig().await;
    rig.patch("/simulator/knobs", json!({"webhooks": {"latency": {"minMs": 0, "maxMs": 60}}}))
        .await;
    for number in 0..20 {
        receive(&rig, &number.to_string());
    }
    let posts = receiver.wait_for(20).await;
    let order: Vec<u32> =
        posts.iter().map(|it| it.payload()["body"].as_str().unwrap().parse().unwrap()).collect();
    assert!(!order.is_sorted());
}

#[tokio::test]
async fn a_star_means_nearly_all_events() {
    let (rig, receiver) = Rig::with_receiver(config(Engine::Gows), &["*"]).await;
    for event in ["engine.event", "state.change", "call.received"] {
        assert!(rig.simulator.raise_event(MAIN, event, json!({})));
    }
    eventually("the call", || receiver.named("call.received").len() == 1).await;
    assert!(receiver.named("engine.event").is_empty());
    assert!(receiver.named("state.change").is_empty());
}

#[tokio::test]
async fn an_own_send_is_echoed_with_its_source() {
    let (rig, receiver) = rig().await;
    rig.send_text("Hi").await;
    let echo = receiver.wait_for(1).await.remove(0);
    assert_eq!(
        (&echo.payload()["fromMe"], &echo.payload()["source"]),
        (&json!(true), &json!("api"))
    );
}

#[tokio::test]
async fn the_simple_dialect_is_spoken_too() {
    let events = ["message.any", "message", "message.ack", "session.status"];
    let (rig, receiver) = Rig::with_receiver(config(Engine::Gows), &events).await;
    receiver.wait_for(1).await;
    rig.simulator.turn_knobs(|knobs| knobs.webhooks.dialect = WebhookDialect::Simple);

    receive(&rig, "Hello");
    eventually("a text", || receiver.named("message.text").len() == 1).await;
    let text = receiver.named("message.text").remove(0);
    assert_eq!(verified(&text), Dialect::Simple);
    assert!(text.body.get("id").is_none());
    assert_eq!(
        (&text.payload()["from"], &text.payload()["type"]),
        (&json!("+12025550123"), &json!("text"))
    );
    assert!(text.payload()["timestamp"].as_i64().unwrap() > 1_000_000_000_000);

    rig.simulator.receive(MAIN, &Inbound::media("12025550123", ContentKind::Document)).unwrap();
    rig.simulator.receive(MAIN, &Inbound::media("12025550123", ContentKind::Voice)).unwrap();
    eventually("a document", || receiver.named("message.document").len() == 1).await;
    eventually("a voice message", || {
        receiver.named("message.any").iter().any(|it| it.payload()["type"] == "voice")
    })
    .await;

    rig.send_text("Hi").await;
    let raw_id = rig.simulator.deliveries()[0].raw_id.clone();
    rig.simulator.acknowledge(MAIN, &raw_id, 2);
    eventually("a status", || receiver.named("message.status").len() == 1).await;
    assert_eq!(receiver.named("message.status")[0].payload()["status"], "delivered");

    rig.simulator.set_status(MAIN, SessionStatus::ScanQrCode);
    rig.simulator.set_status(MAIN, SessionStatus::Failed);
    eventually("a code", || receiver.named("session.qr").len() == 1).await;
    eventually("a failure", || receiver.named("session.failed").len() == 1).await;
    assert!(receiver.named("message").is_empty());
    for post in receiver.all() {
        assert!(Envelope::read(&post.raw).unwrap().event().is_ok(), "{}", post.event());
    }
}

#[tokio::test]
async fn too_many_waiting_webhooks_are_lost() {
    let mut config = config(Engine::Gows);
    config.limits.waiting_webhooks = 2;
    config.knobs.webhooks.latency = waha_client::simulator::Latency::millis(60_000);
    let (rig, _receiver) = Rig::with_receiver(config, ANY).await;
    for _ in 0..5 {
        receive(&rig, "Hello");
    }
    assert_eq!(rig.simulator.waiting_webhooks(), 2);
    assert_eq!(rig.simulator.webhook_counts().lost, 3);
}

#[tokio::test]
async fn webhooks_of_all_sessions_join_those_of_one() {
    let everywhere = Receiver::start().await;
    let mut config = config(Engine::Gows);
    config.webhooks = vec![everywhere.webhook(ANY)];
    let (rig, own) = Rig::with_receiver(config, ANY).await;
    receive(&rig, "Hello");
    let (first, second) = (own.wait_for(1).await, everywhere.wait_for(1).await);
    assert_eq!(first[0].body["id"], second[0].body["id"]);
    let body: &Value = &second[0].body;
    assert_eq!(body["session"], MAIN);
}
