//! The store, the queue and the limiter that the configuration asks for.

use std::path::PathBuf;
use std::sync::Arc;

use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::duty_roster::DutyRoster;
use messaging_core::ports::idempotency_store::IdempotencyStore;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::key_store::KeyStore;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::queue::Queue;
use messaging_core::ports::rate_limiter::RateLimiter;
use messaging_core::ports::retention_store::RetentionStore;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_postgres::{Place, PostgresOptions, PostgresStore, Standing};
use messaging_store_redis::{RedisConnection, RedisOptions, RedisQueue, RedisRateLimiter};
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use secrecy::ExposeSecret;

use crate::config::{Config, PostgresConfig, RedisConfig};
use crate::wiring::BuildError;

/// What a node keeps things in, and what it shares with other nodes.
pub(crate) struct Storage {
    pub(crate) messages: Arc<dyn MessageStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) servers: Arc<dyn ServerStore>,
    pub(crate) tenants: Arc<dyn TenantStore>,
    pub(crate) inbox: Arc<dyn InboxStore>,
    pub(crate) idempotency: Arc<dyn IdempotencyStore>,
    pub(crate) opt_outs: Arc<dyn OptOutStore>,
    pub(crate) access: Arc<dyn AccessStore>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) persons: Arc<dyn PersonStore>,
    pub(crate) retention: Arc<dyn RetentionStore>,
    pub(crate) upkeep: Arc<dyn Upkeep>,
    pub(crate) duties: Arc<dyn DutyRoster>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(super) keys: Arc<dyn KeyStore>,
    store: Store,
    shares_queue: bool,
}

enum Store {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Storage {
    /// Opens what is configured: PostgreSQL or the embedded store, Redis or the memory of this
    /// process.
    pub(super) async fn open(config: &Config) -> Result<Self, BuildError> {
        let (queue, limiter): (Arc<dyn Queue>, Arc<dyn RateLimiter>) = match &config.redis {
            Some(redis) => {
                let redis = RedisConnection::connect(&redis_options(redis)).await?;
                (Arc::new(RedisQueue::new(&redis)), Arc::new(RedisRateLimiter::new(&redis)))
            }
            None => (Arc::new(MemoryQueue::new()), Arc::new(MemoryRateLimiter::new())),
        };
        let shares_queue = config.redis.is_some();
        Ok(match &config.postgres {
            Some(postgres) => {
                let url = postgres.url.expose_secret();
                let options =
                    PostgresOptions { retention: config.retention, ..postgres_options(postgres) };
                let store = PostgresStore::open(url, &options).await?;
                let duties = Arc::new(store.clone());
                let kept = Arc::new(store.clone());
                Self::of(kept, duties, queue, limiter, Store::Postgres(store), shares_queue)
            }
            None => {
                let options =
                    SqliteOptions { retention: config.retention, ..SqliteOptions::default() };
                let store = SqliteStore::open(config.database_file(), options)?;
                let duties = Arc::new(MemoryDutyRoster::default());
                let kept = Arc::new(store.clone());
                Self::of(kept, duties, queue, limiter, Store::Sqlite(store), shares_queue)
            }
        })
    }

    fn of<S>(
        kept: Arc<S>,
        duties: Arc<dyn DutyRoster>,
        queue: Arc<dyn Queue>,
        limiter: Arc<dyn RateLimiter>,
        store: Store,
        shares_queue: bool,
    ) -> Self
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
        Self {
            messages: Arc::clone(&kept) as _,
            sessions: Arc::clone(&kept) as _,
            servers: Arc::clone(&kept) as _,
            tenants: Arc::clone(&kept) as _,
            inbox: Arc::clone(&kept) as _,
            idempotency: Arc::clone(&kept) as _,
            opt_outs: Arc::clone(&kept) as _,
            access: Arc::clone(&kept) as _,
            audit: Arc::clone(&kept) as _,
            persons: Arc::clone(&kept) as _,
            retention: Arc::clone(&kept) as _,
            keys: Arc::clone(&kept) as _,
            upkeep: kept,
            duties,
            queue,
            limiter,
            store,
            shares_queue,
        }
    }

