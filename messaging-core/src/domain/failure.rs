//! Why a message could not be sent, in a form programs can read.

use serde::{Deserialize, Serialize};

use crate::named::named_enum;

/// A stable code and, where it helps a person, a sentence. Neither holds text or numbers of the
/// message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kebab-case and stable, such as `outcome-unknown`.
    pub code: FailureCode,
    /// For people; never parsed.
    pub detail: Option<String>,
}

impl Failure {
    /// A failure with nothing to add to its code.
    pub fn new(code: FailureCode) -> Self {
        Self { code, detail: None }
    }

    /// A failure with a sentence for people.
    pub fn with_detail(code: FailureCode, detail: impl Into<String>) -> Self {
        Self { code, detail: Some(detail.into()) }
    }

    /// How a message ends that had failed in another way before and now fails in this: whatever the
    /// latest attempt came to, an earlier one may have been sent.
    #[must_use]
    pub fn after(self, earlier: Option<&Self>) -> Self {
        if self.is_unknown() || !earlier.is_some_and(Self::is_unknown) {
            return self;
        }
        let detail = format!("an earlier attempt may have been sent; the latest: {}", self.code);
        Self::with_detail(FailureCode::OutcomeUnknown, detail)
    }

    /// Whether the message may have been sent all the same.
    pub fn is_unknown(&self) -> bool {
        self.code == FailureCode::OutcomeUnknown
    }
}

named_enum! {
    /// The stable names of what can go wrong with a message.
    pub enum FailureCode {
        /// The request may have reached WhatsApp and nobody can tell: sending again could make a
        /// second message.
        OutcomeUnknown = "outcome-unknown",
        /// The recipient has no WhatsApp account.
        NotOnWhatsapp = "not-on-whatsapp",
        /// The account may not open new chats at present.
        AccountRestricted = "account-restricted",
        /// The provider refused the message for good.
        ProviderRejected = "provider-rejected",
        /// The provider's engine cannot send this kind of message.
        NotSupported = "not-supported",
        /// The file could not be fetched or is too large for the provider.
        MediaRejected = "media-rejected",
        /// The file's address leads to nowhere that files are fetched from.
        MediaUrlNotAllowed = "media-url-not-allowed",
        /// The file could not be fetched at present.
        MediaUnavailable = "media-unavailable",
        /// The provider asked for fewer messages.
        ProviderOverloaded = "provider-overloaded",
        /// The provider answered with an error of its own.
        ProviderError = "provider-error",
        /// No connection to the provider could be made.
        ProviderUnreachable = "provider-unreachable",
        /// The session is not connected to WhatsApp.
        SessionNotWorking = "session-not-working",
        /// The node that was to send it was stopped for longer than the message was its own.
        LeaseLost = "lease-lost",
        /// The session was deleted before the message was sent.
        SessionGone = "session-gone",
        /// WhatsApp reported after acceptance that the message was not delivered.
        DeliveryError = "delivery-error",
        /// The recipient wants no messages of the tenant's.
        OptedOut = "opted-out",
    }
}
