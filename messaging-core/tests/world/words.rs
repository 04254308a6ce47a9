//! A provider's webhooks in words that a test can write.

use messaging_core::conformance::build::{address, at};
use messaging_core::domain::content::Content;
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::inbox::{ProviderEvent, ProviderMessage};
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::StatusEvent;
use messaging_core::domain::webhook_secret::WebhookSecret;
use messaging_core::ports::webhook_decoder::{MalformedWebhook, WebhookDecoder, WebhookHead};
use messaging_core::ports::webhook_verifier::{Headers, SignatureError, WebhookVerifier};

/// Believes whoever knows the password.
pub(crate) struct Password;

impl WebhookVerifier for Password {
    fn verify(&self, headers: &dyn Headers, _body: &[u8]) -> Result<(), SignatureError> {
        match headers.get("password") {
            None => Err(SignatureError::Missing),
            Some(b"open sesame") => Ok(()),
            Some(_) => Err(SignatureError::Mismatch),
        }
    }

    fn verify_with(
        &self,
        secrets: &[&WebhookSecret],
        headers: &dyn Headers,
        body: &[u8],
    ) -> Result<(), SignatureError> {
        let given = headers.get("password").ok_or(SignatureError::Missing)?;
        let known = secrets.iter().any(|secret| secret.0.as_bytes() == given);
        let _ = body;
        if known { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

/// Webhooks in three words or more: `KEY SESSION delivered ID`, `KEY SESSION text ID BODY`,
/// `KEY SESSION from PERSON ID BODY`,
/// `KEY SESSION echo ID BODY`, `KEY SESSION status working`, `KEY SESSION other`.
pub(crate) struct Words;

impl WebhookDecoder for Words {
    fn head(&self, body: &[u8]) -> Result<WebhookHead, MalformedWebhook> {
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let words: Vec<&str> = text.split(' ').collect();
        let [key, session, event, ..] = words[..] else { return Err(malformed()) };
        let own = |word: &str| word.to_owned();
        let has_effect = event != "other";
        Ok(WebhookHead { key: own(key), session: own(session), event: own(event), has_effect })
    }

    fn decode(&self, body: &[u8]) -> Result<ProviderEvent, MalformedWebhook> {
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let words: Vec<&str> = text.split(' ').skip(2).collect();
        let receipt = |id: &str, event| ProviderEvent::Receipt {
            id: ProviderMessageId(id.to_owned()),
            event,
        };
        Ok(match words[..] {
            ["accepted", id] => receipt(id, StatusEvent::Accept),
            ["delivered", id] => receipt(id, StatusEvent::Deliver),
            ["read", id] => receipt(id, StatusEvent::Read),
            ["error", id] => receipt(id, StatusEvent::Bounce),
            ["status", name] => ProviderEvent::Session {
                status: SessionStatus::from_name(name).ok_or_else(malformed)?,
                at: None,
                own_address: None,
            },
            [event @ ("text" | "echo"), id, body] => ProviderEvent::Message(ProviderMessage {
                id: ProviderMessageId(id.to_owned()),
                from_me: event == "echo",
                peer: address(1),
                own: None,
                content: Content::text(body),
                at: None,
            }),
            ["from", person, id, body] => ProviderEvent::Message(ProviderMessage {
                id: ProviderMessageId(id.to_owned()),
                from_me: false,
                peer: address(person.parse().map_err(|_| malformed())?),
                own: None,
                content: Content::text(body),
                at: None,
            }),
            ["at", millis, person, id, body] => ProviderEvent::Message(ProviderMessage {
                id: ProviderMessageId(id.to_owned()),
                from_me: false,
                peer: address(person.parse().map_err(|_| malformed())?),
                own: None,
                content: Content::text(body),
                at: Some(at(millis.parse().map_err(|_| malformed())?)),
            }),
            ["poison"] => return Err(malformed()),
            _ => ProviderEvent::Other,
        })
    }
}

fn malformed() -> MalformedWebhook {
    MalformedWebhook { pointer: String::new(), problem: "not words" }
}
