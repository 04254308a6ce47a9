//! Every store port of `messaging-core` on one SQLite file: the embedded default.
//!
//! [`SqliteStore`] is a [`MessageStore`], a [`SessionStore`], a [`TenantStore`] and an
//! [`InboxStore`]. Nothing needs to be installed or run beside the program; what is answered is on
//! disk (write-ahead log, `synchronous = FULL`).
//!
//! ```
//! use messaging_core::domain::id::{TenantId, uuid_v7};
//! use messaging_core::domain::pii::PiiPolicy;
//! use messaging_core::domain::tenant::{OnUnknown, Tenant};
//! use messaging_core::domain::tenant_life::TenantLimits;
//! use messaging_core::domain::timestamp::Timestamp;
//! use messaging_core::ports::tenant_store::TenantStore;
//! use messaging_store_sqlite::{SqliteOptions, SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("messages.db");
//! let store = SqliteStore::open(path, SqliteOptions::default())?;
//!
//! let at = Timestamp::parse("2026-01-31T09:30:00Z")?;
//! let acme = Tenant {
//!     id: TenantId(uuid_v7(at, 1)),
//!     name: "acme".into(),
//!     suspension: None,
//!     on_unknown: OnUnknown::DeadLetter,
//!     pii: PiiPolicy::Off,
//!     limits: TenantLimits::default(),
//!     deletion: None,
//!     created_at: at,
//! };
//! store.insert(&acme).await?;
//! assert_eq!(store.find_named("acme").await?, Some(acme));
//!
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! - **One thread writes.** SQLite has one writer at a time in any case; here it is a thread with a
//!   queue. What is asked for while a commit is on its way to the disk goes into the next
//!   transaction together, so that many callers share one trip to the disk and the durability of
//!   each is the same as alone. A call that fails undoes its own work and nobody else's; a commit
//!   that fails is [`Unavailable`] for all that shared it, and nothing of any of them is kept.
//! - **A few threads read**, each with its own connection, beside the writer. A read sees all that
//!   was answered before it began.
//! - **A full queue is waited for**, so a burst slows its callers down and fails nobody. A call
//!   whose future is dropped once it is in the queue is still carried out.
//! - **One process at a time** is meant to write. Others may look in, and a lock they hold is
//!   waited for as long as [`SqliteOptions::busy_timeout`] says.
//!
//! [`MessageStore`]: messaging_core::ports::message_store::MessageStore
//! [`SessionStore`]: messaging_core::ports::session_store::SessionStore
//! [`TenantStore`]: messaging_core::ports::tenant_store::TenantStore
//! [`InboxStore`]: messaging_core::ports::inbox_store::InboxStore
//! [`Unavailable`]: messaging_core::ports::store_error::StoreError::Unavailable

mod access_store;
mod audit_log;
mod column;
mod connection;
mod error;
mod expiry;
mod idempotency_store;
mod inbox_store;
mod inspect;
mod key_store;
mod marks;
mod message_store;
mod migrate;
mod open_error;
mod opt_out_store;
mod options;
mod person_store;
mod readers;
mod retention;
mod retention_store;
mod server_store;
mod session_store;
mod store;
mod tenant_store;
mod upkeep;
mod writer;

pub use inspect::{Inspection, Integrity, inspect};
pub use migrate::{Migrated, SCHEMA_VERSION, migrate};
pub use open_error::OpenError;
pub use options::SqliteOptions;
pub use store::SqliteStore;
pub use writer::WriteStatistics;
