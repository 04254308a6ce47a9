//! Reading chats back.

use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{ContentKind, Inbound};
use waha_client::wire::SessionConfig;

use crate::harness::{CHAT, MAIN, PHONE, Rig, assert_same_shape, config, recorded, text_to};

async fn list(rig: &Rig, query: &str) -> Vec<String> {
    let (status, body) = rig.get(&format!("/api/{MAIN}/chats/{query}")).await;
    assert_eq!(status, 200, "{query}");
    let texts = body.as_array().unwrap().iter().map(|it| it["body"].as_str().unwrap().to_owned());
    texts.collect()
}

/// Three messages a second apart: from us, to us, and one in another chat.
async fn three_messages(rig: &Rig) {
    for (place, (from, text, from_me)) in [
        ("12025550123", "one", true),
        ("12025550123", "two", false),
        ("12025550199", "three", false),
    ]
    .into_iter()
    .enumerate()
    {
        let at_ms = Some(1_785_000_000_000 + 1_000 * i64::try_from(place).unwrap());
        let inbound = Inbound { from_me, at_ms, ..Inbound::text(from, text) };
        rig.simulator.receive(MAIN, &inbound).unwrap();
    }
}

#[tokio::test]
async fn messages_come_newest_first_and_in_pages() {
    let rig = Rig::of(Engine::Gows).await;
    three_messages(&rig).await;
    assert_eq!(list(&rig, "all/messages?limit=2").await, ["three", "two"]);
    assert_eq!(list(&rig, "all/messages?limit=2&offset=2").await, ["one"]);
    assert_eq!(list(&rig, "all/messages?limit=9&sortOrder=asc").await, ["one", "two", "three"]);
    assert_eq!(list(&rig, "12025550123%40c.us/messages?limit=9").await, ["two", "one"]);
}

#[tokio::test]
async fn messages_are_filtered() {
    let rig = Rig::of(Engine::Gows).await;
    three_messages(&rig).await;
    let list = async |filter: &str| list(&rig, &format!("all/messages?limit=9&{filter}")).await;
    assert_eq!(list("filter.fromMe=true").await, ["one"]);
    assert_eq!(list("filter.timestamp.gte=1785000001").await, ["three", "two"]);
    assert_eq!(list("filter.timestamp.lte=1785000001").await, ["two", "one"]);
    assert_eq!(list("filter.ack=DEVICE&filter.fromMe=false").await, ["three", "two"]);
}

#[tokio::test]
async fn without_a_limit_ten_messages_come() {
    let rig = Rig::of(Engine::Gows).await;
    for number in 0..12 {
        rig.simulator.receive(MAIN, &Inbound::text("12025550123", number.to_string())).unwrap();
    }
    assert_eq!(list(&rig, "all/messages").await.len(), 10);
}

#[tokio::test]
async fn webjs_does_not_read_all_chats() {
    let rig = Rig::of(Engine::Webjs).await;
    assert_eq!(rig.get(&format!("/api/{MAIN}/chats/all/messages")).await.0, 422);
    assert_eq!(rig.get(&format!("/api/{MAIN}/chats/all/messages/3EB0")).await.0, 422);
}

#[tokio::test]
async fn noweb_reads_nothing_without_its_store() {
    let mut config = config(Engine::Noweb);
    config.sessions[0].config = SessionConfig::default();
    let rig = Rig::start(config).await;
    assert_eq!(rig.get(&format!("/api/{MAIN}/chats/all/messages")).await.0, 400);
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn a_single_message_has_the_recorded_shape() {
    let rig = Rig::of(Engine::Gows).await;
    let (_, sent) = rig.send_text("Hi").await;
    let full_id = sent["id"].as_str().unwrap().replace('@', "%40");
    let raw_id = rig.simulator.deliveries()[0].raw_id.clone();
    let expected = recorded("chats/message");
    for id in [full_id, raw_id] {
        let (status, message) = rig.get(&format!("/api/{MAIN}/chats/all/messages/{id}")).await;
        assert_eq!((status, &message["ackName"]), (200, &json!("PENDING")));
        assert_same_shape(&message, &expected, "message");
    }
}

#[tokio::test]
async fn the_sender_is_the_chat_except_on_webjs() {
    for (engine, from, to) in [
        (Engine::Gows, CHAT.to_owned(), Value::Null),
        (Engine::Noweb, CHAT.to_owned(), Value::Null),
        (Engine::Webjs, format!("{PHONE}@c.us"), json!(CHAT)),
    ] {
        let rig = Rig::of(engine).await;
        rig.send_text("Hi").await;
        let (_, messages) =
            rig.get(&format!("/api/{MAIN}/chats/12025550123%40c.us/messages")).await;
        assert_eq!((&messages[0]["from"], &messages[0]["to"]), (&json!(from), &to), "{engine}");
    }
}

#[tokio::test]
async fn the_overview_has_the_last_message_of_each_chat() {
    let rig = Rig::of(Engine::Webjs).await;
    three_messages(&rig).await;
    let (_, overview) = rig.get(&format!("/api/{MAIN}/chats/overview")).await;
    let expected = recorded("chats/overview");
    assert_same_shape(&overview, &expected, "overview");
    let last: Vec<_> =
        overview.as_array().unwrap().iter().map(|it| it["lastMessage"]["body"].clone()).collect();
    assert_eq!(last, ["three", "two"]);
}

#[tokio::test]
async fn a_reply_names_what_it_answers() {
    let rig = Rig::of(Engine::Gows).await;
    let mut reply = text_to(CHAT, "Hi");
    reply["reply_to"] = json!(format!("false_{CHAT}_3A7F10C2D45B9E886A01"));
    rig.post("/api/sendText", reply).await;
    let (_, messages) = rig.get(&format!("/api/{MAIN}/chats/all/messages")).await;
    assert_eq!(messages[0]["replyTo"]["id"], "3A7F10C2D45B9E886A01");
}

#[tokio::test]
async fn a_place_and_contacts_have_fields_of_their_own() {
    let rig = Rig::of(Engine::Noweb).await;
    let place = Inbound {
        latitude: Some(-23.5),
        longitude: Some(-46.6),
        ..Inbound::media("12025550123", ContentKind::Location)
    };
    rig.simulator.receive(MAIN, &place).unwrap();
    let v_cards = vec!["BEGIN:VCARD\nEND:VCARD".to_owned()];
    let contacts = Inbound { v_cards, ..Inbound::media("12025550123", ContentKind::Contact) };
    rig.simulator.receive(MAIN, &contacts).unwrap();
    let (_, messages) = rig.get(&format!("/api/{MAIN}/chats/all/messages")).await;
    assert_eq!(messages[1]["location"]["latitude"], -23.5);
    assert_eq!(messages[0]["vCards"][0], "BEGIN:VCARD\nEND:VCARD");
}

#[tokio::test]
async fn messages_are_edited_and_deleted() {
    let rig = Rig::of(Engine::Gows).await;
    rig.send_text("Hi").await;
    let raw_id = rig.simulator.deliveries()[0].raw_id.clone();
    let path = format!("/api/{MAIN}/chats/{CHAT}/messages/{raw_id}");
    assert_eq!(rig.put(&path, json!({"text": "Ho"})).await, (200, Value::Null));
    assert_eq!(rig.simulator.deliveries()[0].text.as_deref(), Some("Ho"));
    assert_eq!(rig.delete(&path).await, (200, Value::Null));
    assert_eq!(rig.simulator.deliveries()[0].text, None);
}
