//! A server that was down, and a WAHA whose webhooks were lost meanwhile: what they should have told
//! is there afterwards, once, whatever engine WAHA runs on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod process;

use std::collections::BTreeSet;
use std::time::Duration;

use process::{Installation, Server, eventually};
use serde_json::{Value, json};
use waha_client::Engine;
use waha_client::simulator::{Inbound, Simulator, SimulatorConfig};

/// How long reading may take: what may still come as a webhook is left alone for half a minute.
const LIMIT: Duration = Duration::from_secs(150);

/// How many messages come in while nobody listens, and from how many people: more than are read
/// at a time.
const INBOUND: usize = 130;
const PEOPLE: usize = 7;

async fn inbound(server: &Server) -> Vec<Value> {
    let (mut all, mut page) = (Vec::new(), 1);
    loop {
        let listed =
            server.get(&format!("/messages?direction=inbound&limit=100&page={page}")).await;
        let data = listed["data"].as_array().unwrap().clone();
        let is_end = data.len() < 100;
        all.extend(data);
        if is_end {
            return all;
        }
        page += 1;
    }
}

async fn status(server: &Server, id: &str) -> String {
    server.get(&format!("/messages/{id}")).await["status"].as_str().unwrap_or_default().to_owned()
}

async fn check(engine: Engine) {
    let mut config = SimulatorConfig::default();
    config.knobs.engine = engine;
    config.knobs.auto_scan_ms = Some(10);
    config.knobs.ack_script = Vec::new();
    let simulator = Simulator::start(config).await.unwrap();
    let mut installation = Installation::new(simulator.base_url());
    let server = installation.start().await;
    let made = server.post("/sessions", &json!({ "name": "main" })).await;
    let waha_session = made["wahaSession"].as_str().unwrap().to_owned();
    eventually("the session works", LIMIT, async || {
        server.get("/sessions/main").await["status"] == "working"
    })
    .await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let to = format!("+551198888777{n}");
        let body = json!({ "sessionId": "main", "to": to, "body": format!("hello {n}") });
        let sent = server.post("/messages/send", &body).await;
        ids.push(sent["id"].as_str().unwrap().to_owned());
    }
    let mut names = Vec::new();
    for id in &ids {
        eventually("it is sent", LIMIT, async || status(&server, id).await == "sent").await;
        let found = server.get(&format!("/messages/{id}")).await;
        names.push(found["providerMessageId"].as_str().unwrap().to_owned());
    }

    // What is told so far is told before the end.
    eventually("all is told", LIMIT, async || simulator.waiting_webhooks() == 0).await;
    server.kill().await;
    simulator.turn_knobs(|knobs| knobs.webhooks.lost_chance = 1.0);
    let mut last = String::new();
    for n in 0..INBOUND {
        let from = format!("1202555010{}", n % PEOPLE);
        let text = Inbound::text(from, format!("inbound {n}"));
        last = simulator.receive(&waha_session, &text).unwrap().raw_id;
    }
    for (name, level) in names.iter().zip([2, 3, -1]) {
        assert!(simulator.acknowledge(&waha_session, name, level));
    }
    assert_eq!(simulator.waiting_webhooks(), 0, "all are lost");
    simulator.turn_knobs(|knobs| knobs.webhooks.lost_chance = 0.0);

    let server = installation.start().await;
    for (id, expected) in ids.iter().zip(["delivered", "read", "failed"]) {
        eventually(expected, LIMIT, async || status(&server, id).await == expected).await;
    }
    eventually("all is there", LIMIT, async || inbound(&server).await.len() >= INBOUND).await;
    // A webhook that comes after all tells nothing new.
    assert_eq!(server.receive(made["id"].as_str().unwrap(), &last).await, 200);
    eventually("the webhook is applied", LIMIT, async || {
        let metrics = server.text("/metrics").await;
        metrics.lines().any(|line| line == r#"messaging_inbox_total{result="known"} 1"#)
    })
    .await;
    let all = inbound(&server).await;
    let texts: BTreeSet<&str> = all.iter().map(|it| it["body"].as_str().unwrap()).collect();
    assert_eq!((all.len(), texts.len()), (INBOUND, INBOUND));
    let metrics = server.text("/metrics").await;
    for line in [
        &format!(r#"messaging_caught_up_total{{what="message"}} {INBOUND}"#),
        r#"messaging_caught_up_total{what="receipt"} 3"#,
    ] {
        assert!(metrics.lines().any(|each| each == line), "{line} is not in {metrics}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn what_gows_did_not_tell_is_read() {
    check(Engine::Gows).await;
}

#[tokio::test]
async fn what_noweb_did_not_tell_is_read() {
    check(Engine::Noweb).await;
}

#[tokio::test]
async fn what_webjs_did_not_tell_is_read() {
    check(Engine::Webjs).await;
}
