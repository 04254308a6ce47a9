//! Asking the provider how its sessions are: what its webhooks say can be lost.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::rest;
use crate::delivery::shift::Shift;
use crate::domain::session::SessionStatus;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;
use crate::ports::session_control::ProviderState;

/// Keeps what is known of the sessions true.
pub struct SessionWatch {
    gateway: Gateway,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watched {
    /// How many sessions were found to have another state than was known.
    pub changed: usize,
    /// How many of the provider's servers did not answer.
    pub silent_servers: usize,
}

impl SessionWatch {
    /// A watch for this gateway's sessions.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Asks each of the provider's servers once.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store does not answer.
    pub async fn run_once(&self) -> Result<Watched, GatewayError> {
        let ports = self.gateway.ports();
        let mut watched = Watched::default();
        let places = ports.sessions.all_places().await?;
        for server in self.gateway.server_names().await {
            // Read before the question: an event that comes while it is asked is newer.
            let asked = ports.clock.now();
            let states = match ports.control.states(&server).await {
                Ok(states) => states,
                Err(error) => {
                    tracing::warn!(server, %error, "the state of its sessions is not known");
                    self.gateway.observe(Observation::Fault { what: "provider" });
                    watched.silent_servers += 1;
                    continue;
                }
            };
            let states: BTreeMap<String, ProviderState> = states.into_iter().collect();
            for (id, place) in places.iter().filter(|(_, place)| place.server == server) {
                let known = states.get(&place.name);
                let (status, own) = match known {
                    Some(state) => (state.status, state.own_address.clone()),
                    None => (SessionStatus::Stopped, None),
                };
                // So few that looking each up costs nothing.
                if let Some(until) = known.and_then(|state| state.new_chats_barred_until)
                    && let Some(session) = ports.sessions.find_any(*id).await?
                {
                    self.gateway.new_chats_barred(&session, until).await?;
                }
                let changed = ports.sessions.record_status(*id, status, asked, own).await?;
                if let Some(session) = changed {
                    watched.changed += 1;
                    self.gateway.follow_status(&session).await;
                }
            }
        }
        Ok(watched)
    }

    pub(super) async fn run(self, every: Duration, stop: CancellationToken) {
        let mut shift = Shift::new(self.gateway.clone(), Duty::SessionWatch, every);
        loop {
            if shift.is_ours().await
                && let Err(error) = self.run_once().await
            {
                tracing::error!(%error, "the state of sessions could not be recorded");
                self.gateway.observe(Observation::Fault { what: "store" });
            }
            if !rest(every, &stop).await {
                return shift.end().await;
            }
        }
    }
}
