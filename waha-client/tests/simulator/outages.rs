//! When WAHA cannot be reached, restarts, or its sessions come and go.

use std::time::Duration;

use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{Latency, Outcome};
use waha_client::wire::SessionStatus;

use crate::harness::{MAIN, Rig, config, eventually};

async fn reachable(rig: &Rig) -> bool {
    rig.request(reqwest::Method::GET, "/ping").send().await.is_ok()
}

async fn wait_until_reachable(rig: &Rig) {
    let wait = async { while !reachable(rig).await {} };
    tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap();
}

#[tokio::test]
async fn a_shut_door_refuses_connections_until_it_opens() {
    let rig = Rig::of(Engine::Gows).await;
    assert!(reachable(&rig).await);
    rig.simulator.stop_listening().await;
    let error = rig.send_in_vain("Hi").await;
    assert!(error.is_connect(), "nothing was written");
    rig.simulator.listen_again().await;
    assert_eq!(rig.send_text("Hi").await.0, 201);
    assert_eq!(rig.simulator.arrival_count(), 1);
}

#[tokio::test]
async fn a_door_can_open_by_itself() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.unreachable_for(Duration::from_millis(300)).await;
    assert!(!reachable(&rig).await);
    wait_until_reachable(&rig).await;
}

#[tokio::test]
async fn the_door_is_shut_over_http_too() {
    let rig = Rig::of(Engine::Gows).await;
    let answer = rig.post("/simulator/unreachable", json!({"forMs": 300})).await;
    assert_eq!(answer, (200, json!({"done": true})));
    let gone = async { while reachable(&rig).await {} };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    wait_until_reachable(&rig).await;
}

#[tokio::test]
async fn a_restart_has_a_new_start_time_and_starts_its_sessions() {
    let rig = Rig::of(Engine::Gows).await;
    rig.send_text("before").await;
    let started =
        async |rig: &Rig| rig.get("/api/server/status").await.1["startTimestamp"].as_i64().unwrap();
    let before = started(&rig).await;
    rig.simulator.restart(Duration::ZERO).await;
    assert!(started(&rig).await > before);
    assert!(rig.simulator.wait_for_status(MAIN, SessionStatus::Working).await);
    let (_, messages) = rig.get(&format!("/api/{MAIN}/chats/all/messages")).await;
    assert_eq!(messages[0]["body"], "before");
}

#[tokio::test]
async fn a_restart_loses_the_webhooks_not_delivered_yet() {
    let mut config = config(Engine::Gows);
    config.knobs.webhooks.latency = Latency::millis(60_000);
    let (rig, receiver) = Rig::with_receiver(config, &["message.any"]).await;
    rig.send_text("Hi").await;
    eventually("a webhook waits", || rig.simulator.waiting_webhooks() > 0).await;
    rig.simulator.restart(Duration::ZERO).await;
    eventually("it is lost", || rig.simulator.webhook_counts().lost == 1).await;
    assert!(receiver.all().is_empty());
}

#[tokio::test]
async fn a_restart_drops_the_sends_under_way() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.turn_knobs(|knobs| knobs.latency = Latency::millis(60_000));
    let restart = async {
        eventually("the send arrives", || rig.simulator.arrival_count() == 1).await;
        rig.simulator.restart(Duration::ZERO).await;
    };
    tokio::join!(rig.send_in_vain("Hi"), restart);
    eventually("it is dropped", || rig.simulator.arrivals()[0].outcome == Outcome::Dropped).await;
    assert!(rig.simulator.deliveries().is_empty());
}

#[tokio::test]
async fn a_restart_over_http_answers_first() {
    let rig = Rig::of(Engine::Gows).await;
    let before = rig.get("/simulator").await.1["startTimestamp"].clone();
    let answer = rig.post("/simulator/restart", json!({"downtimeMs": 20})).await;
    assert_eq!(answer, (200, json!({"done": true})));
    let restarted = async {
        loop {
            let request = rig.request(reqwest::Method::GET, "/simulator").send().await;
            if let Ok(answer) = request
                && answer.json::<Value>().await.is_ok_and(|now| now["startTimestamp"] != before)
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), restarted).await.unwrap();
}

#[tokio::test]
async fn a_flapping_session_comes_back_by_itself() {
    let (rig, receiver) = Rig::with_receiver(config(Engine::Webjs), &["session.status"]).await;
    receiver.wait_for(1).await;
    assert!(rig.simulator.flap(MAIN, Duration::from_millis(10)));
    let statuses = receiver.wait_for(4).await;
    let last = statuses
        .iter()
        .max_by_key(|event| event.payload()["statuses"].as_array().map(Vec::len))
        .unwrap();
    let path: Vec<_> = last.payload()["statuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["status"].clone())
        .collect();
    assert_eq!(path, ["WORKING", "FAILED", "STARTING", "WORKING"]);
}

#[tokio::test]
async fn a_simulator_that_is_shut_down_listens_no_more() {
    let rig = Rig::of(Engine::Gows).await;
    let url = rig.url("/ping");
    rig.simulator.shutdown().await;
    assert!(reqwest::get(url).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_dropped_simulator_listens_no_more() {
    let rig = Rig::of(Engine::Gows).await;
    let url = rig.url("/ping");
    drop(rig);
    let gone = async { while reqwest::get(&url).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}
