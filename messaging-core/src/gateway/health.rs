//! Whether what the gateway depends on works.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::breaker::BreakerState;
use crate::domain::id::TenantId;
use crate::domain::session::SessionHealth;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::inbox_store::InboxDepth;
use crate::ports::rate_limiter::RateKey;

/// How one dependency is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it answered.
    pub healthy: bool,
    /// How long it took.
    pub took: Duration,
}

/// How one of the provider's servers is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub check: Check,
    /// Whether this node calls it to send.
    pub breaker: BreakerState,
}

/// How everything the gateway depends on is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The store can be written.
    pub store: Check,
    /// Each of the provider's servers.
    pub servers: Vec<ServerHealth>,
    /// How many messages wait in the queue; `None` when it does not answer.
    pub queue_depth: Option<u64>,
    /// The limiter counts.
    pub limiter: Check,
    /// This node's clock agrees with the limiter's.
    pub clock_agrees: bool,
    /// How many connected sessions do not do what they should, and why; none where the store cannot
    /// tell.
    pub ailing_sessions: BTreeMap<SessionHealth, u64>,
}

impl Gateway {
    /// Whether messages can be accepted: the store can be written, and this node's clock was not
    /// found to be wrong.
    pub async fn is_ready(&self) -> bool {
        self.check_clock().is_ok() && self.ports().messages.ping().await.is_ok()
    }

    /// Whether what is accepted now gets its place by a clock that was not found to be wrong: ids
    /// order messages, and say when they were accepted.
    pub(super) fn check_clock(&self) -> Result<(), GatewayError> {
        match self.inner.clock_is_off.load(Ordering::Relaxed) {
            true => Err(GatewayError::ClockWrong),
            false => Ok(()),
        }
    }

    /// Asks everything the gateway depends on how it is doing.
    pub async fn health(&self) -> Health {
        let ports = self.ports();
        let began = ports.clock.now();
        let store = ports.messages.ping().await.is_ok();
        let store = Check { healthy: store, took: ports.clock.now().since(began) };
        let servers = self.breaker_states().await.into_iter().map(|(name, breaker)| async move {
            let began = ports.clock.now();
            let healthy = ports.control.ping(&name).await.is_ok();
            let check = Check { healthy, took: ports.clock.now().since(began) };
            ServerHealth { name, check, breaker }
        });
        let servers = futures::future::join_all(servers).await;
        let queue_depth = self.queued(ports.queue.depth().await);
        let began = ports.clock.now();
        // A tenant that nobody is: what counts its requests is written as for any other.
        let nobody = RateKey::Tenant(TenantId(Uuid::nil()));
        let counted = ports.limiter.admit(nobody, self.settings().tenant_quota, began).await;
        let healthy = self.counted(counted).is_some();
        let limiter = Check { healthy, took: ports.clock.now().since(began) };
        let clock_agrees = self.check_clock().is_ok();
        let mut ailing_sessions = ports.sessions.health_census().await.unwrap_or_default();
        ailing_sessions.remove(&SessionHealth::Ok);
        Health { store, servers, queue_depth, limiter, clock_agrees, ailing_sessions }
    }

    /// How many webhooks wait to be applied, and how many could not be.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`].
    pub async fn inbox_depth(&self) -> Result<InboxDepth, GatewayError> {
        Ok(self.ports().inbox.depth().await?)
    }
}
