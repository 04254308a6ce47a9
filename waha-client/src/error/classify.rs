//! From an HTTP answer to what the caller does next.

use std::time::Duration;

use serde_json::Value;

use super::{ErrorDetail, WahaError};
use crate::wire::SessionStatus;

/// What a call is for, which decides what an unclear end of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sends a message: repeating it blindly could send the message twice.
    Send,
    /// Reads, or changes something in a way that may be repeated.
    Repeatable,
}

/// An answer that is no success.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, whatever it is.
    pub(crate) body: &'a [u8],
    /// The `Retry-After` header, where it is in seconds.
    pub(crate) retry_after: Option<Duration>,
}

/// Sorts an answer that is no success.
pub(crate) fn classify(purpose: Purpose, refusal: Refusal<'_>) -> WahaError {
    let Refusal { status, retry_after, .. } = refusal;
    let body: Value = crate::json::read(refusal.body).unwrap_or_default();
    let detail = ErrorDetail::of_body(&body);
    let said = |words: &str| detail.as_ref().is_some_and(|it| it.reveal().contains(words));
    let permanent =
        |reason| WahaError::Permanent { reason, status: Some(status), detail: detail.clone() };

    match status {
        300..=399 => permanent("redirected"),
        400 => permanent("invalid-request"),
        401 => permanent("unauthorized"),
        403 => permanent("forbidden"),
        404 if said("Session not found") => permanent("session-unknown"),
        404 if said("Message not found") => permanent("message-unknown"),
        404 if body["error"]["key"] == "FILE_NOT_FOUND" => permanent("media-gone"),
        404 => permanent("not-found"),
        // From a proxy that gave up on reading the request: how much WAHA saw is not known.
        408 => unclear(purpose, "timeout", status, detail),
        413 => permanent("too-large"),
        422 => match body["status"].as_str() {
            Some(word) => WahaError::Hold { status: SessionStatus::from_word(word) },
            None if said("does not exist") => permanent("session-unknown"),
            None if said("already exists") => permanent("session-exists"),
            None if said("already started") => permanent("session-already-started"),
            None => permanent("unprocessable"),
        },
        // WAHA itself never answers 429, but a proxy before it may.
        429 => WahaError::BackOff { reason: "too-many-requests", retry_after },
        501 => permanent("engine-cannot"),
        500..=599 if body["exception"]["type"] == "entity.too.large" => permanent("too-large"),
        500..=599 if said("rate-overlimit") => {
            WahaError::BackOff { reason: "rate-overlimit", retry_after }
        }
        500..=599 if purpose == Purpose::Send && names_463(detail.as_ref()) => {
            WahaError::Restricted { detail }
        }
        500..=599 => unclear(purpose, "server-error", status, detail),
        _ => permanent("refused"),
    }
}

/// An answer after which it is not known what WAHA did.
fn unclear(
    purpose: Purpose,
    reason: &'static str,
    status: u16,
    detail: Option<ErrorDetail>,
) -> WahaError {
    let (status, source) = (Some(status), None);
    match purpose {
        Purpose::Send => WahaError::UnknownOutcome { reason, status, detail, source },
        Purpose::Repeatable => WahaError::Unavailable { reason, status, detail, source },
    }
}

/// Whether the text has 463 as a number of its own. Only WAHA's own words are looked at, never
/// the request it repeats: phone numbers contain 463, too.
fn names_463(detail: Option<&ErrorDetail>) -> bool {
    detail.is_some_and(|detail| {
        detail.reveal().split(|it: char| !it.is_ascii_alphanumeric()).any(|word| word == "463")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(purpose: Purpose, status: u16, body: &str, expected: &str) -> WahaError {
        let refusal = Refusal { status, body: body.as_bytes(), retry_after: None };
        let error = classify(purpose, refusal);
        assert_eq!(error.reason(), expected);
        error
    }

    #[test]
    fn a_session_that_is_not_ready_is_waited_for() {
        let error = check(Purpose::Send, 422, r#"{"status":"STARTING"}"#, "session-not-ready");
        assert!(matches!(error, WahaError::Hold { status: SessionStatus::Starting }));
    }

    #[test]
    fn a_server_error_of_a_send_leaves_the_outcome_open() {
        for body in ["", "<html>", "{}", r#"{"exception":{"message":"boom"}}"#] {
            let error = check(Purpose::Send, 502, body, "server-error");
            assert!(matches!(error, WahaError::UnknownOutcome { status: Some(502), .. }));
        }
    }

    #[test]
    fn a_server_error_of_a_read_is_only_unavailable() {
        let error = check(Purpose::Repeatable, 500, "", "server-error");
        assert!(matches!(error, WahaError::Unavailable { .. }));
    }

    #[test]
    fn error_463_is_found_in_the_text_but_not_in_the_repeated_request() {
        let told = r#"{"exception":{"message":"server returned error 463"}}"#;
        check(Purpose::Send, 500, told, "new-chats-restricted");
        let number =
            r#"{"exception":{"message":"x 14630000 y"},"request":{"body":{"text":"463"}}}"#;
        check(Purpose::Send, 500, number, "server-error");
        check(Purpose::Repeatable, 500, told, "server-error");
    }

    #[test]
    fn neither_display_nor_debug_shows_what_waha_repeated() {
        let body = r#"{"exception":{"message":"secret"},"request":{"body":{"text":"secret"}}}"#;
        let error = check(Purpose::Send, 500, body, "server-error");
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert_eq!(error.detail().unwrap().reveal(), "secret");
    }

    #[test]
    fn what_a_proxy_answers_has_a_class() {
        check(Purpose::Send, 302, "", "redirected");
        check(Purpose::Send, 413, "", "too-large");
        check(Purpose::Send, 418, "", "refused");
        check(Purpose::Send, 408, "", "timeout");
        let refusal = Refusal { status: 429, body: b"", retry_after: Some(Duration::from_secs(3)) };
        assert!(matches!(
            classify(Purpose::Send, refusal),
            WahaError::BackOff { reason: "too-many-requests", retry_after: Some(wait) }
                if wait.as_secs() == 3
        ));
    }
}
