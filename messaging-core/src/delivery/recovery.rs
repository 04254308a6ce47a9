//! Telling the queue of messages that it may not know.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::rest;
use crate::delivery::shift::Shift;
use crate::domain::id::{BatchId, MessageId};
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;

/// How many messages, or bulk requests, are looked at together.
pub(super) const PAGE: u32 = 1000;

/// How many pages one pass looks at, so that a large backlog does not keep a store busy.
const PAGES_A_PASS: usize = 20;

/// Below this a queue's depth says nothing: it is soon gone through again in any case.
const SMALL: u64 = 1000;

/// Pushes what is to be sent to the queue, again and again: after a crash, after a queue has
/// forgotten, after a push that failed. What the queue knows already it leaves as it is.
///
/// Where something seems lost it goes through everything at once, and else at its leisure, part by
/// part, so that a large backlog costs no more than a small one.
pub struct Recovery {
    gateway: Gateway,
    message: Option<MessageId>,
    batch: Option<BatchId>,
    is_urgent: bool,
    /// How many messages the queue was told of since the beginning was passed.
    told: u64,
    /// How many it was told of from the beginning to the end, the last time.
    known: u64,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// How many messages the queue was told of.
    pub told: usize,
    /// How many messages were let in from bulk requests.
    pub released: usize,
    /// Whether the end was reached; the next pass begins anew.
    pub complete: bool,
}

impl Recovery {
    /// A recovery for this gateway's queue.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway, message: None, batch: None, is_urgent: true, told: 0, known: 0 }
    }

    /// Whether the next part should follow at once: something seems lost, or nothing is known yet.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    fn begin_anew(&mut self) {
        (self.message, self.batch) = (None, None);
        (self.is_urgent, self.told) = (true, 0);
    }

    /// Begins anew where the queue knows much less than it was told of.
    async fn look_for_loss(&mut self) {
        // What is lost meanwhile is found on the way: it is newer than what was looked at.
        if self.is_urgent {
            return;
        }
        let depth = self.gateway.ports().queue.depth().await;
        let has_forgotten = self.known > SMALL
            && depth.is_ok_and(|depth| depth.saturating_mul(4) < self.known.saturating_mul(3));
        if has_forgotten {
            self.begin_anew();
        }
    }

    /// Goes through the next part of what is to be sent.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store or the queue does not answer; the next pass
    /// goes on where this one stood.
    pub async fn run_once(&mut self) -> Result<Recovered, GatewayError> {
        self.look_for_loss().await;
        let mut recovered = Recovered::default();
        let messages_end = self.tell_of_messages(&mut recovered).await?;
        let batches_end = self.refill_batches(&mut recovered).await?;
        recovered.complete = messages_end && batches_end;
        self.told += recovered.told as u64;
        if recovered.complete {
            (self.known, self.told, self.is_urgent) = (self.told, 0, false);
        }
        Ok(recovered)
    }

    async fn tell_of_messages(&mut self, recovered: &mut Recovered) -> Result<bool, GatewayError> {
        let ports = self.gateway.ports();
        for _ in 0..PAGES_A_PASS {
            let items = ports.messages.pending(self.message, PAGE).await?;
            let items = self.gateway.in_lanes(items).await;
            let told = ports.queue.push(&items).await;
            told.map_err(|error| GatewayError::Unavailable(Box::new(error)))?;
            recovered.told += items.len();
            self.message = items.last().map(|item| item.message);
            if items.len() < PAGE as usize {
                self.message = None;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn refill_batches(&mut self, recovered: &mut Recovered) -> Result<bool, GatewayError> {
        for _ in 0..PAGES_A_PASS {
            let batches = self.gateway.ports().messages.batches_holding(self.batch, PAGE).await?;
            for batch in &batches {
                recovered.released += self.gateway.refill_bulk(*batch).await?;
            }
            self.batch = batches.last().copied();
            if batches.len() < PAGE as usize {
                self.batch = None;
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn run(mut self, every: Duration, stop: CancellationToken) {
        let mut shift = Shift::new(self.gateway.clone(), Duty::Recovery, every);
        loop {
            if !shift.is_ours().await {
                // Whoever takes the duty up begins at the beginning.
                self.begin_anew();
                if !rest(every, &stop).await {
                    return;
                }
                continue;
            }
            match self.run_once().await {
                Ok(_) if self.is_urgent && !stop.is_cancelled() => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "recovery will try again");
                    self.gateway.observe(Observation::Fault { what: "store" });
                }
            }
            if !rest(every, &stop).await {
                return shift.end().await;
            }
        }
    }
}
