//! Numbers, chat ids and hidden ids.

use serde_json::json;
use waha_client::Engine;
use waha_client::simulator::RecipientScript;

use crate::harness::{MAIN, Rig};

async fn check_exists(rig: &Rig, phone: &str) -> serde_json::Value {
    let path = format!("/api/contacts/check-exists?phone={phone}&session={MAIN}");
    let (status, body) = rig.get(&path).await;
    assert_eq!(status, 200);
    body
}

#[tokio::test]
async fn brazil_drops_the_ninth_digit() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = json!({"numberExists": true, "chatId": "551188887777@c.us"});
    assert_eq!(check_exists(&rig, "5511988887777").await, expected);
    assert_eq!(check_exists(&rig, "%2B5511988887777").await, expected);
}

#[tokio::test]
async fn a_number_may_not_exist() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.script_recipient("+12025550199", RecipientScript::missing());
    assert_eq!(check_exists(&rig, "12025550199").await, json!({"numberExists": false}));
    assert_eq!(check_exists(&rig, "123").await, json!({"numberExists": false}));
}

#[tokio::test]
async fn the_chat_id_may_be_hidden_or_left_out() {
    let rig = Rig::of(Engine::Gows).await;
    let chat_id = Some("199887766554433@lid".to_owned());
    let hidden = RecipientScript { chat_id, ..RecipientScript::default() };
    rig.simulator.script_recipient("12025550123", hidden);
    assert_eq!(check_exists(&rig, "12025550123").await["chatId"], "199887766554433@lid");
    let left_out = RecipientScript { hides_chat_id: true, ..RecipientScript::default() };
    rig.simulator.script_recipient("12025550123", left_out);
    assert_eq!(check_exists(&rig, "12025550123").await, json!({"numberExists": true}));
}

#[tokio::test]
async fn hidden_ids_are_known_both_ways() {
    let rig = Rig::of(Engine::Gows).await;
    let (_, by_number) = rig.get(&format!("/api/{MAIN}/lids/pn/12025550123")).await;
    let lid = by_number["lid"].as_str().unwrap().replace('@', "%40");
    assert_eq!(by_number["pn"], "12025550123@c.us");
    let (_, by_lid) = rig.get(&format!("/api/{MAIN}/lids/{lid}")).await;
    assert_eq!(by_lid, by_number);
}

#[tokio::test]
async fn an_unknown_hidden_id_has_no_number() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = json!({"lid": "199887766554433@lid", "pn": null});
    assert_eq!(rig.get(&format!("/api/{MAIN}/lids/199887766554433")).await, (200, expected));
}

#[tokio::test]
async fn a_message_to_a_hidden_id_lands_in_the_numbers_chat() {
    let rig = Rig::of(Engine::Gows).await;
    let (_, mapping) = rig.get(&format!("/api/{MAIN}/lids/pn/12025550123")).await;
    let lid = mapping["lid"].as_str().unwrap();
    rig.post("/api/sendText", crate::harness::text_to(lid, "Hi")).await;
    assert_eq!(rig.simulator.deliveries()[0].chat_id, "12025550123@c.us");
}
