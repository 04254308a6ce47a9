//! Joins the parts into one service that a command, a test or a host program can start.

mod error;
pub(crate) mod storage;
mod vault;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use messaging_core::delivery::{Delivery, DeliverySettings};
use messaging_core::domain::id::{TenantId, uuid_v7};
use messaging_core::domain::phone::{PhoneNumber, PhoneValidation};
use messaging_core::domain::retry::RetryPolicy;
use messaging_core::domain::tenant::{Role, Tenant};
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::ports::clock::{Clock, SystemClock};
use messaging_core::ports::entropy::{Entropy, SystemEntropy};
use messaging_core::ports::idempotency_store::IdempotencyStore;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_vault::{
    Mode, SealedIdempotency, SealedInbox, SealedMessages, SealedOptOuts, SealedPersons,
    SealedServers, SealedSessions, Sealer, ShreddedTenants, Stores, Vault,
};
use poem::EndpointExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waha_client::WahaClient;
use waha_client::client::ClientConfigError;
use waha_client::transport::{WahaDecoder, WahaProvider, WahaServer, WahaVerifier};
use waha_client::webhooks::SigningKeys;

use crate::api::{self, ApiState};
use crate::audit::AuditTrail;
use crate::auth::identity_provider::{FetchCount, IdentityProvider};
use crate::auth::{Authentication, IssueError, RefreshTokens, TokenIssuer, TokenVerifier};
use crate::config::Config;
use crate::config::kept_secret;
use crate::listening;
use crate::listening::tls::Tls;
use crate::media::{FetchingTransport, SystemResolver};
use crate::telemetry::http_metrics::http_metrics;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::sampler::Sampler;
use crate::wiring::storage::Storage;

pub use error::{BindError, BuildError, EncryptionError};

/// How long the end waits for what the audit log does not have yet.
const LAST_ENTRIES: Duration = Duration::from_secs(5);

/// A gateway with everything it needs, ready to run.
pub struct Service {
    config: Config,
    gateway: Gateway,
    ports: Ports,
    storage: Storage,
    metrics: Arc<Metrics>,
    auth: Authentication,
    tls: Option<Arc<Tls>>,
    vault: Option<Arc<Vault>>,
}

/// Listens where the configuration says.
///
/// # Errors
/// [`BindError`] where the address is taken or not ours.
pub async fn bind(config: &Config) -> Result<TcpListener, BindError> {
    let (host, port) = (config.host.clone(), config.port);
    let listener = TcpListener::bind((host.as_str(), port)).await;
    listener.map_err(|source| BindError { host, port, source })
}

