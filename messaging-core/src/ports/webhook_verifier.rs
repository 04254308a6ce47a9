//! Whether a webhook comes from the provider.

use crate::domain::webhook_secret::WebhookSecret;
use crate::named::named_enum;

/// The headers of a request, looked up by name in lower case. Of a header that is repeated, the
/// first counts.
pub trait Headers: Send + Sync {
    /// The value of a header; `None` where it is absent.
    fn get(&self, name: &str) -> Option<&[u8]>;
}

impl Headers for &[(&str, &str)] {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_bytes())
    }
}

named_enum! {
    /// Why a webhook is not believed. One reason, told to the operator and not to the sender.
    pub enum SignatureError {
        /// There is no signature.
        Missing = "missing",
        /// What stands in its place is none.
        Malformed = "malformed",
        /// It is of a kind that is not accepted.
        UnsupportedAlgorithm = "unsupported-algorithm",
        /// It was made with another secret or over another body.
        Mismatch = "mismatch",
    }
}

/// Whether a webhook comes from the provider: a signature over the body exactly as it came in,
/// compared in constant time.
///
/// It holds the secrets itself, several while they are being changed.
pub trait WebhookVerifier: Send + Sync + 'static {
    /// Believes the webhook or says why not.
    ///
    /// # Errors
    /// The one reason why not.
    fn verify(&self, headers: &dyn Headers, body: &[u8]) -> Result<(), SignatureError>;

    /// The same, but with these secrets, newest first, in place of its own.
    ///
    /// # Errors
    /// The one reason why not; without secrets, nothing is believed.
    fn verify_with(
        &self,
        secrets: &[&WebhookSecret],
        headers: &dyn Headers,
        body: &[u8],
    ) -> Result<(), SignatureError>;
}
