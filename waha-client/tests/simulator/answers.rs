//! Each engine answers in its own shape.

use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::ids::raw_id_of_answer;

use crate::harness::{CHAT, MAIN, PHONE, Rig, assert_same_shape, recorded, text_to};

/// The recorded answer without what only the real engine knows of itself.
fn without_inner_form(name: &str) -> Value {
    let mut answer = recorded(name);
    answer["_data"] = json!({});
    answer
}

async fn check_send(engine: Engine, endpoint: &str, body: Value, expected: &Value) {
    let rig = Rig::of(engine).await;
    let (status, answer) = rig.post(&format!("/api/{endpoint}"), body).await;
    assert_eq!(status, 201);
    assert_same_shape(&answer, expected, endpoint);
    let delivered = rig.simulator.deliveries();
    let raw_id = raw_id_of_answer(&answer).unwrap();
    assert_eq!(delivered[0].raw_id, raw_id.as_str());
}

#[tokio::test]
async fn webjs_answers_the_whole_message() {
    let expected = without_inner_form("answers/webjs_text");
    check_send(Engine::Webjs, "sendText", text_to(CHAT, "Hi"), &expected).await;
}

#[tokio::test]
async fn noweb_answers_whatsapps_own_form() {
    let expected = recorded("answers/noweb_text");
    check_send(Engine::Noweb, "sendText", text_to(CHAT, "Hi"), &expected).await;
}

#[tokio::test]
async fn gows_answers_hardly_more_than_the_id() {
    let expected = recorded("answers/gows_text");
    check_send(Engine::Gows, "sendText", text_to(CHAT, "Hi"), &expected).await;
}

#[tokio::test]
async fn noweb_answers_a_poll_with_a_message() {
    let poll = json!({"name": "Tea?", "options": ["Yes", "No"], "multipleAnswers": false});
    let body = json!({"session": MAIN, "chatId": CHAT, "poll": poll});
    let expected = recorded("simulator/noweb_poll");
    check_send(Engine::Noweb, "sendPoll", body, &expected).await;
}

#[tokio::test]
async fn webjs_says_who_and_what() {
    let rig = Rig::of(Engine::Webjs).await;
    let (_, answer) = rig.send_text("Hi").await;
    let raw_id = answer["id"]["id"].as_str().unwrap();
    assert_eq!(answer["id"]["_serialized"], format!("true_{CHAT}_{raw_id}"));
    assert_eq!(answer["from"], format!("{PHONE}@c.us"));
    assert_eq!((&answer["to"], &answer["body"]), (&json!(CHAT), &json!("Hi")));
}

#[tokio::test]
async fn noweb_names_the_chat_as_whatsapp_does_inside() {
    let rig = Rig::of(Engine::Noweb).await;
    let (_, answer) = rig.send_text("Hi").await;
    assert_eq!(answer["key"]["remoteJid"], "12025550123@s.whatsapp.net");
    assert_eq!(answer["message"]["extendedTextMessage"]["text"], "Hi");
    assert!(answer["messageTimestamp"].is_string());
}

#[tokio::test]
async fn some_versions_answer_nothing() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| knobs.answers_empty = true);
    assert_eq!(rig.send_text("Hi").await, (201, Value::Null));
    assert_eq!(rig.simulator.deliveries().len(), 1);
}

#[tokio::test]
async fn the_server_tells_its_version_and_state() {
    let rig = Rig::of(Engine::Gows).await;
    assert_eq!(rig.get("/api/server/version").await, (200, recorded("server/version")));
    assert_eq!(rig.get("/ping").await, (200, recorded("server/ping")));
    let (status, answer) = rig.get("/api/server/status").await;
    assert_eq!(status, 200);
    assert_same_shape(&answer, &recorded("server/status"), "status");
    let (status, answer) = rig.get("/health").await;
    assert_eq!((status, &answer["status"]), (200, &json!("ok")));
}

#[tokio::test]
async fn a_browser_engine_names_its_browser() {
    let rig = Rig::of(Engine::Webjs).await;
    assert_eq!(rig.get("/api/server/version").await, (200, recorded("server/version_webjs")));
}
