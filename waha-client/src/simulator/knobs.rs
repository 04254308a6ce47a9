//! What can be turned while the simulator runs: how WhatsApp, WAHA and the net behave.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::directory;
use super::faults::{Fault, FaultRule};
use super::latency::Latency;
use crate::engine::Engine;
use crate::redaction::debug_shows;

/// How the simulator behaves. `GET /simulator/knobs` shows it, `PATCH /simulator/knobs` changes
/// the fields given and `PUT` all of them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Knobs {
    /// Which engine to be; decides the shapes of answers and what is possible at all.
    pub engine: Engine,
    /// Time from the arrival of a send to its acceptance.
    pub latency: Latency,
    /// Time from the acceptance of a send to its answer. Acks do not wait for the answer, so
    /// with a long one they come first.
    pub answer_latency: Latency,
    /// What becomes of a message after its acceptance.
    pub ack_script: Vec<AckStep>,
    /// Whether own sends give a `message.any` event with `source` `api`, as in WAHA.
    pub echoes_sends: bool,
    /// Whether a send with the id of an earlier one becomes no second message.
    pub collapses_same_id: bool,
    /// Whether sends are answered with an empty body, as some versions of WAHA did.
    pub answers_empty: bool,
    /// Whether people appear under their hidden ids (`…@lid`) in events and when reading.
    pub shows_lids: bool,
    /// Whether accounts may not start new chats: such sends end in a 500 with `463`.
    pub restricts_new_chats: bool,
    /// Whether starting a started session is refused with 422.
    pub refuses_double_start: bool,
    /// Scan QR codes by itself after this many milliseconds; null waits for a hand.
    pub auto_scan_ms: Option<u64>,
    /// How events reach the webhooks.
    pub webhooks: WebhookKnobs,
    /// What goes wrong with sends; the first rule that fits a send applies to it.
    pub faults: Vec<FaultRule>,
    /// Numbers that behave differently, by number (digits).
    pub recipients: BTreeMap<String, RecipientScript>,
}

debug_shows!(Knobs { engine, latency, answer_latency, ack_script, shows_lids, webhooks });

impl Default for Knobs {
    fn default() -> Self {
        Self {
            engine: Engine::Gows,
            latency: Latency::NONE,
            answer_latency: Latency::NONE,
            ack_script: AckStep::prompt(),
            echoes_sends: true,
            collapses_same_id: true,
            answers_empty: false,
            shows_lids: false,
            restricts_new_chats: false,
            refuses_double_start: false,
            auto_scan_ms: None,
            webhooks: WebhookKnobs::default(),
            faults: Vec::new(),
            recipients: BTreeMap::new(),
        }
    }
}

impl Knobs {
    /// The same knobs with every number in the form WhatsApp knows it by, so that a number can be
    /// given as people write it.
    pub(super) fn normalised(mut self) -> Self {
        self.recipients = std::mem::take(&mut self.recipients)
            .into_iter()
            .map(|(number, script)| (directory::script_key(&number), script))
            .collect();
        self
    }

    pub(super) fn auto_scan(&self) -> Option<Duration> {
        self.auto_scan_ms.map(Duration::from_millis)
    }

    pub(super) fn recipient(&self, chat: &str) -> Option<&RecipientScript> {
        if self.recipients.is_empty() {
            return None;
        }
        self.recipients.get(&directory::script_key(chat))
    }
}

/// One step in the life of an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AckStep {
    /// -1 error, 1 server, 2 device, 3 read, 4 played. GOWS leaves out 1, like the real one.
    pub level: i64,
    /// Time since the step before.
    #[serde(default)]
    pub delay: Latency,
    /// How likely the step is, from 0 to 1. A step that does not happen does not stop the next.
    #[serde(default = "certain")]
    pub chance: f64,
}

const fn certain() -> f64 {
    1.0
}

impl AckStep {
    /// A step that certainly happens.
    #[must_use]
    pub const fn new(level: i64, delay: Latency) -> Self {
        Self { level, delay, chance: 1.0 }
    }

