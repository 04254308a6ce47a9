//! The one door: what a host program, or the HTTP server, can ask of the gateway.

pub mod access;
pub mod audit;
pub(crate) mod breakers;
pub mod bulk;
pub mod bulk_pacing;
pub mod cancel;
mod chats;
pub mod dead_letters;
pub mod deletion;
pub(crate) mod directory;
pub mod error;
mod fresh_webhooks;
pub mod health;
mod ids;
mod known_tenants;
pub mod new_chats;
mod once;
pub mod opt_outs;
pub mod pacing;
pub mod persons;
mod placement;
mod policies;
pub mod query;
pub mod receive_webhook;
mod recent;
mod redaction;
pub mod retention;
pub mod send;
pub mod servers;
pub mod sessions;
pub mod suspension;
pub mod tenants;
mod untold;
mod validation;
pub mod waiting;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::domain::breaker::BreakerPolicy;
use crate::domain::id::{NodeId, SessionId, TenantId};
use crate::domain::media_url::{HostNames, MediaUrls};
use crate::domain::message::{Message, QueueItem};
use crate::domain::new_chats::{DAY, NewChatLimits};
use crate::domain::opt_out::words::OptOutWords;
use crate::domain::phone::PhoneValidation;
use crate::domain::pseudonym::Pseudonyms;
use crate::domain::quota::{Decision, Quota};
use crate::domain::retry::RetryPolicy;
use crate::domain::session::Session;
use crate::domain::webhook_secret::WebhookSecret;
use crate::gateway::access::RecentAccess;
use crate::gateway::breakers::Breakers;
use crate::gateway::chats::OpenChats;
use crate::gateway::deletion::Farewells;
use crate::gateway::directory::{Asked, Directory};
use crate::gateway::error::GatewayError;
use crate::gateway::fresh_webhooks::FreshWebhooks;
use crate::gateway::ids::IdSource;
use crate::gateway::known_tenants::KnownTenants;
use crate::gateway::opt_outs::EmptyLists;
use crate::gateway::pacing::LatestSends;
pub use crate::gateway::recent::BELIEVED_FOR;
use crate::gateway::servers::KnownServers;
use crate::gateway::untold::Untold;
use crate::memory::rate_limiter::MemoryRateLimiter;
use crate::ports::access_store::AccessStore;
use crate::ports::audit_log::AuditLog;
use crate::ports::clock::Clock;
use crate::ports::duty_roster::DutyRoster;
use crate::ports::entropy::Entropy;
use crate::ports::idempotency_store::IdempotencyStore;
use crate::ports::inbox_store::InboxStore;
use crate::ports::message_store::MessageStore;
use crate::ports::observer::{Observation, Observer};
use crate::ports::opt_out_store::OptOutStore;
use crate::ports::person_store::PersonStore;
use crate::ports::provider_history::ProviderHistory;
use crate::ports::queue::{Queue, QueueError};
use crate::ports::rate_limiter::{RateKey, RateLimiter, RateLimiterError};
use crate::ports::retention_store::RetentionStore;
use crate::ports::server_store::ServerStore;
use crate::ports::session_control::SessionControl;
use crate::ports::session_store::SessionStore;
use crate::ports::tenant_store::TenantStore;
use crate::ports::transport::Transport;
use crate::ports::upkeep::Upkeep;
use crate::ports::webhook_decoder::WebhookDecoder;
use crate::ports::webhook_verifier::WebhookVerifier;

