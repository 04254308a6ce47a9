//! Sessions: accounts of WhatsApp that WAHA keeps signed in.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient;
use super::session_config::SessionConfig;
use crate::redaction::debug_shows;

/// Where a session is in its life.
///
/// `STOPPED → STARTING → SCAN_QR_CODE → WORKING`, with the passkey states between the last two
/// for some accounts. Any may become `FAILED`; a reconnect goes back to `STARTING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum SessionStatus {
    /// Configured, not running.
    Stopped,
    /// Starting or reconnecting.
    Starting,
    /// Waits for a person to scan a QR code or enter a pairing code.
    ScanQrCode,
    /// Waits for a passkey.
    PasskeyRequired,
    /// Waits for a passkey to be confirmed.
    PasskeyConfirmationRequired,
    /// Signed in. Only in this status are messages sent.
    Working,
    /// Gave up. WEBJS may leave this status by itself.
    Failed,
    /// A status this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl SessionStatus {
    /// Every status WAHA documents, in the order of a session's life.
    pub const KNOWN: [Self; 7] = [
        Self::Stopped,
        Self::Starting,
        Self::ScanQrCode,
        Self::PasskeyRequired,
        Self::PasskeyConfirmationRequired,
        Self::Working,
        Self::Failed,
    ];

    /// WAHA's own word for the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::ScanQrCode => "SCAN_QR_CODE",
            Self::PasskeyRequired => "PASSKEY_REQUIRED",
            Self::PasskeyConfirmationRequired => "PASSKEY_CONFIRMATION_REQUIRED",
            Self::Working => "WORKING",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads WAHA's word in any case; other words are [`SessionStatus::Unknown`].
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word))
            .unwrap_or_default()
    }

    /// Whether a QR code can be asked for.
    #[must_use]
    pub const fn has_qr(self) -> bool {
        matches!(self, Self::ScanQrCode)
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A session as `GET /api/sessions` and `GET /api/sessions/{session}` tell it. Creating and
/// updating one answer the same with fewer fields.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The session's name, its id within the WAHA server.
    pub name: String,
    /// Where it is in its life.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: SessionStatus,
    /// What it is configured with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
    /// The account signed in, once there is one.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub me: Option<Me>,
    /// Whether the account is shown as online: `online`, `offline`, or nothing.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub presence: Option<String>,
    /// When it was last active.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub timestamps: Option<SessionTimestamps>,
    /// The WAHA process that has it, where there are several.
    #[serde(
        default,
        rename = "assignedWorker",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub assigned_worker: Option<String>,
    /// The engine's own state, such as `{"engine":"NOWEB"}`. Not in WAHA's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Value>,
}

debug_shows!(SessionInfo { name, status, assigned_worker });

/// When a session was last active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionTimestamps {
    /// Unix time in milliseconds.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub activity: Option<i64>,
}

/// The account that is signed in.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Me {
    /// Its chat id, `…@c.us`.
    pub id: String,
    /// The name it shows.
    #[serde(
        default,
        rename = "pushName",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub push_name: Option<String>,
    /// Its hidden id, `…@lid`.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub lid: Option<String>,
    /// Its id with the device number, `…:12@s.whatsapp.net`.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub jid: Option<String>,
    /// Whether WhatsApp lets it write to nobody new, and until when. Not in WAHA's description.
    #[serde(
        default,
        rename = "reachoutTimelock",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub reachout_timelock: Option<ReachoutTimelock>,
    /// How many new chats WhatsApp lets it open in a cycle. Not in WAHA's description.
    #[serde(
        default,
        rename = "messageCapping",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub message_capping: Option<MessageCapping>,
}

debug_shows!(Me {});

/// Whether WhatsApp lets an account write to nobody new. Engines name the fields in either way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReachoutTimelock {
    /// Whether it does at present.
    #[serde(
        default,
        rename = "isActive",
        alias = "is_active",
        deserialize_with = "lenient::or_default"
    )]
    pub is_active: bool,
    /// Until when: seconds or milliseconds since the Unix epoch, or a text in the form of RFC 3339.
    #[serde(
        default,
        rename = "timeEnforcementEnds",
        alias = "time_enforcement_ends",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends: Option<Value>,
}

/// How many new chats WhatsApp lets an account open in a cycle. Engines name the fields in either way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MessageCapping {
    /// In all.
    #[serde(
        default,
        rename = "totalQuota",
        alias = "total_quota",
        deserialize_with = "lenient::optional_integer"
    )]
    pub total: Option<i64>,
    /// So far.
    #[serde(
        default,
        rename = "usedQuota",
        alias = "used_quota",
        deserialize_with = "lenient::optional_integer"
    )]
    pub used: Option<i64>,
    /// When the cycle ends, in the forms of [`ReachoutTimelock::ends`].
    #[serde(
        default,
        rename = "cycleEndTimestamp",
        alias = "cycle_end_timestamp",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends: Option<Value>,
}

/// Body of `POST /api/sessions`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionCreateRequest {
    /// The name: `^[a-zA-Z0-9_-]*$`, at most 54 characters.
    pub name: String,
    /// Whether it starts at once. Always written, since WAHA's default has changed before.
    #[serde(default)]
    pub start: bool,
    /// What it is configured with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
}

debug_shows!(SessionCreateRequest { name, start });

/// Body of `PUT /api/sessions/{session}`. The configuration replaces the old one wholly, and a
/// running session restarts.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionUpdateRequest {
    /// What it is configured with from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
}

debug_shows!(SessionUpdateRequest { config });
