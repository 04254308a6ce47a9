//! Letting in what is to be sent now, and ending what is not to be sent any more.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::recovery::PAGE;
use crate::delivery::rest;
use crate::delivery::shift::Shift;
use crate::domain::message::{ChangeOutcome, MessageRef, StatusChange};
use crate::domain::status::StatusEvent;
use crate::gateway::Gateway;
use crate::gateway::cancel::moved;
use crate::gateway::error::GatewayError;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;

/// How often the time is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Lets scheduled messages into the queue when their time comes, and ends those that waited for
/// longer than they were to, held or not. One that the queue hands out is looked at again then, so
/// nothing is sent after its time because this came late.
pub struct Timetable {
    gateway: Gateway,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timed {
    /// How many messages were let in.
    pub released: usize,
    /// How many are expired.
    pub expired: usize,
}

impl Timetable {
    /// A timetable of this gateway's messages.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Does what the time has come for, a portion of it.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store does not answer; the next pass does the same.
    pub async fn run_once(&self) -> Result<Timed, GatewayError> {
        let ports = self.gateway.ports();
        let released = ports.messages.release_scheduled(ports.clock.now(), PAGE).await?;
        let count = released.len();
        self.gateway.tell_queue(released).await;
        Ok(Timed { released: count, expired: self.expire().await? })
    }

    async fn expire(&self) -> Result<usize, GatewayError> {
        let ports = self.gateway.ports();
        let now = ports.clock.now();
        let overdue = ports.messages.overdue(now, PAGE).await?;
        if overdue.is_empty() {
            return Ok(0);
        }
        let expire = |id: &_| StatusChange::new(MessageRef::Id(*id), StatusEvent::Expire, now);
        let changes: Vec<StatusChange> = overdue.iter().map(expire).collect();
        let mut expired = 0;
        for outcome in ports.messages.change(&changes).await? {
            // One that is being sent by now is refused.
            let ChangeOutcome::Moved { from, message } = outcome else { continue };
            expired += 1;
            tracing::info!(message.id = %message.id, "message {} is expired", message.id);
            self.gateway.observe(moved(from, &message));
            // The worker would find it expired too; this only spares it the look.
            self.gateway.queued(ports.queue.forget(message.session, &[message.id]).await);
            if let Some(batch) = message.batch {
                self.gateway.refill_bulk(batch).await?;
            }
        }
        Ok(expired)
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut shift = Shift::new(self.gateway.clone(), Duty::Timetable, EVERY);
        loop {
            if shift.is_ours().await {
                match self.run_once().await {
                    Ok(kept) if kept != Timed::default() && !stop.is_cancelled() => continue,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(%error, "scheduled messages will be looked at again");
                        self.gateway.observe(Observation::Fault { what: "store" });
                    }
                }
            }
            if !rest(EVERY, &stop).await {
                return shift.end().await;
            }
        }
    }
}
