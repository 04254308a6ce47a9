//! How fast do messages go the whole way in process: accepted, kept, claimed, sent through a
//! transport that answers at once, settled?
//!
//! `benches/compare/run pass lone` measures it beside a peer. By hand:
//!
//! ```sh
//! cargo bench -p benches --bench delivery -- pass sqlite 50000      # 64 callers: messages a second
//! cargo bench -p benches --bench delivery -- lone sqlite 2000       # one: accepted → transport called
//! scripts/with-services cargo bench -p benches --bench delivery -- pass postgres 50000
//! ```
//!
//! Prints a line of JSON.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use messaging_core::conformance::build::{address, session, tenant, tenant_id};
use messaging_core::conformance::provider::FakeProvider;
use messaging_core::delivery::{Delivery, DeliverySettings};
use messaging_core::domain::inbox::ProviderEvent;
use messaging_core::domain::quota::Quota;
use messaging_core::domain::session::Session;
use messaging_core::domain::status::Status;
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::duty_roster::DutyRoster;
use messaging_core::ports::entropy::SystemEntropy;
use messaging_core::ports::idempotency_store::IdempotencyStore;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::observer::{Observation, Observer};
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::queue::Queue;
use messaging_core::ports::rate_limiter::RateLimiter;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::transport::{
    Envelope, Found, Lookup, Preparation, Route, SendOutcome, Transport,
};
use messaging_core::ports::upkeep::Upkeep;
use messaging_core::ports::webhook_decoder::{MalformedWebhook, WebhookDecoder, WebhookHead};
use messaging_core::ports::webhook_verifier::{Headers, SignatureError, WebhookVerifier};
use messaging_store_postgres::{PostgresOptions, PostgresStore};
use messaging_store_redis::{RedisConnection, RedisOptions, RedisQueue, RedisRateLimiter};
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

const TENANTS: u64 = 50;
/// One message of a session is under way at a time.
const SESSIONS: u64 = 1000;
const CALLERS: u64 = 64;
const NO_LIMIT: Quota = Quota { limit: 1_000_000, window: Duration::from_secs(60) };

/// Sends nothing, at once, and says when it was asked to.
struct Instantly {
    called: UnboundedSender<Instant>,
}

#[async_trait]
impl Transport for Instantly {
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation {
        Preparation::Ready(Route { chat: envelope.to.as_str().to_owned(), takes_id: true })
    }

