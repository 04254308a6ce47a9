//! What happens to sessions and to WAHA itself.

use serde_json::Value;

use super::envelope::MalformedWebhook;
use super::payload;
use crate::error::ErrorDetail;
use crate::redaction::debug_shows;
use crate::unix_time::milliseconds;
use crate::wire::{Base64File, SessionStatus, lenient};

/// A session came into a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionChange {
    /// The status.
    pub status: SessionStatus,
    /// When, Unix time in milliseconds. Events come in no order: an older one must not undo a
    /// newer one.
    pub timestamp_ms: Option<i64>,
}

/// A QR code to scan. Whoever sees it can take the account, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Qr {
    /// The text inside the code, where the event brought it.
    pub value: Option<String>,
    /// A picture of the code, where the event brought one.
    pub image: Option<Base64File>,
}

debug_shows!(Qr {});

/// A session gave up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFailed {
    /// Why, where the event says so.
    pub detail: Option<ErrorDetail>,
}

/// WAHA reports an error of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiError {
    /// A code, where the event has one: at most 64 printable characters.
    pub code: Option<String>,
    /// What happened, where the event says so.
    pub detail: Option<ErrorDetail>,
}

impl SessionChange {
    /// Whether a QR code can be asked for now.
    #[must_use]
    pub const fn has_qr(&self) -> bool {
        self.status.has_qr()
    }

    pub(super) fn of_payload(
        payload: &Value,
        at_ms: Option<i64>,
    ) -> Result<Self, MalformedWebhook> {
        let word = payload::text(&payload["status"])
            .ok_or(MalformedWebhook::Missing { field: "payload.status" })?;
        let last_change = || {
            let last = payload["statuses"].as_array()?.last()?;
            lenient::integer(&last["timestamp"]).map(milliseconds)
        };
        Ok(Self {
            status: SessionStatus::from_word(word),
            timestamp_ms: at_ms.or_else(last_change),
        })
    }
}

impl Qr {
    pub(super) fn of_payload(payload: &Value) -> Self {
        let text = payload::text(payload)
            .or_else(|| payload::first_text(payload, &["qr", "value", "code", "qrCode"]));
        let data = payload::first_text(payload, &["data", "image"]);
        let picture = text.into_iter().chain(data).find_map(of_data_url);
        let bare_picture = || {
            let mimetype = payload::text(&payload["mimetype"]).unwrap_or("image/png").to_owned();
            Some(Base64File { mimetype, data: data?.to_owned() })
        };
        Self {
            value: text.filter(|it| of_data_url(it).is_none()).map(str::to_owned),
            image: picture.or_else(bare_picture),
        }
    }
}

impl SessionFailed {
    pub(super) fn of_payload(payload: &Value) -> Self {
        Self { detail: detail(payload) }
    }
}

impl ApiError {
    pub(super) fn of_payload(payload: &Value) -> Self {
        let code = ["code", "statusCode", "status"]
            .iter()
            .find_map(|name| payload::text_or_number(&payload[*name]))
            .filter(|code| code.len() <= 64 && code.bytes().all(|it| it.is_ascii_graphic()));
        Self { code, detail: detail(payload) }
    }
}

fn detail(payload: &Value) -> Option<ErrorDetail> {
    ErrorDetail::of_body(payload)
        .or_else(|| payload::text(&payload["reason"]).map(ErrorDetail::new))
        .or_else(|| payload::text(payload).map(ErrorDetail::new))
}

/// `data:image/png;base64,…` (RFC 2397).
fn of_data_url(text: &str) -> Option<Base64File> {
    let (head, data) = text.strip_prefix("data:")?.split_once(',')?;
    let mimetype = head.strip_suffix(";base64")?;
    Some(Base64File { mimetype: mimetype.to_owned(), data: data.to_owned() })
}
