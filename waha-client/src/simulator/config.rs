//! What a simulator starts with.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::knobs::Knobs;
use super::latency::milliseconds;
use crate::redaction::debug_shows;
use crate::wire::{SessionConfig, SessionStatus, WebhookConfig};

/// The key simulators ask for unless configured otherwise.
pub const DEFAULT_API_KEY: &str = "simulator";

/// The port of a real WAHA, for a simulator that runs as a command.
pub const DEFAULT_PORT: u16 = 3000;

/// What a simulator starts with. The default suits a test: any free port, no sessions.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimulatorConfig {
    /// Where to listen. Default `127.0.0.1:0`: this machine only, any free port.
    pub address: SocketAddr,
    /// Address that URLs of media begin with. Default: where it listens. A real WAHA says
    /// `http://localhost:3000` unless told otherwise, so clients must replace it.
    pub advertised_url: Option<String>,
    /// The admin key for `X-Api-Key`; `None` asks for no key. Default [`DEFAULT_API_KEY`].
    pub api_key: Option<String>,
    /// The version of WAHA to claim. Default `2026.7.1`.
    pub version: String,
    /// The name of this process in webhooks and status. Default `waha`.
    pub worker_id: String,
    /// Where chance starts: equal seeds draw equal numbers. Default 1.
    pub seed: u64,
    /// Sessions that are there from the start.
    pub sessions: Vec<SeededSession>,
    /// Webhooks that every session has beside its own.
    pub webhooks: Vec<WebhookConfig>,
    /// How it behaves at first, and again after a reset.
    pub knobs: Knobs,
    /// How long things take.
    pub times: Times,
    /// How much is kept.
    pub limits: Limits,
    /// Whether media given by URL are fetched, as WAHA does, and a send fails if they cannot be.
    /// Default true.
    pub fetches_media: bool,
}

debug_shows!(SimulatorConfig { address, version, worker_id, seed, sessions, knobs, times, limits });

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised_url: None,
            api_key: Some(DEFAULT_API_KEY.to_owned()),
            version: "2026.7.1".to_owned(),
            worker_id: "waha".to_owned(),
            seed: 1,
            sessions: Vec::new(),
            webhooks: Vec::new(),
            knobs: Knobs::default(),
            times: Times::default(),
            limits: Limits::default(),
            fetches_media: true,
        }
    }
}

impl SimulatorConfig {
    /// The same with one more session.
    #[must_use]
    pub fn with_session(mut self, session: SeededSession) -> Self {
        self.sessions.push(session);
        self
    }
}

/// A session that is there from the start.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeededSession {
    /// Its name.
    pub name: String,
    /// Its status: `WORKING` (signed in), `SCAN_QR_CODE` (waits for a scan) or `STOPPED`; any
    /// other is simply set.
    #[serde(default = "working")]
    pub status: SessionStatus,
    /// Digits of the account's number; made up from the name if left out.
    #[serde(default)]
    pub phone: Option<String>,
    /// Its configuration.
    #[serde(default)]
    pub config: SessionConfig,
}

const fn working() -> SessionStatus {
    SessionStatus::Working
}

debug_shows!(SeededSession { name, status });

impl SeededSession {
    /// A session that is signed in. On NOWEB it has the message store that reading needs.
    #[must_use]
    pub fn working(name: impl Into<String>) -> Self {
        Self::in_status(name, SessionStatus::Working)
    }

    /// A session in the given status.
    #[must_use]
    pub fn in_status(name: impl Into<String>, status: SessionStatus) -> Self {
        let store = crate::wire::NowebStoreConfig { enabled: true, full_sync: false };
        let noweb = crate::wire::NowebConfig { store: Some(store), ..Default::default() };
        let config = SessionConfig { noweb: Some(noweb), ..Default::default() };
        Self { name: name.into(), status, phone: None, config }
    }

    /// The same with one more webhook.
    #[must_use]
    pub fn with_webhook(mut self, webhook: WebhookConfig) -> Self {
        self.config.webhooks.get_or_insert_default().push(webhook);
        self
    }
}

/// How long things take. In JSON each is a number of milliseconds (`readyWaitMs`, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Times {
    /// How long a call waits for its session to become ready before it is refused. Default 15 s.
    #[serde(rename = "readyWaitMs", with = "milliseconds")]
    pub ready_wait: Duration,
    /// How long a session is STARTING. Default 200 ms.
    #[serde(rename = "startingMs", with = "milliseconds")]
    pub starting: Duration,
    /// How long the first QR code is valid. Default 60 s.
    #[serde(rename = "firstQrMs", with = "milliseconds")]
    pub first_qr: Duration,
    /// How long each later QR code is valid. Default 20 s.
    #[serde(rename = "nextQrMs", with = "milliseconds")]
    pub next_qr: Duration,
    /// How long media files live. Default 180 s.
    #[serde(rename = "mediaLifetimeMs", with = "milliseconds")]
    pub media_lifetime: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            ready_wait: Duration::from_secs(15),
            starting: Duration::from_millis(200),
            first_qr: Duration::from_secs(60),
            next_qr: Duration::from_secs(20),
            media_lifetime: Duration::from_secs(180),
        }
    }
}

/// How much is kept; beyond it the oldest goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Sends remembered as having arrived. Default 200,000.
    pub arrivals: usize,
    /// Messages in all chats together. Default 200,000.
    pub messages: usize,
    /// Webhook posts remembered. Default 20,000.
    pub webhook_posts: usize,
    /// Webhook posts that wait to be made or repeated; more are lost. Default 100,000.
    pub waiting_webhooks: usize,
    /// Webhook posts under way at once. A real WAHA has no such limit; this one spares file
    /// descriptors. Default 256.
    pub concurrent_webhooks: usize,
    /// Bytes of media files. Default 64 MiB.
    pub media_bytes: usize,
    /// Bytes of a request's body. Default 50 MB.
    pub body_bytes: usize,
    /// QR codes shown before a session gives up. Default 6.
    pub qr_codes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            arrivals: 200_000,
            messages: 200_000,
            webhook_posts: 20_000,
            waiting_webhooks: 100_000,
            concurrent_webhooks: 256,
            media_bytes: 64 << 20,
            body_bytes: 50_000_000,
            qr_codes: 6,
        }
    }
}