    async fn send<'a>(
        &self,
        _: Envelope<'a>,
        _: &Route,
        id: Option<&'a messaging_core::domain::id::ProviderMessageId>,
    ) -> SendOutcome {
        self.called.send(now()).unwrap();
        SendOutcome::Accepted { id: id.cloned() }
    }

    async fn find_sent<'a>(&self, _: Lookup<'a>) -> Found {
        Found::CannotTell
    }

    fn longest_attempt(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// Counts what was settled as sent.
#[derive(Default)]
struct Sent {
    count: AtomicU64,
    more: Notify,
}

impl Observer for Sent {
    fn observe(&self, observation: &Observation) {
        if let Observation::Moved { to: Status::Sent, .. } = observation {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.more.notify_one();
        }
    }
}

impl Sent {
    async fn reach(&self, count: u64) {
        while self.count.load(Ordering::Relaxed) < count {
            self.more.notified().await;
        }
    }
}

/// No webhook comes in here.
struct NoWebhooks;

impl WebhookVerifier for NoWebhooks {
    fn verify(&self, _: &dyn Headers, _: &[u8]) -> Result<(), SignatureError> {
        Err(SignatureError::Missing)
    }

    fn verify_with(
        &self,
        _: &[&WebhookSecret],
        _: &dyn Headers,
        _: &[u8],
    ) -> Result<(), SignatureError> {
        Err(SignatureError::Missing)
    }
}

impl WebhookDecoder for NoWebhooks {
    fn head(&self, _: &[u8]) -> Result<WebhookHead, MalformedWebhook> {
        Err(MalformedWebhook { pointer: String::new(), problem: "none is expected" })
    }

    fn decode(&self, _: &[u8]) -> Result<ProviderEvent, MalformedWebhook> {
        Ok(ProviderEvent::Other)
    }
}

/// A gateway on one of the stores, with what goes on by itself.
struct Whole {
    gateway: Gateway,
    sent: Arc<Sent>,
    asked: AtomicU64,
    _delivery: Delivery,
}

/// When the transport was called.
type Calls = UnboundedReceiver<Instant>;

impl Whole {
    async fn new<S>(
        store: Arc<S>,
        duties: Arc<dyn DutyRoster>,
        queue: Arc<dyn Queue>,
        limiter: Arc<dyn RateLimiter>,
    ) -> (Arc<Self>, Calls)
    where
        S: MessageStore
            + SessionStore
            + TenantStore
            + InboxStore
            + IdempotencyStore
            + OptOutStore
            + AccessStore
            + AuditLog
            + PersonStore
            + RetentionStore
            + ServerStore
            + Upkeep,
    {
        let provider = Arc::new(FakeProvider::new(Arc::new(SystemClock)));
        for n in 0..TENANTS {
            TenantStore::insert(&*store, &tenant(n)).await.unwrap();
        }
        for n in 0..SESSIONS {
            let session = Session { tenant: tenant_id(n % TENANTS), ..session(n) };
            provider.set_session(&session.place, session.status);
            SessionStore::insert(&*store, &session).await.unwrap();
        }
        let (calling, called) = unbounded_channel();
        let sent = Arc::<Sent>::default();
        let ports = Ports {
            messages: store.clone(),
            sessions: store.clone(),
            servers: store.clone(),
            tenants: store.clone(),
            inbox: store.clone(),
            idempotency: store.clone(),
            opt_outs: store.clone(),
            access: store.clone(),
            audit: store.clone(),
            persons: store.clone(),
            retention: store.clone(),
            upkeep: store,
            queue,
            limiter,
            duties,
            transport: Arc::new(Instantly { called: calling }),
            control: provider.clone(),
            history: provider,
            verifier: Arc::new(NoWebhooks),
            decoder: Arc::new(NoWebhooks),
            observer: sent.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        };
        let settings = Settings {
            tenant_quota: Quota { limit: u32::MAX, ..NO_LIMIT },
            session_quota: NO_LIMIT,
            max_waiting: u64::MAX,
            ..Settings::default()
        };
        let gateway = Gateway::new(ports, settings);
        let delivery = Delivery::start(&gateway, &DeliverySettings::default());
        (Arc::new(Self { gateway, sent, asked: AtomicU64::new(0), _delivery: delivery }), called)
    }

    async fn send(&self) {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        let from = session(n % SESSIONS).id;
        let text = "Your parcel is on its way. ".repeat(9);
        let request = SendRequest::text(from, address(n).as_str(), &text);
        self.gateway.send(tenant_id(n % SESSIONS % TENANTS), request).await.unwrap();
    }

    /// So many messages go the whole way, handed over by 64 callers.
    async fn pass(self: &Arc<Self>, count: u64) -> Duration {
        let target = self.sent.count.load(Ordering::Relaxed) + count;
        let began = now();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let whole = Arc::clone(self);
            callers.spawn(async move {
                for _ in 0..count / CALLERS + u64::from(caller < count % CALLERS) {
                    whole.send().await;
                }
            });
        }
        callers.join_all().await;
        self.sent.reach(target).await;
        now() - began
    }

    /// From the call of `send` to the call of the transport, for one message at a time.
    async fn lone(&self, count: u64, calls: &mut Calls) -> Vec<Duration> {
        let already = self.sent.count.load(Ordering::Relaxed);
        let mut took = Vec::new();
        for n in 1..=count {
            let began = now();
            self.send().await;
            took.push(calls.recv().await.unwrap() - began);
            self.sent.reach(already + n).await;
            // What follows a send should be over when the next one comes.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        took
    }
}

async fn on_sqlite(directory: &Path) -> (Arc<Whole>, Calls) {
    let store = SqliteStore::open(directory.join("bench.db"), SqliteOptions::default()).unwrap();
    let queue = Arc::new(MemoryQueue::new());
    let limiter = Arc::new(MemoryRateLimiter::new());
    Whole::new(Arc::new(store), Arc::new(MemoryDutyRoster::default()), queue, limiter).await
}

/// In a schema of its own, which must not be there yet.
async fn on_postgres(with_redis: bool) -> (Arc<Whole>, Calls) {
    let schema = format!("bench_{}", std::process::id());
    let options = PostgresOptions { schema, ..PostgresOptions::default() };
    let url = std::env::var("TEST_POSTGRES_URL").unwrap();
    let store = Arc::new(PostgresStore::open(&url, &options).await.unwrap());
    if !with_redis {
        let (queue, limiter) = (MemoryQueue::new(), MemoryRateLimiter::new());
        return Whole::new(store.clone(), store, Arc::new(queue), Arc::new(limiter)).await;
    }
    let mut options = RedisOptions::single(std::env::var("TEST_REDIS_URL").unwrap());
    options.prefix = options.prefix + &std::process::id().to_string();
    let redis = RedisConnection::connect(&options).await.unwrap();
    let (queue, limiter) = (RedisQueue::new(&redis), RedisRateLimiter::new(&redis));
    Whole::new(store.clone(), store, Arc::new(queue), Arc::new(limiter)).await
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let [what, store, count] = match arguments.as_slice() {
        [what, store, count] => [what.as_str(), store, count],
        // As a test, or among all benches.
        _ => ["pass", "sqlite", "1000"],
    };
    let count: u64 = count.parse().unwrap();
    // On a disk: what the usual directory is kept in may be memory.
    let disk = std::env::var_os("COMPARE_DIR").map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(disk).unwrap();
    let (whole, mut calls) = match store {
        "sqlite" => on_sqlite(directory.path()).await,
        store => on_postgres(store == "postgres+redis").await,
    };
    if what == "lone" {
        // Every session is known to the limiter by then.
        whole.pass(2 * SESSIONS).await;
        while calls.try_recv().is_ok() {}
        whole.lone(count / 4, &mut calls).await;
        let mut took = whole.lone(count, &mut calls).await;
        took.sort_unstable();
        let micros = |share: usize| took[took.len() * share / 100].as_micros();
        println!(r#"{{"p50_us": {}, "p99_us": {}}}"#, micros(50), micros(99));
    } else {
        whole.pass(count / 4).await;
        let took = whole.pass(count).await;
        println!(r#"{{"rate": {}}}"#, count as f64 / took.as_secs_f64());
    }
}

#[expect(clippy::disallowed_methods, reason = "to measure is to read the clock")]
fn now() -> Instant {
    Instant::now()
}
