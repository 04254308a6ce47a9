//! Sessions over HTTP.

mod harness;

use std::time::Duration;

use harness::{Harness, main_session, request};
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::tenant::{Permission, Role};
use serde_json::json;

#[tokio::test]
async fn a_session_is_made_and_waits_for_a_telephone() {
    let api = Harness::new().await;
    let answer = api.post("/sessions", json!({ "name": "shop" })).await;
    let created = answer.expect(201);
    assert_eq!(created["name"], "shop");
    assert_eq!(created["adopted"], false);
    assert_eq!(created["onRateLimit"], "reject");
    let location = answer.header("location").unwrap();
    assert_eq!(location, format!("/sessions/{}", created["id"].as_str().unwrap()));
    assert!(created["wahaSession"].as_str().unwrap().starts_with("gw_"));
    assert_eq!(api.get(location).await.expect(200)["name"], "shop");
    assert_eq!(api.get("/sessions/shop").await.expect(200)["id"], created["id"]);
    assert_eq!(api.get("/sessions").await.expect(200)["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_session_that_is_in_waha_is_adopted() {
    let api = Harness::new().await;
    api.waha.has("default", SessionStatus::Working);
    let body = json!({ "name": "shop", "wahaSession": "default", "adopt": true });
    let adopted = api.post("/sessions", body).await.expect(201);
    assert_eq!(adopted["wahaSession"], "default");
    assert_eq!(adopted["status"], "working");
    assert_eq!(adopted["adopted"], true);
    api.delete("/sessions/shop").await;
    assert_eq!(api.waha.status("default"), Some(SessionStatus::Working), "it stays in WAHA");
}

#[tokio::test]
async fn what_another_has_cannot_be_taken_and_nothing_is_said_of_the_owner() {
    let api = Harness::new().await;
    api.waha.has("waha-1", SessionStatus::Working);
    let body = json!({ "name": "mine", "wahaSession": "waha-1", "adopt": true });
    let refused = api.ask_as(2, "POST", "/sessions", Some(body)).await;
    let refused = refused.refused(409, "session-conflict");
    assert_eq!(refused["detail"], "the WAHA session is taken");
    let refused = api.post("/sessions", json!({ "name": "main" })).await;
    refused.refused(409, "session-conflict");
}

/// Whose an account in WAHA is, nobody but who runs both can tell. Where tenants do not trust one
/// another, it says so; and nothing tells the others which there are.
#[tokio::test]
async fn adoption_may_be_left_to_who_runs_the_deployment() {
    let api = Harness::with(|parts| parts.adopting_needs = Permission::ManageServers).await;
    api.waha.has("default", SessionStatus::Working);
    let there = json!({ "name": "shop", "wahaSession": "default", "adopt": true });
    for place in ["default", "waha-2", "nothing"] {
        let body = json!({ "name": "shop", "wahaSession": place, "adopt": true });
        let refused = api.post("/sessions", body).await.refused(403, "forbidden");
        assert_eq!(refused["detail"], "to adopt a session needs servers:manage");
    }
    api.post("/sessions", json!({ "name": "own" })).await.expect(201);
    let token = api.token(1, Role::PlatformAdmin);
    let body = Some(there.to_string().into_bytes());
    let adopted = api.call(request("POST", "/sessions", Some(&token), body)).await;
    assert_eq!(adopted.expect(201)["adopted"], true);
}

#[tokio::test]
async fn a_session_that_cannot_be_made_is_refused_by_name() {
    let api = Harness::new().await;
    for (body, pointer) in [
        (json!({}), "#/name"),
        (json!({ "name": "" }), "#/name"),
        (json!({ "name": "a".repeat(101) }), "#/name"),
        (json!({ "name": "a", "wahaSession": "a b" }), "#/wahaSession"),
        (json!({ "name": "a", "adopt": true }), "#/wahaSession"),
        (json!({ "name": "a", "adopt": "yes" }), "#/adopt"),
        (json!({ "name": "a", "onRateLimit": "explode" }), "#/onRateLimit"),
        (json!({ "name": "a", "tenant": "b" }), "#/tenant"),
    ] {
        api.post("/sessions", body).await.refused_field("invalid-request", pointer);
    }
    let body = json!({ "name": "a", "wahaSession": "nothing", "adopt": true });
    let refused = api.post("/sessions", body).await.refused(422, "waha-refused");
    assert_eq!(refused["reason"], "waha-session-not-found");
}

#[tokio::test]
async fn a_session_is_changed() {
    let api = Harness::new().await;
    let body = json!({ "name": "shop", "onRateLimit": "queue" });
    let changed = api.ask("PATCH", "/sessions/main", Some(body)).await.expect(200);
    assert_eq!((&changed["name"], &changed["onRateLimit"]), (&json!("shop"), &json!("queue")));
    api.get("/sessions/main").await.refused(404, "session-not-found");
    let body = json!({ "status": "working" });
    let refused = api.ask("PATCH", "/sessions/shop", Some(body)).await;
    refused.refused_field("invalid-request", "#/status");
}

#[tokio::test]
async fn a_session_is_deleted_and_purged_where_asked() {
    let api = Harness::new().await;
    for (path, status) in [("", Some(SessionStatus::Working)), ("?purge=true", None)] {
        api.waha.has("default", SessionStatus::Working);
        let body = json!({ "name": "shop", "wahaSession": "default", "adopt": true });
        api.post("/sessions", body).await.expect(201);
        let answer = api.delete(&format!("/sessions/shop{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        assert_eq!(api.waha.status("default"), status);
        api.get("/sessions/shop").await.refused(404, "session-not-found");
    }
    api.delete("/sessions/main?purge=perhaps").await.refused_parameter("purge");
}

#[tokio::test]
async fn a_session_is_started_and_stopped() {
    let api = Harness::new().await;
    api.waha.has("waha-1", SessionStatus::Working);
    for (command, status) in [
        ("stop", "stopped"),
        ("start", "working"),
        ("restart", "starting"),
        ("logout", "scan_qr_code"),
    ] {
        api.clock.advance(Duration::from_secs(1));
        let path = format!("/sessions/{}/{command}", main_session(1));
        let answer = api.ask("POST", &path, None).await.expect(200);
        assert_eq!(answer["status"], status);
    }
}

#[tokio::test]
async fn a_qr_code_is_a_picture_or_json() {
    let api = Harness::new().await;
    api.waha.has("waha-1", SessionStatus::ScanQr);
    let token = api.token(1, Role::Owner);
    for (accept, kind) in [
        (None, "image/png"),
        (Some("*/*"), "image/png"),
        (Some("image/png"), "image/png"),
        (Some("application/json"), "application/json; charset=utf-8"),
        (Some("application/json;q=0.1, image/*"), "image/png"),
    ] {
        let mut asked = request("GET", "/sessions/main/qr", Some(&token), None);
        if let Some(accept) = accept {
            asked.headers_mut().insert("accept", accept.parse().unwrap());
        }
        let answer = api.call(asked).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some(kind), "{accept:?}");
        if kind == "image/png" {
            assert_eq!(answer.body, b"\x89PNG picture");
        } else {
            assert_eq!(answer.json()["value"], "2@code");
            assert_eq!(answer.json()["data"], "iVBORyBwaWN0dXJl");
        }
    }
}

#[tokio::test]
async fn a_pairing_code_is_given_to_a_number() {
    let api = Harness::new().await;
    api.waha.has("waha-1", SessionStatus::ScanQr);
    let path = "/sessions/main/pairing-code";
    let answer = api.post(path, json!({ "phoneNumber": "+5511988887777" })).await.expect(200);
    assert_eq!(answer, json!({ "code": "ABCD-EFGH" }));
    let refused = api.post(path, json!({ "phoneNumber": "123" })).await;
    refused.refused_field("invalid-request", "#/phoneNumber");
}

#[tokio::test]
async fn a_session_that_works_has_no_code_to_scan() {
    let api = Harness::new().await;
    api.waha.has("waha-1", SessionStatus::Working);
    api.get("/sessions/main/qr").await.refused(409, "session-state-conflict");
    let body = json!({ "phoneNumber": "+5511988887777" });
    let refused = api.post("/sessions/main/pairing-code", body).await;
    refused.refused(409, "session-state-conflict");
}

#[tokio::test]
async fn without_waha_only_what_needs_it_is_refused() {
    let api = Harness::new().await;
    api.waha.go_down();
    for (method, path) in [("POST", "/sessions/main/start"), ("GET", "/sessions/main/qr")] {
        api.ask(method, path, None).await.refused(503, "waha-unavailable");
    }
    api.post("/sessions", json!({ "name": "new" })).await.refused(503, "waha-unavailable");
    api.get("/sessions/new").await.refused(404, "session-not-found");
    let body = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.post("/messages/send", body).await.expect(202);
}

#[tokio::test]
async fn a_name_with_blanks_and_slashes_is_found_by_it() {
    let api = Harness::new().await;
    api.post("/sessions", json!({ "name": "my shop/ü" })).await.expect(201);
    let found = api.get("/sessions/my%20shop%2F%C3%BC").await.expect(200);
    assert_eq!(found["name"], "my shop/ü");
}
