//! What WAHA knows about phone numbers: whether they are on WhatsApp, and under which ids.

use serde::{Deserialize, Serialize};

use super::lenient;
use crate::redaction::debug_shows;

/// Answer of `GET /api/contacts/check-exists`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NumberStatus {
    /// Whether the number is on WhatsApp. To be read before the rest.
    #[serde(rename = "numberExists")]
    pub number_exists: bool,
    /// The chat to send to, which may differ from the number asked about (Brazil's ninth digit)
    /// and may be a hidden id (`…@lid`). May be missing even where the number exists.
    #[serde(
        default,
        rename = "chatId",
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub chat_id: Option<String>,
    /// The chat id that holds the phone number; newer than WAHA's description.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub pn: Option<String>,
}

debug_shows!(NumberStatus { number_exists });

/// Answer of `GET /api/{session}/lids/{lid}` and `GET /api/{session}/lids/pn/{phoneNumber}`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LidMapping {
    /// The hidden id, `…@lid`; null where unknown.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub lid: Option<String>,
    /// The chat id with the phone number, `…@c.us`; null where unknown.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub pn: Option<String>,
}

debug_shows!(LidMapping {});
