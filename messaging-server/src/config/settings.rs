//! The table of all settings.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use messaging_core::domain::media_url::{HostNames, MediaUrls};
use messaging_core::domain::network::Networks;
use messaging_core::domain::new_chats::Spacing;
use messaging_core::domain::opt_out::words::WordList;
use messaging_core::domain::phone::PhoneValidation;
use messaging_core::domain::tenant::Permission;
use messaging_vault::Mode;
use secrecy::SecretString;

use crate::api::cors::Origins;
use crate::api::source::ProxyHeader;
use crate::config::node_role::NodeRole;
use crate::config::setting::Setting;
use crate::config::waha_servers::{self, WahaServerConfig};
use crate::config::{encryption, identity_provider, kind};
use crate::telemetry::logs::LogFormat;

/// What the documentation shows of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it is about, in a few words.
    pub section: &'static str,
    /// The variable.
    pub name: &'static str,
    /// What counts where it is not set.
    pub default: Option<&'static str>,
    /// Whether its value is never shown, and may come from the file that `…_FILE` names.
    pub secret: bool,
    /// What it expects.
    pub expected: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
}

/// One line a setting: name, type, default, kind, meaning.
macro_rules! settings {
    (@default none) => { None };
    (@default $text:literal) => { Some($text) };
    ($($section:literal {
        $($name:ident: $type:ty = $default:tt, $kind:expr, $meaning:literal;)*
    })*) => {
        $($(
            #[doc = $meaning]
            pub(crate) const $name: Setting<$type> = Setting {
                name: stringify!($name),
                default: settings!(@default $default),
                kind: $kind,
            };
        )*)*

        /// Every setting, in the order of the documentation.
        pub const TABLE: &[Row] = &[$($(Row {
            section: $section,
            name: $name.name,
            default: $name.default,
            secret: $name.kind.secret,
            expected: $name.kind.expected,
            meaning: $meaning,
        },)*)*];
    };
}