impl Service {
    /// Opens what is configured and joins everything. Nothing is sent or received yet, and WAHA is
    /// not called.
    ///
    /// # Errors
    /// [`BuildError`] says what is missing or wrong.
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        config.check_usable()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);

        kept_secret::create_private_dir(&config.data_dir)
            .map_err(|source| BuildError::DataDir { path: config.data_dir.clone(), source })?;
        let or_kept = |given: Option<&SecretString>, name| match given {
            Some(given) => Ok(given.clone()),
            None => kept_secret::load_or_draw(&config.data_dir, name, entropy.as_ref()),
        };
        let jwt_secret = or_kept(config.jwt_secret.as_ref(), "jwt_secret")?;
        let refresh_secret = match &config.jwt_refresh_secret {
            // What nodes share none of them can draw.
            None if config.postgres.is_some() => RefreshTokens::secret_from(&jwt_secret)?,
            given => or_kept(given.as_ref(), "jwt_refresh_secret")?,
        };
        let webhook_secret = config.waha_webhook_secret.as_ref().or(config.webhook_secret.as_ref());
        let webhook_secret = or_kept(webhook_secret, "webhook_secret")?;

        let storage = Storage::open(&config).await?;
        let servers = config.waha_servers().into_iter().map(|server| {
            let client = WahaClient::new(&server.url, server.api_key.unwrap_or_default())?;
            Ok(WahaServer { name: server.name, client, capacity: server.capacity })
        });
        let servers = servers.collect::<Result<Vec<_>, ClientConfigError>>()?;
        let previous = config.waha_webhook_secret_previous.iter().cloned();
        let secrets = std::iter::once(webhook_secret.clone()).chain(previous);
        let signing_keys = SigningKeys::new(secrets)?;
        let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let metrics = Arc::new(Metrics::new()?);
        let vault = vault::open(&config, &storage.keys, &clock, &entropy).await?;
        let kept = Kept::of(&storage, vault.as_ref());
        let waha = WahaProvider::new(servers).with_kept_servers(Arc::clone(&kept.servers));
        let waha = Arc::new(waha);
        let transport = FetchingTransport::new(
            Arc::clone(&waha) as _,
            config.media.clone(),
            Arc::new(SystemResolver),
        )?;
        let ports = Ports {
            messages: kept.messages,
            sessions: kept.sessions,
            tenants: kept.tenants,
            servers: kept.servers,
            inbox: kept.inbox,
            idempotency: kept.idempotency,
            opt_outs: kept.opt_outs,
            audit: Arc::clone(&storage.audit),
            persons: kept.persons,
            retention: Arc::clone(&storage.retention),
            access: Arc::clone(&storage.access),
            queue: Arc::clone(&storage.queue),
            limiter: Arc::clone(&storage.limiter),
            duties: Arc::clone(&storage.duties),
            upkeep: Arc::clone(&storage.upkeep),
            transport: Arc::new(transport),
            control: Arc::clone(&waha) as _,
            history: waha,
            verifier: Arc::new(WahaVerifier::new(signing_keys)),
            decoder: Arc::new(WahaDecoder),
            observer: Arc::clone(&metrics) as _,
            clock,
            entropy,
        };
        let identity_provider = config.identity_provider.clone().map(|config| {
            let metrics = Arc::clone(&metrics);
            let count: FetchCount = Arc::new(move |result| metrics.identity_keys(result));
            IdentityProvider::open(config, count, ports.clock.now()).map(Arc::new)
        });
        let identity_provider = identity_provider.transpose()?;
        let gateway =
            Gateway::new(ports.clone(), settings(&config, &webhook_secret, vault.as_deref()));
        let auth = Authentication {
            tokens: TokenVerifier::new(&jwt_secret),
            issuer: TokenIssuer::new(&jwt_secret),
            refresh: RefreshTokens::new(&refresh_secret),
            access_lasts: config.jwt_expires_in,
            refresh_lasts: config.jwt_refresh_expires_in,
            identity_provider,
        };
        Ok(Self { config, gateway, ports, storage, metrics, auth, tls, vault })
    }

    /// The one door to everything the service does.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// All tenants of the deployment, oldest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, GatewayError> {
        Ok(self.ports.tenants.list().await?)
    }

    /// An access token for `role` in the name of `tenant`; good for `ttl` or, where that is not
    /// given, for as long as the configuration says.
    ///
    /// # Errors
    /// [`IssueError`] where it cannot be signed.
    pub fn issue_token(
        &self,
        tenant: TenantId,
        role: Role,
        ttl: Option<Duration>,
    ) -> Result<String, IssueError> {
        let now = self.ports.clock.now();
        let id = uuid_v7(now, self.ports.entropy.next_u64());
        self.auth.issuer.issue(tenant, role, ttl.unwrap_or(self.config.jwt_expires_in), now, id)
    }

    /// What seals and opens what is kept; `None` where nothing is sealed, and nothing was.
    pub fn vault(&self) -> Option<&Vault> {
        self.vault.as_deref()
    }

    /// What brings all that is kept to what the vault does now.
    pub fn sealer(&self) -> Option<Sealer> {
        let vault = Arc::clone(self.vault.as_ref()?);
        let stores = Stores {
            messages: Arc::clone(&self.storage.messages),
            opt_outs: Arc::clone(&self.storage.opt_outs),
            inbox: Arc::clone(&self.storage.inbox),
            persons: Arc::clone(&self.storage.persons),
            sessions: Arc::clone(&self.storage.sessions),
            servers: Arc::clone(&self.storage.servers),
        };
        Some(Sealer::new(vault, stores))
    }

    /// Messages as they are kept, sealed or not.
    pub(crate) fn stored_messages(&self) -> &dyn MessageStore {
        self.storage.messages.as_ref()
    }

    /// Lets go of the store, for a service that is not run.
    pub async fn close(self) {
        self.storage.close().await;
    }

    /// Serves, sends and receives until `stop` is cancelled. Then takes up nothing new, finishes
    /// what is under way, closes the store and returns, within the time that the configuration
    /// allows. What is not finished by then is taken up again at the next start.
    ///
    /// # Errors
    /// Where the listener cannot be used, or another node runs on a PostgreSQL that one of both uses
    /// without Redis.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let mut place = self.storage.take_place().await.map_err(io::Error::other)?;
        // Cancelled also from within.
        let stop = stop.child_token();
        self.storage.warn_of_shortage().await;
        let address = listener.local_addr()?;
        let limit = self.config.shutdown_timeout;
        let role = self.config.role;
        let trail = AuditTrail::start(self.gateway.clone());
        let state = self.api_state(trail.clone());
        let endpoint = if role.serves() { api::routes(state) } else { api::probes(state) };
        let endpoint =
            endpoint.with(http_metrics(Arc::clone(&self.metrics), Arc::clone(&self.ports.clock)));

        // Callers that come meanwhile wait in the listener's queue: who is answered at all is
        // answered fast.
        tokio::task::spawn_blocking(read_numbering_plans).await?;
        let delivery = Delivery::start(
            &self.gateway,
            &DeliverySettings {
                sends: role.sends(),
                concurrency: self.config.sends_at_once,
                ..DeliverySettings::default()
            },
        );
        let (metrics, gateway) = (Arc::clone(&self.metrics), self.gateway.clone());
        let sampler = Sampler::new(metrics, self.ports.clone(), gateway);
        let sampling = tokio::spawn(sampler.run(stop.clone()));
        self.announce(address);

        let following = self.tls.clone().map(|tls| tokio::spawn(tls.follow(stop.clone())));
        let serving = listening::serve(
            listener,
            self.tls.clone(),
            self.config.connections,
            endpoint,
            stop.clone(),
            limit,
        );
        let sending = async {
            stop.cancelled().await;
            delivery.stop().await;
        };
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(limit).await;
        };
        let mut serving = pin!(async {
            tokio::select! {
                (served, ()) = async { tokio::join!(serving, sending) } => served,
                () = too_late => {
                    tracing::warn!("leaving with something under way: the next start takes it up");
                    Ok(())
                }
            }
        });
        let displaced = async {
            match &mut place {
                Some(place) => place.watch().await,
                None => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = &mut serving => served,
            () = displaced => {
                let reason = self.storage.no_place();
                tracing::error!("stopping: {reason}");
                stop.cancel();
                serving.await.and(Err(io::Error::other(reason)))
            }
        };
        sampling.abort();
        following.iter().for_each(tokio::task::JoinHandle::abort);
        // What was answered just before.
        if tokio::time::timeout(LAST_ENTRIES, trail.flush()).await.is_err() {
            tracing::error!("the last entries of the audit log cannot be written");
        }
        self.storage.close().await;
        tracing::info!("stopped");
        served
    }

    fn api_state(&self, audit: AuditTrail) -> ApiState {
        let metrics = Arc::clone(&self.metrics);
        ApiState {
            gateway: self.gateway.clone(),
            audit,
            auth: self.auth.clone(),
            clock: Arc::clone(&self.ports.clock),
            entropy: Arc::clone(&self.ports.entropy),
            metrics: Arc::new(move || metrics.text()),
            metrics_token: self.config.metrics_token.clone(),
            limits: self.config.body_limits,
            edge: self.config.edge.clone(),
            adopting_needs: self.config.adopting_needs,
        }
    }

    fn announce(&self, address: SocketAddr) {
        let (role, storage) = (self.config.role.as_str(), self.storage.description());
        let scheme = self.config.scheme();
        if !self.config.role.serves() {
            tracing::info!(
                %address, role, storage,
                "sending from {storage}; health and metrics at {scheme}://{address}"
            );
            return;
        }
        tracing::info!(
            %address, role, storage,
            "serving {scheme}://{address} from {storage}; try it at {scheme}://{address}/docs"
        );
        tracing::info!(
            "for a token: messaging-server tenant create NAME, \
             then messaging-server token --tenant NAME --role owner"
        );
    }
}

