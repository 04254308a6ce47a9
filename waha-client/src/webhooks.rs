//! Webhooks: who sent them, and what they say.
//!
//! Two dialects are understood and become one [`WahaEvent`]:
//!
//! | | WAHA's own | the simple one |
//! |---|---|---|
//! | signature | `X-Webhook-Hmac: <128 hex>`, HMAC-SHA512 | `X-Waha-Signature: sha256=<64 hex>`, HMAC-SHA256 |
//! | messages | `message`, `message.any` | `message.text`, `message.image`, … with `type` |
//! | delivery | `message.ack`, a number | `message.status`, a word |
//! | pairing, failure | `session.status` | `session.qr`, `session.failed` |
//! | time of a message | seconds | milliseconds |
//! | errors | as HTTP answers | `api.error` |
//!
//! Receiving takes three steps, each of which can fail without the next one being tried. Nothing
//! is parsed before the signature was checked, and a webhook can be kept after the second step
//! and understood later:
//!
//! ```
//! use waha_client::webhooks::{Dialect, Envelope, SigningKeys, WahaEvent};
//!
//! let keys = SigningKeys::new(["the secret".to_owned().into()])?;
//! let body = br#"{"event":"message.ack","session":"default","payload":{"id":"3EB0","ack":2}}"#;
//! let signature = keys.sign(Dialect::Waha, body);
//!
//! let headers = |name: &str| (name == "x-webhook-hmac").then_some(signature.as_bytes());
//! keys.verify(headers, body)?;
//! let envelope = Envelope::read(body)?;
//! assert_eq!(envelope.session, "default");
//! assert!(matches!(envelope.event()?, WahaEvent::Ack(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! WAHA repeats a post until it is answered 2xx, sends in parallel and in no order, and follows
//! redirects by turning 301 and 302 into an empty GET that counts as delivered: never redirect.

mod ack;
mod changes;
mod envelope;
mod event;
mod message;
mod payload;
mod session;
mod signature;

pub use ack::Ack;
pub use changes::{Edited, Reaction, Revoked};
pub use envelope::{DedupKey, Envelope, MalformedWebhook};
pub use event::WahaEvent;
pub use message::{MediaReference, Message, MessageKind};
pub use session::{ApiError, Qr, SessionChange, SessionFailed};
pub use signature::{
    Dialect, HMAC_ALGORITHM_HEADER, SignatureError, SigningKeys, SigningKeysError,
};
