//! The store, queue, limiter and roster that all nodes share, reached over a network that fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::batch::{Batch, BatchProgress};
use messaging_core::domain::filter::{MessageFilter, MessagePage, Portion};
use messaging_core::domain::id::{
    BatchId, InboxId, MessageId, NodeId, OptOutId, ProviderMessageId, SessionId, TenantId,
};
use messaging_core::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use messaging_core::domain::insertion::{Inserted, Insertion};
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageEvent, QueueItem, StatusChange,
};
use messaging_core::domain::new_chats::Restriction;
use messaging_core::domain::opt_out::{OptOut, OptOutRef};
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::quota::{Decision, Quota};
use messaging_core::domain::server::{Placing, Room};
use messaging_core::domain::session::{
    Census, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus, WatchedSession,
};
use messaging_core::domain::statistics::{Statistics, StatisticsRange};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{OnUnknown, Tenant};
use messaging_core::domain::tenant_life::{TenantFilter, TenantLimits};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::WebhookSecrets;
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::duty_roster::{Duty, DutyRoster};
use messaging_core::ports::idempotency_store::{Begun, IdempotencyStore, Undertaking};
use messaging_core::ports::inbox_store::{InboxDepth, InboxStore};
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::queue::{
    Claim, Claims, HeldBy, Pause, PauseScope, Position, Queue, QueueError, Standing,
};
use messaging_core::ports::rate_limiter::{
    Permit, RateKey, RateLimiter, RateLimiterError, Reservation,
};
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::upkeep::Upkeep;
use tokio::sync::Notify;

use crate::host::Host;

/// What tells permits of one life of the limiter, and versions of one life of the queue, from those
/// of another.
const NUMBERS_OF_A_LIFE: u64 = 1 << 32;

/// What outlives the nodes: all of it, or, for an embedded one, the store alone.
pub(crate) struct Backend {
    embedded: bool,
    pub(crate) store: Arc<MemoryStore>,
    duties: Arc<MemoryDutyRoster>,
    queue: Mutex<(u64, Arc<MemoryQueue>)>,
    limiter: Mutex<(u64, Arc<MemoryRateLimiter>)>,
    /// What was settled since the last loss and before the priming that follows it.
    settled: Mutex<Vec<(RateKey, Timestamp)>>,
    forgot: Notify,
    store_away: AtomicBool,
    queue_away: AtomicBool,
}

impl Backend {
    pub(crate) fn new(embedded: bool) -> Self {
        Self {
            embedded,
            store: Arc::new(MemoryStore::new()),
            duties: Arc::default(),
            queue: Mutex::new((0, Arc::new(empty_queue(embedded)))),
            limiter: Mutex::default(),
            settled: Mutex::default(),
            forgot: Notify::new(),
            store_away: AtomicBool::new(false),
            queue_away: AtomicBool::new(false),
        }
    }

    /// Queue and limiter lose everything.
    pub(crate) fn forget(&self) {
        let mut queue = self.queue.lock().unwrap();
        *queue = (queue.0 + 1, Arc::new(empty_queue(self.embedded)));
        let mut limiter = self.limiter.lock().unwrap();
        *limiter = (limiter.0 + 1, Arc::default());
        self.settled.lock().unwrap().clear();
        self.forgot.notify_waiters();
    }

    pub(crate) fn set_store_away(&self, away: bool) {
        self.store_away.store(away, Ordering::Relaxed);
    }

    /// Queue and limiter are on one server.
    pub(crate) fn set_queue_away(&self, away: bool) {
        self.queue_away.store(away, Ordering::Relaxed);
    }

    pub(crate) fn queue(&self) -> Arc<MemoryQueue> {
        Arc::clone(&self.queue.lock().unwrap().1)
    }

    fn limiter(&self) -> Arc<MemoryRateLimiter> {
        Arc::clone(&self.limiter.lock().unwrap().1)
    }

    /// The limiter, and a permit as it knows it; `None` for one from before a loss.
    fn limiter_of(&self, permit: Permit) -> (Arc<MemoryRateLimiter>, Option<Permit>) {
        let (life, limiter) = self.limiter.lock().unwrap().clone();
        let is_known = permit.id / NUMBERS_OF_A_LIFE == life;
        let known = Permit { id: permit.id % NUMBERS_OF_A_LIFE, ..permit };
        (limiter, is_known.then_some(known))
    }

