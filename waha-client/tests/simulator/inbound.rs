//! Messages that come in, and the files that come with them.

use std::time::Duration;

use serde_json::json;
use waha_client::Engine;
use waha_client::simulator::{ContentKind, Inbound};
use waha_client::wire::{IgnoreConfig, SessionStatus};

use crate::harness::{MAIN, Rig, answer_of, assert_same_shape, config, eventually, recorded};

#[tokio::test]
async fn a_text_comes_in_with_the_recorded_shape() {
    let mut config = config(Engine::Gows);
    config.sessions[0].config.metadata = Some([("tenant.id".to_owned(), "acme".to_owned())].into());
    let (rig, receiver) = Rig::with_receiver(config, &["message.any"]).await;
    let receipt =
        rig.simulator.receive(MAIN, &Inbound::text("12025550123", "Where is my parcel?")).unwrap();
    let event = receiver.wait_for(1).await.remove(0);
    let expected = recorded("simulator/message_any");
    assert_same_shape(&event.body, &expected, "event");
    assert_eq!(event.body["metadata"], json!({"tenant.id": "acme"}));
    assert_eq!(event.payload()["id"], receipt.id);
    assert_eq!(event.payload()["body"], "Where is my parcel?");
    assert_eq!(event.body["environment"]["worker"]["id"], "w1");
}

#[tokio::test]
async fn a_message_and_any_message_share_an_id() {
    let (rig, receiver) =
        Rig::with_receiver(config(Engine::Gows), &["message", "message.any"]).await;
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", "Hello")).unwrap();
    let events = receiver.wait_for(2).await;
    assert_ne!(events[0].event(), events[1].event());
    assert_eq!(events[0].body["id"], events[1].body["id"]);
    rig.simulator.turn_knobs(|knobs| knobs.webhooks.shares_event_ids = false);
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", "Hello")).unwrap();
    let events = receiver.wait_for(4).await;
    assert_ne!(events[2].body["id"], events[3].body["id"]);
}

