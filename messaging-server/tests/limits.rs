//! A server that fails, an account that WhatsApp restricts, and what limits new chats, over HTTP and
//! with a WAHA.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::{Harness, Parts, main_session};
use messaging_core::delivery::session_watch::SessionWatch;
use messaging_core::delivery::worker::Worker;
use messaging_core::ports::clock::Clock;
use secrecy::SecretString;
use serde_json::{Value, json};
use waha_client::WahaClient;
use waha_client::simulator::{DEFAULT_API_KEY, SeededSession, Simulator, SimulatorConfig};
use waha_client::transport::{WahaProvider, WahaServer};

/// A harness on a simulated WAHA, and who sends through it.
async fn with_waha(change: impl FnOnce(&mut Parts)) -> (Harness, Simulator, Worker) {
    let config = SimulatorConfig::default().with_session(SeededSession::working("waha-1"));
    let simulator = Simulator::start(config).await.unwrap();
    let key = SecretString::from(DEFAULT_API_KEY);
    let client = WahaClient::new(simulator.base_url(), key).unwrap();
    let provider = Arc::new(WahaProvider::new([WahaServer::new("waha", client)]));
    let api = Harness::with(|parts| {
        parts.ports.transport = Arc::clone(&provider) as _;
        parts.ports.control = provider;
        change(parts);
    })
    .await;
    let worker = Worker::new(api.gateway.clone());
    (api, simulator, worker)
}

async fn work(worker: &Worker) {
    while worker.run_once(16).await.unwrap().claimed > 0 {}
}

async fn send(api: &Harness, to: &str) -> String {
    let body = json!({ "sessionId": "main", "to": to, "body": "Hello" });
    api.post("/messages/send", body).await.expect(202)["id"].as_str().unwrap().to_owned()
}

async fn message(api: &Harness, id: &str) -> Value {
    api.get(&format!("/messages/{id}")).await.expect(200)
}

#[tokio::test]
async fn a_restricted_account_fails_one_new_chat_and_holds_the_others() {
    let (api, simulator, worker) = with_waha(|_| {}).await;
    assert_eq!(api.get("/sessions/main").await.expect(200)["newChats"], json!({"state": "open"}));
    let known = send(&api, "+5511988880001").await;
    work(&worker).await;
    assert_eq!(message(&api, &known).await["status"], "sent");

    simulator.forbid_new_chats("waha-1", true);
    let refused = send(&api, "+5511988880002").await;
    work(&worker).await;
    let refused = message(&api, &refused).await;
    assert_eq!(
        (&refused["status"], &refused["error"]["code"]),
        (&json!("failed"), &json!("account-restricted"))
    );

    let waiting = send(&api, "+5511988880003").await;
    let body = json!({ "sessionId": "main", "to": "+5511988880001", "body": "Hello again" });
    let reply = api.post("/messages/send", body).await.expect(202)["id"].clone();
    work(&worker).await;
    assert_eq!(message(&api, reply.as_str().unwrap()).await["status"], "sent");
    let held = message(&api, &waiting).await;
    assert_eq!(
        (&held["status"], &held["pacing"]["heldBy"]),
        (&json!("queued"), &json!("restricted"))
    );
    let session = api.get("/sessions/main").await.expect(200);
    assert_eq!(session["newChats"]["state"], "restricted");
    assert_eq!(session["newChats"]["until"], held["pacing"]["until"]);

    simulator.forbid_new_chats("waha-1", false);
    let path = "/sessions/main/new-chats/resume";
    let resumed = api.ask("POST", path, None).await.expect(200);
    assert_eq!(resumed["newChats"], json!({"state": "open"}));
    work(&worker).await;
    assert_eq!(message(&api, &waiting).await["status"], "sent");
}

#[tokio::test]
async fn what_waha_tells_of_a_lock_is_obeyed() {
    let (api, simulator, worker) = with_waha(|_| {}).await;
    let ends = api.clock.now().plus(Duration::from_secs(7200)).as_millis() / 1000;
    simulator.lock_new_chats("waha-1", Some(json!(ends)));
    SessionWatch::new(api.gateway.clone()).run_once().await.unwrap();
    assert_eq!(api.get("/sessions/main").await.expect(200)["newChats"]["state"], "restricted");
    let waiting = send(&api, "+5511988880001").await;
    work(&worker).await;
    assert_eq!(message(&api, &waiting).await["pacing"]["heldBy"], "restricted");
    api.clock.advance(Duration::from_secs(7201));
    work(&worker).await;
    assert_eq!(message(&api, &waiting).await["status"], "sent");
    assert_eq!(api.get("/sessions/main").await.expect(200)["newChats"]["state"], "open");
}

#[tokio::test]
async fn a_server_that_fails_is_shown_and_may_be_waited_for_or_not() {
    let (api, simulator, worker) = with_waha(|_| {}).await;
    simulator.stop_listening().await;
    let waiting = send(&api, "+5511988880001").await;
    for _ in 0..6 {
        work(&worker).await;
        api.clock.advance(Duration::from_secs(15));
    }
    work(&worker).await;
    let held = message(&api, &waiting).await;
    assert_eq!((&held["pacing"]["heldBy"], &held["attempts"]), (&json!("breaker"), &json!(0)));
    let health = api.ask("GET", "/health", None).await.expect(200);
    let waha = &health["checks"]["waha:responseTime"][0];
    assert_eq!((&waha["componentId"], &waha["status"]), (&json!("waha"), &json!("warn")));
    assert_ne!(waha["breaker"], "closed");

    let body = json!({
        "sessionId": "main", "to": "+5511988880002", "body": "Hello", "onUnavailable": "reject"
    });
    let answer = api.post("/messages/send", body).await;
    answer.refused(503, "waha-unavailable");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_session_has_limits_of_its_own_or_those_of_all() {
    let api = Harness::new().await;
    let patch = async |body: Value| api.ask("PATCH", "/sessions/main", Some(body)).await;
    let set = patch(json!({ "newChatsPerDay": 50, "newChatSpacing": "30s-1m" })).await.expect(200);
    let expected = json!({ "state": "open", "perDay": 50, "spacing": "30s-1m" });
    assert_eq!(set["newChats"], expected);
    let same = patch(json!({ "name": "main" })).await.expect(200);
    assert_eq!(same["newChats"], expected);
    let off = patch(json!({ "newChatsPerDay": 0, "newChatSpacing": "0" })).await.expect(200);
    assert_eq!(off["newChats"], json!({ "state": "open", "perDay": 0, "spacing": "0s" }));
    let usual = patch(json!({ "newChatsPerDay": null, "newChatSpacing": null })).await.expect(200);
    assert_eq!(usual["newChats"], json!({ "state": "open" }));
    for (body, pointer) in [
        (json!({ "newChatsPerDay": 1_000_001 }), "#/newChatsPerDay"),
        (json!({ "newChatSpacing": "1m-30s" }), "#/newChatSpacing"),
        (json!({ "newChatSpacing": "soon" }), "#/newChatSpacing"),
    ] {
        let refused = patch(body).await.refused(400, "invalid-request");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let theirs = format!("/sessions/{}/new-chats/resume", main_session(1));
    api.ask_as(2, "POST", &theirs, None).await.refused(404, "session-not-found");
}
