//! What WAHA's errors mean for a message.

use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::ports::transport::{Found, Later, LaterReason, Preparation, SendOutcome};

use crate::WahaError;

/// What an error before the send means: nothing was sent.
pub(super) fn of_preparation(error: &WahaError) -> Preparation {
    match later(error) {
        Some(later) => Preparation::TryLater(later),
        None => Preparation::Rejected(rejection(error)),
    }
}

/// What an error of the send means.
pub(super) fn of_send(error: &WahaError) -> SendOutcome {
    match error {
        WahaError::UnknownOutcome { .. } => SendOutcome::Unknown,
        error => match later(error) {
            Some(later) => SendOutcome::TryLater(later),
            None => SendOutcome::Rejected(rejection(error)),
        },
    }
}

/// What an error of a look-up means.
pub(super) fn of_lookup(error: &WahaError) -> Found {
    later(error).map_or(Found::CannotTell, Found::TryLater)
}

/// A content that has no form in WAHA.
pub(super) fn cannot_be_sent() -> WahaError {
    WahaError::Permanent { reason: "engine-cannot", status: None, detail: None }
}

fn later(error: &WahaError) -> Option<Later> {
    let (reason, after) = match error {
        WahaError::Hold { .. } => (LaterReason::SessionNotWorking, None),
        WahaError::BackOff { retry_after, .. } => (LaterReason::Overloaded, *retry_after),
        WahaError::SafeRetry { .. } => (LaterReason::Unreachable, None),
        WahaError::Unavailable { .. } | WahaError::UnknownOutcome { .. } => {
            (LaterReason::Failed, None)
        }
        WahaError::Permanent { reason, .. } => match *reason {
            // A wrong key is the operator's to mend, not a reason to fail what tenants send.
            "unauthorized" | "forbidden" => (LaterReason::Unreachable, None),
            "session-unknown" => (LaterReason::SessionNotWorking, None),
            _ => return None,
        },
        WahaError::Restricted { .. } => return None,
    };
    Some(Later { reason, after })
}

/// WAHA's own words are left out: they may repeat the message.
fn rejection(error: &WahaError) -> Failure {
    let code = match error {
        WahaError::Restricted { .. } => FailureCode::AccountRestricted,
        error => match error.reason() {
            "media-gone" | "too-large" => FailureCode::MediaRejected,
            "engine-cannot" => FailureCode::NotSupported,
            _ => FailureCode::ProviderRejected,
        },
    };
    Failure::with_detail(code, format!("WAHA answered: {}", error.reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permanent(reason: &'static str) -> WahaError {
        WahaError::Permanent { reason, status: Some(400), detail: None }
    }

    #[track_caller]
    fn check_later(error: &WahaError, reason: LaterReason) {
        let expected = Later { reason, after: None };
        assert_eq!(of_send(error), SendOutcome::TryLater(expected.clone()));
        assert_eq!(of_preparation(error), Preparation::TryLater(expected.clone()));
        assert_eq!(of_lookup(error), Found::TryLater(expected));
    }

    #[track_caller]
    fn check_rejected(error: &WahaError, code: FailureCode) {
        match of_send(error) {
            SendOutcome::Rejected(failure) => assert_eq!(failure.code, code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_reached_nobody_uses_no_attempt() {
        let unreachable = WahaError::SafeRetry { reason: "connect-failed", source: None };
        check_later(&unreachable, LaterReason::Unreachable);
        let hold = WahaError::Hold { status: crate::wire::SessionStatus::Starting };
        check_later(&hold, LaterReason::SessionNotWorking);
    }

    #[test]
    fn a_wrong_key_or_a_lost_session_fails_no_message() {
        check_later(&permanent("unauthorized"), LaterReason::Unreachable);
        check_later(&permanent("forbidden"), LaterReason::Unreachable);
        check_later(&permanent("session-unknown"), LaterReason::SessionNotWorking);
    }

    #[test]
    fn a_refusal_fails_the_message_with_its_own_code() {
        check_rejected(&permanent("invalid-request"), FailureCode::ProviderRejected);
        check_rejected(&permanent("engine-cannot"), FailureCode::NotSupported);
        check_rejected(&permanent("too-large"), FailureCode::MediaRejected);
        check_rejected(&WahaError::Restricted { detail: None }, FailureCode::AccountRestricted);
    }

    #[test]
    fn only_a_send_can_end_unknown() {
        let lost = WahaError::UnknownOutcome {
            reason: "timeout",
            status: None,
            detail: None,
            source: None,
        };
        assert_eq!(of_send(&lost), SendOutcome::Unknown);
        assert_eq!(
            of_lookup(&lost),
            Found::TryLater(Later { reason: LaterReason::Failed, after: None })
        );
    }
}
