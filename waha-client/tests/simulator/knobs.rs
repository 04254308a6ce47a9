//! The knobs over HTTP.

use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{Knobs, Latency};
use waha_client::wire::SessionStatus;

use crate::harness::{CHAT, MAIN, Rig, eventually};

#[tokio::test]
async fn knobs_are_read_as_they_are_written() {
    let rig = Rig::of(Engine::Gows).await;
    let (_, shown) = rig.get("/simulator/knobs").await;
    assert_eq!(serde_json::from_value::<Knobs>(shown.clone()).unwrap(), rig.simulator.knobs());
    assert_eq!(rig.put("/simulator/knobs", shown.clone()).await, (200, shown));
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let rig = Rig::of(Engine::Gows).await;
    let patch = json!({"engine": "NOWEB", "latency": 5, "webhooks": {"lostChance": 0.5}});
    assert_eq!(rig.patch("/simulator/knobs", patch).await.0, 200);
    let knobs = rig.simulator.knobs();
    assert_eq!((knobs.engine, knobs.latency), (Engine::Noweb, Latency::millis(5)));
    assert_eq!((knobs.webhooks.lost_chance, knobs.webhooks.duplicates), (0.5, 1));
    let patch = json!({"latency": {"minMs": 1, "maxMs": 2}});
    assert_eq!(rig.patch("/simulator/knobs", patch).await.0, 200);
    assert_eq!(rig.simulator.knobs().latency.max().as_millis(), 2);
}

#[tokio::test]
async fn a_knob_that_is_none_is_refused() {
    let rig = Rig::of(Engine::Gows).await;
    assert_eq!(rig.patch("/simulator/knobs", json!({"lattency": 5})).await.0, 400);
    assert_eq!(rig.post("/simulator/faults", json!({"fault": {"kind": "bug"}})).await.0, 400);
}

