//! How long does it take to accept a message in process: validated, kept, queued? Alone and with 64
//! callers at once, in memory and on disk (SQLite, `synchronous = FULL`); and how much longer where what is
//! kept is encrypted, without and with the marks of its words (`accept/encrypted`, by turns in one run).

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use messaging_core::conformance::build::{address, session, tenant, tenant_id};
use messaging_core::conformance::provider::FakeProvider;
use messaging_core::domain::inbox::ProviderEvent;
use messaging_core::domain::quota::Quota;
use messaging_core::domain::session::OnRateLimit;
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::entropy::SystemEntropy;
use messaging_core::ports::idempotency_store::IdempotencyStore;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::key_provider::SecretKey;
use messaging_core::ports::key_store::KeyStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::observer::NoObserver;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_core::ports::webhook_decoder::{MalformedWebhook, WebhookDecoder, WebhookHead};
use messaging_core::ports::webhook_verifier::{Headers, SignatureError, WebhookVerifier};
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use messaging_vault::{
    LocalKeys, Mode, Parts, SealedIdempotency, SealedInbox, SealedMessages, SealedOptOuts,
    SealedPersons, SealedSessions, Vault,
};
use tokio::runtime::Runtime;

const CALLERS: u64 = 64;

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

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin should say so")]
async fn gateway<S>(store: Arc<S>, mode: Mode) -> Gateway
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
        + Upkeep
        + KeyStore,
{
    TenantStore::insert(&*store, &tenant(1)).await.unwrap();
    SessionStore::insert(&*store, &session(1)).await.unwrap();
    let key = SecretKey::new(Box::new([7; 32]));
    let parts = Parts {
        keys: store.clone(),
        provider: Arc::new(LocalKeys::new(&key, &[], SystemEntropy).unwrap()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let vault = Vault::open(parts, mode).await.unwrap();
    let pseudonyms = vault.pseudonyms().clone();
    let provider = Arc::new(FakeProvider::new(Arc::new(SystemClock)));
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
        queue: Arc::new(MemoryQueue::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        duties: Arc::new(MemoryDutyRoster::default()),
        transport: provider.clone(),
        control: provider.clone(),
        history: provider,
        verifier: Arc::new(NoWebhooks),
        decoder: Arc::new(NoWebhooks),
        observer: Arc::new(NoObserver),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let no_limit = Quota { limit: u32::MAX, window: Duration::from_secs(60) };
    let settings = Settings {
        tenant_quota: no_limit,
        max_waiting: u64::MAX,
        pseudonyms,
        ..Settings::default()
    };
    Gateway::new(sealed(ports, &vault), settings)
}

/// The same behind a vault; as they are where it seals nothing.
fn sealed(ports: Ports, vault: &Arc<Vault>) -> Ports {
    if vault.mode() == Mode::Plain {
        return ports;
    }
    let (list, vault) = (ports.opt_outs.clone(), || vault.clone());
    Ports {
        messages: Arc::new(SealedMessages::new(ports.messages, vault())),
        sessions: Arc::new(SealedSessions::new(ports.sessions, vault())),
        inbox: Arc::new(SealedInbox::new(ports.inbox, list, vault())),
        idempotency: Arc::new(SealedIdempotency::new(ports.idempotency, vault())),
        opt_outs: Arc::new(SealedOptOuts::new(ports.opt_outs, vault())),
        persons: Arc::new(SealedPersons::new(ports.persons, vault())),
        ..ports
    }
}

fn request() -> SendRequest {
    static PARCEL: AtomicU64 = AtomicU64::new(0);
    let parcel = PARCEL.fetch_add(1, Ordering::Relaxed);
    let text = format!("Your parcel {parcel} is on its way and will be with you tomorrow.");
    SendRequest {
        on_rate_limit: Some(OnRateLimit::Queue),
        ..SendRequest::text(session(1).id, address(1).as_str(), text)
    }
}

#[expect(clippy::unwrap_used, reason = "a benchmark whose subject fails should say so")]
fn measure(c: &mut Criterion, runtime: &Runtime, name: &str, gateway: &Gateway) {
    let mut group = c.benchmark_group(format!("accept/{name}"));
    group.throughput(Throughput::Elements(1));
    group.bench_function("alone", |b| {
        b.to_async(runtime).iter_batched(
            request,
            |request| async { gateway.send(tenant_id(1), request).await.unwrap() },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(CALLERS));
    group.bench_function("64_callers", |b| {
        b.to_async(runtime).iter(|| async {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    let gateway = gateway.clone();
                    tokio::spawn(async move { gateway.send(tenant_id(1), request()).await })
                })
                .collect();
            for caller in callers {
                caller.await.unwrap().unwrap();
            }
        });
    });
    group.finish();
}

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin should say so")]
fn accept(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let memory = runtime.block_on(gateway(Arc::new(MemoryStore::new()), Mode::Plain));
    measure(c, &runtime, "memory", &memory);

    let directory = tempfile::tempdir().unwrap();
    let store =
        SqliteStore::open(directory.path().join("bench.db"), SqliteOptions::default()).unwrap();
    let sqlite = runtime.block_on(gateway(Arc::new(store), Mode::Plain));
    measure(c, &runtime, "sqlite", &sqlite);
}

const MODES: [(Mode, &str); 3] =
    [(Mode::Plain, "plain"), (Mode::Numbers, "numbers"), (Mode::Words, "words")];

/// How many callers' messages are taken together, how often.
const WAVES: u32 = 4;
const ROUNDS: usize = 240;

/// How many rounds of it: one where only is tried that it runs, as `cargo test` does.
fn rounds() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 }
}

/// Plain and encrypted by turns, so that whatever else the machine does meanwhile meets all alike. Prints
/// the median time a message takes, and how many times the plain one's that is.
#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin should say so")]
fn encrypted(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let on_disk = |name: &str| {
        let path = directory.path().join(format!("{name}.db"));
        Arc::new(SqliteStore::open(path, SqliteOptions::default()).unwrap())
    };
    for (callers, place) in [(CALLERS, "sqlite"), (1, "sqlite"), (CALLERS, "memory")] {
        let gateways: Vec<_> = MODES
            .iter()
            .map(|(mode, name)| match place {
                "sqlite" => runtime.block_on(gateway(on_disk(&format!("{name}-{callers}")), *mode)),
                _ => runtime.block_on(gateway(Arc::new(MemoryStore::new()), *mode)),
            })
            .collect();
        compare(&runtime, &format!("{place}, {callers} at once"), &gateways, callers);
    }
    drop(directory);
    // The same alone, for criterion's own comparison with earlier runs.
    for (mode, name) in &MODES[1..] {
        let memory = runtime.block_on(gateway(Arc::new(MemoryStore::new()), *mode));
        measure(c, &runtime, &format!("memory-{name}"), &memory);
    }
}

#[expect(clippy::unwrap_used, reason = "a benchmark whose subject fails should say so")]
#[expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]
fn compare(runtime: &Runtime, what: &str, gateways: &[Gateway], callers: u64) {
    let mut times = vec![Vec::with_capacity(rounds()); gateways.len()];
    for round in 0..rounds() {
        for turn in 0..gateways.len() {
            // Each comes first as often as the others.
            let at = (round + turn) % gateways.len();
            let begun = Instant::now();
            runtime.block_on(async {
                for _ in 0..WAVES {
                    let callers: Vec<_> = (0..callers)
                        .map(|_| {
                            let gateway = gateways[at].clone();
                            tokio::spawn(async move { gateway.send(tenant_id(1), request()).await })
                        })
                        .collect();
                    for caller in callers {
                        caller.await.unwrap().unwrap();
                    }
                }
            });
            times[at].push(begun.elapsed());
        }
    }
    let messages = WAVES * u32::try_from(callers).unwrap_or(1);
    let medians: Vec<Duration> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[times.len() / 2] / messages
        })
        .collect();
    for ((_, name), median) in MODES.iter().zip(&medians) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        println!("accept/encrypted/{what}: {name} {median:?} a message, ratio {ratio:.3}");
    }
}

criterion_group!(benches, accept, encrypted);
criterion_main!(benches);
