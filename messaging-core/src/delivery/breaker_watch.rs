//! Trying whether servers that failed work again, so that what waits for them goes on at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;

/// Tries servers whose breaker is open.
pub struct BreakerWatch {
    gateway: Gateway,
}

impl BreakerWatch {
    /// A watch for this node's breakers.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Asks each server that it is time for for a sign of life. Of those that gave one, lets one
    /// waiting session go, whose message shows whether the server works. Gives when there is more to do.
    pub async fn run_once(&self) -> Option<Timestamp> {
        self.gateway.probe_servers().await
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let next = self.run_once().await;
            let now = self.gateway.ports().clock.now();
            let until_next = next.map_or(Duration::MAX, |at| at.since(now).max(MIN_REST));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.gateway.breaker_opened() => {}
                () = tokio::time::sleep(until_next), if next.is_some() => {}
            }
        }
    }
}

/// Somebody else may be probing at this very moment.
const MIN_REST: Duration = Duration::from_millis(50);