#[tokio::test]
async fn faults_are_added_and_taken_away() {
    let rig = Rig::of(Engine::Gows).await;
    let rule = json!({"fault": {"kind": "thrown", "message": "no"}, "session": MAIN});
    assert_eq!(rig.post("/simulator/faults", rule).await.0, 200);
    assert_eq!(rig.send_text("Hi").await.0, 500);
    assert_eq!(rig.delete("/simulator/faults").await.0, 200);
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn recipients_are_scripted() {
    let rig = Rig::of(Engine::Gows).await;
    let path = "/simulator/recipients/%2B12025550123";
    let script = json!({"fault": {"kind": "rateOverlimit"}, "faultTimes": 1});
    assert_eq!(rig.put(path, script).await.0, 200);
    assert_eq!(rig.send_text("Hi").await.0, 500);
    assert_eq!(rig.send_text("Hi").await.0, 201);
    assert_eq!(rig.put(path, json!({"exists": false})).await.0, 200);
    assert_eq!(rig.delete(path).await.0, 200);
    assert!(rig.simulator.knobs().recipients.is_empty());
}

#[tokio::test]
async fn arrivals_and_deliveries_are_listed() {
    let rig = Rig::of(Engine::Gows).await;
    rig.send_text("one").await;
    rig.send_text("two").await;
    let (_, arrivals) = rig.get(&format!("/simulator/arrivals?after=1&session={MAIN}")).await;
    assert_eq!(arrivals.as_array().unwrap().len(), 1);
    let arrival = &arrivals[0];
    assert_eq!((&arrival["text"], &arrival["chatId"]), (&json!("two"), &json!(CHAT)));
    assert_eq!(arrival["outcome"], json!({"kind": "accepted"}));
    let (_, deliveries) = rig.get("/simulator/deliveries").await;
    assert_eq!(deliveries[1]["rawId"], arrival["rawId"]);
    assert_eq!(rig.get("/simulator/deliveries?session=other").await.1, json!([]));
}

#[tokio::test]
async fn sessions_are_moved_by_hand() {
    let rig = Rig::of(Engine::Gows).await;
    let order = async |order: &str, body: Value| {
        let path = format!("/simulator/sessions/{MAIN}/{order}");
        rig.post(&path, body).await
    };
    let done = (200, json!({"done": true}));
    assert_eq!(order("status", json!({"status": "SCAN_QR_CODE"})).await, done);
    assert_eq!(order("scan", Value::Null).await, done);
    assert_eq!(order("scan", Value::Null).await, (200, json!({"done": false})));
    assert_eq!(rig.simulator.status(MAIN), Some(SessionStatus::Working));
    assert_eq!(order("zombie", json!({"on": true})).await, done);
    assert_eq!(order("zombie", json!({"on": false})).await, done);
    assert_eq!(order("restricted", json!({"on": true})).await, done);
    assert_eq!(rig.send_text("Hi").await.0, 500);
    assert_eq!(order("restricted", json!({"on": false})).await, done);
    assert_eq!(rig.send_text("Hi").await.0, 201);
    assert_eq!(order("timelock", json!({"ends": 1_786_218_427})).await, done);
    let capping = json!({"totalQuota": 30, "usedQuota": 3, "cycleEndTimestamp": "1786218427"});
    assert_eq!(order("capping", capping.clone()).await, done);
    let (_, told) = rig.get(&format!("/api/sessions/{MAIN}")).await;
    assert_eq!(
        told["me"]["messageCapping"],
        json!({"totalQuota": 30, "usedQuota": 3, "cycleEndTimestamp": "1786218427"})
    );
    let lock = json!({"isActive": true, "timeEnforcementEnds": 1_786_218_427});
    assert_eq!(told["me"]["reachoutTimelock"], lock);
    assert_eq!(order("timelock", json!({"ends": null})).await, done);
    assert_eq!(order("capping", Value::Null).await, done);
    let (_, told) = rig.get(&format!("/api/sessions/{MAIN}")).await;
    assert_eq!(told["me"].get("reachoutTimelock"), None);
    let raw_id = rig.simulator.deliveries()[0].raw_id.clone();
    assert_eq!(order("ack", json!({"rawId": raw_id, "ack": 3})).await, done);
    assert_eq!(order("event", json!({"event": "call.received", "payload": {}})).await, done);
    assert_eq!(order("flap", json!({"downMs": 1})).await, done);
    assert_eq!(order("dance", Value::Null).await.0, 404);
    assert_eq!(rig.post("/simulator/sessions/x/scan", Value::Null).await.0, 404);
}

#[tokio::test]
async fn sessions_are_added_ready_made() {
    let rig = Rig::of(Engine::Gows).await;
    let session = json!({"name": "new", "phone": "12025550111"});
    assert_eq!(rig.post("/simulator/sessions", session.clone()).await.0, 201);
    assert_eq!(rig.post("/simulator/sessions", session).await.0, 422);
    assert_eq!(rig.get("/api/sessions/new/me").await.1["id"], "12025550111@c.us");
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let rig = Rig::of(Engine::Gows).await;
    rig.send_text("Hi").await;
    rig.simulator.turn_knobs(|knobs| knobs.engine = Engine::Webjs);
    rig.post("/api/sessions", json!({"name": "new", "start": false})).await;
    assert_eq!(rig.post("/simulator/reset", Value::Null).await.0, 200);
    assert!(rig.simulator.arrivals().is_empty() && rig.simulator.deliveries().is_empty());
    assert_eq!(rig.simulator.knobs().engine, Engine::Gows);
    assert_eq!(rig.simulator.status("new"), None);
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn the_overview_counts() {
    let rig = Rig::of(Engine::Gows).await;
    rig.send_text("Hi").await;
    let (_, overview) = rig.get("/simulator").await;
    assert_eq!((&overview["arrivals"], &overview["messages"]), (&json!(1), &json!(1)));
    assert_eq!(overview["sessions"][0]["status"], "WORKING");
    eventually("no webhooks wait", || rig.simulator.waiting_webhooks() == 0).await;
}
