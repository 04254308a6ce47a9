//! Why a call is not answered as asked.

use crate::wire::{ErrorBody, SessionStatus};

use super::faults::Fault;
use crate::engine::Engine;

/// A call that fails.
#[derive(Debug)]
pub(super) enum Refusal {
    /// With a body that is the same whatever was asked.
    Body(Box<ErrorBody>),
    /// With a 500 that repeats the request.
    Thrown {
        message: String,
        /// `exception.type`.
        kind: Option<&'static str>,
    },
    /// With a page of HTML, as proxies answer.
    BadGateway,
    /// With a closed connection.
    Dropped,
}

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        Self::Body(Box::new(body))
    }
}

impl Refusal {
    pub(super) fn thrown(message: impl Into<String>) -> Self {
        Self::Thrown { message: message.into(), kind: None }
    }

    /// The body is over the limit.
    pub(super) fn too_large() -> Self {
        let message = "request entity too large".to_owned();
        Self::Thrown { message, kind: Some("entity.too.large") }
    }

    /// The account may not start this chat.
    pub(super) fn restricted() -> Self {
        Self::thrown("server returned error 463")
    }

    /// The status it is answered with; 0 where the connection is just closed.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Body(body) => body.status_code(),
            Self::Thrown { .. } => 500,
            Self::BadGateway => 502,
            Self::Dropped => 0,
        }
    }

    /// How a fault shows; `None` for those that let the message through.
    pub(super) fn of_fault(fault: &Fault, session: &str, engine: Engine) -> Option<Self> {
        Some(match fault {
            Fault::Thrown { message } => Self::thrown(message),
            Fault::Restricted => Self::restricted(),
            Fault::RateOverlimit => Self::thrown("rate-overlimit"),
            Fault::TooLarge => Self::too_large(),
            Fault::BadGateway => Self::BadGateway,
            Fault::NotWorking => {
                let expected = vec![SessionStatus::Working];
                ErrorBody::session_status(session, SessionStatus::Starting, expected).into()
            }
            Fault::SessionMissing => ErrorBody::session_does_not_exist(session).into(),
            Fault::Invalid => {
                ErrorBody::invalid(vec!["chatId must be a valid chat id".to_owned()]).into()
            }
            Fault::Unauthorized => ErrorBody::unauthorized().into(),
            Fault::Forbidden => ErrorBody::forbidden().into(),
            Fault::NotImplemented => ErrorBody::not_implemented(engine).into(),
            Fault::Dropped => Self::Dropped,
            Fault::AnswerLost
            | Fault::AnswerLate { .. }
            | Fault::FailsLate { .. }
            | Fault::NeverAcked => return None,
        })
    }
}
