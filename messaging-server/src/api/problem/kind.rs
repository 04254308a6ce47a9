//! Every kind of refusal there is, in one list; `docs/problems.md` has a section on each.

/// A kind of refusal.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The status it is answered with.
    pub status: u16,
    /// Its stable name.
    pub code: &'static str,
    /// Its name for people.
    pub title: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:literal, $code:literal, $title:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $title, ".")]
            pub const $name: Kind = Kind { status: $status, code: $code, title: $title };
        )*

        /// Every kind.
        pub const ALL: &[Kind] = &[$($name),*];
    };
}

kinds! {
    INVALID_REQUEST = 400, "invalid-request", "The request is not valid";
    INVALID_PHONE = 400, "invalid-phone", "The telephone number is not valid";
    MESSAGE_TOO_LONG = 400, "message-too-long", "The message is too long";
    MEDIA_URL_NOT_ALLOWED = 400, "media-url-not-allowed", "The file's address is not allowed";
    DUPLICATE_RECIPIENT = 400, "duplicate-recipient", "A recipient is named twice";
    MISSING_VARIABLE = 400, "missing-variable", "A variable has no value";
    SESSION_NOT_WORKING = 400, "session-not-working", "The session is not working";
    MALFORMED_PAYLOAD = 400, "malformed-payload", "The webhook is malformed";
    UNSUPPORTED_TOKEN_TYPE = 400, "unsupported-token-type", "The token is not revoked here";
    UNAUTHENTICATED = 401, "unauthenticated", "A bearer token is needed";
    INVALID_TOKEN = 401, "invalid-token", "The bearer token is not valid";
    INVALID_SIGNATURE = 401, "invalid-signature", "The signature is not valid";
    FORBIDDEN = 403, "forbidden", "The token does not allow this";
    SOURCE_NOT_ALLOWED = 403, "source-not-allowed", "Webhooks are not taken from there";
    NOT_FOUND = 404, "not-found", "There is nothing at this address";
    SESSION_NOT_FOUND = 404, "session-not-found", "There is no such session";
    MESSAGE_NOT_FOUND = 404, "message-not-found", "There is no such message";
    BULK_NOT_FOUND = 404, "bulk-not-found", "There is no such bulk request";
    TENANT_NOT_FOUND = 404, "tenant-not-found", "There is no such tenant";
    API_KEY_NOT_FOUND = 404, "api-key-not-found", "There is no such API key";
    OPT_OUT_NOT_FOUND = 404, "opt-out-not-found", "There is no such opt-out";
    SERVER_NOT_FOUND = 404, "server-not-found", "There is no such WAHA server";
    METHOD_NOT_ALLOWED = 405, "method-not-allowed", "The address does not take this method";
    REQUEST_TIMEOUT = 408, "request-timeout", "The request took too long to come";
    SESSION_CONFLICT = 409, "session-conflict", "The session is taken";
    TENANT_CONFLICT = 409, "tenant-conflict", "There is a tenant of this name";
    TENANT_SUSPENDED = 409, "tenant-suspended", "The tenant is suspended";
    SERVER_CONFLICT = 409, "server-conflict", "There is a WAHA server of this name";
    SERVER_IN_USE = 409, "server-in-use", "Sessions are on the WAHA server";
    SERVER_READ_ONLY = 409, "server-read-only", "The WAHA server stands in the settings";
    SERVER_FULL = 409, "server-full", "The WAHA server is full";
    SERVER_DRAINING = 409, "server-draining", "The WAHA server takes no new sessions";
    TOO_MANY_SERVERS = 409, "too-many-servers", "There are too many WAHA servers";
    SESSION_STATE_CONFLICT = 409, "session-state-conflict", "The session's state does not allow it";
    MESSAGE_STATE_CONFLICT = 409, "message-state-conflict", "The message's status does not allow it";
    DUPLICATE_MESSAGE = 409, "duplicate-message", "The same was sent a moment ago";
    OPTED_OUT = 409, "opted-out", "The recipient has opted out";
    IDEMPOTENCY_IN_FLIGHT = 409, "idempotency-in-flight", "The request of this key is not done yet";
    PAYLOAD_TOO_LARGE = 413, "payload-too-large", "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = 415, "unsupported-media-type", "The body's media type is not supported";
    WAHA_REFUSED = 422, "waha-refused", "WAHA refused the request";
    PII_REFUSED = 422, "pii-refused", "The text has personal data in it";
    IDEMPOTENCY_KEY_REUSED = 422, "idempotency-key-reused", "The key stands for another request";
    RATE_LIMITED = 429, "rate-limited", "A rate limit is reached";
    QUEUE_FULL = 429, "queue-full", "Too many messages wait";
    INTERNAL_ERROR = 500, "internal-error", "Something went wrong here";
    WAHA_UNAVAILABLE = 503, "waha-unavailable", "WAHA cannot be used at present";
    CLOCK_WRONG = 503, "clock-wrong", "The node's clock is wrong";
    WAHA_FULL = 503, "waha-full", "No WAHA server has room";
    IDENTITY_PROVIDER_UNAVAILABLE = 503, "identity-provider-unavailable", "The identity provider's keys cannot be had";
    SERVICE_UNAVAILABLE = 503, "service-unavailable", "The service cannot be used at present";
}

impl Kind {
    /// The kind of this code.
    pub fn of_code(code: &str) -> Option<&'static Self> {
        ALL.iter().find(|kind| kind.code == code)
    }

    /// The kind for an error of the framework, of which only the status is known.
    pub(super) fn of_status(status: u16) -> &'static Self {
        match status {
            401 => &UNAUTHENTICATED,
            403 => &FORBIDDEN,
            404 => &NOT_FOUND,
            405 => &METHOD_NOT_ALLOWED,
            408 => &REQUEST_TIMEOUT,
            413 => &PAYLOAD_TOO_LARGE,
            415 => &UNSUPPORTED_MEDIA_TYPE,
            503 => &SERVICE_UNAVAILABLE,
            400..=499 => &INVALID_REQUEST,
            _ => &INTERNAL_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_for_one_kind() {
        for kind in ALL {
            assert_eq!(Kind::of_code(kind.code), Some(kind));
        }
    }

    #[test]
    fn every_kind_is_described() {
        let page = include_str!("../../../../docs/problems.md");
        for kind in ALL {
            assert!(page.contains(&format!("\n## {}\n", kind.code)), "{}", kind.code);
        }
    }
}