#[tokio::test]
async fn media_are_served_for_a_while() {
    let mut config = config(Engine::Gows);
    config.times.media_lifetime = Duration::from_millis(1_500);
    let (rig, receiver) = Rig::with_receiver(config, &["message.any"]).await;
    rig.simulator.receive(MAIN, &Inbound::media("12025550123", ContentKind::Image)).unwrap();
    let event = receiver.wait_for(1).await.remove(0);
    let media = &event.payload()["media"];
    assert_eq!(media["mimetype"], "image/png");
    let path = media["url"].as_str().unwrap().strip_prefix(rig.simulator.base_url()).unwrap();
    let file = rig.request(reqwest::Method::GET, path).send().await.unwrap();
    assert_eq!(
        (file.status().as_u16(), &file.headers()["content-type"]),
        (200, &"image/png".parse().unwrap())
    );
    assert!(file.bytes().await.unwrap().starts_with(b"\x89PNG"));
    let gone = async {
        while rig.request(reqwest::Method::GET, path).send().await.unwrap().status() != 404 {}
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    assert_eq!(rig.get(path).await.1["error"]["key"], "FILE_NOT_FOUND");
}

#[tokio::test]
async fn a_document_comes_as_it_was_given() {
    let rig = Rig::of(Engine::Gows).await;
    let body = json!({
        "from": "+1 202 555 0123", "kind": "document", "text": "See", "data": "aGVsbG8=",
        "mimetype": "application/pdf", "filename": "invoice.pdf",
    });
    let (status, receipt) = rig.post(&format!("/simulator/sessions/{MAIN}/inbound"), body).await;
    assert_eq!(status, 201);
    let raw_id = receipt["rawId"].as_str().unwrap();
    let (_, message) = rig.get(&format!("/api/{MAIN}/chats/all/messages/{raw_id}")).await;
    assert_eq!(message["media"]["filename"], "invoice.pdf");
    let url = message["media"]["url"].as_str().unwrap();
    assert!(url.ends_with(&format!("/api/files/{MAIN}/{raw_id}.pdf")));
    let file = reqwest::get(format!("{url}?x-api-key=simulator")).await.unwrap();
    assert_eq!(file.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn urls_of_media_begin_as_configured() {
    let mut config = config(Engine::Gows);
    config.advertised_url = Some("http://localhost:3000".to_owned());
    let rig = Rig::start(config).await;
    rig.simulator.receive(MAIN, &Inbound::media("12025550123", ContentKind::Voice)).unwrap();
    let (_, messages) = rig.get(&format!("/api/{MAIN}/chats/all/messages")).await;
    let url = messages[0]["media"]["url"].as_str().unwrap();
    assert!(url.starts_with("http://localhost:3000/api/files/"));
}

#[tokio::test]
async fn media_are_not_offered_to_those_who_want_no_download() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.receive(MAIN, &Inbound::media("12025550123", ContentKind::Image)).unwrap();
    let path = format!("/api/{MAIN}/chats/all/messages?downloadMedia=false");
    let (_, messages) = rig.get(&path).await;
    assert_eq!(messages[0]["hasMedia"], true);
    assert!(messages[0]["media"]["url"].is_null());
    assert_eq!(messages[0]["media"]["mimetype"], "image/png");
}

#[tokio::test]
async fn a_silent_message_is_found_by_reading_only() {
    let (rig, receiver) = Rig::with_receiver(config(Engine::Gows), &["*"]).await;
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", "missed").silently()).unwrap();
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", "heard")).unwrap();
    eventually("the second", || receiver.named("message.any").len() == 1).await;
    assert_eq!(receiver.named("message.any")[0].payload()["body"], "heard");
    let (_, messages) = rig.get(&format!("/api/{MAIN}/chats/all/messages")).await;
    assert_eq!(messages.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn messages_wait_until_the_session_is_back() {
    let (rig, receiver) = Rig::with_receiver(config(Engine::Gows), &["message.any"]).await;
    rig.simulator.set_status(MAIN, SessionStatus::Starting);
    rig.simulator.receive(MAIN, &Inbound::text("12025550123", "Hello")).unwrap();
    assert!(receiver.all().is_empty());
    rig.simulator.set_status(MAIN, SessionStatus::Working);
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn the_accounts_own_phone_writes_too() {
    let (rig, receiver) =
        Rig::with_receiver(config(Engine::Webjs), &["message", "message.any"]).await;
    let inbound = Inbound { from_me: true, ..Inbound::text("12025550123", "From my phone") };
    rig.simulator.receive(MAIN, &inbound).unwrap();
    let event = receiver.wait_for(1).await.remove(0);
    assert_eq!(event.event(), "message.any");
    assert_eq!(
        (&event.payload()["fromMe"], &event.payload()["source"]),
        (&json!(true), &json!("app"))
    );
    assert!(rig.simulator.deliveries().is_empty());
}

#[tokio::test]
async fn ignored_chats_bring_nothing() {
    let mut config = config(Engine::Gows);
    config.sessions[0].config.ignore =
        Some(IgnoreConfig { groups: Some(true), ..IgnoreConfig::default() });
    let rig = Rig::start(config).await;
    assert!(rig.simulator.receive(MAIN, &Inbound::text("120363@g.us", "Hello")).is_none());
    assert!(rig.simulator.receive(MAIN, &Inbound::text("12025550123", "Hello")).is_some());
}

#[tokio::test]
async fn a_group_message_names_its_participant() {
    let rig = Rig::of(Engine::Gows).await;
    let participant = Some("12025550123".to_owned());
    let inbound = Inbound { participant, ..Inbound::text("120363000@g.us", "Hello") };
    let receipt = rig.simulator.receive(MAIN, &inbound).unwrap();
    let expected = format!("false_120363000@g.us_{}_12025550123@c.us", receipt.raw_id);
    assert_eq!(receipt.id, expected);
}

#[tokio::test]
async fn files_need_the_key() {
    let rig = Rig::of(Engine::Gows).await;
    let request = reqwest::Client::new().get(rig.url("/api/files/x/y.png"));
    assert_eq!(answer_of(request).await.0, 401);
}