/// What a gateway is made of: one adapter for each port.
#[derive(Clone)]
pub struct Ports {
    /// The truth about messages.
    pub messages: Arc<dyn MessageStore>,
    /// The truth about sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The truth about the provider's servers that were added while the gateway runs.
    pub servers: Arc<dyn ServerStore>,
    /// The truth about tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// The truth about requests that callers may repeat.
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// The truth about who wants no messages.
    pub opt_outs: Arc<dyn OptOutStore>,
    /// What is kept of one person.
    pub persons: Arc<dyn PersonStore>,
    /// What tenants want to be kept no longer.
    pub retention: Arc<dyn RetentionStore>,
    /// What was done, by whom.
    pub audit: Arc<dyn AuditLog>,
    /// The truth about API keys and refresh tokens.
    pub access: Arc<dyn AccessStore>,
    /// The truth about webhooks received.
    pub inbox: Arc<dyn InboxStore>,
    /// When messages are tried.
    pub queue: Arc<dyn Queue>,
    /// How often.
    pub limiter: Arc<dyn RateLimiter>,
    /// Which node does what only one may do.
    pub duties: Arc<dyn DutyRoster>,
    /// What the store needs now and then.
    pub upkeep: Arc<dyn Upkeep>,
    /// Through whom.
    pub transport: Arc<dyn Transport>,
    /// The provider's accounts.
    pub control: Arc<dyn SessionControl>,
    /// What the provider remembers of what its webhooks should have told.
    pub history: Arc<dyn ProviderHistory>,
    /// Which webhooks to believe.
    pub verifier: Arc<dyn WebhookVerifier>,
    /// What webhooks say.
    pub decoder: Arc<dyn WebhookDecoder>,
    /// Whom to tell.
    pub observer: Arc<dyn Observer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// What a gateway may be told about how to do its work.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How strictly recipients' numbers are judged.
    pub phone_validation: PhoneValidation,
    /// How many messages may be sent through one session, in any window.
    pub session_quota: Quota,
    /// By how much the clocks of several nodes may differ; added to the window.
    pub clock_skew: Duration,
    /// How many requests a tenant may make to send; bursts up to the limit.
    pub tenant_quota: Quota,
    /// How many webhooks one source may send; bursts up to the limit.
    pub webhook_quota: Quota,
    /// How many webhooks that are believed one session may have at each node; bursts up to the limit.
    pub session_webhook_quota: Quota,
    /// How often one source may fail to authenticate before it is not listened to for a while.
    pub auth_failures: Quota,
    /// How long what was under way when a tenant was deleted may go on to keep something in its name: the
    /// tenant itself stays for longer.
    pub deletion_grace: Duration,
    /// How many messages of one session may wait in the queue before more are refused.
    pub max_waiting: u64,
    /// For how long the same content to the same recipient is taken for a repeat; zero for never.
    pub duplicate_window: Duration,
    /// By which words people say that they want no more messages, or want them again.
    pub opt_out_words: OptOutWords,
    /// What stands for people and contents in stores and queues.
    pub pseudonyms: Pseudonyms,
    /// Whether messages are found by what they say, and not only by numbers.
    pub finds_words: bool,
    /// What becomes of files that are named by an address.
    pub media_urls: MediaUrls,
    /// Hosts that files may be fetched from though they are not on the public Internet.
    pub media_hosts: HostNames,
    /// When failed attempts are repeated.
    pub retry: RetryPolicy,
    /// How many chats a session may open, unless it says something else. Without limits by default:
    /// whoever tries the gateway must not be held up without knowing why.
    pub new_chats: NewChatLimits,
    /// For how long a session opens no chats once WhatsApp refused one, by the number of times in a
    /// row.
    pub restriction: RetryPolicy,
    /// How far apart messages of one session to one recipient are sent; zero for no matter.
    pub recipient_spacing: Duration,
    /// When a server of the provider that fails is left alone, and for how long.
    pub breaker: BreakerPolicy,
    /// Where the provider reaches this gateway, without a slash at the end; `None` leaves the
    /// webhooks of new sessions unset.
    pub public_url: Option<String>,
    /// What the provider is to sign its webhooks with.
    pub webhook_secret: Option<WebhookSecret>,
}

