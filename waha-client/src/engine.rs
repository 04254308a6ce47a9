//! The four programs WAHA can drive WhatsApp with; they differ in what they can do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How one WAHA process talks to WhatsApp. Each process runs exactly one engine, told by
/// `GET /api/server/version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Engine {
    /// whatsapp-web.js in a browser.
    Webjs,
    /// WPPConnect in a browser.
    Wpp,
    /// Baileys, a web socket client in Node.js.
    Noweb,
    /// whatsmeow, a web socket client in Go.
    Gows,
    /// An engine this version does not know; treated as able to do the least.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Engine {
    /// Whether sends of text, location, contact and poll accept an `id` chosen by the caller.
    ///
    /// Only the web socket engines do; the others answer 501 to `new-message-id`. Media sends
    /// take no id on any engine.
    #[must_use]
    pub const fn takes_message_id(self) -> bool {
        matches!(self, Self::Noweb | Self::Gows)
    }

    /// Whether messages can be read with `all` in place of a chat id.
    #[must_use]
    pub const fn reads_all_chats(self) -> bool {
        matches!(self, Self::Noweb | Self::Gows)
    }

    /// WAHA's own name of the engine.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webjs => "WEBJS",
            Self::Wpp => "WPP",
            Self::Noweb => "NOWEB",
            Self::Gows => "GOWS",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