settings! {
    "The service" {
        HOST: String = "127.0.0.1", kind::HOST,
            "Name or address to listen on.";
        PORT: u16 = "8080", kind::PORT,
            "Port to listen on; 0 takes any that is free.";
        ROLE: NodeRole = "all", kind::NODE_ROLE,
            "What this node does: api (serve and keep), worker (send) or all.";
        PUBLIC_URL: String = none, kind::HTTP_URL,
            "Where WAHA reaches this service; http://HOST:PORT where unset.";
        DATA_DIR: PathBuf = "./data", kind::PATH,
            "Where messages, and secrets drawn by the service, are kept.";
        RETENTION: Duration = none, kind::RETENTION,
            "How long what is over is kept, by whole months, 90d for example; for ever where unset.";
        SHUTDOWN_TIMEOUT: Duration = "30s", kind::DURATION,
            "The longest that a stop waits for what is under way.";
        MAX_BODY_SIZE: usize = "1MiB", kind::SIZE,
            "The largest body of a request without a file in it.";
        MAX_MEDIA_BODY_SIZE: usize = "16MiB", kind::SIZE,
            "The largest body of a request to send, which may have a file in it.";
        MAX_WEBHOOK_SIZE: usize = "5MiB", kind::SIZE,
            "The largest body of a webhook.";
        TLS_CERT_FILE: PathBuf = none, kind::FILE,
            "A certificate with its chain, in PEM: HTTPS is served. Taken up anew when it changes.";
        TLS_KEY_FILE: PathBuf = none, kind::FILE,
            "The certificate's private key, in PEM.";
        TRUSTED_PROXIES: Networks = none, kind::NETWORKS,
            "Proxies in front of the service: they are believed as to who calls. None where unset.";
        PROXY_HEADER: ProxyHeader = "x-forwarded-for", kind::PROXY_HEADER,
            "In which header those say it: x-forwarded-for or forwarded.";
        CORS_ALLOWED_ORIGINS: Origins = none, kind::ORIGINS,
            "Whose pages may call the API from a browser; nobody's where unset.";
        HEADER_TIMEOUT: Duration = "10s", kind::DURATION,
            "How long the head of a request may take to come.";
        BODY_TIMEOUT: Duration = "60s", kind::DURATION,
            "How long the body of a request may take to come. A deleted tenant stays for as long, and ten seconds.";
        MAX_CONNECTIONS: u32 = "10000", kind::COUNT,
            "How many connections there may be at a time.";
    }
    "Access" {
        JWT_SECRET: SecretString = none, kind::SECRET,
            "Signs access tokens, 32 bytes or more that cannot be guessed; where unset, one is drawn and kept in DATA_DIR.";
        JWT_EXPIRES_IN: Duration = "24h", kind::DURATION,
            "How long access tokens are valid.";
        JWT_REFRESH_SECRET: SecretString = none, kind::SECRET,
            "Signs refresh tokens, another one than JWT_SECRET; where unset, drawn or derived from that.";
        JWT_REFRESH_EXPIRES_IN: Duration = "7d", kind::DURATION,
            "How long a refresh token is valid.";
        METRICS_TOKEN: SecretString = none, kind::SECRET,
            "What /metrics asks for as a bearer token; open to everybody where unset.";
    }
    "Encryption (docs/data-protection.md)" {
        ENCRYPTION: Mode = "words", encryption::MODE,
            "What is encrypted: words (all, found by words), numbers (all, found by numbers) or plain.";
        ENCRYPTION_KEY: SecretString = none, encryption::KEY,
            "Wraps all other keys; where unset, one is drawn and kept in DATA_DIR. Lost: all is lost.";
        ENCRYPTION_PREVIOUS_KEYS: Vec<SecretString> = none, encryption::KEYS,
            "Keys that others may still be wrapped in while that is being replaced; spaces between.";
    }
    "Tokens of an identity provider (where OIDC_ISSUER is set)" {
        OIDC_ISSUER: String = none, identity_provider::ISSUER,
            "Whose tokens are believed beside our own: their iss, character by character.";
        OIDC_AUDIENCE: Vec<String> = none, identity_provider::AUDIENCES,
            "For whom those tokens must be: their aud, or one of several with commas.";
        OIDC_JWKS_URL: String = none, identity_provider::URL,
            "Where the provider's keys are; unset: where its .well-known/openid-configuration says.";
        OIDC_JWKS_FILE: PathBuf = none, kind::FILE,
            "A file with the provider's keys, a JWK Set, in place of an address. Read anew as it changes.";
        OIDC_ALGORITHMS: Vec<Algorithm> = "RS256,ES256,EdDSA", identity_provider::ALGORITHMS,
            "How those tokens may be signed.";
        OIDC_TENANT_CLAIM: String = "tenant", identity_provider::CLAIM,
            "The claim with the tenant's name or id; organization.id for one within another.";
        OIDC_ROLE_CLAIM: String = "role", identity_provider::CLAIM,
            "The claim with the role, or with a list of which the mightiest known here counts.";
        OIDC_ALLOW_PLATFORM_ADMIN: bool = "false", kind::FLAG,
            "Whether those tokens may have the role that runs the deployment.";
        OIDC_LEEWAY: Duration = "30s", identity_provider::LEEWAY,
            "By how much the provider's clock may differ.";
        OIDC_KEYS_REFRESH: Duration = "10m", identity_provider::REFRESH,
            "How long keys are used before they are fetched anew.";
        OIDC_KEYS_KEPT: Duration = "24h", kind::DURATION,
            "How long keys are used while the provider cannot be asked.";
        OIDC_ALLOW_HTTP: bool = "false", kind::FLAG,
            "Whether keys may be fetched without encryption from another machine.";
    }
    "WAHA" {
        WAHA_BASE_URL: String = "http://localhost:3000", kind::HTTP_URL,
            "Where WAHA listens.";
        WAHA_API_KEY: SecretString = none, kind::SECRET,
            "The key WAHA asks for; none is sent where unset.";
        WAHA_SERVERS: Vec<WahaServerConfig> = none, waha_servers::KIND,
            "Several servers in place of WAHA_BASE_URL, whose name is default; [] for those of /admin/servers alone.";
        WAHA_WEBHOOK_SECRET: SecretString = none, kind::SECRET,
            "What WAHA signs webhooks with; unset: WEBHOOK_SECRET, else one kept in DATA_DIR.";
        WAHA_WEBHOOK_SECRET_PREVIOUS: Vec<SecretString> = none, kind::SECRETS,
            "What WAHA may still sign with while the secret is being replaced; with spaces between.";
        SESSION_ADOPTION: Permission = "tenants", kind::ADOPTION,
            "Who may take over sessions that WAHA has already: tenants, or platform, for platform-admin alone.";
        WEBHOOK_ALLOWED_IPS: Networks = none, kind::NETWORKS,
            "From where webhooks are taken; from everywhere where unset.";
        WEBHOOK_SECRET: SecretString = none, kind::SECRET,
            "Takes the place of WAHA_WEBHOOK_SECRET where that is unset.";
    }
    "Sending" {
        SESSION_RATE_LIMIT: u32 = "20", kind::COUNT,
            "How many messages may leave through one session in any window.";
        SESSION_RATE_WINDOW: Duration = "60s", kind::DURATION,
            "The length of that window.";
        SENDS_AT_ONCE: u32 = "256", kind::COUNT,
            "How many messages this node may have under way at a time, each of another session.";
        TENANT_RATE_LIMIT: u32 = "60000", kind::COUNT,
            "How many requests to send one tenant may make in a minute.";
        WEBHOOK_RATE_LIMIT: u32 = "60000", kind::COUNT,
            "How many webhooks one source may send in a minute.";
        WEBHOOK_SESSION_RATE_LIMIT: u32 = "12000", kind::COUNT,
            "How many webhooks that are believed one session may have in a minute.";
        MEDIA_URLS: MediaUrls = "fetch", kind::MEDIA_URLS,
            "Files named by URL: fetch (fetched here, looked at), pass (WAHA fetches them) or off.";
        MEDIA_ALLOWED_HOSTS: HostNames = none, kind::HOSTS,
            "Hosts that files may be fetched from though they are not on the public Internet.";
        MAX_MEDIA_FETCH_SIZE: usize = "16MiB", kind::SIZE,
            "The largest file that is fetched.";
        PHONE_VALIDATION: PhoneValidation = "e164", kind::PHONE_VALIDATION,
            "How numbers are judged: e164 (country code in use), strict (libphonenumber), lenient.";
        MAX_WAITING: u32 = "1000000", kind::COUNT,
            "How many messages of one session may wait before more are refused.";
        DUPLICATE_WINDOW: Duration = "10s", kind::WINDOW,
            "For how long the same to the same recipient is refused as a repeat; 0 for never.";
        RECIPIENT_SPACING: Duration = "1s", kind::WINDOW,
            "How far apart messages of one session to one recipient are sent; 0 for no matter.";
        NEW_CHATS_PER_DAY: u32 = none, kind::COUNT,
            "How many chats a session may open in any 24 hours; as many as come where unset.";
        NEW_CHAT_SPACING: Spacing = none, kind::SPACING,
            "How far apart a session opens chats, drawn each time: 30s-60s; no matter where unset.";
        RESTRICTION_PAUSE: Duration = "1h", kind::DURATION,
            "How long a session opens no chats once WhatsApp refused one; doubles each time, to a day.";
        OPT_OUT_LANGUAGES: Vec<WordList> = "all", kind::WORD_LISTS,
            "In which languages an answer that says no more than STOP opts its sender out; none for never.";
        OPT_OUT_WORDS: Vec<String> = none, kind::WORDS,
            "More such words, with commas.";
        OPT_IN_WORDS: Vec<String> = none, kind::WORDS,
            "More words like START, by which who opted out takes that back; with commas.";
        RETRY_ATTEMPTS: u32 = "5", kind::COUNT,
            "How often a message is tried before it fails.";
        RETRY_BASE: Duration = "1s", kind::DURATION,
            "The longest wait after the first attempt; doubles with each.";
        RETRY_CAP: Duration = "5m", kind::DURATION,
            "What no wait between attempts exceeds.";
    }
    "Logs" {
        LOG_FORMAT: LogFormat = "pretty", kind::LOG_FORMAT,
            "How log lines are written: pretty or json.";
        LOG_LEVEL: String = "info", kind::LOG_FILTER,
            "Which log lines are written: error, warn, info, debug, trace, or directives.";
        RUST_LOG: String = none, kind::LOG_FILTER,
            "Takes the place of LOG_LEVEL.";
    }
    "PostgreSQL (in place of the embedded store, where any of the first six is set)" {
        DATABASE_URL: SecretString = none, kind::DATABASE_URL,
            "All of what follows in one URL, which wins.";
        DB_HOST: String = none, kind::HOST,
            "The server.";
        DB_PORT: u16 = none, kind::PORT,
            "Its port.";
        DB_USERNAME: String = none, kind::NAME,
            "The user.";
        DB_PASSWORD: SecretString = none, kind::SECRET,
            "The user's password.";
        DB_DATABASE: String = none, kind::NAME,
            "The database; messaging_api where another part is set and this is not.";
        DB_SCHEMA: String = "messaging", kind::SCHEMA,
            "The schema that everything is kept in; nothing outside it is touched.";
        DB_CONNECTIONS: u32 = "16", kind::CONNECTIONS,
            "How many connections one node may have.";
    }
    "Redis (for the queue and the limits, where any of the first four is set)" {
        REDIS_URL: Vec<SecretString> = none, kind::REDIS_URL,
            "All of what follows in one URL, which wins; or nodes of a cluster, with commas.";
        REDIS_HOST: String = none, kind::HOST,
            "The server.";
        REDIS_PORT: u16 = none, kind::PORT,
            "Its port.";
        REDIS_PASSWORD: SecretString = none, kind::SECRET,
            "The password.";
        REDIS_CLUSTER: bool = "false", kind::FLAG,
            "Whether it is a Redis Cluster; several URLs say so, too.";
        REDIS_PREFIX: String = "messaging", kind::KEY_PREFIX,
            "What all keys begin with.";
        QUEUE_PARTITIONS: u16 = none, kind::PARTITIONS,
            "Over how many keys the queue is spread; the same on every node. 1, and 16 in a cluster.";
    }
}
