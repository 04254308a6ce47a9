//! A whole gateway in memory, whose time is moved by hand and whose provider does as told.
#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]
#![allow(dead_code, reason = "each test binary uses another part of the world")]

mod absent;
mod forgetful;
mod words;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging_core::conformance::build::{at, session, tenant, tenant_id};
use messaging_core::conformance::clock::FakeClock;
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::conformance::provider::FakeProvider;
use messaging_core::delivery::breaker_watch::BreakerWatch;
use messaging_core::delivery::catch_up::CatchUp;
use messaging_core::delivery::inbox::InboxProcessor;
use messaging_core::delivery::recovery::Recovery;
use messaging_core::delivery::session_watch::SessionWatch;
use messaging_core::delivery::worker::Worker;
use messaging_core::domain::id::MessageId;
use messaging_core::domain::inbox::Kept;
use messaging_core::domain::message::Message;
use messaging_core::domain::quota::Quota;
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::Status;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::receive_webhook::Webhook;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::idempotency_store::IdempotencyStore;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::observer::{Observation, Observer};
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_core::ports::webhook_verifier::Headers;

use absent::AbsentQueue;
use forgetful::ForgetfulLimiter;
use words::{Password, Words};

/// How often each session is read.
pub(crate) const READ_EVERY: Duration = Duration::from_secs(60);

/// Tenant 1 with session 1, connected, and everything that works for it.
pub(crate) struct World {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) provider: Arc<FakeProvider>,
    pub(crate) witness: Arc<Witness>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<AbsentQueue>,
    pub(crate) limiter: Arc<ForgetfulLimiter>,
    /// What the gateway is made of.
    pub(crate) ports: Ports,
    pub(crate) gateway: Gateway,
    pub(crate) worker: Worker,
    pub(crate) inbox: InboxProcessor,
    pub(crate) recovery: Recovery,
    pub(crate) watch: SessionWatch,
    pub(crate) breakers: BreakerWatch,
    pub(crate) catch_up: CatchUp,
    seed: u64,
}

/// What a store must be to carry a world, so that a test can put another in its place.
pub(crate) trait Store:
    MessageStore
    + SessionStore
    + TenantStore
    + InboxStore
    + IdempotencyStore
    + OptOutStore
    + AuditLog
    + PersonStore
    + RetentionStore
    + ServerStore
    + Upkeep
{
}

