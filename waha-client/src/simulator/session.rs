//! One session's state: its status with its past, its account and its settings.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::directory;
use super::knobs::Knobs;
use crate::engine::Engine;
use crate::redaction::debug_shows;
use crate::wire::{
    Me, SessionConfig, SessionInfo, SessionStatus, SessionTimestamps, StatusPoint, WebhookConfig,
};

/// How many statuses a session remembers.
const HISTORY: usize = 10;

/// A session of the simulator.
pub(super) struct Session {
    pub(super) name: Arc<str>,
    pub(super) config: SessionConfig,
    pub(super) metadata: Option<Arc<BTreeMap<String, String>>>,
    /// Its own webhooks and those of every session.
    pub(super) webhooks: Arc<[WebhookConfig]>,
    /// Calls that wait for a status listen to it.
    pub(super) status: watch::Sender<SessionStatus>,
    pub(super) history: VecDeque<StatusPoint>,
    /// Ends what the session does by itself, when it is told to do something else.
    pub(super) run: CancellationToken,
    /// Whether an account is signed in, which survives a stop.
    pub(super) is_paired: bool,
    pub(super) me: Me,
    pub(super) qr: Option<String>,
    /// WORKING to all appearances, but nothing happens any more.
    pub(super) is_zombie: bool,
    pub(super) may_not_start_chats: bool,
    pub(super) presence: Option<String>,
    pub(super) active_at_ms: Option<i64>,
    pub(super) sends_under_way: u32,
}

debug_shows!(Session { name, is_paired, is_zombie });

impl Session {
    pub(super) fn new(name: &str, phone: Option<&str>, knobs: &Knobs) -> Self {
        let number = phone.map_or_else(|| made_up_number(name), directory::digits);
        let me = Me {
            id: format!("{number}@c.us"),
            push_name: Some(format!("Simulated {name}")),
            lid: Some(format!("{}@lid", directory::lid_of(knobs, &number))),
            jid: Some(format!("{number}:12@s.whatsapp.net")),
            reachout_timelock: None,
            message_capping: None,
        };
        Self {
            name: name.into(),
            config: SessionConfig::default(),
            metadata: None,
            webhooks: Arc::new([]),
            status: watch::Sender::new(SessionStatus::Stopped),
            history: VecDeque::new(),
            run: CancellationToken::new(),
            is_paired: false,
            me,
            qr: None,
            is_zombie: false,
            may_not_start_chats: false,
            presence: None,
            active_at_ms: None,
            sends_under_way: 0,
        }
    }

    pub(super) fn configure(&mut self, config: SessionConfig, shared: &[WebhookConfig]) {
        self.metadata = config.metadata.clone().map(Arc::new);
        let own = config.webhooks.iter().flatten();
        self.webhooks = own.chain(shared).cloned().collect();
        self.config = config;
    }

    pub(super) fn status(&self) -> SessionStatus {
        *self.status.borrow()
    }

    /// Enters a status, or enters it again with a new QR code.
    pub(super) fn enter(&mut self, status: SessionStatus, now_ms: i64) {
        self.history.push_back(StatusPoint { status, timestamp: now_ms });
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        if status != SessionStatus::ScanQrCode {
            self.qr = None;
        }
        self.active_at_ms = Some(now_ms);
        self.status.send_replace(status);
    }

    /// The account, once it is signed in.
    pub(super) fn account(&self) -> Option<&Me> {
        (self.is_paired && self.status() == SessionStatus::Working).then_some(&self.me)
    }

    /// Whether chats and messages can be read: NOWEB keeps none unless told to.
    pub(super) fn has_store(&self, engine: Engine) -> bool {
        let store = self.config.noweb.as_ref().and_then(|noweb| noweb.store);
        engine != Engine::Noweb || store.is_some_and(|store| store.enabled)
    }

    /// The session as creating, changing and starting it answers.
    pub(super) fn summary(&self) -> SessionInfo {
        SessionInfo {
            name: self.name.to_string(),
            status: self.status(),
            config: Some(self.config.clone()),
            ..SessionInfo::default()
        }
    }

    /// The session as looking it up answers: what it lacks is null there, not left out.
    pub(super) fn info(&self, engine: Engine, worker_id: &str) -> Value {
        let state = match self.status() {
            SessionStatus::Working => "CONNECTED",
            SessionStatus::ScanQrCode => "UNPAIRED",
            _ => "OPENING",
        };
        let mut info = json!(SessionInfo {
            me: self.account().cloned(),
            presence: self.presence.clone(),
            timestamps: Some(SessionTimestamps { activity: self.active_at_ms }),
            assigned_worker: Some(worker_id.to_owned()),
            engine: Some(json!({"engine": engine, "state": state})),
            ..self.summary()
        });
        for field in ["me", "presence"] {
            if info.get(field).is_none() {
                info[field] = Value::Null;
            }
        }
        info
    }
}

/// A number for a session that was given none; the same name always gets the same.
fn made_up_number(name: &str) -> String {
    // FNV-1a: short, and equal on every platform and version.
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    format!("5521{:08}", 60_000_000 + hash % 40_000_000).replacen("5521", "55219", 1)
}