    fn settle(&self, permit: Permit, at: Timestamp) {
        let (limiter, known) = self.limiter_of(permit);
        if let Some(permit) = known {
            return limiter.settle_now(permit, at);
        }
        // What it was counted with is lost, but it was done.
        let boundless = Quota { limit: u32::MAX, window: Duration::from_secs(60) };
        match limiter.reserve_now(permit.key, boundless, at, at) {
            Reservation::Granted { permit, .. } => limiter.settle_now(permit, at),
            _ => self.settled.lock().unwrap().push((permit.key, at)),
        }
    }

    fn prime(&self, key: RateKey, ticket: u64, done: &[Timestamp], begun_until: &[Timestamp]) {
        let (life, limiter) = self.limiter.lock().unwrap().clone();
        if ticket == life {
            let settled = self.settled.lock().unwrap();
            let since = settled.iter().filter(|(of, _)| *of == key).map(|(_, at)| *at);
            let done: Vec<_> = done.iter().copied().chain(since).collect();
            limiter.prime_begun_now(key, &done, begun_until);
        }
    }
}

/// The queue of one process, or what stands for one that all share.
fn empty_queue(embedded: bool) -> MemoryQueue {
    if embedded { MemoryQueue::new() } else { MemoryQueue::with_many_clocks() }
}

/// One node's connections to the backend.
pub(crate) struct Connection {
    pub(crate) host: Arc<Host>,
    pub(crate) backend: Arc<Backend>,
}

impl Connection {
    async fn of_store<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let plan = &self.host.sim.plan;
        let rates = [plan.store_fails, plan.store_lies];
        let is_away = || self.backend.store_away.load(Ordering::Relaxed);
        self.host.call(rates, is_away, || StoreError::unavailable("simulated"), call).await
    }

    async fn of_queue<T>(
        &self,
        call: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let plan = &self.host.sim.plan;
        let rates = [plan.queue_fails, plan.queue_lies];
        let is_away = || self.backend.queue_away.load(Ordering::Relaxed);
        self.host.call(rates, is_away, || QueueError("simulated".into()), call).await
    }

    async fn of_limiter<T>(
        &self,
        call: impl Future<Output = Result<T, RateLimiterError>>,
    ) -> Result<T, RateLimiterError> {
        let plan = &self.host.sim.plan;
        let rates = [plan.limiter_fails, plan.limiter_lies];
        let is_away = || self.backend.queue_away.load(Ordering::Relaxed);
        self.host.call(rates, is_away, || RateLimiterError("simulated".into()), call).await
    }
}

