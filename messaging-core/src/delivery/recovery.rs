//! Telling the queue of messages that it may not know.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::rest;
use crate::delivery::shift::Shift;
use crate::delivery::worker::LEASE;
use crate::domain::id::{BatchId, MessageId};
use crate::domain::message::QueueItem;
use crate::domain::status::Status;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;
use crate::ports::store_error::StoreError;

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
        for _ in 0..PAGES_A_PASS {
            let items = tell_of_pending(&self.gateway, self.message).await?;
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
            let messages = &self.gateway.ports().messages;
            let batches = messages.batches_holding(self.batch, PAGE).await;
            let batches = batches.inspect_err(|_| fault(&self.gateway, "store"))?;
            for batch in &batches {
                let refilled = self.gateway.refill_bulk(*batch).await;
                recovered.released += refilled.inspect_err(|_| fault(&self.gateway, "store"))?;
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
                Err(error) => tracing::error!(%error, "recovery will try again"),
            }
            if !rest(every, &stop).await {
                return shift.end().await;
            }
        }
    }
}

/// Tells the queue of what is to be sent, a page of it from behind `after` on. Gives what it was told of.
///
/// An attempt that ended meanwhile the queue may have been told to forget before it was told of it: then it
/// would keep those behind it waiting until its lease ends. So those are looked at again.
///
/// # Errors
/// [`GatewayError::Unavailable`] where the store or the queue does not answer, which is observed.
pub(super) async fn tell_of_pending(
    gateway: &Gateway,
    after: Option<MessageId>,
) -> Result<Vec<QueueItem>, GatewayError> {
    let ports = gateway.ports();
    let in_store = |_: &StoreError| fault(gateway, "store");
    let items = ports.messages.pending(after, PAGE).await.inspect_err(in_store)?;
    let items = gateway.in_lanes(items).await;
    let told = ports.queue.push(&items).await.inspect_err(|_| fault(gateway, "queue"));
    told.map_err(|error| GatewayError::Unavailable(Box::new(error)))?;
    let now = ports.clock.now();
    let may_be_leased = |item: &&QueueItem| item.due_at > now && item.due_at <= now.plus(LEASE);
    let leased: Vec<_> = items.iter().filter(may_be_leased).map(|item| item.message).collect();
    if !leased.is_empty() {
        for message in ports.messages.load(&leased).await.inspect_err(in_store)? {
            if !message.status.is_waiting() && message.status != Status::Sending {
                gateway.queued(ports.queue.forget(message.session, &[message.id]).await);
            }
        }
    }
    Ok(items)
}

fn fault(gateway: &Gateway, what: &'static str) {
    gateway.observe(Observation::Fault { what });
}
