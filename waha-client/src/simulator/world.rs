//! Everything a simulator shares between its tasks: settings, clock, chance and state.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::arrivals::ArrivalLog;
use super::clock::Clock;
use super::config::SimulatorConfig;
use super::dice::Dice;
use super::door::DoorCommand;
use super::keys::KeyRing;
use super::knobs::Knobs;
use super::lines::Lines;
use super::media::MediaStore;
use super::messages::MessageLog;
use super::posts::PostLog;
use super::session::Session;

/// A simulator, as its tasks see it.
pub(super) struct World {
    pub(super) config: SimulatorConfig,
    pub(super) base_url: String,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
    http: OnceLock<reqwest::Client>,
    pub(super) lines: Arc<Lines>,
    pub(super) webhook_permits: Semaphore,
    pub(super) waiting_webhooks: AtomicUsize,
    pub(super) door: mpsc::UnboundedSender<DoorCommand>,
    pub(super) shutdown: CancellationToken,
    state: Mutex<State>,
}

/// What changes while it runs. The lock around it is held for moments only, never over an await.
pub(super) struct State {
    pub(super) knobs: Arc<Knobs>,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) messages: MessageLog,
    pub(super) arrivals: ArrivalLog,
    pub(super) media: MediaStore,
    pub(super) keys: KeyRing,
    pub(super) posts: PostLog,
    pub(super) started_at_ms: i64,
    /// Ends with the WAHA process that is simulated; its undelivered webhooks end with it.
    pub(super) process: CancellationToken,
}

impl World {
    pub(super) fn new(
        config: SimulatorConfig,
        base_url: String,
        door: mpsc::UnboundedSender<DoorCommand>,
    ) -> Arc<Self> {
        let clock = Clock::start();
        let shutdown = CancellationToken::new();
        let state = State {
            knobs: Arc::new(config.knobs.clone().normalised()),
            sessions: BTreeMap::new(),
            messages: MessageLog::new(config.limits.messages),
            arrivals: ArrivalLog::new(config.limits.arrivals),
            media: MediaStore::new(config.limits.media_bytes),
            keys: KeyRing::default(),
            posts: PostLog::new(config.limits.webhook_posts),
            started_at_ms: clock.now_ms(),
            process: shutdown.child_token(),
        };
        Arc::new(Self {
            base_url,
            dice: Dice::new(config.seed),
            clock,
            http: OnceLock::new(),
            lines: Arc::default(),
            webhook_permits: Semaphore::new(config.limits.concurrent_webhooks),
            waiting_webhooks: AtomicUsize::new(0),
            door,
            shutdown,
            state: Mutex::new(state),
            config,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state usable: every change under the lock is small.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it calls others with. Made when first needed, because reading the system's
    /// certificates takes longer than many a test.
    pub(super) fn http(&self) -> &reqwest::Client {
        self.http.get_or_init(reqwest::Client::new)
    }

    pub(super) fn knobs(&self) -> Arc<Knobs> {
        Arc::clone(&self.state().knobs)
    }

    /// Address that URLs of media begin with.
    pub(super) fn advertised_url(&self) -> &str {
        self.config.advertised_url.as_deref().unwrap_or(&self.base_url).trim_end_matches('/')
    }
}