    /// What is kept where, for people.
    pub(super) fn description(&self) -> &'static str {
        match (&self.store, self.shares_queue) {
            (Store::Sqlite(_), false) => "the embedded store",
            (Store::Sqlite(_), true) => "the embedded store, with a queue in Redis",
            (Store::Postgres(_), false) => "PostgreSQL, as its only node",
            (Store::Postgres(_), true) => "PostgreSQL and Redis",
        }
    }

    /// Takes this node's place on what it keeps things in: no other may run beside one that keeps
    /// its queue and its limits to itself, for both would send, each by its own count.
    pub(super) async fn take_place(&self) -> Result<Option<Place>, NoPlace> {
        // The embedded store is locked by whoever opens it.
        let Store::Postgres(store) = &self.store else { return Ok(None) };
        let standing = if self.shares_queue { Standing::Among } else { Standing::Alone };
        let place = store.take_place(standing).await.map_err(NoPlace::Unknown)?;
        place.map(Some).ok_or_else(|| self.no_place())
    }

    /// What is in the way of a node that finds no place.
    pub(super) fn no_place(&self) -> NoPlace {
        if self.shares_queue { NoPlace::AnotherAlone } else { NoPlace::Another }
    }

    /// Says in the log what may keep the node from working as it should.
    pub(super) async fn warn_of_shortage(&self) {
        let Store::Postgres(store) = &self.store else { return };
        match store.shortage().await {
            Ok(Some(shortage)) => tracing::warn!(
                "{shortage}; raise max_connections, or the limit of the user or the database, or lower \
                 DB_CONNECTIONS"
            ),
            Ok(None) => {}
            // Whoever needs it next says why.
            Err(_) => tracing::debug!("PostgreSQL does not tell how many connections it has"),
        }
    }

    /// Lets go of the store.
    pub(super) async fn close(&self) {
        match &self.store {
            Store::Sqlite(store) => store.close().await,
            Store::Postgres(store) => store.close().await,
        }
    }
}

pub(crate) fn postgres_options(config: &PostgresConfig) -> PostgresOptions {
    PostgresOptions {
        schema: config.schema.clone(),
        connections: config.connections,
        ..PostgresOptions::default()
    }
}

pub(crate) fn redis_options(config: &RedisConfig) -> RedisOptions {
    let mut urls = config.urls.iter().map(|url| url.expose_secret().to_owned());
    let mut options = if config.cluster {
        RedisOptions::cluster(urls)
    } else {
        RedisOptions::single(urls.next().unwrap_or_default())
    };
    options.prefix.clone_from(&config.prefix);
    options.partitions = config.partitions.unwrap_or(options.partitions);
    options
}

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPlace {
    #[error("another node runs on this schema of PostgreSQL; several need Redis (REDIS_URL)")]
    Another,
    #[error(
        "a node without Redis runs on this schema of PostgreSQL, and no other may run beside it: \
         stop it, or give it the same Redis (REDIS_URL)"
    )]
    AnotherAlone,
    #[error("it cannot be told whether another node runs on this schema of PostgreSQL")]
    Unknown(#[source] StoreError),
}

/// What [`migrate`] did: to what, from which version of the schema, to which.
pub(crate) struct Migrated {
    pub(crate) what: String,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// Brings the store that is configured to the newest schema.
pub(crate) async fn migrate(config: &Config) -> Result<Migrated, BuildError> {
    if let Some(postgres) = &config.postgres {
        let url = postgres.url.expose_secret();
        let options = postgres_options(postgres);
        let migrated = messaging_store_postgres::migrate(url, &options).await?;
        let what = format!("schema {} of PostgreSQL", options.schema);
        return Ok(Migrated { what, from: migrated.from, to: migrated.to });
    }
    crate::config::kept_secret::create_private_dir(&config.data_dir)
        .map_err(|source| BuildError::DataDir { path: config.data_dir.clone(), source })?;
    let file: PathBuf = config.database_file();
    let migrated = messaging_store_sqlite::migrate(&file, SqliteOptions::default())?;
    let what = file.display().to_string();
    Ok(Migrated { what, from: migrated.from.into(), to: migrated.to.into() })
}
