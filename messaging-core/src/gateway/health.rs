//! Whether what the gateway depends on works.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::id::TenantId;
use crate::domain::session::SessionHealth;
use crate::gateway::Gateway;
use crate::ports::inbox_store::InboxDepth;
use crate::ports::rate_limiter::RateKey;
use crate::ports::session_control::ProviderServer;

/// How one dependency is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it answered.
    pub healthy: bool,
    /// How long it took.
    pub took: Duration,
}

/// How everything the gateway depends on is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The store can be written.
    pub store: Check,
    /// Each of the provider's servers, by name.
    pub servers: Vec<(String, Check)>,
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
    /// Whether messages can be accepted: the store can be written.
    pub async fn is_ready(&self) -> bool {
        self.ports().messages.ping().await.is_ok()
    }

    /// Asks everything the gateway depends on how it is doing.
    pub async fn health(&self) -> Health {
        let ports = self.ports();
        let began = ports.clock.now();
        let store = ports.messages.ping().await.is_ok();
        let store = Check { healthy: store, took: ports.clock.now().since(began) };
        let servers = ports.control.servers().into_iter().map(
            |ProviderServer { name: server, .. }| async move {
                let began = ports.clock.now();
                let healthy = ports.control.ping(&server).await.is_ok();
                (server, Check { healthy, took: ports.clock.now().since(began) })
            },
        );
        let servers = futures::future::join_all(servers).await;
        let queue_depth = self.queued(ports.queue.depth().await);
        let began = ports.clock.now();
        // A tenant that nobody is: what counts its requests is written as for any other.
        let nobody = RateKey::Tenant(TenantId(Uuid::nil()));
        let counted = ports.limiter.admit(nobody, self.settings().tenant_quota, began).await;
        let healthy = self.counted(counted).is_some();
        let limiter = Check { healthy, took: ports.clock.now().since(began) };
        let clock_agrees = !self.inner.clock_is_off.load(Ordering::Relaxed);
        let mut ailing_sessions = ports.sessions.health_census().await.unwrap_or_default();
        ailing_sessions.remove(&SessionHealth::Ok);
        Health { store, servers, queue_depth, limiter, clock_agrees, ailing_sessions }
    }

    /// How many webhooks wait to be applied, and how many could not be.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`](super::error::GatewayError::Unavailable).
    pub async fn inbox_depth(&self) -> Result<InboxDepth, super::error::GatewayError> {
        Ok(self.ports().inbox.depth().await?)
    }
}
