//! Doing for all nodes what only one of them may do.

use std::convert::Infallible;
use std::time::Duration;

use crate::gateway::Gateway;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;

/// The shortest term: a node is not to lose a duty over a short stop.
const SHORTEST_TERM: Duration = Duration::from_secs(10);

/// One node's part in a duty.
pub(super) struct Shift {
    gateway: Gateway,
    duty: Duty,
    every: Duration,
    term: Duration,
    held: bool,
}

impl Shift {
    /// A part in a duty that asks `every` so often whether it is its turn. A term lasts three
    /// times as long, so that one slow round does not lose it.
    pub(super) fn new(gateway: Gateway, duty: Duty, every: Duration) -> Self {
        Self { gateway, duty, every, term: SHORTEST_TERM.max(every * 3), held: false }
    }

    /// Whether the duty is this node's for the next round.
    pub(super) async fn is_ours(&mut self) -> bool {
        let now = self.gateway.ports().clock.now();
        let node = self.gateway.inner.node;
        let taken = self.gateway.ports().duties.take(self.duty, node, now.plus(self.term), now);
        let held = match taken.await {
            Ok(held) => held,
            Err(error) => {
                tracing::error!(%error, duty = %self.duty, "who has the duty is not known");
                self.gateway.observe(Observation::Fault { what: "store" });
                false
            }
        };
        if held != self.held {
            tracing::info!(duty = %self.duty, held, "{} changes hands", self.duty);
        }
        self.held = held;
        held
    }

    /// Does a round that may take longer than a term, and goes on with the duty meanwhile. Should it
    /// be another's all the same, the round is done to its end: that does no harm.
    pub(super) async fn hold_during<T>(&mut self, round: impl Future<Output = T>) -> T {
        // Both at once: the round may have of the store what this would wait for.
        tokio::select! {
            biased;
            done = round => done,
            never = self.go_on() => match never {},
        }
    }

    async fn go_on(&mut self) -> Infallible {
        loop {
            tokio::time::sleep(self.every).await;
            self.is_ours().await;
        }
    }

    /// Leaves the duty to the next that asks.
    pub(super) async fn end(self) {
        let node = self.gateway.inner.node;
        if self.held && self.gateway.ports().duties.lay_down(self.duty, node).await.is_err() {
            tracing::warn!(duty = %self.duty, "the duty is another's when its term ends");
        }
    }
}
