//! Sends that go wrong in the ways that matter: the message is sent, and the caller cannot know.

use std::time::Duration;

use serde_json::json;
use waha_client::Engine;
use waha_client::simulator::{
    AckStep, Fault, FaultRule, Inbound, Latency, Outcome, RecipientScript,
};

use crate::harness::{CHAT, MAIN, Rig, eventually, text_to};

#[tokio::test]
async fn an_answer_can_get_lost_after_the_send() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::AnswerLost));
    let error = rig.send_in_vain("Hi").await;
    assert!(error.is_request() && !error.is_connect(), "the request itself went out");
    assert_eq!(rig.simulator.arrivals()[0].outcome, Outcome::AnswerLost);
    assert_eq!(rig.simulator.deliveries().len(), 1);
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_collapses() {
    let rig = Rig::of(Engine::Noweb).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::AnswerLost));
    let mut body = text_to(CHAT, "Hi");
    body["id"] = json!("3EB0C1D2E3F4A5B6C7D8E9");
    let request = rig.request(reqwest::Method::POST, "/api/sendText").json(&body);
    assert!(request.send().await.is_err());
    assert_eq!(rig.post("/api/sendText", body).await.0, 201);
    assert_eq!(rig.simulator.deliveries().len(), 1);
}

#[tokio::test]
async fn a_connection_can_drop_before_the_send() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::Dropped));
    rig.send_in_vain("Hi").await;
    assert_eq!(rig.simulator.arrivals()[0].outcome, Outcome::Dropped);
    assert!(rig.simulator.deliveries().is_empty());
}

#[tokio::test]
async fn an_answer_can_come_after_the_caller_gave_up() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::AnswerLate { after_ms: 60_000 }));
    let request = rig
        .request(reqwest::Method::POST, "/api/sendText")
        .json(&text_to(CHAT, "Hi"))
        .timeout(Duration::from_millis(300));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(rig.simulator.deliveries().len(), 1);
}

#[tokio::test]
async fn an_accepted_message_can_fail_later() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::FailsLate { after_ms: 5 }));
    let (status, answer) = rig.send_text("Hi").await;
    assert_eq!(status, 201);
    assert!(rig.simulator.deliveries().is_empty());
    let id = answer["id"].as_str().unwrap().to_owned();
    let path = format!("/api/{MAIN}/chats/all/messages/{id}");
    let failed = async { while rig.get(&path).await.1["ack"] != json!(-1) {} };
    tokio::time::timeout(Duration::from_secs(5), failed).await.unwrap();
}

#[tokio::test]
async fn a_restricted_account_writes_to_known_chats_only() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.receive(MAIN, &Inbound::text("12025550199", "Hello")).unwrap();
    rig.simulator.forbid_new_chats(MAIN, true);
    let (status, body) = rig.send_text("Hi").await;
    assert_eq!(status, 500);
    assert!(body["exception"]["message"].as_str().unwrap().contains("463"));
    assert_eq!(rig.post("/api/sendText", text_to("12025550199@c.us", "Hi")).await.0, 201);
    rig.simulator.forbid_new_chats(MAIN, false);
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn too_many_calls_are_refused_by_whatsapp() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::RateOverlimit));
    let (status, body) = rig.send_text("Hi").await;
    assert_eq!(status, 500);
    assert!(body["exception"]["message"].as_str().unwrap().contains("rate-overlimit"));
}

#[tokio::test]
async fn one_number_can_fail_always_or_a_few_times() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.script_recipient("+12025550100", RecipientScript::always(Fault::Invalid));
    rig.simulator
        .script_recipient("+12025550123", RecipientScript::times(Fault::thrown("flaky"), 2));
    for expected in [500, 500, 201, 201] {
        assert_eq!(rig.send_text("Hi").await.0, expected);
    }
    for _ in 0..3 {
        assert_eq!(rig.post("/api/sendText", text_to("12025550100@c.us", "Hi")).await.0, 400);
    }
}

#[tokio::test]
async fn faults_can_strike_by_chance() {
    let rig = Rig::of(Engine::Gows).await;
    let rule = FaultRule { chance: 0.5, ..FaultRule::always(Fault::thrown("unlucky")) };
    rig.simulator.add_fault(rule);
    let mut accepted = 0;
    for _ in 0..40 {
        accepted += usize::from(rig.send_text("Hi").await.0 == 201);
    }
    assert!((5..=35).contains(&accepted));
    assert_eq!(rig.simulator.deliveries().len(), accepted);
    rig.simulator.clear_faults();
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn a_slow_server_is_slow() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| knobs.latency = Latency::millis(40));
    let started = tokio::time::Instant::now();
    rig.send_text("Hi").await;
    assert!(started.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn acks_can_come_before_the_answer() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| {
        knobs.answer_latency = Latency::millis(500);
        knobs.ack_script = vec![AckStep::new(2, Latency::NONE)];
    });
    let acked = eventually("the ack", || rig.simulator.deliveries().iter().any(|it| it.ack == 2));
    let answered = rig.send_text("Hi");
    tokio::pin!(answered);
    tokio::select! {
        () = acked => {}
        _ = &mut answered => unreachable!("the answer was first"),
    }
    assert_eq!(answered.await.0, 201);
}

#[tokio::test]
async fn a_zombie_accepts_and_says_no_more() {
    let mut config = crate::harness::config(Engine::Gows);
    config.knobs.ack_script = vec![AckStep::new(2, Latency::NONE)];
    let (rig, receiver) = Rig::with_receiver(config, &["*"]).await;
    assert!(rig.simulator.set_zombie(MAIN, true));
    let before = receiver.all().len();
    assert_eq!(rig.send_text("dead").await.0, 201);
    assert_eq!(rig.get(&format!("/api/sessions/{MAIN}")).await.1["status"], "WORKING");
    rig.simulator.set_zombie(MAIN, false);
    rig.send_text("alive").await;
    eventually("an ack of the second", || receiver.named("message.ack").len() == 1).await;
    let echoes = receiver.named("message.any");
    assert_eq!(echoes.len(), 1);
    assert_eq!(echoes[0].payload()["body"], "alive");
    assert!(receiver.all().len() > before);
}
