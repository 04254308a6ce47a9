//! The life of a session.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{SeededSession, SimulatorConfig};
use waha_client::wire::SessionStatus;

use crate::harness::{MAIN, PHONE, Receiver, Rig, assert_same_shape, config, eventually, recorded};

/// Whole seconds of limit for what should take milliseconds.
async fn wait_for(rig: &Rig, session: &str, status: SessionStatus) {
    let wait = rig.simulator.wait_for_status(session, status);
    assert!(tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap());
}

fn waiting_for_scan() -> SimulatorConfig {
    let session = SeededSession::in_status("new", SessionStatus::ScanQrCode);
    config(Engine::Gows).with_session(session)
}

#[tokio::test]
async fn a_new_session_starts_scans_and_works() {
    let rig = Rig::of(Engine::Gows).await;
    let receiver = Receiver::start().await;
    let webhook = receiver.webhook(&["session.status"]);
    let create = json!({"name": "new", "start": true, "config": {"webhooks": [webhook]}});
    let (status, created) = rig.post("/api/sessions", create).await;
    assert_eq!((status, &created["status"]), (201, &json!("STARTING")));
    wait_for(&rig, "new", SessionStatus::ScanQrCode).await;
    assert!(rig.simulator.scan("new"));
    assert!(!rig.simulator.scan("new"));
    assert_eq!(rig.simulator.status("new"), Some(SessionStatus::Working));
    let events = receiver.wait_for(3).await;
    let expected: Value = recorded("webhooks/waha/session_status_scan");
    let scan = events.iter().find(|it| it.payload()["status"] == "SCAN_QR_CODE").unwrap();
    assert_same_shape(scan.payload(), &expected["payload"], "session.status");
}

#[tokio::test]
async fn qr_codes_change_and_run_out() {
    let mut config = waiting_for_scan();
    config.times.first_qr = Duration::from_millis(20);
    config.times.next_qr = Duration::from_millis(5);
    let receiver = Receiver::start().await;
    config.webhooks = vec![receiver.webhook(&["session.status"])];
    let rig = Rig::start(config).await;
    wait_for(&rig, "new", SessionStatus::Failed).await;
    let status_count = |status: &str| {
        let of_new = receiver.all().into_iter().filter(|it| it.body["session"] == "new");
        of_new.filter(|it| it.payload()["status"] == status).count()
    };
    eventually("six codes and the end", || {
        status_count("SCAN_QR_CODE") == 6 && status_count("FAILED") == 1
    })
    .await;
}

#[tokio::test]
async fn a_qr_code_comes_as_picture_base64_or_text() {
    let rig = Rig::start(waiting_for_scan()).await;
    wait_for(&rig, "new", SessionStatus::ScanQrCode).await;
    let request = || rig.request(reqwest::Method::GET, "/api/new/auth/qr");
    let picture = request().send().await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/png");
    let png = picture.bytes().await.unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    let loosely = request().header("accept", "application/json, */*").send().await.unwrap();
    assert_eq!(loosely.headers()["content-type"], "image/png");
    let exactly = request().header("accept", "application/json").send().await.unwrap();
    let body: Value = exactly.json().await.unwrap();
    assert_eq!(body["mimetype"], "image/png");
    let data = body["data"].as_str().unwrap();
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(data).unwrap(), png);
    let (_, raw) = rig.get("/api/new/auth/qr?format=raw").await;
    assert!(raw["value"].as_str().unwrap().starts_with("2@"));
}

#[tokio::test]
async fn a_working_session_has_no_qr_code() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = recorded("errors/422_not_scanning");
    assert_eq!(rig.get(&format!("/api/{MAIN}/auth/qr")).await, (422, expected.clone()));
    let path = format!("/api/{MAIN}/auth/request-code");
    assert_eq!(rig.post(&path, json!({"phoneNumber": "1"})).await, (422, expected));
}

#[tokio::test]
async fn a_pairing_code_has_two_times_four_characters() {
    let rig = Rig::start(waiting_for_scan()).await;
    wait_for(&rig, "new", SessionStatus::ScanQrCode).await;
    let body = json!({"phoneNumber": "12025550123"});
    let (status, answer) = rig.post("/api/new/auth/request-code", body).await;
    let code = answer["code"].as_str().unwrap();
    assert_eq!((status, code.len(), &code[4..5]), (201, 9, "-"));
}

