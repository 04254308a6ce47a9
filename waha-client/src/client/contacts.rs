//! Which numbers are on WhatsApp, and under which ids.

use super::{WahaClient, required};
use crate::error::WahaError;
use crate::ids::ChatId;
use crate::wire::{LidMapping, NumberStatus};

impl WahaClient {
    /// Whether a phone number (E.164, with or without `+`) is on WhatsApp, and the chat to send
    /// to: `GET /api/contacts/check-exists`.
    ///
    /// Send to [`NumberStatus::chat`], not to the number: Brazil's ninth digit and like rules of
    /// Mexico and Argentina make them differ. Answers change seldom; cache them.
    ///
    /// # Errors
    /// [`WahaError::Hold`] while the session does not work, [`WahaError::BackOff`] where
    /// WhatsApp wants fewer questions; otherwise as any read.
    pub async fn check_exists(
        &self,
        session: &str,
        phone: &str,
    ) -> Result<NumberStatus, WahaError> {
        let query = vec![
            ("phone", phone.trim_start_matches('+').to_owned()),
            ("session", session.to_owned()),
        ];
        required(self.read(&["api", "contacts", "check-exists"], query).await?)
    }

    /// The phone number behind a hidden id: `GET /api/{session}/lids/{lid}`.
    ///
    /// # Errors
    /// As any read.
    pub async fn phone_of_lid(&self, session: &str, lid: &ChatId) -> Result<LidMapping, WahaError> {
        let answer = self.read(&["api", session, "lids", lid.as_str()], Vec::new()).await?;
        Ok(answer.unwrap_or_default())
    }

    /// The hidden id of a phone number (E.164, with or without `+`):
    /// `GET /api/{session}/lids/pn/{phoneNumber}`.
    ///
    /// # Errors
    /// As any read.
    pub async fn lid_of_phone(&self, session: &str, phone: &str) -> Result<LidMapping, WahaError> {
        let digits = phone.trim_start_matches('+');
        let answer = self.read(&["api", session, "lids", "pn", digits], Vec::new()).await?;
        Ok(answer.unwrap_or_default())
    }
}

impl NumberStatus {
    /// The chat to send to; `None` where the number is not on WhatsApp or WAHA named no chat.
    #[must_use]
    pub fn chat(&self) -> Option<ChatId> {
        let chat = self.number_exists.then_some(self.chat_id.as_deref())??;
        ChatId::parse(chat).ok()
    }
}

impl LidMapping {
    /// The hidden id, where known.
    #[must_use]
    pub fn lid_chat(&self) -> Option<ChatId> {
        ChatId::parse(self.lid.as_deref()?).ok()
    }

    /// The chat id with the phone number, where known.
    #[must_use]
    pub fn phone_chat(&self) -> Option<ChatId> {
        ChatId::parse(self.pn.as_deref()?).ok()
    }
}
