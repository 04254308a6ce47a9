//! What a worker has been handed, and going on with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::RwLock;

use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::ports::observer::Observation;
use crate::ports::queue::Claim;

/// How long a message is a worker's alone. Short, so that what a dead worker had goes on soon; who
/// lives renews.
pub(in crate::delivery) const LEASE: Duration = Duration::from_secs(15);

/// How often leases are renewed: two tries may fail before one is lost.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How much of a lease must be left for a call to begin: more than nodes' clocks may differ by and
/// a request takes to leave.
const MARGIN: Duration = Duration::from_secs(1);

/// The leases of one worker.
pub(super) struct Leases {
    gateway: Gateway,
    held: Mutex<BTreeMap<u64, Claim>>,
    /// Shared by those who end a claim; renewing is done by one, while nobody does.
    ending: RwLock<()>,
}

/// A lease that is renewed until this is dropped.
pub(super) struct Held<'a> {
    leases: &'a Leases,
    token: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.token);
    }
}

impl Leases {
    pub(super) fn new(gateway: Gateway) -> Self {
        Self { gateway, held: Mutex::default(), ending: RwLock::default() }
    }

    /// Goes on with a claim from now on.
    pub(super) fn hold(&self, claim: Claim) -> Held<'_> {
        self.lock().insert(claim.token, claim);
        Held { leases: self, token: claim.token }
    }

    /// Until when a claim's message is this worker's alone, where that is long enough to call the
    /// provider; `None` where it is not, or may be somebody else's already.
    pub(super) fn lease_of(&self, claim: &Claim, now: Timestamp) -> Option<Timestamp> {
        let until = self.lock().get(&claim.token)?.lease_until;
        (now.plus(MARGIN) <= until).then_some(until)
    }

    /// Ends a claim by a call to the queue. No renewal is on its way meanwhile: one that came after it
    /// would tell the queue that the message is under way still.
    pub(super) async fn end<T>(&self, held: Held<'_>, call: impl Future<Output = T>) -> T {
        let _ending = self.ending.read().await;
        let ended = call.await;
        drop(held);
        ended
    }

    /// Renews all leases, once.
    pub(super) async fn renew(&self) {
        let ports = self.gateway.ports();
        let _alone = self.ending.write().await;
        let claims: Vec<Claim> = self.lock().values().copied().collect();
        if claims.is_empty() {
            return;
        }
        let now = ports.clock.now();
        let renewed = match ports.queue.renew(&claims, LEASE, now).await {
            Ok(renewed) => renewed,
            Err(error) => {
                tracing::warn!(%error, count = claims.len(), "leases could not be renewed");
                self.gateway.observe(Observation::Fault { what: "queue" });
                return;
            }
        };
        let mut held = self.lock();
        for (claim, renewed) in claims.iter().zip(renewed) {
            if !renewed {
                held.remove(&claim.token);
            } else if let Some(claim) = held.get_mut(&claim.token) {
                claim.lease_until = now.plus(LEASE);
            }
        }
    }

    /// Renews all leases for as long as it is let.
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            self.renew().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Claim>> {
        // Nothing panics while holding it, and a map is never half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
