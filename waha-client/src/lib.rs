//! A typed client for WAHA, and its webhooks.
//!
//! [WAHA](https://waha.devlike.pro) is a self-hosted HTTP API in front of WhatsApp: it keeps
//! accounts ("sessions") signed in, sends messages for them and posts what happens to webhooks.
//! This crate speaks WAHA 2026.7.1 and works from [`MINIMUM_VERSION`] on, with each of its
//! engines.
//!
//! # What is here
//!
//! - [`WahaClient`]: sending text, media, places, contacts and polls; sessions and their pairing;
//!   reading chats back; numbers and hidden ids; the server's own state.
//! - [`WahaError`]: every failure, sorted by what to do next.
//! - [`webhooks`]: signatures and events, in WAHA's dialect and a simpler one.
//! - [`ids`]: chats and messages in WhatsApp's forms, and which part of an id is stable.
//! - [`wire`]: WAHA's JSON, shared by the client and the simulator.
//!
//! Groups, channels, labels, calls and statuses ("stories") are not covered: their events are
//! [`webhooks::WahaEvent::Unknown`].
//!
//! # What WAHA does not do
//!
//! It has no queue, no idempotency and no rate limit of its own. One call is one attempt, and a
//! send whose answer was lost may or may not have gone out. On engines where
//! [`Engine::takes_message_id`], choose a message's id before sending it, so that a repeat can be
//! recognised; elsewhere, look for it among the chat's messages ([`WahaClient::messages`]) before
//! sending again.
//!
//! # Secrets
//!
//! No `Debug` or `Display` of this crate shows message text, phone numbers, chat ids, keys or QR
//! codes. Rules about WAHA stated here come from its OpenAPI description and from how its engines
//! really answer.

pub mod ack;
pub mod client;
pub mod engine;
pub mod error;
pub mod ids;
mod json;
mod redaction;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod transport;
mod unix_time;
pub mod webhooks;
pub mod wire;

pub use ack::AckLevel;
pub use client::WahaClient;
pub use engine::Engine;
pub use error::WahaError;

/// Oldest version of WAHA this crate works with.
pub const MINIMUM_VERSION: &str = "2026.4.3";
