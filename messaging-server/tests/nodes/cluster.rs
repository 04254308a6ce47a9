//! Three nodes over one PostgreSQL and one Redis, behind a balancer.

use std::time::Duration;

use serde_json::json;
use test_services::{Postgres, Redis, RedisCluster};
use waha_client::simulator::{Simulator, SimulatorConfig};

use crate::balancer::Balancer;
use crate::judge;
use crate::process::{Installation, Server, eventually};
use crate::traffic::Traffic;

/// How many messages may leave through a session in [`WINDOW`].
const LIMIT: usize = 30;
const WINDOW: Duration = Duration::from_secs(4);
const SESSIONS: usize = 3;
const RECIPIENTS: usize = 2;

/// How long after the end of a fault everything works again.
const RECOVERY: Duration = Duration::from_secs(30);

pub(crate) enum RedisKind {
    Single(Box<Redis>),
    Cluster(RedisCluster),
}

pub(crate) struct Cluster {
    pub(crate) postgres: Postgres,
    pub(crate) redis: RedisKind,
    pub(crate) simulator: Simulator,
    pub(crate) balancer: Balancer,
    installations: Vec<Installation>,
    pub(crate) nodes: Vec<Option<Server>>,
    pub(crate) traffic: Traffic,
    sessions: Vec<String>,
    token: String,
}

impl Cluster {
    /// Starts everything, and the traffic; returns when messages flow.
    pub(crate) async fn start(redis: RedisKind) -> Self {
        let postgres = Postgres::start().await;
        let mut config = SimulatorConfig::default();
        config.knobs.auto_scan_ms = Some(10);
        config.times.starting = Duration::from_millis(10);
        config.knobs.latency = waha_client::simulator::Latency::fixed(Duration::from_millis(20));
        let simulator = Simulator::start(config).await.unwrap();
        let balancer = Balancer::start().await;
        let base = format!("http://{}", balancer.address);

        let (mut installations, mut nodes) = (Vec::new(), Vec::new());
        for n in 0..3 {
            let mut installation = Installation::new(simulator.base_url());
            installation.settings = settings(&postgres, &redis, &base);
            if n > 0 {
                installation.share_token(&installations[0]);
            }
            let node = installation.start().await;
            balancer.add(installation.port());
            installations.push(installation);
            nodes.push(Some(node));
        }
        let node = nodes[0].as_ref().unwrap();
        let mut sessions = Vec::new();
        // The last is for probes alone.
        for n in 0..=SESSIONS {
            let created = node.post("/sessions", &json!({"name": format!("s{n}")})).await;
            sessions.push(created["id"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned());
        }
        for id in &sessions {
            eventually("the session works", Duration::from_secs(30), async || {
                node.get(&format!("/sessions/{id}")).await["status"] == "working"
            })
            .await;
        }
        let token = node.token.clone();
        let traffic = Traffic::start(&base, &token, &sessions[..SESSIONS], RECIPIENTS);
        traffic.accepted(40).await;
        Self {
            postgres,
            redis,
            simulator,
            balancer,
            installations,
            nodes,
            traffic,
            sessions,
            token,
        }
    }

    pub(crate) fn port(&self, node: usize) -> u16 {
        self.installations[node].port()
    }

    pub(crate) fn node(&self, node: usize) -> &Server {
        self.nodes[node].as_ref().unwrap()
    }

    pub(crate) async fn restart(&mut self, node: usize) {
        self.nodes[node] = Some(self.installations[node].start().await);
    }

    /// The fault is over: soon a message is accepted and arrives.
    pub(crate) async fn recovers(&self) {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build().unwrap();
        let url = format!("http://{}/messages/send", self.balancer.address);
        let session = &self.sessions[SESSIONS];
        let before = self.simulator.arrival_count();
        eventually("a message goes through after the fault", RECOVERY, async || {
            let body = json!({
                "sessionId": session, "to": "+5511988887777", "body": "probe",
                "onRateLimit": "queue", "allowDuplicate": true,
            });
            let request = client.post(&url).bearer_auth(&self.token).json(&body);
            let is_accepted = request.send().await.is_ok_and(|answer| answer.status() == 202);
            let arrived = self.simulator.arrivals_after(before);
            is_accepted && arrived.iter().any(|each| each.text.as_deref() == Some("probe"))
        })
        .await;
    }

    /// Ends the traffic, waits until everything has been sent, and judges.
    ///
    /// `until` are the statuses that are good enough in the end.
    pub(crate) async fn judge(&mut self, until: &[&str]) {
        self.traffic.accepted(40).await;
        self.traffic.stop().await;
        let node = self.nodes.iter().flatten().next().unwrap();
        let waiting = ["queued", "sending", "retry", "failed", "sent", "delivered", "read"];
        let waiting: Vec<_> = waiting.iter().filter(|each| !until.contains(each)).collect();
        let drained = async || {
            let stats = node.get("/messages/stats?direction=outbound").await;
            let by_status = &stats["byStatus"];
            waiting.iter().all(|each| by_status[**each].as_u64().unwrap_or(0) == 0)
        };
        eventually("everything accepted has its outcome", Duration::from_secs(120), drained).await;
        let arrivals = self.simulator.arrivals();
        judge::nothing_is_lost(&self.traffic.record, &arrivals);
        judge::order_is_kept(&self.traffic.record, &arrivals);
        judge::quota_is_kept(&arrivals, LIMIT, WINDOW);
        let ids = self.traffic.record.ids.lock().unwrap().clone();
        for id in ids {
            let message = node.get(&format!("/messages/{id}")).await;
            let status = message["status"].as_str().unwrap();
            assert!(until.contains(&status), "{id} is {status}");
        }
    }
}

fn settings(
    postgres: &Postgres,
    redis: &RedisKind,
    public_url: &str,
) -> Vec<(&'static str, String)> {
    let redis_urls = match redis {
        RedisKind::Single(redis) => redis.url(),
        RedisKind::Cluster(cluster) => cluster.urls().join(","),
    };
    let is_cluster = matches!(redis, RedisKind::Cluster(_));
    vec![
        ("DATABASE_URL", postgres.url()),
        ("REDIS_URL", redis_urls),
        ("REDIS_CLUSTER", is_cluster.to_string()),
        (
            "ENCRYPTION_KEY",
            "0b7e1d9a4c5f48f2a6d3e8b1c7f09a520b7e1d9a4c5f48f2a6d3e8b1c7f09a52".to_owned(),
        ),
        ("JWT_SECRET", "a-jwt-secret-that-all-nodes-share-for-tests".to_owned()),
        ("PUBLIC_URL", public_url.to_owned()),
        ("SESSION_RATE_LIMIT", LIMIT.to_string()),
        ("RECIPIENT_SPACING", "0".to_owned()),
        ("SESSION_RATE_WINDOW", format!("{}s", WINDOW.as_secs())),
    ]
}
