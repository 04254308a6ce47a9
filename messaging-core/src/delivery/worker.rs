//! Sending what the queue hands out.

mod attempt;
mod gates;
mod leases;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::delivery::clock_watch::ClockWatch;
use crate::delivery::worker::gates::Answered;
pub(super) use crate::delivery::worker::leases::LEASE;
use crate::delivery::worker::leases::Leases;
use crate::delivery::{PAUSE_AFTER_FAULT, rest};
use crate::domain::id::SessionId;
use crate::domain::message::{Message, QueueItem};
use crate::domain::retry::RetryPolicy;
use crate::domain::session::Session;
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::breakers::Silence;
use crate::gateway::error::GatewayError;
use crate::ports::observer::Observation;
use crate::ports::queue::{Claim, Claims, HeldBy, Pause, PauseScope, QueueError};
use crate::ports::rate_limiter::RateKey;

/// How long a session is held when its server was not reached, by the number of times in a row that
/// anybody of this node did not reach it; then its breaker opens.
const HOLD: RetryPolicy = RetryPolicy {
    base: Duration::from_secs(1),
    factor: 2.0,
    cap: Duration::from_secs(15),
    max_attempts: u32::MAX,
};

/// Sends what the queue hands out.
///
/// Any number of workers may share the same ports: the queue hands each message to one of them,
/// and the store's compare-and-set decides where a lease ran out.
pub struct Worker {
    gateway: Gateway,
    leases: Leases,
    answered: Answered,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// How many messages were handed out.
    pub claimed: usize,
    /// When, should nothing happen before, there may be more to do.
    pub next_due: Option<Timestamp>,
}

/// What a claim comes to.
#[derive(Clone, Copy)]
enum Next {
    /// Nothing more is to be done about the message.
    Done,
    /// It goes back in its place until then, and waits for this.
    Again(Timestamp, HeldBy),
}

impl Worker {
    /// A worker for this gateway's messages.
    pub fn new(gateway: Gateway) -> Self {
        Self { leases: Leases::new(gateway.clone()), gateway, answered: Answered::default() }
    }

    /// Takes up to `max` messages that are due and carries each as far as it will go: sent,
    /// failed, or put back.
    ///
    /// Does nothing while this node's clock [is wrong](crate::delivery::clock_watch).
    ///
    /// # Errors
    /// [`QueueError`] where the queue hands out nothing.
    pub async fn run_once(&self, max: usize) -> Result<Pass, QueueError> {
        if self.is_barred() {
            return Ok(Pass { claimed: 0, next_due: None });
        }
        let claims = self.claim(max).await?;
        let pass = Pass { claimed: claims.items.len(), next_due: claims.next_due };
        futures::future::join_all(claims.items.into_iter().map(|claim| self.deliver(claim))).await;
        Ok(pass)
    }

    /// Goes on with what it was handed and is still about. The worker's own loop does so by itself.
    pub async fn renew_leases(&self) {
        self.leases.renew().await;
    }

