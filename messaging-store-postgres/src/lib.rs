//! Every store port of `messaging-core` on PostgreSQL, for any number of nodes.
//!
//! [`PostgresStore`] is a [`MessageStore`], a [`SessionStore`], a [`TenantStore`], an
//! [`InboxStore`], a [`DutyRoster`] and an [`Upkeep`]. PostgreSQL 15 or later.
//!
//! ```no_run
//! use messaging_core::domain::id::{TenantId, uuid_v7};
//! use messaging_core::domain::pii::PiiPolicy;
//! use messaging_core::domain::tenant::{OnUnknown, Tenant};
//! use messaging_core::domain::tenant_life::TenantLimits;
//! use messaging_core::domain::timestamp::Timestamp;
//! use messaging_core::ports::tenant_store::TenantStore;
//! use messaging_store_postgres::{PostgresOptions, PostgresStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://messaging:secret@localhost/messaging";
//! let store = PostgresStore::open(url, &PostgresOptions::default()).await?;
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
//! - **A schema of its own.** Everything is in [`PostgresOptions::schema`], the table of migrations
//!   too, so a database may be shared with the program that embeds this. One thing is outside:
//!   the role `<schema>_tenant`.
//! - **Many callers share a transaction.** What is asked for while one is under way goes into the
//!   next together, in statements of many rows, so their number depends on the transactions and not
//!   on the messages. Rows are locked in order of id. A call that the database refuses is done
//!   again alone, and fails nobody else.
//! - **A change writes little.** What changes about a message is apart from what it says, so the
//!   index of texts is written once for each message.
//! - **A month is a partition**, of whatever grows for ever. [`Upkeep::upkeep`] makes them ahead,
//!   and drops those that [`PostgresOptions::retention`] does not keep.
//! - **Two walls between tenants.** What is asked for a tenant names it in every condition, and
//!   runs under a role whose row-level security sees no other.
//! - **Counts are kept as messages change**, in the same transaction, and added up hour by hour, so
//!   statistics and totals do not grow slower with the table.
//!
//! [`MessageStore`]: messaging_core::ports::message_store::MessageStore
//! [`SessionStore`]: messaging_core::ports::session_store::SessionStore
//! [`TenantStore`]: messaging_core::ports::tenant_store::TenantStore
//! [`InboxStore`]: messaging_core::ports::inbox_store::InboxStore
//! [`DutyRoster`]: messaging_core::ports::duty_roster::DutyRoster
//! [`Upkeep`]: messaging_core::ports::upkeep::Upkeep
//! [`Upkeep::upkeep`]: messaging_core::ports::upkeep::Upkeep::upkeep

mod access_store;
mod audit_log;
mod connections;
mod duty_roster;
mod error;
mod expiry;
mod idempotency_store;
mod inbox_store;
mod inspect;
mod key_store;
mod message_store;
mod migrate;
mod named;
mod open_error;
mod opt_out_store;
mod options;
mod person_store;
mod place;
mod retention;
mod retention_store;
mod room;
mod schema_name;
mod server_store;
mod session_store;
mod store;
mod tenant_role;
mod tenant_store;
mod text;
mod together;
mod upkeep;

pub use inspect::{Inspection, MINIMUM_VERSION, Presence, inspect};
pub use migrate::{Migrated, migrate};
pub use open_error::OpenError;
pub use options::PostgresOptions;
pub use place::{Place, Standing};
pub use room::Shortage;
pub use schema_name::{SCHEMA_RULE, is_schema_name};
pub use store::PostgresStore;
pub use together::WriteStatistics;
