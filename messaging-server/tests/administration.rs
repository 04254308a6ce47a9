//! The real process: a stopped tenant's messages wait, and a deletion goes on after whatever ends it.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

#[path = "process/mod.rs"]
mod process;

use std::time::Duration;

use process::{Installation, Server, eventually};
use serde_json::{Value, json};
use waha_client::simulator::{DEFAULT_API_KEY, Simulator, SimulatorConfig};

const WAIT: Duration = Duration::from_secs(90);

async fn simulator() -> Simulator {
    let mut config = SimulatorConfig::default();
    config.knobs.auto_scan_ms = Some(10);
    config.times.starting = Duration::from_millis(10);
    Simulator::start(config).await.unwrap()
}

/// Sends a request of whoever has this token; gives the answer's status and body.
async fn ask(server: &Server, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (client, base, _) = server.caller();
    let request = client.request(method.parse().unwrap(), format!("{base}{path}"));
    let answer = request.bearer_auth(token).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// A session that works.
async fn session(server: &Server) -> String {
    let created = server.post("/sessions", &json!({ "name": "main" })).await;
    let id = created["id"].as_str().unwrap().to_owned();
    eventually("the session works", WAIT, async || {
        server.get(&format!("/sessions/{id}")).await["status"] == "working"
    })
    .await;
    id
}

/// A token of whoever runs the deployment, in the name of a tenant of its own; and the id of the other.
async fn operator(installation: &Installation, server: &Server) -> (String, String) {
    installation.run(&["tenant", "create", "operations"]).await;
    let token = ["token", "--tenant", "operations", "--role", "platform-admin"];
    let token = installation.run(&token).await;
    let (_, found) = ask(server, &token, "GET", "/admin/tenants?name=acme", json!({})).await;
    (token, found["data"][0]["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_when_its_tenant_is_stopped_says_so_and_leaves_when_it_goes_on() {
    let simulator = simulator().await;
    let mut installation = Installation::new(simulator.base_url());
    let server = installation.start().await;
    let session = session(&server).await;
    let (operator, tenant) = operator(&installation, &server).await;
    let at = soon();
    let send = json!({
        "sessionId": session, "to": "+5511988887777", "body": "one", "sendAt": at,
    });
    let waiting = server.post("/messages/send", &send).await;
    let path = format!("/messages/{}", waiting["id"].as_str().unwrap());

    let stop = format!("/admin/tenants/{tenant}/suspend");
    let (status, stopped) =
        ask(&server, &operator, "POST", &stop, json!({ "reason": "unpaid" })).await;
    assert_eq!((status, &stopped["status"]), (200, &json!("suspended")));
    let more = json!({ "sessionId": session, "to": "+5511988886666", "body": "two" });
    let (status, refused) = ask(&server, &server.token, "POST", "/messages/send", more).await;
    assert_eq!((status, &refused["code"]), (409, &json!("tenant-suspended")));
    eventually("the message says why it waits", WAIT, async || {
        server.get(&path).await["pacing"]["heldBy"] == "suspended"
    })
    .await;
    assert_eq!(simulator.deliveries().len(), 0);

    let (status, _) =
        ask(&server, &operator, "POST", &format!("/admin/tenants/{tenant}/resume"), json!({}))
            .await;
    assert_eq!(status, 200);
    eventually("the message leaves", WAIT, async || simulator.deliveries().len() == 1).await;
    server.kill().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_goes_on_after_every_kill_until_nothing_is_left() {
    let simulator = simulator().await;
    let mut installation = Installation::new(simulator.base_url());
    // The tenant stays for so long, for what was under way.
    installation.settings.push(("BODY_TIMEOUT", "1s".to_owned()));
    let server = installation.start().await;
    let session = session(&server).await;
    let (operator, tenant) = operator(&installation, &server).await;
    for n in 0..30 {
        let to = format!("+55119888877{n:02}");
        let send = json!({ "sessionId": session, "to": to, "body": format!("{n}") });
        server.post("/messages/send", &send).await;
    }
    let keys = installation.run(&["encryption", "status"]).await;
    assert!(keys.contains("acme  messages: plain=0 v1="), "{keys}");
    let path = format!("/admin/tenants/{tenant}");
    let (status, begun) =
        ask(&server, &operator, "DELETE", &format!("{path}?confirm=acme"), json!({})).await;
    assert_eq!((status, &begun["status"]), (202, &json!("deleting")));
    server.kill().await;
    for _ in 0..2 {
        let server = installation.start().await;
        let (status, kept) = ask(&server, &operator, "GET", &path, json!({})).await;
        assert_eq!((status, &kept["status"]), (200, &json!("deleting")));
        let (status, refused) = ask(&server, &server.token, "GET", "/messages", json!({})).await;
        assert_eq!((status, &refused["code"]), (401, &json!("invalid-token")));
        server.kill().await;
    }
    // Another, from the command line.
    installation.run(&["tenant", "create", "short-lived"]).await;
    installation.run(&["tenant", "delete", "short-lived", "--confirm", "short-lived"]).await;
    let server = installation.start().await;
    eventually("nothing is left", WAIT, async || {
        ask(&server, &operator, "GET", &path, json!({})).await.0 == 404
    })
    .await;
    eventually("the other went too", WAIT, async || {
        let (_, listed) = ask(&server, &operator, "GET", "/admin/tenants", json!({})).await;
        listed["total"] == 1
    })
    .await;
    // Only the deployment's own keys are there, and its account is at WAHA no more.
    let keys = installation.run(&["encryption", "status"]).await;
    assert!(keys.contains("wrapped=2/2"), "{keys}");
    let (client, _, _) = server.caller();
    let sessions = client.get(format!("{}/api/sessions?all=true", simulator.base_url()));
    let sessions = sessions.header("X-Api-Key", DEFAULT_API_KEY).send().await.unwrap();
    assert_eq!(sessions.json::<Value>().await.unwrap(), json!([]));
    server.kill().await;
    simulator.shutdown().await;
}

/// Two seconds from now, as requests write it.
fn soon() -> String {
    use messaging_core::ports::clock::{Clock, SystemClock};
    SystemClock.now().plus(Duration::from_secs(2)).to_string()
}
