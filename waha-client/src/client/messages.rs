//! Sending messages.

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use super::{Call, WahaClient, json, path, required};
use crate::error::{Purpose, WahaError};
use crate::ids::{MessageKey, RawMessageId, key_of_answer};
use crate::wire::{
    ContactRequest, FileRequest, ImageRequest, LocationRequest, NewMessageId, PollRequest,
    TextRequest, VideoRequest, VoiceRequest,
};

/// WAHA has taken a message over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SendReceipt {
    /// The message's id. `None` where the answer named none and none was chosen beforehand: it
    /// then comes with the `message.any` webhook whose `source` is `api`.
    pub key: Option<MessageKey>,
}

impl SendReceipt {
    /// The stable part of the id, which acks are matched on.
    #[must_use]
    pub fn raw_id(&self) -> Option<&RawMessageId> {
        self.key.as_ref().map(|key| &key.raw_id)
    }
}

/// What every send must have, since WAHA answers a missing field with 500.
struct Required<'a> {
    session: &'a str,
    chat_id: &'a str,
    /// The id chosen beforehand, where the endpoint takes one.
    id: Option<&'a str>,
}

impl WahaClient {
    /// Sends text: `POST /api/sendText`.
    ///
    /// # Errors
    /// As all sends: [`WahaError`], where [`WahaError::UnknownOutcome`] means that the message
    /// may have been sent, and [`WahaError::Permanent`] with no status that a required field is
    /// empty.
    pub async fn send_text(&self, request: &TextRequest) -> Result<SendReceipt, WahaError> {
        if request.text.is_empty() {
            return Err(WahaError::invalid("the text is empty"));
        }
        let required = Required {
            session: &request.session,
            chat_id: &request.chat_id,
            id: request.id.as_deref(),
        };
        self.send("sendText", self.timeouts().text, required, request).await
    }

    /// Sends a picture: `POST /api/sendImage`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_image(&self, request: &ImageRequest) -> Result<SendReceipt, WahaError> {
        self.send_media("sendImage", &request.session, &request.chat_id, request).await
    }

    /// Sends a document: `POST /api/sendFile`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_file(&self, request: &FileRequest) -> Result<SendReceipt, WahaError> {
        self.send_media("sendFile", &request.session, &request.chat_id, request).await
    }

    /// Sends a voice message: `POST /api/sendVoice`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_voice(&self, request: &VoiceRequest) -> Result<SendReceipt, WahaError> {
        self.send_media("sendVoice", &request.session, &request.chat_id, request).await
    }

    /// Sends a film: `POST /api/sendVideo`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_video(&self, request: &VideoRequest) -> Result<SendReceipt, WahaError> {
        self.send_media("sendVideo", &request.session, &request.chat_id, request).await
    }

    /// Sends a place: `POST /api/sendLocation`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_location(&self, request: &LocationRequest) -> Result<SendReceipt, WahaError> {
        if !(request.latitude.is_finite() && request.longitude.is_finite()) {
            return Err(WahaError::invalid("the place has no coordinates"));
        }
        let required = Required {
            session: &request.session,
            chat_id: &request.chat_id,
            id: request.id.as_deref(),
        };
        self.send("sendLocation", self.timeouts().text, required, request).await
    }

    /// Sends contacts: `POST /api/sendContactVcard`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_contact(&self, request: &ContactRequest) -> Result<SendReceipt, WahaError> {
        if request.contacts.is_empty() {
            return Err(WahaError::invalid("there are no contacts"));
        }
        let required = Required {
            session: &request.session,
            chat_id: &request.chat_id,
            id: request.id.as_deref(),
        };
        self.send("sendContactVcard", self.timeouts().text, required, request).await
    }

    /// Sends a poll: `POST /api/sendPoll`.
    ///
    /// # Errors
    /// As [`WahaClient::send_text`].
    pub async fn send_poll(&self, request: &PollRequest) -> Result<SendReceipt, WahaError> {
        if request.poll.name.is_empty() || request.poll.options.is_empty() {
            return Err(WahaError::invalid("the poll has no question or no answers"));
        }
        let required = Required {
            session: &request.session,
            chat_id: &request.chat_id,
            id: request.id.as_deref(),
        };
        self.send("sendPoll", self.timeouts().text, required, request).await
    }

    /// Asks for a raw id nobody has used: `GET /api/{session}/new-message-id`.
    ///
    /// # Errors
    /// [`WahaError::Permanent`] `engine-cannot` on engines that take no ids
    /// ([`crate::Engine::takes_message_id`]); otherwise as any read.
    pub async fn new_message_id(&self, session: &str) -> Result<RawMessageId, WahaError> {
        let answer = self.read(&["api", session, "new-message-id"], Vec::new()).await?;
        let answer: NewMessageId = required(answer)?;
        required(RawMessageId::new(answer.id))
    }

    async fn send_media<T: Serialize + Sync>(
        &self,
        endpoint: &str,
        session: &str,
        chat_id: &str,
        request: &T,
    ) -> Result<SendReceipt, WahaError> {
        let required = Required { session, chat_id, id: None };
        self.send(endpoint, self.timeouts().media, required, request).await
    }

    async fn send<T: Serialize + Sync>(
        &self,
        endpoint: &str,
        timeout: std::time::Duration,
        required: Required<'_>,
        request: &T,
    ) -> Result<SendReceipt, WahaError> {
        if required.session.trim().is_empty() || required.chat_id.is_empty() {
            return Err(WahaError::invalid("the session or the chat is empty"));
        }
        let call = Call {
            purpose: Purpose::Send,
            timeout,
            method: Method::POST,
            path: path::path(&["api", endpoint])?,
            query: Vec::new(),
            body: Some(json(request)?),
        };
        let body = self.call(call).await?;
        let answer = read_answer(&body)?;
        let chosen = || required.id.and_then(MessageKey::parse_or_opaque);
        Ok(SendReceipt { key: key_of_answer(&answer).or_else(chosen) })
    }
}

/// What was answered to a send with a 2xx. An empty answer is one of WAHA's: the message is out, and its id
/// not known. What is no answer of WAHA's, such as a page of a proxy, tells nothing of the message.
fn read_answer(body: &[u8]) -> Result<Value, WahaError> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    match crate::json::read(body) {
        Ok(Value::Null) => Ok(Value::Null),
        Ok(answer @ Value::Object(_)) if answer["statusCode"].is_null() => Ok(answer),
        _ => Err(WahaError::UnknownOutcome {
            reason: "answer-unreadable",
            status: None,
            detail: None,
            source: None,
        }),
    }
}
