//! How long the client waits and how much it reads.

use std::time::Duration;

/// Settings of a [`crate::WahaClient`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// The largest answer that is read, in bytes (default 16 MiB). A page of chat messages with
    /// the engine's raw data is the largest in practice.
    pub max_answer_bytes: usize,
}

/// How long calls may take, by what they do.
///
/// WAHA itself waits up to 15 s for a session to get ready before it answers 422, so none of
/// these but `connect` should be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included (default 5 s).
    pub connect: Duration,
    /// Sends without media (default 60 s).
    pub text: Duration,
    /// Sends with media, which WAHA may have to fetch and convert first (default 180 s).
    pub media: Duration,
    /// Creating, starting, stopping, pairing sessions (default 60 s).
    pub lifecycle: Duration,
    /// Everything that only reads (default 30 s).
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            text: Duration::from_secs(60),
            media: Duration::from_secs(180),
            lifecycle: Duration::from_secs(60),
            read: Duration::from_secs(30),
        }
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { timeouts: Timeouts::default(), max_answer_bytes: 16 * 1024 * 1024 }
    }
}