    /// Server, device and read within a fraction of a second.
    #[must_use]
    pub fn prompt() -> Vec<Self> {
        vec![
            Self::new(1, Latency::millis(20)),
            Self::new(2, Latency::millis(50)),
            Self::new(3, Latency::millis(100)),
        ]
    }

    /// A demo's pace: most messages are delivered after a second or two, many are read later.
    #[must_use]
    pub fn lifelike() -> Vec<Self> {
        let seconds = |min, max| Latency::range(Duration::from_secs(min), Duration::from_secs(max));
        vec![
            Self::new(1, Latency::millis(150)),
            Self { chance: 0.97, ..Self::new(2, seconds(1, 3)) },
            Self { chance: 0.7, ..Self::new(3, seconds(3, 30)) },
        ]
    }
}

/// How events reach the webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WebhookKnobs {
    /// Which of the two dialects to speak.
    pub dialect: WebhookDialect,
    /// Time before the first post of an event. A range puts events out of order.
    pub latency: Latency,
    /// Factor on every pause between repeats; tests make it small.
    pub retry_scale: f64,
    /// How likely an event comes more than once although it was answered 2xx.
    pub duplicate_chance: f64,
    /// How often it comes again then.
    pub duplicates: u32,
    /// Whether those carry a new event id and request id, as after a reconnect, rather than the
    /// same, as after a lost answer.
    pub duplicates_have_new_ids: bool,
    /// How likely an event is lost.
    pub lost_chance: f64,
    /// Names of the events that can get lost; empty for all.
    pub lost_events: Vec<String>,
    /// Whether `message` and `message.any` of one message share their event id.
    pub shares_event_ids: bool,
}

impl Default for WebhookKnobs {
    fn default() -> Self {
        Self {
            dialect: WebhookDialect::Waha,
            latency: Latency::NONE,
            retry_scale: 1.0,
            duplicate_chance: 0.0,
            duplicates: 1,
            duplicates_have_new_ids: false,
            lost_chance: 0.0,
            lost_events: Vec::new(),
            shares_event_ids: true,
        }
    }
}

/// How events are named, shaped and signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookDialect {
    /// WAHA's own, signed with HMAC-SHA512 in `X-Webhook-Hmac`.
    #[default]
    Waha,
    /// The simple one (`message.text`, `message.status`, `session.qr`), signed with HMAC-SHA256
    /// in `X-Waha-Signature`.
    Simple,
}

/// How one number behaves.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RecipientScript {
    /// Whether it is on WhatsApp. If not, check-exists says so; a send all the same is refused
    /// by WEBJS and fails later with ack -1 on the other engines.
    pub exists: bool,
    /// What check-exists answers as its chat id, in place of the one the rules give.
    pub chat_id: Option<String>,
    /// Whether check-exists leaves the chat id out.
    pub hides_chat_id: bool,
    /// Its hidden id (`…@lid`), in place of a computed one.
    pub lid: Option<String>,
    /// What goes wrong with sends to it.
    pub fault: Option<Fault>,
    /// How often that still happens before sends succeed; null for always.
    pub fault_times: Option<u32>,
    /// What becomes of messages to it, in place of the general script.
    pub ack_script: Option<Vec<AckStep>>,
}

debug_shows!(RecipientScript { exists, hides_chat_id, fault, fault_times, ack_script });

impl Default for RecipientScript {
    fn default() -> Self {
        Self {
            exists: true,
            chat_id: None,
            hides_chat_id: false,
            lid: None,
            fault: None,
            fault_times: None,
            ack_script: None,
        }
    }
}

impl RecipientScript {
    /// A number that is not on WhatsApp.
    #[must_use]
    pub fn missing() -> Self {
        Self { exists: false, ..Self::default() }
    }

    /// A number to which every send goes wrong.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// A number to which a few sends go wrong before they succeed.
    #[must_use]
    pub fn times(fault: Fault, times: u32) -> Self {
        Self { fault_times: Some(times), ..Self::always(fault) }
    }
}