/// Implements a port by calls to what the backend has of it.
macro_rules! relay {
    ($port:ident to $target:ident by $way:ident -> $error:ident {
        $($call:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*
    }) => {
        #[async_trait]
        impl $port for Connection {
            $(async fn $call(&self, $($arg: $kind),*) -> Result<$answer, $error> {
                let target = Arc::clone(&self.backend.$target);
                self.$way($port::$call(&*target, $($arg),*)).await
            })*
        }
    };
}

relay!(MessageStore to store by of_store -> StoreError {
    insert_distinct(insertions: &[Insertion]) -> Vec<Inserted>;
    insert_batch(batch: &Batch, messages: &[Message]) -> ();
    change(changes: &[StatusChange]) -> Vec<ChangeOutcome>;
    find(tenant: TenantId, id: MessageId) -> Option<Message>;
    load(ids: &[MessageId]) -> Vec<Message>;
    list(tenant: TenantId, filter: &MessageFilter, portion: Portion) -> MessagePage;
    events(tenant: TenantId, id: MessageId) -> Option<Vec<MessageEvent>>;
    statistics(tenant: TenantId, range: &StatisticsRange) -> Statistics;
    find_batch(tenant: TenantId, id: BatchId) -> Option<BatchProgress>;
    batches(tenant: TenantId, portion: PortionBy<BatchId>) -> Page<BatchProgress>;
    cancel_batch(tenant: TenantId, id: BatchId, now: Timestamp) -> Option<Vec<MessageId>>;
    batch(tenant: TenantId, id: BatchId) -> Option<Batch>;
    suspend_batch(tenant: TenantId, id: BatchId, suspension: Suspension)
        -> Option<Vec<MessageId>>;
    resume_batch(tenant: TenantId, id: BatchId) -> bool;
    release_from_batch(batch: BatchId, now: Timestamp) -> Vec<QueueItem>;
    release_scheduled(now: Timestamp, limit: u32) -> Vec<QueueItem>;
    overdue(now: Timestamp, limit: u32) -> Vec<MessageId>;
    held_before(batch: BatchId, message: MessageId) -> u64;
    known_at_provider(session: SessionId, ids: &[ProviderMessageId]) -> Vec<Message>;
    waiting_to(sessions: &[SessionId], to: &Address, limit: u32) -> Vec<Message>;
    batches_holding(after: Option<BatchId>, limit: u32) -> Vec<BatchId>;
    pending(after: Option<MessageId>, limit: u32) -> Vec<QueueItem>;
    behind(ids: &[MessageId]) -> Vec<(MessageId, QueueItem)>;
    attempts_since(session: SessionId, since: Timestamp, now: Timestamp) -> Vec<Timestamp>;
    open_chats(chats: &[(SessionId, RecipientKey)]) -> Vec<(SessionId, RecipientKey)>;
    chats_opened(session: SessionId, since: Timestamp, but: RecipientKey, now: Timestamp)
        -> Vec<Timestamp>;
    reseal(messages: &[(Option<u32>, Message)]) -> u64;
    redactable(limit: u32) -> Vec<Message>;
    redact(messages: &[Message]) -> u64;
    sealed_under(tenant: TenantId) -> BTreeMap<Option<u32>, u64>;
    ping() -> ();
});

relay!(SessionStore to store by of_store -> StoreError {
    insert(session: &Session) -> ();
    place(session: &Session, room: Room) -> Placing;
    find(tenant: TenantId, id: SessionId) -> Option<Session>;
    find_named(tenant: TenantId, name: &str) -> Option<Session>;
    list(tenant: TenantId) -> Vec<Session>;
    patch(tenant: TenantId, id: SessionId, patch: &SessionPatch, now: Timestamp) -> Option<Session>;
    suspend(tenant: TenantId, id: SessionId, suspension: Option<Suspension>) -> Option<Session>;
    restrict(id: SessionId, restriction: Option<Restriction>) -> Option<Session>;
    set_webhook_secrets(tenant: TenantId, id: SessionId, secrets: &WebhookSecrets)
        -> Option<Session>;
    replace_webhook_secrets(id: SessionId, before: &WebhookSecrets, after: &WebhookSecrets) -> bool;
    delete(tenant: TenantId, id: SessionId) -> bool;
    find_any(id: SessionId) -> Option<Session>;
    find_placed(name: &str) -> Vec<Session>;
    all_places() -> Vec<(SessionId, ProviderSession)>;
    census() -> Census;
    watched() -> Vec<WatchedSession>;
    record_read(id: SessionId, until: Timestamp) -> ();
    record_health(id: SessionId, health: SessionHealth, since: Timestamp) -> bool;
    health_census() -> BTreeMap<SessionHealth, u64>;
    record_status(id: SessionId, status: SessionStatus, at: Timestamp, own: Option<Address>)
        -> Option<Session>;
});

relay!(TenantStore to store by of_store -> StoreError {
    insert(tenant: &Tenant) -> ();
    find(id: TenantId) -> Option<Tenant>;
    find_named(name: &str) -> Option<Tenant>;
    suspend(id: TenantId, suspension: Option<Suspension>) -> Option<Tenant>;
    set_on_unknown(id: TenantId, on_unknown: OnUnknown) -> Option<Tenant>;
    set_pii(id: TenantId, pii: PiiPolicy) -> Option<Tenant>;
    set_limits(id: TenantId, limits: TenantLimits) -> Option<Tenant>;
    list() -> Vec<Tenant>;
    page(filter: &TenantFilter, now: Timestamp, portion: PortionBy<TenantId>) -> Page<Tenant>;
    begin_deletion(id: TenantId, at: Timestamp) -> Option<Tenant>;
    deleting() -> Vec<Tenant>;
    shred(id: TenantId) -> ();
    erase(id: TenantId, limit: u32) -> u64;
    let_go(id: TenantId) -> bool;
});

relay!(InboxStore to store by of_store -> StoreError {
    keep(entries: &[InboxEntry]) -> Vec<Kept>;
    due(now: Timestamp, limit: u32) -> Vec<InboxEntry>;
    next_due() -> Option<Timestamp>;
    apply(effects: &[(InboxId, InboxEffect)]) -> Vec<Applied>;
    defer(verdicts: &[(InboxId, InboxVerdict)]) -> ();
    reseal(bodies: &[(InboxId, Vec<u8>)]) -> u64;
    depth() -> InboxDepth;
});

relay!(IdempotencyStore to store by of_store -> StoreError {
    begin(undertaking: &Undertaking, now: Timestamp) -> Begun;
    finish(undertaking: &Undertaking, answer: &[u8]) -> ();
    forget(undertaking: &Undertaking) -> ();
    leave(undertaking: &Undertaking, now: Timestamp) -> ();
});

relay!(OptOutStore to store by of_store -> StoreError {
    add(opt_out: &OptOut) -> (OptOut, bool);
    remove(tenant: TenantId, entry: &OptOutRef) -> Option<OptOut>;
    find(tenant: TenantId, entry: &OptOutRef) -> Option<OptOut>;
    opted_out(tenant: TenantId, addresses: &[Address]) -> Vec<bool>;
    list(tenant: TenantId, portion: PortionBy<OptOutId>) -> Page<OptOut>;
    reseal(opt_out: &OptOut) -> bool;
});

relay!(Upkeep to store by of_store -> StoreError {
    upkeep(now: Timestamp) -> ();
});

relay!(DutyRoster to duties by of_store -> StoreError {
    take(duty: Duty, node: NodeId, until: Timestamp, now: Timestamp) -> bool;
    lay_down(duty: Duty, node: NodeId) -> ();
});

#[async_trait]
impl Queue for Connection {
    async fn push(&self, items: &[QueueItem]) -> Result<(), QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.push(items)).await
    }

    async fn claim(
        &self,
        max: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claims, QueueError> {
        let (life, queue) = self.backend.queue.lock().unwrap().clone();
        let claims = self.of_queue(queue.claim(max, lease, now)).await?;
        Ok(Claims { version: life * NUMBERS_OF_A_LIFE + claims.version, ..claims })
    }

    async fn renew(
        &self,
        claims: &[Claim],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<bool>, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.renew(claims, lease, now)).await
    }

    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.complete(claim)).await
    }

    async fn retry_at(
        &self,
        claim: &Claim,
        at: Timestamp,
        why: HeldBy,
    ) -> Result<bool, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.retry_at(claim, at, why)).await
    }

    async fn pause(
        &self,
        session: SessionId,
        scope: PauseScope,
        pause: Pause,
    ) -> Result<(), QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.pause(session, scope, pause)).await
    }

    async fn resume(&self, session: SessionId, scope: PauseScope) -> Result<(), QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.resume(session, scope)).await
    }

    async fn open_chat(
        &self,
        session: SessionId,
        recipient: RecipientKey,
    ) -> Result<(), QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.open_chat(session, recipient)).await
    }

    async fn forget(&self, session: SessionId, messages: &[MessageId]) -> Result<(), QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.forget(session, messages)).await
    }

    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.position(item)).await
    }

    async fn standings(&self, sessions: &[SessionId]) -> Result<Vec<Standing>, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.standings(sessions)).await
    }

    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.session_depth(session)).await
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        let queue = self.backend.queue();
        self.of_queue(queue.depth()).await
    }

    async fn changed(&self, version: u64) {
        let forgot = self.backend.forgot.notified();
        let (life, queue) = self.backend.queue.lock().unwrap().clone();
        if version / NUMBERS_OF_A_LIFE == life {
            tokio::select! {
                biased;
                () = queue.changed(version % NUMBERS_OF_A_LIFE) => {}
                () = forgot => {}
            }
        }
        self.host.pass().await;
    }
}

