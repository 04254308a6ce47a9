//! Keys for one session and some actions.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::SeededSession;

use crate::harness::{CHAT, MAIN, Rig, answer_of, config};

async fn with_key(key: Value) -> (Rig, String, String) {
    let rig = Rig::start(config(Engine::Gows).with_session(SeededSession::working("other"))).await;
    let (status, made) = rig.post("/api/keys", key).await;
    assert_eq!(status, 201);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (rig, text("key"), text("id"))
}

async fn call(rig: &Rig, key: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = Client::new().request(method, rig.url(path)).header("x-api-key", key);
    answer_of(request.json(&body)).await
}

fn text_in(session: &str) -> Value {
    json!({"session": session, "chatId": CHAT, "text": "Hi"})
}

#[tokio::test]
async fn a_session_key_opens_its_own_session_only() {
    let key = json!({"isAdmin": false, "session": MAIN, "isActive": true, "actions": null});
    let (rig, key, _) = with_key(key).await;
    let forbidden = (403, json!({"message": "Forbidden", "statusCode": 403}));
    assert_eq!(call(&rig, &key, Method::POST, "/api/sendText", text_in(MAIN)).await.0, 201);
    assert_eq!(call(&rig, &key, Method::POST, "/api/sendText", text_in("other")).await, forbidden);
    assert_eq!(call(&rig, &key, Method::POST, "/api/sessions", json!({})).await, forbidden);
    assert_eq!(call(&rig, &key, Method::GET, "/health", json!({})).await, forbidden);
    assert_eq!(call(&rig, &key, Method::GET, "/api/server/version", json!({})).await.0, 200);
    let (_, sessions) = call(&rig, &key, Method::GET, "/api/sessions", json!({})).await;
    assert_eq!(sessions.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_does_what_its_actions_say() {
    let actions = json!({"read": true, "send": false});
    let key = json!({"isAdmin": false, "session": MAIN, "isActive": true, "actions": actions});
    let (rig, key, _) = with_key(key).await;
    let overview = format!("/api/{MAIN}/chats/overview");
    assert_eq!(call(&rig, &key, Method::GET, &overview, json!({})).await.0, 200);
    assert_eq!(call(&rig, &key, Method::POST, "/api/sendText", text_in(MAIN)).await.0, 403);
    let stop = format!("/api/sessions/{MAIN}/stop");
    assert_eq!(call(&rig, &key, Method::POST, &stop, json!({})).await.0, 403);
}

#[tokio::test]
async fn a_key_can_be_put_to_sleep_and_deleted() {
    let key = json!({"isAdmin": true, "session": null, "isActive": true});
    let (rig, key, id) = with_key(key).await;
    assert_eq!(call(&rig, &key, Method::GET, "/api/keys", json!({})).await.0, 200);
    let asleep = json!({"isAdmin": true, "session": null, "isActive": false});
    assert_eq!(rig.put(&format!("/api/keys/{id}"), asleep).await.0, 200);
    assert_eq!(call(&rig, &key, Method::GET, "/api/keys", json!({})).await.0, 401);
    assert_eq!(rig.delete(&format!("/api/keys/{id}")).await.0, 200);
    assert_eq!(rig.get("/api/keys").await.1, json!([]));
}

#[tokio::test]
async fn a_key_for_no_session_must_be_an_admins() {
    let rig = Rig::of(Engine::Gows).await;
    let key = json!({"isAdmin": false, "session": null, "isActive": true});
    assert_eq!(rig.post("/api/keys", key).await.0, 400);
}
