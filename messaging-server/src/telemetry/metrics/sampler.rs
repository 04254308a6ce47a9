//! The numbers that are states, not events: looked up now and then, whoever reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use messaging_core::domain::session::{SessionHealth, SessionStatus};
use messaging_core::gateway::Ports;
use messaging_core::ports::store_error::StoreError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// How old a sampled number may be. Scrapes come every 15 seconds or so, from any number of
/// readers; the store is asked no oftener than this whoever they are.
const INTERVAL: Duration = Duration::from_secs(5);

/// How many sessions have each status, in the order of declaration.
type SessionCounts = [f64; SessionStatus::ALL.len()];

/// Looks up how much waits and how the sessions are.
pub struct Sampler {
    metrics: Arc<Metrics>,
    ports: Ports,
}

impl Sampler {
    /// Looks through these ports, and tells these metrics.
    pub fn new(metrics: Arc<Metrics>, ports: Ports) -> Self {
        Self { metrics, ports }
    }

    /// Looks once. What does not answer is not a number, rather than what it was before.
    pub async fn run_once(&self) {
        let all = &self.metrics.all;
        // Exact below 2^53.
        all.queue.set(self.ports.queue.depth().await.map_or(f64::NAN, |depth| depth as f64));

        let inbox = self.ports.inbox.depth().await;
        let (pending, dead) =
            inbox.map_or((f64::NAN, f64::NAN), |depth| (depth.pending as f64, depth.dead as f64));
        all.inbox_events.with_label_values(&["pending"]).set(pending);
        all.inbox_events.with_label_values(&["dead"]).set(dead);

        let unknown = [f64::NAN; SessionStatus::ALL.len()];
        let counts = self.sessions().await.unwrap_or(unknown);
        for (status, count) in SessionStatus::ALL.iter().zip(counts) {
            all.sessions.with_label_values(&[status.as_str()]).set(count);
        }
        let census = self.health().await;
        for health in SessionHealth::ALL {
            let count = census.as_ref().map(|census| census.get(health).copied().unwrap_or(0));
            let count = count.map_or(f64::NAN, |count| count as f64);
            all.session_health.with_label_values(&[health.as_str()]).set(count);
        }
    }

    async fn health(&self) -> Option<BTreeMap<SessionHealth, u64>> {
        self.ports.sessions.health_census().await.ok()
    }

    async fn sessions(&self) -> Result<SessionCounts, StoreError> {
        let mut counts = [0.0; SessionStatus::ALL.len()];
        for ((_, status), count) in self.ports.sessions.census().await? {
            counts[status as usize] += count as f64;
        }
        Ok(counts)
    }

    /// Looks again and again until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.run_once().await;
        }
    }
}