/// The numbering plans of the world are read when the first number is judged, which takes a good
/// part of a second without optimisation: too long for somebody's first message.
fn read_numbering_plans() {
    let _ = PhoneNumber::parse("+14155552671", PhoneValidation::Strict);
}

/// The stores that a vault stands before, with it or without.
struct Kept {
    messages: Arc<dyn MessageStore>,
    sessions: Arc<dyn SessionStore>,
    tenants: Arc<dyn TenantStore>,
    servers: Arc<dyn ServerStore>,
    inbox: Arc<dyn InboxStore>,
    idempotency: Arc<dyn IdempotencyStore>,
    opt_outs: Arc<dyn OptOutStore>,
    persons: Arc<dyn PersonStore>,
}

impl Kept {
    fn of(storage: &Storage, vault: Option<&Arc<Vault>>) -> Self {
        let plain = Self {
            messages: Arc::clone(&storage.messages),
            sessions: Arc::clone(&storage.sessions),
            tenants: Arc::clone(&storage.tenants),
            servers: Arc::clone(&storage.servers),
            inbox: Arc::clone(&storage.inbox),
            idempotency: Arc::clone(&storage.idempotency),
            opt_outs: Arc::clone(&storage.opt_outs),
            persons: Arc::clone(&storage.persons),
        };
        let Some(vault) = vault else { return plain };
        let vault = || Arc::clone(vault);
        let list = Arc::clone(&plain.opt_outs);
        Self {
            messages: Arc::new(SealedMessages::new(plain.messages, vault())),
            sessions: Arc::new(SealedSessions::new(plain.sessions, vault())),
            tenants: Arc::new(ShreddedTenants::new(plain.tenants, vault())),
            servers: Arc::new(SealedServers::new(plain.servers, vault())),
            inbox: Arc::new(SealedInbox::new(plain.inbox, list, vault())),
            idempotency: Arc::new(SealedIdempotency::new(plain.idempotency, vault())),
            opt_outs: Arc::new(SealedOptOuts::new(plain.opt_outs, vault())),
            persons: Arc::new(SealedPersons::new(plain.persons, vault())),
        }
    }
}

