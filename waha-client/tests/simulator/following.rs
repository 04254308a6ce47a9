//! Acknowledgements: which levels come, in which form, and which do not.

use serde_json::json;
use waha_client::Engine;
use waha_client::simulator::{AckStep, Latency, RecipientScript, SeededSession};
use waha_client::wire::SessionStatus;

use crate::harness::{
    CHAT, MAIN, PHONE, Receiver, Rig, assert_same_shape, config, eventually, recorded, text_to,
};

async fn with_script(engine: Engine, script: Vec<AckStep>) -> (Rig, Receiver) {
    let mut config = config(engine);
    config.knobs.ack_script = script;
    Rig::with_receiver(config, &["message.ack", "message.ack.group"]).await
}

fn levels(receiver: &Receiver) -> Vec<i64> {
    let acks = receiver.all();
    let mut levels: Vec<_> =
        acks.iter().map(|ack| ack.payload()["ack"].as_i64().unwrap()).collect();
    // Posts are parallel and may overtake each other.
    levels.sort_unstable();
    levels
}

#[tokio::test]
async fn a_message_goes_through_its_script() {
    let (rig, receiver) = with_script(Engine::Noweb, AckStep::prompt()).await;
    rig.send_text("Hi").await;
    receiver.wait_for(3).await;
    assert_eq!(levels(&receiver), [1, 2, 3]);
    assert_eq!(rig.simulator.deliveries()[0].ack, 3);
}

#[tokio::test]
async fn gows_never_says_that_the_server_has_it() {
    let (rig, receiver) = with_script(Engine::Gows, AckStep::prompt()).await;
    rig.send_text("Hi").await;
    receiver.wait_for(2).await;
    assert_eq!(levels(&receiver), [2, 3]);
}

#[tokio::test]
async fn an_ack_has_the_recorded_shape() {
    let (rig, receiver) = with_script(Engine::Gows, vec![AckStep::new(2, Latency::NONE)]).await;
    let (_, answer) = rig.send_text("Hi").await;
    let ack = receiver.wait_for(1).await.remove(0);
    let expected = recorded("simulator/message_ack");
    assert_same_shape(&ack.body, &expected, "ack");
    assert_eq!(ack.payload()["id"], answer["id"]);
    assert_eq!(ack.payload()["ackName"], "DEVICE");
}

#[tokio::test]
async fn webjs_says_who_sent_it() {
    let (rig, receiver) = with_script(Engine::Webjs, vec![AckStep::new(1, Latency::NONE)]).await;
    rig.send_text("Hi").await;
    let ack = receiver.wait_for(1).await.remove(0);
    assert_eq!(ack.payload()["from"], format!("{PHONE}@c.us"));
}

#[tokio::test]
async fn acks_can_come_under_the_hidden_id() {
    let (rig, receiver) = with_script(Engine::Gows, vec![AckStep::new(2, Latency::NONE)]).await;
    let lid = Some("199887766554433@lid".to_owned());
    rig.simulator.script_recipient("12025550123", RecipientScript { lid, ..Default::default() });
    rig.simulator.turn_knobs(|knobs| knobs.shows_lids = true);
    let (_, answer) = rig.send_text("Hi").await;
    let raw_id = rig.simulator.deliveries()[0].raw_id.clone();
    assert_eq!(answer["id"], format!("true_12025550123@c.us_{raw_id}"));
    let ack = receiver.wait_for(1).await.remove(0);
    assert_eq!(ack.payload()["id"], format!("true_199887766554433@lid_{raw_id}"));
    assert_eq!(ack.payload()["from"], "199887766554433@lid");
}

#[tokio::test]
async fn a_step_can_be_left_out() {
    let never = AckStep { chance: 0.0, ..AckStep::new(2, Latency::NONE) };
    let (rig, receiver) =
        with_script(Engine::Gows, vec![never, AckStep::new(3, Latency::NONE)]).await;
    rig.send_text("Hi").await;
    receiver.wait_for(1).await;
    assert_eq!(levels(&receiver), [3]);
}

#[tokio::test]
async fn one_number_can_have_a_script_of_its_own() {
    let (rig, receiver) = with_script(Engine::Gows, vec![AckStep::new(2, Latency::NONE)]).await;
    let ack_script = Some(vec![AckStep::new(-1, Latency::millis(5))]);
    let script = RecipientScript { ack_script, ..RecipientScript::default() };
    rig.simulator.script_recipient("+1 202 555 0123", script);
    rig.send_text("Hi").await;
    let ack = receiver.wait_for(1).await.remove(0);
    assert_eq!((&ack.payload()["ack"], &ack.payload()["ackName"]), (&json!(-1), &json!("ERROR")));
}

#[tokio::test]
async fn groups_acknowledge_by_participant() {
    let (rig, receiver) = with_script(Engine::Gows, vec![AckStep::new(2, Latency::NONE)]).await;
    rig.post("/api/sendText", text_to("120363000000000001@g.us", "Hi")).await;
    let acks = receiver.wait_for(2).await;
    assert!(acks.iter().all(|ack| ack.event() == "message.ack.group"));
    assert_ne!(acks[0].payload()["participant"], acks[1].payload()["participant"]);
}

#[tokio::test]
async fn acks_wait_until_the_session_is_back() {
    let receiver = Receiver::start().await;
    let mut config = config(Engine::Gows).with_session(SeededSession::working("witness"));
    config.webhooks = vec![receiver.webhook(&["message.ack"])];
    config.knobs.ack_script = vec![AckStep::new(2, Latency::millis(50))];
    let rig = Rig::start(config).await;
    rig.send_text("Hi").await;
    rig.simulator.set_status(MAIN, SessionStatus::Starting);
    let mut later = text_to(CHAT, "Hi");
    later["session"] = json!("witness");
    rig.post("/api/sendText", later).await;
    // The later ack of the other session shows that this one's time is over.
    assert_eq!(receiver.wait_for(1).await[0].body["session"], "witness");
    rig.simulator.set_status(MAIN, SessionStatus::Working);
    assert_eq!(receiver.wait_for(2).await[1].body["session"], MAIN);
}

#[tokio::test]
async fn acks_can_be_given_by_hand() {
    let (rig, receiver) = with_script(Engine::Gows, Vec::new()).await;
    rig.send_text("Hi").await;
    let raw_id = rig.simulator.deliveries()[0].raw_id.clone();
    assert!(rig.simulator.acknowledge(MAIN, &raw_id, 4));
    assert!(!rig.simulator.acknowledge(MAIN, "3EB0", 4));
    eventually("the ack", || levels(&receiver) == [4]).await;
}
