//! Doing what the store needs to be done now and then.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::rest;
use crate::delivery::shift::Shift;
use crate::gateway::Gateway;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;

/// Does the store's [`upkeep`](crate::ports::upkeep::Upkeep) again and again, on one node.
pub(super) async fn run(gateway: Gateway, every: Duration, stop: CancellationToken) {
    let mut shift = Shift::new(gateway.clone(), Duty::Upkeep, every);
    loop {
        if shift.is_ours().await {
            let ports = gateway.ports();
            if let Err(error) = ports.upkeep.upkeep(ports.clock.now()).await {
                tracing::error!(%error, "the upkeep of the store will be tried again");
                gateway.observe(Observation::Fault { what: "store" });
            }
            if let Err(error) = gateway.redact_said().await {
                tracing::error!(%error, "personal data will be taken from messages later");
                gateway.observe(Observation::Fault { what: "store" });
            }
            // What is left over is gone on with the next time.
            if let Err(error) = gateway.enforce_retention().await {
                tracing::error!(%error, "what tenants keep no longer will be let go of later");
                gateway.observe(Observation::Fault { what: "store" });
            }
        }
        if !rest(every, &stop).await {
            return shift.end().await;
        }
    }
}
