//! Telling the queue again what it could not be told.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::recovery::{PAGE, tell_of_pending};
use crate::delivery::rest;
use crate::domain::id::MessageId;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;

/// How often it is tried.
const EVERY: Duration = Duration::from_secs(1);

/// Tells the queue of the messages that this node accepted while the queue was away, as soon as it
/// is back. Every node does so for itself: [recovery](crate::delivery::recovery::Recovery), which
/// one node does for all, finds them too, but may first have a large backlog to go through.
pub struct Retelling {
    gateway: Gateway,
}

impl Retelling {
    /// Tells again what this gateway could not.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Tells the queue of everything from the first message on that it could not be told of. Gives
    /// how many messages that were.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store or the queue does not answer; the next pass
    /// begins there again.
    pub async fn run_once(&self) -> Result<usize, GatewayError> {
        let Some(mut after) = self.gateway.inner.untold.take() else { return Ok(0) };
        let mut told = 0;
        loop {
            match self.tell_after(after).await {
                Ok((last, count)) => {
                    told += count;
                    match last {
                        Some(last) if count == PAGE as usize => after = last,
                        _ => return Ok(told),
                    }
                }
                Err(error) => {
                    self.gateway.inner.untold.add(std::iter::once(after));
                    return Err(error);
                }
            }
        }
    }

    async fn tell_after(
        &self,
        after: MessageId,
    ) -> Result<(Option<MessageId>, usize), GatewayError> {
        let items = tell_of_pending(&self.gateway, Some(after)).await?;
        Ok((items.last().map(|item| item.message), items.len()))
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        while rest(EVERY, &stop).await {
            match self.run_once().await {
                Ok(0) => {}
                Ok(told) => tracing::info!(count = told, "the queue was told what it could not be"),
                Err(error) => tracing::debug!(%error, "the queue cannot be told yet"),
            }
        }
    }
}