impl Default for Settings {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            phone_validation: PhoneValidation::default(),
            session_quota: Quota { limit: 20, window: minute },
            clock_skew: Duration::from_millis(250),
            tenant_quota: Quota { limit: 60_000, window: minute },
            webhook_quota: Quota { limit: 60_000, window: minute },
            session_webhook_quota: Quota { limit: 12_000, window: minute },
            auth_failures: Quota { limit: 20, window: minute },
            deletion_grace: Duration::from_secs(10),
            max_waiting: 1_000_000,
            duplicate_window: Duration::from_secs(10),
            opt_out_words: OptOutWords::default(),
            pseudonyms: Pseudonyms::default(),
            finds_words: true,
            media_urls: MediaUrls::default(),
            media_hosts: HostNames::default(),
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            new_chats: NewChatLimits::default(),
            restriction: RetryPolicy {
                base: Duration::from_secs(3600),
                factor: 2.0,
                cap: DAY,
                max_attempts: u32::MAX,
            },
            recipient_spacing: Duration::ZERO,
            public_url: None,
            webhook_secret: None,
        }
    }
}

/// How callers name a session: by id or by name, within their tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SessionRef {
    /// By id.
    Id(SessionId),
    /// By the tenant's name for it.
    Name(String),
}

impl From<SessionId> for SessionRef {
    fn from(id: SessionId) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for SessionRef {
    /// An id where the text is one, else a name.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

/// The one door to everything callers ask for. Cheap to clone; all clones are one gateway.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) ids: IdSource,
    /// This process, among all that share the ports.
    pub(crate) node: NodeId,
    /// Sessions that were looked up a moment ago.
    pub(crate) directory: Directory,
    /// Webhooks that were kept here, for the task that applies them.
    pub(crate) fresh: FreshWebhooks,
    /// What the queue could not be told.
    pub(crate) untold: Untold,
    /// The provider's servers as they were a moment ago.
    pub(crate) servers: KnownServers,
    /// Which of the provider's servers are called.
    pub(crate) breakers: Breakers,
    /// Chats that were found open.
    pub(crate) open_chats: OpenChats,
    /// Tenants of whose recipients none has opted out.
    pub(crate) empty_lists: EmptyLists,
    /// Tenants that were looked up a moment ago.
    pub(crate) known_tenants: KnownTenants,
    /// Tenants being deleted whose sessions were ended at the provider.
    pub(crate) farewells: Farewells,
    /// API keys and refresh tokens that were looked up a moment ago.
    pub(crate) recent_access: RecentAccess,
    /// When sessions sent latest, for estimates.
    pub(crate) latest_sends: LatestSends,
    /// What sessions' webhooks this node has seen.
    pub(crate) flood: MemoryRateLimiter,
    /// Whether this node's clock was found to be wrong.
    pub(crate) clock_is_off: AtomicBool,
}

impl Gateway {
    /// A gateway of these parts. It does nothing by itself: see
    /// [`Delivery`](crate::delivery::Delivery) for what sends and receives.
    pub fn new(ports: Ports, settings: Settings) -> Self {
        let ids = IdSource::new(Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
        let node = NodeId(ids.draw().1);
        let inner = Inner {
            ports,
            settings,
            ids,
            node,
            directory: Directory::default(),
            fresh: FreshWebhooks::default(),
            untold: Untold::default(),
            servers: KnownServers::default(),
            breakers: Breakers::default(),
            open_chats: OpenChats::default(),
            empty_lists: EmptyLists::default(),
            known_tenants: KnownTenants::default(),
            farewells: Farewells::default(),
            recent_access: RecentAccess::default(),
            latest_sends: LatestSends::default(),
            flood: MemoryRateLimiter::new(),
            clock_is_off: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the gateway was told about how to do its work.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    async fn session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<Session, GatewayError> {
        let sessions = &self.ports().sessions;
        let found = match session {
            SessionRef::Id(id) => sessions.find(tenant, *id).await?,
            SessionRef::Name(name) => sessions.find_named(tenant, name).await?,
        };
        found.ok_or(GatewayError::SessionNotFound)
    }

    /// A session that messages go through, or webhooks come from, as the store has it, or had it a
    /// moment ago.
    pub(crate) async fn look_up(&self, asked: Asked) -> Result<Option<Arc<Session>>, GatewayError> {
        let (sessions, directory) = (&self.ports().sessions, &self.inner.directory);
        let now = self.ports().clock.now();
        let changes = match directory.get(&asked, now) {
            Ok(session) => return Ok(Some(session)),
            Err(changes) => changes,
        };
        let found = match &asked {
            Asked::Own(tenant, SessionRef::Id(id)) => sessions.find(*tenant, *id).await?,
            Asked::Own(tenant, SessionRef::Name(name)) => {
                sessions.find_named(*tenant, name).await?
            }
            Asked::Any(id) => sessions.find_any(*id).await?,
            Asked::Placed(name) => {
                let mut placed = sessions.find_placed(name).await?;
                // Those that were made here report to an address of their own: whatever somebody makes
                // elsewhere, one that was adopted is meant.
                if placed.iter().any(|session| session.adopted) {
                    placed.retain(|session| session.adopted);
                }
                // A name that several servers have tells nothing about which one is meant.
                if placed.len() == 1 { placed.pop() } else { None }
            }
        };
        let found = found.map(Arc::new);
        if let Some(session) = &found {
            directory.remember(asked, session, now, changes);
        }
        Ok(found)
    }

    /// Counts one request of the tenant's.
    async fn admit_tenant(&self, tenant: TenantId) -> Result<(), GatewayError> {
        let known = self.known_tenant(tenant).await?;
        let limits = known.map(|tenant| tenant.limits).unwrap_or_default();
        let quota = limits.requests(self.settings().tenant_quota);
        match self.admit(RateKey::Tenant(tenant), quota).await {
            Decision::Allowed { .. } => Ok(()),
            Decision::Limited { retry_after } => {
                Err(GatewayError::TenantRateLimited { quota, retry_after })
            }
        }
    }

    /// Counts one of something. A limiter that cannot count keeps nobody out.
    async fn admit(&self, key: RateKey, quota: Quota) -> Decision {
        let now = self.ports().clock.now();
        let decision = self.ports().limiter.admit(key, quota, now).await;
        self.counted(decision).unwrap_or(Decision::Allowed { remaining: quota.limit })
    }

    /// What a limiter answered; `None`, and a fault to be counted, where it could not be asked.
    pub(crate) fn counted<T>(&self, answer: Result<T, RateLimiterError>) -> Option<T> {
        answer.inspect_err(|error| self.fault("limiter", error)).ok()
    }

    /// What a queue answered; `None`, and a fault to be counted, where it could not be asked.
    pub(crate) fn queued<T>(&self, answer: Result<T, QueueError>) -> Option<T> {
        answer.inspect_err(|error| self.fault("queue", error)).ok()
    }

    /// Counts a fault of what the caller's request can do without. The log has it at the level that
    /// does not fill it: there may be many a second, and adapters tell of the first.
    fn fault(&self, what: &'static str, error: &(dyn std::error::Error + 'static)) {
        tracing::debug!(error, "the {what} cannot be used");
        self.observe(Observation::Fault { what });
    }

    /// Tells the queue of messages that the store has. A queue that cannot be told is no fault
    /// of the caller's request: it is told later.
    async fn enqueue(&self, messages: impl Iterator<Item = &Message>) {
        let items: Vec<_> =
            messages.filter(|message| !message.held).filter_map(Message::queue_item).collect();
        self.tell_queue(items).await;
    }

    pub(crate) async fn tell_queue(&self, items: Vec<QueueItem>) {
        let items = self.in_lanes(items).await;
        if self.queued(self.ports().queue.push(&items).await).is_none() {
            self.inner.untold.add(items.iter().map(|item| item.message));
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "observations are made where they are told")]
    pub(crate) fn observe(&self, observation: Observation) {
        self.ports().observer.observe(&observation);
    }
}
