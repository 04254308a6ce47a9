//! What a session is configured with.
//!
//! `PUT /api/sessions/{session}` replaces the whole configuration. Every type here that is read
//! before it is written back keeps the fields it does not know, so that changing one setting does
//! not erase those of a newer WAHA.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::redaction::debug_shows;

/// A session's configuration.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionConfig {
    /// Text by name, repeated in every webhook of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// The proxy the session reaches WhatsApp through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyConfig>,
    /// Whether WAHA logs everything of this session. It then logs message text, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Kinds of chats WAHA drops before they become events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<IgnoreConfig>,
    /// Settings of the NOWEB engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noweb: Option<NowebConfig>,
    /// Settings of the GOWS engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gows: Option<GowsConfig>,
    /// Settings of the WEBJS engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webjs: Option<WebjsConfig>,
    /// Where the session's events are posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Vec<WebhookConfig>>,
    /// Fields this version does not know, kept for writing back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

debug_shows!(SessionConfig { ignore, noweb, webjs, webhooks });

/// A proxy between WAHA and WhatsApp.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProxyConfig {
    /// `host:port`.
    pub server: String,
    /// User name, where the proxy asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password, where the proxy asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

debug_shows!(ProxyConfig {});

/// Kinds of chats that give no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IgnoreConfig {
    /// Status updates ("stories").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<bool>,
    /// Groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<bool>,
    /// Channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<bool>,
    /// Broadcast lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<bool>,
}

/// Settings of the NOWEB engine.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NowebConfig {
    /// Whether the account is shown as online. While it is, the phone gets no notifications.
    #[serde(default, rename = "markOnline", skip_serializing_if = "Option::is_none")]
    pub mark_online: Option<bool>,
    /// WAHA's own message store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<NowebStoreConfig>,
    /// Fields this version does not know, kept for writing back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

debug_shows!(NowebConfig { mark_online, store });

/// The NOWEB engine's message store, without which nothing can be read back. It must be set
/// before the session is paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NowebStoreConfig {
    /// Whether messages are kept at all.
    #[serde(default)]
    pub enabled: bool,
    /// Whether a year of history is fetched at pairing, rather than three months.
    #[serde(default, rename = "fullSync")]
    pub full_sync: bool,
}

/// Settings of the GOWS engine.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GowsConfig {
    /// What is kept; passed through as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Value>,
    /// Fields this version does not know, kept for writing back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

debug_shows!(GowsConfig {});

/// Settings of the WEBJS engine.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WebjsConfig {
    /// Whether acks in groups and presence give events.
    #[serde(default, rename = "tagsEventsOn", skip_serializing_if = "Option::is_none")]
    pub tags_events_on: Option<bool>,
    /// Fields this version does not know, kept for writing back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

debug_shows!(WebjsConfig { tags_events_on });

/// One address that a session's events are posted to.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WebhookConfig {
    /// Where to post. It may carry a token, so `Debug` hides it.
    pub url: String,
    /// Names of events; WAHA answers 400 for one it does not know. `*` means nearly all.
    #[serde(default)]
    pub events: Vec<String>,
    /// The key that signs the posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<HmacConfig>,
    /// How often a post is repeated; WAHA's default is 15 times, 2 s apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetriesConfig>,
    /// Headers added to every post.
    #[serde(default, rename = "customHeaders", skip_serializing_if = "Option::is_none")]
    pub custom_headers: Option<Vec<CustomHeader>>,
    /// Fields this version does not know, kept for writing back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

debug_shows!(WebhookConfig { events, retries });

/// The key of webhook signatures.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HmacConfig {
    /// The key's text; its UTF-8 bytes are the HMAC key. `None` signs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

debug_shows!(HmacConfig {});

/// How a webhook post that was not answered 2xx is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetriesConfig {
    /// How the pauses grow; WAHA's default is `constant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RetryPolicy>,
    /// The first pause in seconds; WAHA's default is 2.
    #[serde(default, rename = "delaySeconds", skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
    /// Repeats after the first post; WAHA's default is 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// How the pauses between repeats grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryPolicy {
    /// Always the same pause.
    Constant,
    /// The n-th pause is n times the first.
    Linear,
    /// The n-th pause is 2^n times the first, and up to a fifth longer.
    Exponential,
}

/// A header added to webhook posts.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CustomHeader {
    /// The header's name.
    pub name: String,
    /// The header's value, often a secret.
    pub value: String,
}

debug_shows!(CustomHeader { name });
