//! What a webhook says.

use crate::domain::inbox::ProviderEvent;

/// As much of a webhook as is read before it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHead {
    /// The provider's name of the event.
    pub event: String,
    /// The provider's name of the session.
    pub session: String,
    /// What tells this event from others of its session and name; never made of absent parts.
    pub key: String,
    /// Whether an event of this name can mean anything; one that cannot decodes to
    /// [`ProviderEvent::Other`] whatever else it says.
    pub has_effect: bool,
}

/// A webhook that is not what the provider sends. Names the field and repeats nothing of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook is malformed: {problem}")]
pub struct MalformedWebhook {
    /// Where, as a JSON Pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub problem: &'static str,
}

/// Reads the provider's webhooks. Total: any bytes give an answer.
pub trait WebhookDecoder: Send + Sync + 'static {
    /// Reads what is needed to keep the webhook.
    ///
    /// # Errors
    /// [`MalformedWebhook`] where it has no session, no event, or is no JSON object.
    fn head(&self, body: &[u8]) -> Result<WebhookHead, MalformedWebhook>;

    /// Reads the whole of a webhook that was kept.
    ///
    /// # Errors
    /// [`MalformedWebhook`] where an event of a known name lacks what it must have.
    fn decode(&self, body: &[u8]) -> Result<ProviderEvent, MalformedWebhook>;
}
