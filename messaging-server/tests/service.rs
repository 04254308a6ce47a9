//! A service started and stopped as a host program does it, and what it counts meanwhile.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::time::Duration;

use messaging_core::domain::tenant::Role;
use messaging_server::config::Config;
use messaging_server::wiring::{self, Service};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waha_client::simulator::{DEFAULT_API_KEY, Simulator, SimulatorConfig};

struct Running {
    simulator: Simulator,
    base: String,
    token: String,
    stop: CancellationToken,
    service: JoinHandle<io::Result<()>>,
    data: TempDir,
}

async fn run() -> Running {
    let mut config = SimulatorConfig::default();
    config.knobs.auto_scan_ms = Some(10);
    let simulator = Simulator::start(config).await.unwrap();
    let data = TempDir::new().unwrap();
    let config = Config::from_vars([
        ("PORT", "0"),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("WAHA_BASE_URL", simulator.base_url()),
        ("WAHA_API_KEY", DEFAULT_API_KEY),
    ])
    .unwrap();
    let listener = wiring::bind(&config).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Service::build(config.listening_on(address)).await.unwrap();
    let tenant = service.gateway().create_tenant("acme").await.unwrap().id;
    let token = service.issue_token(tenant, Role::Owner, None).unwrap();
    let stop = CancellationToken::new();
    let service = tokio::spawn(service.run(listener, stop.clone()));
    Running { simulator, base: format!("http://{address}"), token, stop, service, data }
}

impl Running {
    async fn post(&self, path: &str, body: &Value) -> u16 {
        let request = Client::new().post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.json(body).send().await.unwrap().status().as_u16()
    }

    /// Waits until all of these lines are among the metrics.
    async fn counted(&self, lines: &[&str]) {
        let mut text = String::new();
        let counting = async {
            loop {
                let metrics = Client::new().get(format!("{}/metrics", self.base));
                text = metrics.send().await.unwrap().text().await.unwrap();
                if lines.iter().all(|line| text.lines().any(|each| each == *line)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let counted = tokio::time::timeout(Duration::from_secs(30), counting).await;
        assert!(counted.is_ok(), "not all of {lines:#?} in {text}");
    }

    async fn end(self) -> TempDir {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        self.simulator.shutdown().await;
        self.data
    }
}

#[tokio::test]
async fn it_stops_when_it_is_told_and_lets_go_of_everything() {
    let running = run().await;
    let base = running.base.clone();
    let health = || Client::new().get(format!("{base}/health/ready")).send();
    assert_eq!(health().await.unwrap().status(), 200);
    // A connection that is kept open must not hold up the end.
    let idle = Client::new();
    idle.get(format!("{base}/health/live")).send().await.unwrap();
    let data = running.end().await;
    assert!(health().await.unwrap_err().is_connect());

    let names = |name: &str| data.path().join(name).exists();
    assert!(names("messaging.db"));
    assert!(!names("messaging.db-wal"), "the log was folded into the file");
}

#[tokio::test]
async fn the_life_of_a_message_shows_in_the_metrics() {
    let running = run().await;
    let status = running.post("/sessions", &json!({"name": "main"})).await;
    assert_eq!(status, 201);
    running.counted(&[r#"messaging_session_changes_total{status="working"} 1"#]).await;
    let message = json!({"sessionId": "main", "to": "+4915112345678", "body": "hello"});
    assert_eq!(running.post("/messages/send", &message).await, 202);
    let invalid = json!({"sessionId": "main", "to": "4915112345678", "body": "hello"});
    assert_eq!(running.post("/messages/send", &invalid).await, 400);
    running
        .counted(&[
            r#"messaging_messages_total{direction="outbound",priority="normal",type="text"} 1"#,
            r#"messaging_messages_by_country_total{calling_code="49",direction="outbound"} 1"#,
            r#"messaging_refused_total{code="invalid-phone"} 1"#,
            r#"messaging_attempt_duration_seconds_count{outcome="accepted"} 1"#,
            r#"messaging_transitions_total{direction="outbound",status="sent"} 1"#,
            r#"messaging_transitions_total{direction="outbound",status="delivered"} 1"#,
            r#"messaging_transitions_total{direction="outbound",status="read"} 1"#,
            r#"messaging_time_to_sent_seconds_count 1"#,
            r#"messaging_time_to_delivered_seconds_count 1"#,
            r#"messaging_session_quota_used_ratio_count 1"#,
            r#"messaging_inbox_events{state="pending"} 0"#,
            r#"messaging_queue_messages 0"#,
            r#"messaging_queue_oldest_seconds 0"#,
            r#"messaging_sessions{status="working"} 1"#,
        ])
        .await;
    running.end().await;
}

#[tokio::test]
async fn webhooks_come_through_when_their_secret_is_replaced() {
    let running = run().await;
    assert_eq!(running.post("/sessions", &json!({"name": "main"})).await, 201);
    running.counted(&[r#"messaging_session_changes_total{status="working"} 1"#]).await;
    let rotate = "/sessions/main/webhook-secret/rotate";
    assert_eq!(running.post(rotate, &json!({})).await, 200);
    // WAHA restarts the session, and tells of it signed with the new secret.
    running.counted(&[r#"messaging_session_changes_total{status="working"} 2"#]).await;
    let message = json!({"sessionId": "main", "to": "+4915112345678", "body": "hello"});
    assert_eq!(running.post("/messages/send", &message).await, 202);
    running
        .counted(&[
            r#"messaging_transitions_total{direction="outbound",status="read"} 1"#,
            r#"messaging_webhooks_total{reason="mismatch",result="bad_signature"} 0"#,
        ])
        .await;
    running.end().await;
}