fn settings(config: &Config, webhook_secret: &SecretString, vault: Option<&Vault>) -> Settings {
    let where_it_listens = || format!("{}://{}:{}", config.scheme(), config.host, config.port);
    let usual = Settings::default();
    Settings {
        phone_validation: config.phone_validation,
        session_quota: config.session_quota,
        tenant_quota: config.tenant_quota,
        webhook_quota: config.webhook_quota,
        session_webhook_quota: config.session_webhook_quota,
        media_urls: config.media.by,
        media_hosts: config.media.exceptions.clone(),
        // A request may take as long as its body, and then what any may.
        deletion_grace: usual.deletion_grace + config.edge.body_timeout,
        max_waiting: config.max_waiting,
        duplicate_window: config.duplicate_window,
        recipient_spacing: config.recipient_spacing,
        new_chats: config.new_chats,
        restriction: RetryPolicy { base: config.restriction_pause, ..usual.restriction },
        opt_out_words: config.opt_out_words.clone(),
        retry: config.retry,
        public_url: Some(config.public_url.clone().unwrap_or_else(where_it_listens)),
        webhook_secret: Some(WebhookSecret(webhook_secret.expose_secret().to_owned())),
        pseudonyms: vault.map(|vault| vault.pseudonyms().clone()).unwrap_or_default(),
        finds_words: config.encryption.mode != Mode::Numbers,
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that began before a tenant was deleted may write in its name until it ends, so what is
    /// left of the tenant is looked for until then.
    #[test]
    fn a_tenant_that_is_deleted_stays_for_as_long_as_a_body_may_take() {
        let grace = |seconds: &str| {
            let variables = [("DEMO", "true"), ("BODY_TIMEOUT", seconds)];
            let config = Config::from_vars(variables).unwrap();
            settings(&config, &SecretString::from("secret"), None).deletion_grace
        };
        let most_at_once = Settings::default().deletion_grace;
        assert_eq!(grace("20s"), most_at_once + Duration::from_secs(20));
        assert_eq!(grace("5m"), most_at_once + Duration::from_secs(300));
    }
}
