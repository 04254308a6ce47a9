//! What goes on by itself: sending, recovering, applying webhooks, watching sessions.

use std::time::Duration;

use crate::gateway::Gateway;

/// How the work that goes on by itself is done.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// How many messages may be under way at a time, each of another session.
    pub concurrency: usize,
    /// How often messages are looked for that the queue does not know.
    pub recovery_interval: Duration,
    /// How often the provider is asked how its sessions are.
    pub watch_interval: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            concurrency: 64,
            recovery_interval: Duration::from_secs(5),
            watch_interval: Duration::from_secs(15),
        }
    }
}

/// The tasks of a gateway that send and receive, until they are stopped.
pub struct Delivery {
    stop: tokio_util::sync::CancellationToken,
    tasks: tokio_util::task::TaskTracker,
}

impl Delivery {
    /// Starts everything on the current tokio runtime.
    pub fn start(gateway: &Gateway, settings: &DeliverySettings) -> Self {
        let _ = (gateway, settings);
        Self { stop: Default::default(), tasks: Default::default() }
    }

    /// Takes up nothing new, waits until what is under way has come to its end, and leaves.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
