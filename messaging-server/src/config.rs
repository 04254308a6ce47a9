//! Everything an operator can set, read in one place and handed on as plain values.
//!
//! [`settings`] is the table of all settings: their names, defaults and meanings. Nothing else in
//! the program reads the environment.

pub mod encryption;
pub mod environment;
pub mod example;
mod identity_provider;
pub mod kept_secret;
pub(crate) mod kind;
pub mod node_role;
mod placeholder;
pub mod problem;
mod services;
pub(crate) mod setting;
pub mod settings;
pub(crate) mod waha_servers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use messaging_core::domain::new_chats::NewChatLimits;
use messaging_core::domain::opt_out::words::OptOutWords;
use messaging_core::domain::phone::PhoneValidation;
use messaging_core::domain::quota::Quota;
use messaging_core::domain::retry::RetryPolicy;
use messaging_core::domain::tenant::Permission;
use messaging_vault::Mode;
use secrecy::{ExposeSecret, SecretString};

use crate::api::source::Proxies;
use crate::api::{BodyLimits, Edge};
use crate::auth::identity_provider::IdentityProviderConfig;
use crate::config::encryption::EncryptionConfig;
use crate::config::node_role::NodeRole;
use crate::config::problem::{ConfigError, Problem, Reported};
use crate::config::setting::Reader;
use crate::listening::ConnectionLimits;
use crate::listening::tls::TlsFiles;
use crate::media::MediaFetching;
use crate::telemetry::logs::LogFormat;

pub use crate::config::services::{PostgresConfig, RedisConfig};
pub use crate::config::waha_servers::WahaServerConfig;

/// How long a connection may be idle. Longer than WAHA and most clients keep theirs, so that they
/// close first and never write into a connection that is just going.
const IDLE_CONNECTION: Duration = Duration::from_secs(75);

/// The configuration of one process. Debug shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any that is free.
    pub port: u16,
    /// What this node does.
    pub role: NodeRole,
    /// Where WAHA reaches this service, without a slash at the end; `None` for where it listens.
    pub public_url: Option<String>,
    /// Where the embedded store and the secrets drawn by the service are kept.
    pub data_dir: PathBuf,
    /// How long what is over is kept; `None` for ever.
    pub retention: Option<Duration>,
    /// The longest that a stop waits for what is under way.
    pub shutdown_timeout: Duration,
    /// The largest bodies of requests.
    pub body_limits: BodyLimits,
    /// Where the certificate is that HTTPS is served with; `None` for HTTP.
    pub tls: Option<TlsFiles>,
    /// What stands before the API.
    pub edge: Edge,
    /// How long connections may keep the service waiting, and how many there may be.
    pub connections: ConnectionLimits,
    /// What access tokens are signed with; `None` draws one and keeps it.
    pub jwt_secret: Option<SecretString>,
    /// How long access tokens are valid.
    pub jwt_expires_in: Duration,
    /// What refresh tokens are signed with; `None` draws one and keeps it, or derives it where nodes
    /// share PostgreSQL.
    pub jwt_refresh_secret: Option<SecretString>,
    /// How long refresh tokens are valid.
    pub jwt_refresh_expires_in: Duration,
    /// Whose tokens are believed beside ours.
    pub identity_provider: Option<IdentityProviderConfig>,
    /// Where WAHA listens.
    pub waha_base_url: String,
    /// The key WAHA asks for; `None` for a WAHA that asks for none.
    pub waha_api_key: Option<SecretString>,
    /// Several of them, in place of the one.
    pub waha_servers: Option<Vec<WahaServerConfig>>,
    /// What WAHA signs webhooks with.
    pub waha_webhook_secret: Option<SecretString>,
    /// What it may still sign with.
    pub waha_webhook_secret_previous: Vec<SecretString>,
    /// Takes its place where it is not set.
    pub webhook_secret: Option<SecretString>,
    /// How many messages may leave through one session, in any window.
    pub session_quota: Quota,
    /// How many messages may be under way at a time, each of another session.
    pub sends_at_once: usize,
    /// How many requests to send a tenant may make.
    pub tenant_quota: Quota,
    /// How many webhooks one source may send.
    pub webhook_quota: Quota,
    /// How many webhooks one session may have.
    pub session_webhook_quota: Quota,
    /// How files are had that are named by an address.
    pub media: MediaFetching,
    /// How strictly recipients' numbers are judged.
    pub phone_validation: PhoneValidation,
    /// What whoever takes over a session that is in WAHA already needs to be allowed.
    pub adopting_needs: Permission,
    /// How many messages of one session may wait.
    pub max_waiting: u64,
    /// For how long the same content to the same recipient is taken for a repeat; zero for never.
    pub duplicate_window: Duration,
    /// How far apart messages of one session to one recipient are sent; zero for no matter.
    pub recipient_spacing: Duration,
    /// How many chats a session may open.
    pub new_chats: NewChatLimits,
    /// How long a session opens no chats once WhatsApp refused one.
    pub restriction_pause: Duration,
    /// By which words people say that they want no more messages, or want them again.
    pub opt_out_words: OptOutWords,
    /// When failed attempts are repeated.
    pub retry: RetryPolicy,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Which log lines are written, in the form of `RUST_LOG`.
    pub log_filter: String,
    /// What `/metrics` asks for; `None` leaves it open.
    pub metrics_token: Option<SecretString>,
    /// What is encrypted, and with which key.
    pub encryption: EncryptionConfig,
    /// The PostgreSQL that is asked for.
    pub postgres: Option<PostgresConfig>,
    /// The Redis that is asked for.
    pub redis: Option<RedisConfig>,
}

