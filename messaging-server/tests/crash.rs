//! The real process, killed without warning, again and again: nothing accepted is lost, nothing is
//! sent twice.
#![expect(clippy::panic, clippy::unwrap_used, reason = "in a test, to fail is to tell")]

#[path = "process/mod.rs"]
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use process::{Installation, eventually};
use serde_json::{Value, json};
use waha_client::simulator::{Simulator, SimulatorConfig};

const SESSIONS: usize = 4;
const SENDERS: u64 = 6;

/// How long each process lives after it is ready, in milliseconds. Uneven on purpose: the kill is to
/// hit accepting, sending, settling and applying webhooks alike.
const LIVES_MS: [u64; 6] = [350, 90, 610, 40, 470, 230];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_2xx_survives_sigkill_at_any_moment() {
    let simulator = simulator().await;
    let mut installation = Installation::new(simulator.base_url());
    let accepted: Arc<std::sync::Mutex<BTreeMap<String, String>>> = Arc::default();
    let counter = Arc::new(AtomicU64::new(0));

    let server = installation.start().await;
    let sessions = create_sessions(&server).await;
    server.kill().await;

    for life_ms in LIVES_MS {
        let server = installation.start().await;
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (client, base, token) = server.caller();
                let (accepted, counter) = (Arc::clone(&accepted), Arc::clone(&counter));
                let session = sessions[sender as usize % SESSIONS].clone();
                tokio::spawn(async move {
                    loop {
                        let n = counter.fetch_add(1, Ordering::SeqCst);
                        let body = format!("message {n}");
                        let request = json!({
                            "sessionId": session,
                            "to": format!("+55119{:08}", n % 50),
                            "body": body,
                            "onRateLimit": "queue",
                        });
                        let sent = client
                            .post(format!("{base}/messages/send"))
                            .bearer_auth(&token)
                            .json(&request)
                            .send()
                            .await;
                        match sent {
                            Ok(answer) if answer.status() == 202 => {
                                let Ok(answer) = answer.json::<Value>().await else { return };
                                let id = answer["id"].as_str().unwrap().to_owned();
                                accepted.lock().unwrap().insert(id, body);
                            }
                            Ok(answer) if answer.status().is_server_error() => {}
                            // A session may still be reported as not working after a start.
                            Ok(answer) if answer.status() == 400 => {}
                            Ok(answer) => panic!("{}", answer.status()),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(life_ms)).await;
        server.kill().await;
        for sender in senders {
            sender.await.unwrap();
        }
    }

    let server = installation.start().await;
    let accepted = accepted.lock().unwrap().clone();
    assert!(accepted.len() > 50, "only {} were accepted: the test shows nothing", accepted.len());
    eventually("everything accepted has been delivered", Duration::from_secs(120), async || {
        let stats = server.get("/messages/stats?direction=outbound").await;
        let by_status = &stats["byStatus"];
        ["queued", "sending", "retry", "sent"]
            .iter()
            .all(|status| by_status[*status].as_u64().unwrap_or(0) == 0)
    })
    .await;

    let mut delivered: BTreeMap<String, u64> = BTreeMap::new();
    for delivery in simulator.deliveries() {
        *delivered.entry(delivery.text.clone().unwrap_or_default()).or_default() += 1;
    }
    for (id, body) in &accepted {
        assert_eq!(delivered.get(body), Some(&1), "{body} at WhatsApp");
        let message = server.get(&format!("/messages/{id}")).await;
        let status = message["status"].as_str().unwrap();
        assert!(["delivered", "read"].contains(&status), "{body} is {status}");
    }
    // What was kept without an answer having reached its sender may have been sent, too; twice
    // nothing was.
    let twice: BTreeSet<_> = delivered.iter().filter(|(_, times)| **times > 1).collect();
    assert_eq!(twice, BTreeSet::new());
    server.kill().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_answered_2xx_survives_sigkill() {
    let simulator = simulator().await;
    let mut installation = Installation::new(simulator.base_url());
    let server = installation.start().await;
    let session = create_sessions(&server).await.remove(0);
    let mut kept = BTreeSet::new();
    server.kill().await;
    for life in 0..5 {
        let server = installation.start().await;
        for n in 0..20 {
            let id = format!("3A{life:02}{n:016}");
            if server.receive(&session, &id).await == 200 {
                kept.insert(id);
            }
        }
        server.kill().await;
    }
    assert_eq!(kept.len(), 100);
    let server = installation.start().await;
    eventually("every webhook has had its effect", Duration::from_secs(60), async || {
        server.get("/messages?direction=inbound&limit=1").await["total"].as_u64() == Some(100)
    })
    .await;
    server.kill().await;
    simulator.shutdown().await;
}

async fn simulator() -> Simulator {
    let mut config = SimulatorConfig::default();
    config.knobs.auto_scan_ms = Some(10);
    config.times.starting = Duration::from_millis(10);
    config.knobs.webhooks.retry_scale = 0.05;
    Simulator::start(config).await.unwrap()
}

async fn create_sessions(server: &process::Server) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..SESSIONS {
        let created = server.post("/sessions", &json!({"name": format!("s{n}")})).await;
        ids.push(created["id"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned());
    }
    for id in &ids {
        eventually("the session works", Duration::from_secs(30), async || {
            server.get(&format!("/sessions/{id}")).await["status"] == "working"
        })
        .await;
    }
    ids
}