    /// Sends until it is told to stop; then waits for what is under way.
    pub(super) async fn run(self: Arc<Self>, concurrency: usize, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        let worker = Arc::clone(&self);
        // Nothing is sent before the clock is compared, where there is somebody to compare it with: who
        // does not answer does not count either.
        ClockWatch::new(self.gateway.clone()).run_once().await;
        let renewing = tokio::spawn(async move { worker.leases.keep().await });
        while !stop.is_cancelled() {
            while let Some(ended) = under_way.try_join_next() {
                report_panic(ended);
            }
            if self.is_barred() {
                rest(PAUSE_AFTER_FAULT, &stop).await;
                continue;
            }
            let free = concurrency.saturating_sub(under_way.len());
            let claims = match self.claim(free).await {
                Ok(claims) => claims,
                Err(error) => {
                    tracing::error!(%error, "nothing can be sent at present");
                    self.gateway.observe(Observation::Fault { what: "queue" });
                    rest(PAUSE_AFTER_FAULT, &stop).await;
                    continue;
                }
            };
            for claim in claims.items {
                let worker = Arc::clone(&self);
                under_way.spawn(async move { worker.deliver(claim).await });
            }
            let now = self.gateway.ports().clock.now();
            let until_due = claims.next_due.map_or(Duration::MAX, |due| due.since(now));
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => report_panic(ended),
                () = self.gateway.ports().queue.changed(claims.version), if free > 0 => {}
                () = tokio::time::sleep(until_due), if free > 0 && claims.next_due.is_some() => {}
            }
        }
        while let Some(ended) = under_way.join_next().await {
            report_panic(ended);
        }
        renewing.abort();
    }

    /// Whether this node must not send: it would count in other windows than others.
    fn is_barred(&self) -> bool {
        self.gateway.inner.clock_is_off.load(Ordering::Relaxed)
    }

    async fn claim(&self, max: usize) -> Result<Claims, QueueError> {
        let ports = self.gateway.ports();
        ports.queue.claim(max, LEASE, ports.clock.now()).await
    }

    async fn deliver(&self, claim: Claim) {
        let ports = self.gateway.ports();
        let held = self.leases.hold(claim);
        let next = self.attempt(&claim).await.unwrap_or_else(|error| {
            let message = claim.item.message;
            tracing::error!(%error, message.id = %message, "message {message} is put back");
            self.gateway.observe(Observation::Fault { what: "store" });
            Next::Again(ports.clock.now().plus(PAUSE_AFTER_FAULT), HeldBy::Retry)
        });
        let told = self.leases.end(held, async {
            match next {
                Next::Done => ports.queue.complete(&claim).await,
                Next::Again(at, why) => ports.queue.retry_at(&claim, at, why).await,
            }
        });
        // A queue that cannot be told hands the message out again when the lease ends, and then
        // its status says what is left to do.
        if told.await.is_err() {
            self.gateway.observe(Observation::Fault { what: "queue" });
        }
        if let Next::Again(at, HeldBy::Retry) = next
            && at > ports.clock.now()
        {
            self.forget_settled(&claim.item).await;
        }
    }

    /// Has the queue forget a message that was put back, where that is settled, or nothing to be sent now.
    /// Whoever did that may have told the queue while it was handed out still: then it was not forgotten,
    /// and would hold back until its next attempt what is for the same recipient.
    async fn forget_settled(&self, item: &QueueItem) {
        let ports = self.gateway.ports();
        let Ok(mut loaded) = ports.messages.load(&[item.message]).await else {
            // It is found out when it is due.
            return self.gateway.observe(Observation::Fault { what: "store" });
        };
        let is_to_be_sent = |message: Message| {
            !message.held && (message.status.is_waiting() || message.status == Status::Sending)
        };
        if !loaded.pop().is_some_and(is_to_be_sent) {
            self.gateway.queued(ports.queue.forget(item.session, &[item.message]).await);
        }
    }

    /// Holds a session, and leaves its message in its place.
    async fn hold(
        &self,
        session: SessionId,
        why: HeldBy,
        wait: Duration,
    ) -> Result<Next, GatewayError> {
        let ports = self.gateway.ports();
        let now = ports.clock.now();
        // To a node whose clock is ahead a shorter pause is none.
        let wait = wait.max(self.gateway.settings().clock_skew);
        let pause = Pause { until: now.plus(wait), why };
        self.gateway.observe(Observation::Held { why });
        match ports.queue.pause(session, PauseScope::Session, pause).await {
            Ok(()) => Ok(Next::Again(now, why)),
            // Not paused: the message itself must wait, or it would be claimed again at once.
            Err(_) => Ok(Next::Again(pause.until, why)),
        }
    }

    /// Holds a session whose server was not reached: until its breaker closes, where it is open, and
    /// else longer each time.
    async fn hold_unreachable(&self, session: &Session) -> Result<Next, GatewayError> {
        self.gateway.observe(Observation::Fault { what: "provider" });
        match self.gateway.after_silence(session.id, &session.place.server) {
            Silence::Until(until) => self.hold_for_breaker(session, until).await,
            Silence::Times(times) => {
                // Half of the wait is fixed: a server that is down is not to be asked without pause.
                let drawn = 0.5 + self.gateway.ports().entropy.next_unit() / 2.0;
                self.hold(session.id, HeldBy::Provider, HOLD.wait(times, drawn)).await
            }
        }
    }

    /// Holds a session whose server is left alone, until it is let go, or then.
    async fn hold_for_breaker(
        &self,
        session: &Session,
        until: Timestamp,
    ) -> Result<Next, GatewayError> {
        let ports = self.gateway.ports();
        let wait = until.since(ports.clock.now());
        let next = self.hold(session.id, HeldBy::Breaker, wait).await?;
        // Whoever closed the breaker before the session was paused could not let it go.
        if self.gateway.is_free(session.id, &session.place.server) {
            self.gateway.queued(ports.queue.resume(session.id, PauseScope::Session).await);
        }
        Ok(next)
    }

    /// Tells a limiter that has forgotten a session, or never knew it, of the sends in the store.
    /// Where it cannot be told, it cannot be asked again either.
    async fn prime(&self, session: SessionId, ticket: u64) -> Result<(), GatewayError> {
        let ports = self.gateway.ports();
        let now = ports.clock.now();
        let settings = self.gateway.settings();
        let since = now.minus(settings.session_quota.window + settings.clock_skew);
        // What somebody who died had begun may still be sent, for as long as with a permit of its own.
        let until = now.plus(LEASE).plus(ports.transport.longest_attempt());
        let attempts = ports.messages.attempts_since(session, since, until).await?;
        let (begun, done): (Vec<_>, Vec<_>) = attempts.into_iter().partition(|at| *at == until);
        let key = RateKey::Sending(session);
        self.gateway.counted(ports.limiter.prime_begun(key, ticket, &done, &begun).await);
        Ok(())
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "sending a message panicked; its lease will bring it back");
    }
}
