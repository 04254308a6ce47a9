//! Every error body of WAHA, word for word.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{Fault, FaultRule, SeededSession, SimulatorConfig};
use waha_client::wire::SessionStatus;

use crate::harness::{CHAT, MAIN, Rig, answer_of, assert_same_shape, config, recorded, text_to};

#[tokio::test]
async fn without_a_key_nothing_of_the_api_is_open() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = (401, json!({"message": "Unauthorized", "statusCode": 401}));
    for path in ["/api/sessions", "/health", "/api/files/x/y.jpg", "/api/no-such-route"] {
        assert_eq!(answer_of(Client::new().get(rig.url(path))).await, expected, "{path}");
    }
    let wrong = Client::new().get(rig.url("/api/sessions")).header("x-api-key", "wrong");
    assert_eq!(answer_of(wrong).await, expected);
}

#[tokio::test]
async fn the_key_can_stand_in_the_query() {
    let rig = Rig::of(Engine::Gows).await;
    let url = rig.url("/api/sessions?x-api-key=simulator");
    assert_eq!(answer_of(Client::new().get(url)).await.0, 200);
}

#[tokio::test]
async fn a_simulator_without_a_key_asks_for_none() {
    let rig = Rig::start(SimulatorConfig { api_key: None, ..config(Engine::Gows) }).await;
    assert_eq!(answer_of(Client::new().get(rig.url("/api/sessions"))).await.0, 200);
}

#[tokio::test]
async fn a_send_without_a_session_is_refused() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = json!({
        "message": "Session name is required", "error": "Bad Request", "statusCode": 400,
    });
    for body in [json!({"chatId": CHAT, "text": "Hi"}), json!({"session": " ", "text": "Hi"})] {
        assert_eq!(rig.post("/api/sendText", body).await, (400, expected.clone()));
    }
}

#[tokio::test]
async fn an_invalid_name_is_refused() {
    let rig = Rig::of(Engine::Gows).await;
    let sentence = "name must match /^[a-zA-Z0-9_-]*$/ regular expression";
    let expected = json!({"message": [sentence], "error": "Bad Request", "statusCode": 400});
    let answer = rig.post("/api/sessions", json!({"name": "a b", "start": false})).await;
    assert_eq!(answer, (400, expected));
    let long = json!({"name": "a".repeat(55), "start": false});
    assert_eq!(rig.post("/api/sessions", long).await.0, 400);
}

#[tokio::test]
async fn an_unknown_event_name_is_refused() {
    let rig = Rig::of(Engine::Gows).await;
    let webhooks = json!([{"url": "http://127.0.0.1:9/", "events": ["message.sent"]}]);
    let config = json!({"webhooks": webhooks});
    let (status, body) = rig.post("/api/sessions", json!({"name": "new", "config": config})).await;
    assert_eq!((status, body["message"].is_array()), (400, true));
    assert_eq!(rig.put(&format!("/api/sessions/{MAIN}"), json!({"config": config})).await.0, 400);
}

#[tokio::test]
async fn an_unknown_session_is_404_among_the_sessions() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = json!({"message": "Session not found", "error": "Not Found", "statusCode": 404});
    assert_eq!(rig.get("/api/sessions/x").await, (404, expected.clone()));
    assert_eq!(rig.get("/api/sessions/x/me").await, (404, expected.clone()));
    assert_eq!(rig.post("/api/sessions/x/start", Value::Null).await, (404, expected));
}

#[tokio::test]
async fn an_unknown_session_is_422_elsewhere() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = json!({"error": "Session \"x\" does not exist", "session": "x"});
    let send = json!({"session": "x", "chatId": CHAT, "text": "Hi"});
    assert_eq!(rig.post("/api/sendText", send).await, (422, expected.clone()));
    assert_eq!(rig.get("/api/x/auth/qr").await, (422, expected.clone()));
    assert_eq!(rig.get("/api/x/chats/overview").await, (422, expected.clone()));
    assert_eq!(rig.get("/api/contacts/check-exists?phone=1&session=x").await, (422, expected));
}

#[tokio::test]
async fn a_session_that_does_not_work_does_not_send() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.set_status(MAIN, SessionStatus::Starting);
    let expected = json!({
        "error": "Session status is not as expected. Try again later or restart the session",
        "session": MAIN, "status": "STARTING", "expected": ["WORKING"],
    });
    assert_eq!(rig.send_text("Hi").await, (422, expected));
}

