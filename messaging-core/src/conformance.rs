//! How every adapter of a port must behave, as named tests, and what one needs to write tests
//! beside them.
//!
//! Each suite is a list of behaviors ([`for_each_message_store_behavior!`](crate::for_each_message_store_behavior)
//! and its kin) that an adapter's tests run one by one.

pub mod access_store;
pub mod audit_log;
pub mod build;
pub mod clock;
pub mod duty_roster;
pub mod entropy;
pub mod erasure;
pub mod idempotency_store;
pub mod inbox_store;
pub mod key_store;
pub mod message_store;
pub mod opt_out_store;
pub mod person_store;
pub mod provider;
pub mod queue;
pub mod rate_limiter;
pub mod retention_store;
pub mod server_store;
pub mod session_store;
pub mod tenant_store;
pub mod transport;
pub mod webhook_verifier;
pub mod wishes;