impl Config {
    /// Reads the configuration from variables; later ones of a name win, and an empty one counts
    /// as not set. Files are read only where a `…_FILE` variable names one.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong, not only the first.
    pub fn from_vars<I, N, V>(vars: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<String>,
        V: Into<String>,
    {
        let given: BTreeMap<String, String> =
            vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut reader = Reader::new(&given);
        let read = read(&mut reader);
        match (read, reader.into_problems()) {
            (Ok(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigError { problems }),
        }
    }

    /// Whether it can be run: with secrets of one's own, and with what the role needs. Reading alone
    /// does not ask, so that a configuration can be looked at.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that stands in the way.
    pub fn check_usable(&self) -> Result<(), ConfigError> {
        let mut problems = placeholder::problems(self);
        if self.role != NodeRole::All && (self.postgres.is_none() || self.redis.is_none()) {
            let held = format!("is {}", self.role.as_str());
            let why = "expected all, or PostgreSQL and Redis (DATABASE_URL, REDIS_URL): a store and \
                       a queue that the nodes share";
            problems.push(Problem::new("ROLE", held, why));
        }
        if self.retention.is_some_and(|retention| retention < self.session_quota.window) {
            let why = "expected no less: what was sent in that time is counted from what is kept";
            problems.push(Problem::new("RETENTION", "is shorter than SESSION_RATE_WINDOW", why));
        }
        if self.postgres.is_some() {
            // What every node must know alike cannot be drawn by one of them.
            let why =
                "expected the same secret on every node, such as `openssl rand -hex 32` prints";
            let webhook = self.waha_webhook_secret.as_ref().or(self.webhook_secret.as_ref());
            for (name, secret) in
                [("JWT_SECRET", self.jwt_secret.as_ref()), ("WAHA_WEBHOOK_SECRET", webhook)]
            {
                if secret.is_none() {
                    problems.push(Problem::new(name, "is not set", why));
                }
            }
        }
        if self.postgres.is_some()
            && self.encryption.mode != Mode::Plain
            && self.encryption.key.is_none()
        {
            let why = "expected the same key on every node, such as `openssl rand -base64 32` prints \
                       (keep a copy apart from the database), or ENCRYPTION=plain";
            problems.push(Problem::new("ENCRYPTION_KEY", "is not set", why));
        }
        let access = self.jwt_secret.as_ref().map(ExposeSecret::expose_secret);
        let refresh = self.jwt_refresh_secret.as_ref().map(ExposeSecret::expose_secret);
        if access.is_some() && access == refresh {
            let why = "expected another one, so that neither kind of token passes for the other";
            problems.push(Problem::new("JWT_REFRESH_SECRET", "is the same as JWT_SECRET", why));
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    /// The same, with the address that is really listened on in place of what was asked for.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.port = address.port();
        // Nobody can be reached at "any address"; whoever shares the machine can use localhost.
        let host = match address {
            SocketAddr::V4(v4) if !v4.ip().is_unspecified() => v4.ip().to_string(),
            SocketAddr::V6(v6) if !v6.ip().is_unspecified() => format!("[{}]", v6.ip()),
            _ => "localhost".to_owned(),
        };
        let scheme = self.scheme();
        self.public_url.get_or_insert_with(|| format!("{scheme}://{host}:{}", address.port()));
        self
    }

    /// What is spoken where it listens.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The WAHA servers, whether one is configured or several.
    pub fn waha_servers(&self) -> Vec<WahaServerConfig> {
        let with_key = |mut server: WahaServerConfig| {
            server.api_key = server.api_key.or_else(|| self.waha_api_key.clone());
            server
        };
        let only = || {
            vec![WahaServerConfig {
                name: waha_servers::ONLY_SERVER.to_owned(),
                url: self.waha_base_url.clone(),
                api_key: None,
                capacity: None,
            }]
        };
        self.waha_servers.clone().unwrap_or_else(only).into_iter().map(with_key).collect()
    }

    /// Where the embedded store is.
    pub fn database_file(&self) -> PathBuf {
        self.data_dir.join("messaging.db")
    }
}

fn read(reader: &mut Reader<'_>) -> Result<Config, Reported> {
    // Each is read before the first `?`: whoever has three settings wrong is told of all three.
    let host = reader.required(&settings::HOST);
    let port = reader.required(&settings::PORT);
    let role = reader.required(&settings::ROLE);
    let public_url = reader.optional(&settings::PUBLIC_URL);
    let data_dir = reader.required(&settings::DATA_DIR);
    let retention = reader.optional(&settings::RETENTION);
    let shutdown_timeout = reader.required(&settings::SHUTDOWN_TIMEOUT);
    let json = reader.required(&settings::MAX_BODY_SIZE);
    let media = reader.required(&settings::MAX_MEDIA_BODY_SIZE);
    let webhook = reader.required(&settings::MAX_WEBHOOK_SIZE);
    let certificate = reader.optional(&settings::TLS_CERT_FILE);
    let tls_key = reader.optional(&settings::TLS_KEY_FILE);
    let trusted_proxies = reader.optional(&settings::TRUSTED_PROXIES);
    let proxy_header = reader.required(&settings::PROXY_HEADER);
    let origins = reader.optional(&settings::CORS_ALLOWED_ORIGINS);
    let header_timeout = reader.required(&settings::HEADER_TIMEOUT);
    let body_timeout = reader.required(&settings::BODY_TIMEOUT);
    let max_connections = reader.required(&settings::MAX_CONNECTIONS);
    let jwt_secret = reader.optional(&settings::JWT_SECRET);
    let jwt_expires_in = reader.required(&settings::JWT_EXPIRES_IN);
    let jwt_refresh_secret = reader.optional(&settings::JWT_REFRESH_SECRET);
    let jwt_refresh_expires_in = reader.required(&settings::JWT_REFRESH_EXPIRES_IN);
    let metrics_token = reader.optional(&settings::METRICS_TOKEN);
    let waha_base_url = reader.required(&settings::WAHA_BASE_URL);
    let waha_api_key = reader.optional(&settings::WAHA_API_KEY);
    let waha_servers = reader.optional(&settings::WAHA_SERVERS);
    let waha_webhook_secret = reader.optional(&settings::WAHA_WEBHOOK_SECRET);
    let waha_webhook_secret_previous = reader.optional(&settings::WAHA_WEBHOOK_SECRET_PREVIOUS);
    let webhook_sources = reader.optional(&settings::WEBHOOK_ALLOWED_IPS);
    let webhook_secret = reader.optional(&settings::WEBHOOK_SECRET);
    let session_limit = reader.required(&settings::SESSION_RATE_LIMIT);
    let session_window = reader.required(&settings::SESSION_RATE_WINDOW);
    let sends_at_once = reader.required(&settings::SENDS_AT_ONCE);
    let tenant_limit = reader.required(&settings::TENANT_RATE_LIMIT);
    let webhook_limit = reader.required(&settings::WEBHOOK_RATE_LIMIT);
    let session_webhook_limit = reader.required(&settings::WEBHOOK_SESSION_RATE_LIMIT);
    let media_urls = reader.required(&settings::MEDIA_URLS);
    let media_hosts = reader.optional(&settings::MEDIA_ALLOWED_HOSTS);
    let max_media = reader.required(&settings::MAX_MEDIA_FETCH_SIZE);
    let phone_validation = reader.required(&settings::PHONE_VALIDATION);
    let adopting_needs = reader.required(&settings::SESSION_ADOPTION);
    let max_waiting = reader.required(&settings::MAX_WAITING);
    let duplicate_window = reader.required(&settings::DUPLICATE_WINDOW);
    let recipient_spacing = reader.required(&settings::RECIPIENT_SPACING);
    let new_chats_per_day = reader.optional(&settings::NEW_CHATS_PER_DAY);
    let new_chat_spacing = reader.optional(&settings::NEW_CHAT_SPACING);
    let restriction_pause = reader.required(&settings::RESTRICTION_PAUSE);
    let opt_out_languages = reader.required(&settings::OPT_OUT_LANGUAGES);
    let opt_out_words = reader.optional(&settings::OPT_OUT_WORDS);
    let opt_in_words = reader.optional(&settings::OPT_IN_WORDS);
    let retry_attempts = reader.required(&settings::RETRY_ATTEMPTS);
    let retry_base = reader.required(&settings::RETRY_BASE);
    let retry_cap = reader.required(&settings::RETRY_CAP);
    let log_format = reader.required(&settings::LOG_FORMAT);
    let log_level = reader.required(&settings::LOG_LEVEL);
    let rust_log = reader.optional(&settings::RUST_LOG);
    let encryption = reader.required(&settings::ENCRYPTION);
    let encryption_key = reader.optional(&settings::ENCRYPTION_KEY);
    let previous_keys = reader.optional(&settings::ENCRYPTION_PREVIOUS_KEYS);
    let postgres = services::postgres(reader);
    let redis = services::redis(reader);
    let identity_provider = identity_provider::read(reader);

    let minute = Duration::from_secs(60);
    let tls = match (certificate?, tls_key?) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let missing = if certificate.is_some() { "TLS_KEY_FILE" } else { "TLS_CERT_FILE" };
            let why = "both TLS_CERT_FILE and TLS_KEY_FILE, or neither";
            return Err(reader.report(missing, "is not set", why));
        }
    };
    Ok(Config {
        host: host?,
        port: port?,
        role: role?,
        public_url: public_url?,
        data_dir: data_dir?,
        retention: retention?,
        shutdown_timeout: shutdown_timeout?,
        body_limits: BodyLimits { json: json?, media: media?, webhook: webhook? },
        edge: Edge {
            proxies: Proxies {
                trusted: trusted_proxies?.unwrap_or_default(),
                header: proxy_header?,
            },
            webhook_sources: webhook_sources?,
            origins: origins?.unwrap_or_default(),
            is_tls: tls.is_some(),
            body_timeout: body_timeout?,
        },
        tls,
        connections: ConnectionLimits {
            head: header_timeout?,
            idle: IDLE_CONNECTION,
            connections: max_connections? as usize,
        },
        jwt_secret: jwt_secret?,
        jwt_expires_in: jwt_expires_in?,
        jwt_refresh_secret: jwt_refresh_secret?,
        jwt_refresh_expires_in: jwt_refresh_expires_in?,
        identity_provider: identity_provider?,
        waha_base_url: waha_base_url?,
        waha_api_key: waha_api_key?,
        waha_servers: waha_servers?,
        waha_webhook_secret: waha_webhook_secret?,
        waha_webhook_secret_previous: waha_webhook_secret_previous?.unwrap_or_default(),
        webhook_secret: webhook_secret?,
        session_quota: Quota { limit: session_limit?, window: session_window? },
        sends_at_once: sends_at_once? as usize,
        tenant_quota: Quota { limit: tenant_limit?, window: minute },
        webhook_quota: Quota { limit: webhook_limit?, window: minute },
        session_webhook_quota: Quota { limit: session_webhook_limit?, window: minute },
        media: MediaFetching {
            by: media_urls?,
            exceptions: media_hosts?.unwrap_or_default(),
            max_bytes: max_media?,
        },
        phone_validation: phone_validation?,
        adopting_needs: adopting_needs?,
        max_waiting: u64::from(max_waiting?),
        duplicate_window: duplicate_window?,
        recipient_spacing: recipient_spacing?,
        new_chats: NewChatLimits {
            per_day: new_chats_per_day?,
            spacing: new_chat_spacing?.filter(|spacing| !spacing.most.is_zero()),
        },
        restriction_pause: restriction_pause?,
        opt_out_words: OptOutWords::new(
            &opt_out_languages?,
            &opt_out_words?.unwrap_or_default(),
            &opt_in_words?.unwrap_or_default(),
        ),
        retry: RetryPolicy {
            base: retry_base?,
            cap: retry_cap?,
            max_attempts: retry_attempts?,
            ..RetryPolicy::default()
        },
        log_format: log_format?,
        log_filter: rust_log?.unwrap_or(log_level?),
        metrics_token: metrics_token?,
        encryption: EncryptionConfig {
            mode: encryption?,
            key: encryption_key?,
            previous: previous_keys?.unwrap_or_default(),
        },
        postgres: postgres?,
        redis: redis?,
    })
}