impl<S> Store for S where
    S: MessageStore
        + SessionStore
        + TenantStore
        + InboxStore
        + IdempotencyStore
        + OptOutStore
        + AuditLog
        + PersonStore
        + RetentionStore
        + ServerStore
        + Upkeep
{
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        TenantStore::insert(&*store, &tenant(1)).await.unwrap();
        SessionStore::insert(&*store, &session(1)).await.unwrap();
        let clock = Arc::new(FakeClock::new(at(10_000)));
        let provider = Arc::new(FakeProvider::new(Arc::clone(&clock) as Arc<dyn Clock>));
        provider.set_session(&session(1).place, SessionStatus::Working);
        Self::start(store, clock, provider, settings, 1)
    }

    /// What a restart of the process leaves: the store, the provider and the time.
    pub(crate) fn restart(self) -> Self {
        let settings = self.gateway.settings().clone();
        Self::start(self.store, self.clock, self.provider, settings, self.seed + 1)
    }

    /// Another deployment with the same provider and time, which has accepted nothing.
    pub(crate) async fn elsewhere(self) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        TenantStore::insert(&*store, &tenant(1)).await.unwrap();
        SessionStore::insert(&*store, &session(1)).await.unwrap();
        let settings = self.gateway.settings().clone();
        Self::start(store, self.clock, self.provider, settings, self.seed + 1)
    }

    fn start(
        store: Arc<dyn Store>,
        clock: Arc<FakeClock>,
        provider: Arc<FakeProvider>,
        settings: Settings,
        seed: u64,
    ) -> Self {
        let queue = Arc::new(AbsentQueue::default());
        let limiter = Arc::new(ForgetfulLimiter::default());
        let witness = Arc::new(Witness::default());
        let ports = Ports {
            messages: Arc::clone(&store) as _,
            sessions: Arc::clone(&store) as _,
            servers: Arc::clone(&store) as _,
            tenants: Arc::clone(&store) as _,
            inbox: Arc::clone(&store) as _,
            idempotency: Arc::clone(&store) as _,
            opt_outs: Arc::clone(&store) as _,
            audit: Arc::clone(&store) as _,
            persons: Arc::clone(&store) as _,
            retention: Arc::clone(&store) as _,
            // Nobody authenticates here.
            access: Arc::new(MemoryStore::new()),
            upkeep: Arc::clone(&store) as _,
            queue: Arc::clone(&queue) as _,
            limiter: Arc::clone(&limiter) as _,
            duties: Arc::new(MemoryDutyRoster::default()),
            transport: Arc::clone(&provider) as _,
            control: Arc::clone(&provider) as _,
            history: Arc::clone(&provider) as _,
            verifier: Arc::new(Password),
            decoder: Arc::new(Words),
            observer: Arc::clone(&witness) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SeededEntropy::new(seed)),
        };
        let gateway = Gateway::new(ports.clone(), settings);
        Self {
            ports,
            worker: Worker::new(gateway.clone()),
            inbox: InboxProcessor::new(gateway.clone()),
            recovery: Recovery::new(gateway.clone()),
            watch: SessionWatch::new(gateway.clone()),
            breakers: BreakerWatch::new(gateway.clone()),
            catch_up: CatchUp::new(gateway.clone(), READ_EVERY),
            clock,
            provider,
            witness,
            store,
            queue,
            limiter,
            gateway,
            seed,
        }
    }

    /// Accepts a text for person `to`.
    pub(crate) async fn send(&self, to: u64, body: &str) -> Message {
        self.try_send(request(to, body)).await.unwrap()
    }

    pub(crate) async fn try_send(&self, request: SendRequest) -> Result<Message, GatewayError> {
        self.gateway.send(tenant_id(1), request).await.map(|accepted| accepted.message)
    }

    /// Lets the worker do all it can without time passing.
    pub(crate) async fn work(&self) {
        while self.worker.run_once(64).await.unwrap().claimed > 0 {}
    }

    /// Lets the worker, and who tries servers that failed, do all they can within `span`, stepping from one due instant to the next.
    pub(crate) async fn work_for(&self, span: Duration) {
        let end = self.clock.now().plus(span);
        loop {
            let probe_due = self.breakers.run_once().await;
            let pass = self.worker.run_once(64).await.unwrap();
            if pass.claimed > 0 {
                continue;
            }
            match pass.next_due.into_iter().chain(probe_due).min() {
                Some(due) if due <= end => self.clock.set(due.max(self.clock.now())),
                _ => break,
            }
        }
        self.clock.set(end);
    }

    pub(crate) async fn message(&self, id: MessageId) -> Message {
        self.store.load(&[id]).await.unwrap().pop().unwrap()
    }

    pub(crate) async fn status(&self, id: MessageId) -> Status {
        self.message(id).await.status
    }

    /// The bodies that arrived at the provider, in order, repeats left out.
    pub(crate) fn delivered(&self) -> Vec<String> {
        let arrivals = self.provider.arrivals();
        arrivals.into_iter().filter(|it| !it.repeat).map(|it| it.content.body).collect()
    }

    /// Takes in a webhook in the words of [`Words`] and applies it.
    pub(crate) async fn webhook(&self, words: &str) -> Result<Kept, GatewayError> {
        let kept = self.keep(words).await?;
        self.inbox.run_once().await.unwrap();
        Ok(kept)
    }

    pub(crate) async fn keep(&self, words: &str) -> Result<Kept, GatewayError> {
        let headers: &[(&str, &str)] = &[("password", "open sesame")];
        self.keep_with(&headers, words).await
    }

    pub(crate) async fn keep_with(
        &self,
        headers: &dyn Headers,
        words: &str,
    ) -> Result<Kept, GatewayError> {
        let body = words.as_bytes();
        let admitted = self.gateway.admit_webhook(1).await?;
        let webhook = Webhook { admitted, session: None, headers, body };
        self.gateway.receive_webhook(webhook).await
    }
}

/// A request for a text to person `to` through session 1.
pub(crate) fn request(to: u64, body: &str) -> SendRequest {
    let to = messaging_core::conformance::build::address(to);
    SendRequest::text(session(1).id, to.as_str(), body)
}

/// Settings with another quota for each session.
pub(crate) fn quota(limit: u32, window: Duration) -> Settings {
    Settings { session_quota: Quota { limit, window }, ..Settings::default() }
}

/// Has something happen when a message reaches some status, such as time passing, and counts
/// faults.
#[derive(Default)]
pub(crate) struct Witness {
    event: Mutex<Option<(Status, Event)>>,
    faults: Mutex<Vec<&'static str>>,
}

type Event = Box<dyn FnOnce() + Send>;

impl Witness {
    /// The next time that a message gets there.
    pub(crate) fn when(&self, status: Status, happens: impl FnOnce() + Send + 'static) {
        *self.event.lock().unwrap() = Some((status, Box::new(happens)));
    }

    /// What failed since this was asked last, in order, each once.
    pub(crate) fn faults(&self) -> Vec<&'static str> {
        let mut faults = std::mem::take(&mut *self.faults.lock().unwrap());
        faults.sort_unstable();
        faults.dedup();
        faults
    }
}

impl Observer for Witness {
    fn observe(&self, observation: &Observation) {
        if let Observation::Fault { what } = observation {
            self.faults.lock().unwrap().push(what);
        }
        let Observation::Moved { to, .. } = observation else { return };
        let happens = self.event.lock().unwrap().take_if(|(status, _)| status == to);
        if let Some((_, happens)) = happens {
            happens();
        }
    }
}