#[async_trait]
impl RateLimiter for Connection {
    async fn reserve(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        let (life, limiter) = self.backend.limiter.lock().unwrap().clone();
        let answer = self.of_limiter(limiter.reserve(key, quota, until, now)).await?;
        Ok(match answer {
            Reservation::Granted { permit: Permit { key, id }, remaining } => {
                let id = life * NUMBERS_OF_A_LIFE + id;
                Reservation::Granted { permit: Permit { key, id }, remaining }
            }
            Reservation::Unprimed { .. } => Reservation::Unprimed { ticket: life },
            limited => limited,
        })
    }

    async fn settle(&self, permit: Permit, at: Timestamp) -> Result<(), RateLimiterError> {
        let settle = async {
            self.backend.settle(permit, at);
            Ok(())
        };
        self.of_limiter(settle).await
    }

    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError> {
        let release = async {
            let (limiter, known) = self.backend.limiter_of(permit);
            if let Some(permit) = known {
                limiter.release_now(permit);
            }
            Ok(())
        };
        self.of_limiter(release).await
    }

    async fn prime_begun(
        &self,
        key: RateKey,
        ticket: u64,
        done: &[Timestamp],
        begun_until: &[Timestamp],
    ) -> Result<(), RateLimiterError> {
        let prime = async {
            self.backend.prime(key, ticket, done, begun_until);
            Ok(())
        };
        self.of_limiter(prime).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, RateLimiterError> {
        let sim = &self.host.sim;
        let time = (!sim.plan.embedded).then(|| sim.now());
        self.of_limiter(std::future::ready(Ok(time))).await
    }

    async fn admit(
        &self,
        key: RateKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Decision, RateLimiterError> {
        let limiter = self.backend.limiter();
        self.of_limiter(limiter.admit(key, quota, now)).await
    }
}
