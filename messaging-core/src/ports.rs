//! What the core needs from outside, as traits. Each says what its caller may rely on.

pub mod access_store;
pub mod audit_log;
pub mod clock;
pub mod duty_roster;
pub mod entropy;
pub mod idempotency_store;
pub mod inbox_store;
pub mod key_provider;
pub mod key_store;
pub mod message_store;
pub mod observer;
pub mod opt_out_store;
pub mod person_store;
pub mod provider_history;
pub mod queue;
pub mod rate_limiter;
pub mod retention_store;
pub mod server_store;
pub mod session_control;
pub mod session_store;
pub mod store_error;
pub mod tenant_store;
pub mod transport;
pub mod upkeep;
pub mod webhook_decoder;
pub mod webhook_verifier;
