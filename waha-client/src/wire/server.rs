//! What a WAHA process says about itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient;
use crate::engine::Engine;
use crate::redaction::debug_shows;

/// Answer of `GET /ping`, which needs no key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pong {
    /// `pong`.
    pub message: String,
}

/// Answer of `GET /api/server/version`, and `environment` of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// `year.month.build`.
    pub version: String,
    /// The engine all sessions of this process run on.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub engine: Engine,
    /// `CORE` or `PLUS`; of no meaning since all features are free.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub tier: Option<String>,
    /// Path of the browser, where the engine runs in one.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub browser: Option<String>,
    /// Operating system and processor, `linux/x64`.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub platform: Option<String>,
    /// Which process this is.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub worker: Option<Worker>,
}

/// One WAHA process among several.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Worker {
    /// Its name.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub id: Option<String>,
}

/// Answer of `GET /api/server/status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerStatus {
    /// When the process started, Unix time in milliseconds. A new value means a restart, in which
    /// undelivered webhooks were lost.
    #[serde(rename = "startTimestamp", deserialize_with = "lenient::time")]
    pub start_timestamp: i64,
    /// Milliseconds since then.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub uptime: Option<i64>,
    /// Which process this is.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub worker: Option<Worker>,
}

/// Answer of `GET /health`, which looks at disk and database but not at WhatsApp.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, or `error` together with status 503.
    pub status: String,
    /// What was looked at, by name.
    #[serde(default)]
    pub details: Value,
}

debug_shows!(Health { status });

impl Health {
    /// Whether everything looked at is well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}