#[tokio::test]
async fn a_demo_scans_by_itself() {
    let mut config = config(Engine::Gows);
    config.knobs.auto_scan_ms = Some(10);
    let rig = Rig::start(config).await;
    rig.post("/api/sessions", json!({"name": "new", "start": true})).await;
    wait_for(&rig, "new", SessionStatus::Working).await;
}

#[tokio::test]
async fn a_session_is_told_with_all_its_fields() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = recorded("simulator/session");
    let (_, session) = rig.get(&format!("/api/sessions/{MAIN}")).await;
    assert_same_shape(&session, &expected, "session");
    assert_eq!(session["engine"]["engine"], "GOWS");
    let (_, me) = rig.get(&format!("/api/sessions/{MAIN}/me")).await;
    assert_eq!(me["id"], format!("{PHONE}@c.us"));
}

#[tokio::test]
async fn a_session_without_an_account_has_no_me() {
    let rig = Rig::start(waiting_for_scan()).await;
    assert_eq!(rig.get("/api/sessions/new/me").await, (200, Value::Null));
    assert_eq!(rig.get("/api/sessions/new").await.1["me"], Value::Null);
}

#[tokio::test]
async fn stopped_sessions_are_listed_on_request() {
    let rig = Rig::of(Engine::Gows).await;
    let stop = format!("/api/sessions/{MAIN}/stop");
    let (status, stopped) = rig.post(&stop, Value::Null).await;
    assert_eq!((status, &stopped["status"]), (201, &json!("STOPPED")));
    assert_eq!(rig.get("/api/sessions").await.1, json!([]));
    assert_eq!(rig.get("/api/sessions?all=true").await.1.as_array().unwrap().len(), 1);
    rig.post(&format!("/api/sessions/{MAIN}/start"), Value::Null).await;
    wait_for(&rig, MAIN, SessionStatus::Working).await;
}

#[tokio::test]
async fn a_restarted_session_keeps_its_account_and_a_logged_out_one_does_not() {
    let rig = Rig::of(Engine::Gows).await;
    rig.post(&format!("/api/sessions/{MAIN}/restart"), Value::Null).await;
    wait_for(&rig, MAIN, SessionStatus::Working).await;
    rig.post(&format!("/api/sessions/{MAIN}/logout"), Value::Null).await;
    wait_for(&rig, MAIN, SessionStatus::ScanQrCode).await;
}

#[tokio::test]
async fn deleting_twice_is_no_mistake() {
    let rig = Rig::of(Engine::Gows).await;
    let path = format!("/api/sessions/{MAIN}");
    assert_eq!(rig.delete(&path).await, (200, Value::Null));
    assert_eq!(rig.delete(&path).await, (200, Value::Null));
    assert_eq!(rig.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_changed_session_starts_again() {
    let rig = Rig::of(Engine::Gows).await;
    let change = json!({"config": {"metadata": {"a": "b"}}});
    let (status, changed) = rig.put(&format!("/api/sessions/{MAIN}"), change).await;
    assert_eq!((status, &changed["status"]), (200, &json!("STARTING")));
    assert_eq!(changed["config"]["metadata"], json!({"a": "b"}));
    wait_for(&rig, MAIN, SessionStatus::Working).await;
}

#[tokio::test]
async fn starting_twice_may_be_refused() {
    let rig = Rig::of(Engine::Gows).await;
    let start = format!("/api/sessions/{MAIN}/start");
    assert_eq!(rig.post(&start, Value::Null).await.0, 201);
    rig.simulator.turn_knobs(|knobs| knobs.refuses_double_start = true);
    let expected = recorded("errors/422_already_started");
    assert_eq!(rig.post(&start, Value::Null).await, (422, expected));
}

#[tokio::test]
async fn a_call_waits_for_a_session_that_is_about_to_work() {
    let mut config = config(Engine::Gows);
    config.times.ready_wait = Duration::from_secs(5);
    config.times.starting = Duration::from_millis(30);
    let rig = Rig::start(config).await;
    rig.post(&format!("/api/sessions/{MAIN}/restart"), Value::Null).await;
    assert_eq!(rig.send_text("Hi").await.0, 201);
}

#[tokio::test]
async fn only_browser_engines_have_a_screen() {
    let rig = Rig::of(Engine::Webjs).await;
    let path = format!("/api/screenshot?session={MAIN}");
    let screen = rig.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(screen.headers()["content-type"], "image/png");
    rig.simulator.turn_knobs(|knobs| knobs.engine = Engine::Gows);
    assert_eq!(rig.get(&path).await.0, 501);
}