#[tokio::test]
async fn a_taken_name_is_refused() {
    let rig = Rig::start(config(Engine::Gows).with_session(SeededSession::working("x"))).await;
    let expected = json!({
        "message": "Session 'x' already exists. Use PUT to update it.",
        "error": "Unprocessable Entity", "statusCode": 422,
    });
    assert_eq!(rig.post("/api/sessions", json!({"name": "x"})).await, (422, expected));
}

#[tokio::test]
async fn an_unknown_message_is_not_found() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = json!({"message": "Message not found", "error": "Not Found", "statusCode": 404});
    let path = format!("/api/{MAIN}/chats/all/messages/3EB0");
    assert_eq!(rig.get(&path).await, (404, expected));
}

#[tokio::test]
async fn what_an_engine_cannot_do_is_501() {
    let rig = Rig::of(Engine::Webjs).await;
    let (status, body) = rig.get(&format!("/api/{MAIN}/new-message-id")).await;
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("The method is not implemented by 'WEBJS' engine."));
    assert_eq!(
        (status, &body["error"], &body["statusCode"]),
        (501, &json!("Not Implemented"), &json!(501))
    );
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_found() {
    let rig = Rig::of(Engine::Gows).await;
    let path = format!("/api/files/{MAIN}/gone.jpeg");
    let expected = json!({"error": {
        "code": 404, "key": "FILE_NOT_FOUND", "message": "File not found", "details": path,
    }});
    assert_eq!(rig.get(&path).await, (404, expected));
}

#[tokio::test]
async fn a_missing_field_is_a_500_that_repeats_the_request() {
    let rig = Rig::of(Engine::Gows).await;
    for body in
        [json!({"session": MAIN, "text": "very secret"}), json!({"session": MAIN, "chatId": CHAT})]
    {
        let (status, answer) = rig.post("/api/sendText?x=1", body.clone()).await;
        assert_eq!(status, 500);
        let mut expected = recorded("errors/500_missing_chat");
        expected["request"]["body"] = body.clone();
        expected["request"]["query"] = json!({"x": "1"});
        assert_same_shape(&answer, &expected, "500");
        assert_eq!(answer["request"]["body"], body);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_500_too() {
    let mut config = config(Engine::Gows);
    config.limits.body_bytes = 1_000;
    let rig = Rig::start(config).await;
    let (status, body) = rig.send_text(&"x".repeat(2_000)).await;
    assert_eq!((status, &body["exception"]["type"]), (500, &json!("entity.too.large")));
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let rig = Rig::of(Engine::Gows).await;
    let expected = |path: &str| json!({"message": format!("Cannot GET {path}"), "error": "Not Found", "statusCode": 404});
    for path in ["/api/no/such/route", "/elsewhere", "/api/sendText"] {
        assert_eq!(rig.get(path).await, (404, expected(path)));
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let rig = Rig::of(Engine::Gows).await;
    let request = rig.request(Method::POST, "/api/sendText").body("{");
    assert_eq!(answer_of(request).await.0, 400);
}

#[tokio::test]
async fn every_scripted_error_has_its_status() {
    let rig = Rig::of(Engine::Gows).await;
    for (fault, status) in [
        (Fault::thrown("no"), 500),
        (Fault::Restricted, 500),
        (Fault::RateOverlimit, 500),
        (Fault::TooLarge, 500),
        (Fault::NotWorking, 422),
        (Fault::SessionMissing, 422),
        (Fault::Invalid, 400),
        (Fault::Unauthorized, 401),
        (Fault::Forbidden, 403),
        (Fault::NotImplemented, 501),
    ] {
        rig.simulator.add_fault(FaultRule::next(1, fault.clone()));
        assert_eq!(rig.send_text("Hi").await.0, status, "{fault:?}");
    }
    assert!(rig.simulator.deliveries().is_empty());
    assert_eq!(rig.post("/api/sendText", text_to(CHAT, "Hi")).await.0, 201);
}

#[tokio::test]
async fn a_gateway_before_waha_answers_html() {
    let rig = Rig::of(Engine::Gows).await;
    rig.simulator.add_fault(FaultRule::next(1, Fault::BadGateway));
    let request = rig.request(Method::POST, "/api/sendText").json(&text_to(CHAT, "Hi"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 502);
    assert_eq!(answer.headers()["content-type"], "text/html");
}
