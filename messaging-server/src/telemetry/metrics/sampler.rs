//! The numbers that are states, not events: looked up now and then, whoever reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use messaging_core::domain::breaker::BreakerState;
use messaging_core::domain::id::instant_of_v7;
use messaging_core::domain::message::QueueItem;
use messaging_core::domain::session::{SessionHealth, SessionStatus};
use messaging_core::gateway::{Gateway, Ports};
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
    gateway: Gateway,
    /// The servers that were told of last.
    servers: Mutex<BTreeSet<String>>,
}

impl Sampler {
    /// Looks through these ports, and at this gateway, and tells these metrics.
    pub fn new(metrics: Arc<Metrics>, ports: Ports, gateway: Gateway) -> Self {
        Self { metrics, ports, gateway, servers: Mutex::default() }
    }

    /// Looks once. What does not answer is not a number, rather than what it was before.
    pub async fn run_once(&self) {
        let all = &self.metrics.all;
        // Exact below 2^53.
        all.queue.set(self.ports.queue.depth().await.map_or(f64::NAN, |depth| depth as f64));

        let oldest = self.oldest_waiting().await.map_or(f64::NAN, |age| age.as_secs_f64());
        all.queue_oldest.set(oldest);

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

        self.tell_of_breakers(&self.gateway.breaker_states().await);

        let census = self.health().await;
        for health in SessionHealth::ALL {
            let count = census.as_ref().map(|census| census.get(health).copied().unwrap_or(0));
            let count = count.map_or(f64::NAN, |count| count as f64);
            all.session_health.with_label_values(&[health.as_str()]).set(count);
        }
    }

    /// Says where breakers stand, and nothing any more of servers that are none.
    fn tell_of_breakers(&self, breakers: &[(String, BreakerState)]) {
        let told = &self.metrics.all.breakers;
        for (server, is) in breakers {
            for state in BreakerState::ALL {
                let labels = [server.as_str(), state.as_str()];
                told.with_label_values(&labels).set(f64::from(u8::from(is == state)));
            }
        }
        let now = breakers.iter().map(|(server, _)| server.clone()).collect();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in servers.difference(&now) {
            for state in BreakerState::ALL {
                // What is not there need not go.
                let _ = told.remove_label_values(&[gone.as_str(), state.as_str()]);
            }
        }
        *servers = now;
    }

    /// How long ago the first of the messages was accepted that the queue ought to know.
    async fn oldest_waiting(&self) -> Result<Duration, StoreError> {
        let first = self.ports.messages.pending(None, 1).await?;
        let now = self.ports.clock.now();
        let age = |item: &QueueItem| now.since(instant_of_v7(item.message.0));
        Ok(first.first().map_or(Duration::ZERO, age))
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
