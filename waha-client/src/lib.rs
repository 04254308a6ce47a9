//! A typed client for WAHA, and its webhooks.

pub mod engine;
mod redaction;
pub mod wire;
