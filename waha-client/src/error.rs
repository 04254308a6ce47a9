//! What went wrong with a call to WAHA, sorted by what the caller does next.

mod classify;
mod detail;

use std::time::Duration;

pub(crate) use classify::{Purpose, Refusal, classify};
pub use detail::ErrorDetail;

use crate::wire::SessionStatus;

/// The cause beneath an error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call to WAHA did not do what it was asked.
///
/// One variant for each thing the caller would do next. WAHA queues nothing and knows no
/// idempotency: one call is one attempt, and what a send that got no clear answer did is unknown.
///
/// `Display` and `Debug` never show message text, phone numbers or chat ids, though WAHA's own
/// error answers repeat the request; what WAHA said is in [`WahaError::detail`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WahaError {
    /// The session is not in a status that allows the call, so nothing was tried: wait for the
    /// status (for sends, `WORKING`) and call again. No attempt is used up.
    #[error("the session is {status}, which does not allow the call")]
    Hold {
        /// The status the session is in.
        status: SessionStatus,
    },
    /// The same call will fail again: do not repeat it.
    #[error("WAHA refused the call ({reason})")]
    Permanent {
        /// See [`WahaError::reason`].
        reason: &'static str,
        /// The HTTP status; `None` where the call was not even made.
        status: Option<u16>,
        /// What WAHA said about it.
        detail: Option<ErrorDetail>,
    },
    /// The account may not open new chats (WhatsApp's error 463): fail this message and pause
    /// new chats of the session; chats that exist go on.
    #[error("WhatsApp does not let the account open new chats")]
    Restricted {
        /// What WAHA said about it.
        detail: Option<ErrorDetail>,
    },
    /// WhatsApp or a proxy asks to slow down; the call had no effect.
    #[error("the provider asks to slow down ({reason})")]
    BackOff {
        /// See [`WahaError::reason`].
        reason: &'static str,
        /// How long at least, where the answer said so.
        retry_after: Option<Duration>,
    },
    /// The message may have been sent, or not. Send again only with the same id, or after having
    /// looked for it among the chat's messages. Only sends end so.
    #[error("the outcome of the send is unknown ({reason})")]
    UnknownOutcome {
        /// See [`WahaError::reason`].
        reason: &'static str,
        /// The HTTP status, where there was an answer.
        status: Option<u16>,
        /// What WAHA said about it.
        detail: Option<ErrorDetail>,
        /// What happened to the connection.
        #[source]
        source: Option<BoxError>,
    },
    /// The request surely did not reach WAHA: calling again is safe.
    #[error("WAHA cannot be reached ({reason})")]
    SafeRetry {
        /// See [`WahaError::reason`].
        reason: &'static str,
        /// Why there is no connection.
        #[source]
        source: Option<BoxError>,
    },
    /// A call that only reads, or that may be repeated, failed in a way that may pass: call
    /// again later. Sends do not end so.
    #[error("WAHA did not answer as it should ({reason})")]
    Unavailable {
        /// See [`WahaError::reason`].
        reason: &'static str,
        /// The HTTP status, where there was an answer.
        status: Option<u16>,
        /// What WAHA said about it.
        detail: Option<ErrorDetail>,
        /// What happened to the connection.
        #[source]
        source: Option<BoxError>,
    },
}

impl WahaError {
    /// A stable word for programs, in kebab-case.
    ///
    /// | class | words |
    /// |---|---|
    /// | hold | `session-not-ready` |
    /// | permanent | `invalid-request`, `unauthorized`, `forbidden`, `session-unknown`, `session-exists`, `session-already-started`, `message-unknown`, `media-gone`, `not-found`, `engine-cannot`, `too-large`, `unprocessable`, `redirected`, `refused`, `answer-too-large` |
    /// | restricted | `new-chats-restricted` |
    /// | back off | `rate-overlimit`, `too-many-requests` |
    /// | unknown outcome, unavailable | `timeout`, `connection-lost`, `server-error`, `answer-unreadable`, `answer-empty` |
    /// | safe retry | `connect-failed`, `connect-timeout`, `server-not-configured` (not by the client) |
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "session-not-ready",
            Self::Restricted { .. } => "new-chats-restricted",
            Self::Permanent { reason, .. }
            | Self::BackOff { reason, .. }
            | Self::UnknownOutcome { reason, .. }
            | Self::SafeRetry { reason, .. }
            | Self::Unavailable { reason, .. } => reason,
        }
    }

    /// What WAHA said about it. It may quote the request: show it to the tenant it belongs to
    /// and keep it out of logs.
    #[must_use]
    pub const fn detail(&self) -> Option<&ErrorDetail> {
        match self {
            Self::Permanent { detail, .. }
            | Self::Restricted { detail }
            | Self::UnknownOutcome { detail, .. }
            | Self::Unavailable { detail, .. } => detail.as_ref(),
            Self::Hold { .. } | Self::BackOff { .. } | Self::SafeRetry { .. } => None,
        }
    }

    /// The HTTP status of the answer, where there was one and it tells anything.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Permanent { status, .. }
            | Self::UnknownOutcome { status, .. }
            | Self::Unavailable { status, .. } => *status,
            Self::Hold { .. } => Some(422),
            Self::Restricted { .. } => Some(500),
            Self::BackOff { .. } | Self::SafeRetry { .. } => None,
        }
    }

    /// A request that WAHA would refuse, found before it was sent.
    pub(crate) fn invalid(detail: &'static str) -> Self {
        let detail = Some(ErrorDetail::new(detail));
        Self::Permanent { reason: "invalid-request", status: None, detail }
    }
}
