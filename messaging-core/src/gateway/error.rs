//! Why the gateway did not do what it was asked, sorted by what the caller does next.

use std::time::Duration;

use crate::domain::id::MessageId;
use crate::domain::pii::PiiKind;
use crate::domain::quota::Quota;
use crate::domain::session::SessionStatus;
use crate::domain::status::Status;
use crate::domain::tenant::{Permission, Role};
use crate::ports::session_control::ProviderError;
use crate::ports::store_error::StoreError;
use crate::ports::webhook_decoder::MalformedWebhook;
use crate::ports::webhook_verifier::SignatureError;

/// One thing wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Where, as a JSON Pointer (RFC 6901) into the request's body, such as `/to`.
    pub pointer: String,
    /// What kind of wrong: `invalid-request`, `invalid-phone`, `message-too-long`,
    /// `media-url-not-allowed` or `pii-refused`.
    pub code: &'static str,
    /// What is wrong, for people. Repeats nothing of the field.
    pub detail: String,
}

/// Why the gateway did not do what it was asked.
///
/// No text of it holds message text, a number or a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The request is not as it must be; repeating it will not help.
    #[error("the request is not valid")]
    Invalid(Vec<InvalidField>),
    /// The tenant has no such session.
    #[error("there is no such session")]
    SessionNotFound,
    /// The tenant has no such message.
    #[error("there is no such message")]
    MessageNotFound,
    /// The tenant has no such bulk request.
    #[error("there is no such bulk request")]
    BatchNotFound,
    /// Somebody stopped the tenant: nothing is accepted to be sent.
    #[error("the tenant is suspended: nothing is accepted until it is resumed")]
    TenantSuspended,
    /// There is no such tenant.
    #[error("there is no such tenant")]
    TenantNotFound,
    /// The provider has no such server.
    #[error("there is no such WAHA server")]
    ServerNotFound,
    /// The server is one of the settings: it is changed there.
    #[error("the WAHA server stands in the settings, and is changed there")]
    ServerOfSettings,
    /// Sessions are on the server, so it cannot be forgotten.
    #[error("{sessions} sessions are on this WAHA server")]
    ServerInUse {
        /// How many.
        sessions: u64,
    },
    /// The server that was asked for has as many sessions as it may hold.
    #[error("this WAHA server has as many sessions as it may hold")]
    ServerFull,
    /// The server that was asked for takes no new sessions.
    #[error("this WAHA server takes no new sessions")]
    ServerDraining,
    /// There are as many servers as there may be.
    #[error("there are as many WAHA servers as there may be")]
    TooManyServers,
    /// The session cannot send at present.
    #[error("the session is not working but {status}")]
    SessionNotWorking {
        /// What it is instead.
        status: SessionStatus,
    },
    /// A name, or a place at the provider, is taken.
    #[error("the {what} is taken")]
    Taken {
        /// What is taken: `session name`, `WAHA session`, `tenant name` or `server name`.
        what: &'static str,
    },
    /// The message cannot be cancelled, replayed or discarded in the status it has.
    #[error("a message that is {status} cannot be {wanted}")]
    WrongStatus {
        /// What it is.
        status: Status,
        /// What was wanted: `cancelled`, `replayed` or `discarded`.
        wanted: &'static str,
    },
    /// The same was said to the same recipient a moment ago.
    #[error("the same was sent to this recipient a moment ago")]
    DuplicateMessage {
        /// The message that said it.
        first: MessageId,
    },
    /// The recipient wants no messages of the tenant's.
    #[error("the recipient has opted out")]
    OptedOut,
    /// The text has personal data in it, and the tenant wants none sent.
    #[error("the text has personal data in it: {}", listed(kinds))]
    PiiRefused {
        /// Of which kinds.
        kinds: Vec<PiiKind>,
    },
    /// The tenant's list of those who want no messages has no such entry.
    #[error("there is no such opt-out")]
    OptOutNotFound,
    /// The tenant has no such API key.
    #[error("there is no such API key")]
    ApiKeyNotFound,
    /// An API key would have more rights than whoever makes it.
    #[error("nobody makes an API key with more rights than their own: you lack {permission}")]
    TooManyRights {
        /// The first thing that the key would allow and its maker may not do.
        permission: Permission,
    },
    /// An API key would be of a role above that of whoever makes it, and call itself so.
    #[error("nobody makes an API key of a role above their own, as {role} is")]
    TooHighRole {
        /// The role.
        role: Role,
    },
    /// An API key or a refresh token is not known, or not good any more; which is not told.
    #[error("the credentials are not valid, or not any more")]
    NotBelieved,
    /// One source failed to authenticate too often.
    #[error("too many failed attempts")]
    AuthRateLimited {
        /// The quota.
        quota: Quota,
        /// When it is listened to again.
        retry_after: Duration,
    },
    /// The key stands for a request that says something else.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The request of this key is being done.
    #[error("the request of this idempotency key is not done yet")]
    IdempotencyInFlight {
        /// When somebody else may do it, at the latest.
        retry_after: Duration,
    },
    /// The session does not allow it in the state it has.
    #[error("the session's state does not allow it")]
    WrongSessionState,
    /// The session's quota is used up.
    #[error("the session's quota is used up")]
    RateLimited {
        /// The quota.
        quota: Quota,
        /// When the same request can be accepted.
        retry_after: Duration,
    },
    /// The tenant makes too many requests.
    #[error("too many requests")]
    TenantRateLimited {
        /// The quota.
        quota: Quota,
        /// When the same request can be accepted.
        retry_after: Duration,
    },
    /// One source sends too many webhooks.
    #[error("too many webhooks")]
    WebhookRateLimited {
        /// The quota.
        quota: Quota,
        /// When the same request can be accepted.
        retry_after: Duration,
    },
    /// Too many messages of the session wait already.
    #[error("too many messages of this session wait already")]
    QueueFull,
    /// One session has too many webhooks.
    #[error("too many webhooks of this session")]
    SessionWebhooksLimited {
        /// The quota.
        quota: Quota,
        /// When the same request can be accepted.
        retry_after: Duration,
    },
    /// Webhooks are not taken from where it comes from.
    #[error("webhooks are not taken from this address")]
    SourceNotAllowed,
    /// The webhook is not believed.
    #[error("the webhook's signature is not valid")]
    Signature(SignatureError),
    /// The webhook is not what the provider sends.
    #[error(transparent)]
    Malformed(#[from] MalformedWebhook),
    /// The provider cannot be used at present.
    #[error("WAHA cannot be used at present")]
    ProviderUnavailable,
    /// The provider's server of the session cannot be used at present, and the caller did not want to
    /// wait.
    #[error("the WAHA server of this session cannot be used at present")]
    ServerUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// This node's clock is wrong: what it accepted would come before or behind what it should.
    #[error("this node's clock is wrong, so it accepts nothing")]
    ClockWrong,
    /// None of the provider's servers takes another session: each has as many as it may hold, or takes
    /// no new ones.
    #[error("no WAHA server has room for another session")]
    NoRoom,
    /// The provider refuses, and repeating will not change it.
    #[error("WAHA refused: {reason}")]
    ProviderRefused {
        /// A stable code.
        reason: &'static str,
    },
    /// The store cannot be used at present. The same request may work later; of this one nothing
    /// was kept, unless the store went away in the very moment in which it kept it.
    #[error("the service cannot keep anything at present")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something stored cannot be read: somebody must look.
    #[error("something stored cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl GatewayError {
    /// The stable code of the refusal, in kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(fields) => match fields.as_slice() {
                [only] => only.code,
                _ => "invalid-request",
            },
            Self::SessionNotFound => "session-not-found",
            Self::MessageNotFound => "message-not-found",
            Self::BatchNotFound => "bulk-not-found",
            Self::TenantNotFound => "tenant-not-found",
            Self::TenantSuspended => "tenant-suspended",
            Self::Taken { what: "tenant name" } => "tenant-conflict",
            Self::ServerNotFound => "server-not-found",
            Self::ServerOfSettings => "server-read-only",
            Self::ServerInUse { .. } => "server-in-use",
            Self::ServerFull => "server-full",
            Self::ServerDraining => "server-draining",
            Self::TooManyServers => "too-many-servers",
            Self::Taken { what: "server name" } => "server-conflict",
            Self::SessionNotWorking { .. } => "session-not-working",
            Self::Taken { .. } => "session-conflict",
            Self::WrongStatus { .. } => "message-state-conflict",
            Self::DuplicateMessage { .. } => "duplicate-message",
            Self::OptedOut => "opted-out",
            Self::PiiRefused { .. } => "pii-refused",
            Self::OptOutNotFound => "opt-out-not-found",
            Self::ApiKeyNotFound => "api-key-not-found",
            Self::TooManyRights { .. } | Self::TooHighRole { .. } => "forbidden",
            Self::NotBelieved => "invalid-token",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::IdempotencyInFlight { .. } => "idempotency-in-flight",
            Self::WrongSessionState => "session-state-conflict",
            Self::RateLimited { .. }
            | Self::TenantRateLimited { .. }
            | Self::SessionWebhooksLimited { .. }
            | Self::WebhookRateLimited { .. }
            | Self::AuthRateLimited { .. } => "rate-limited",
            Self::QueueFull => "queue-full",
            Self::SourceNotAllowed => "source-not-allowed",
            Self::Signature(_) => "invalid-signature",
            Self::Malformed(_) => "malformed-payload",
            Self::ProviderUnavailable | Self::ServerUnavailable { .. } => "waha-unavailable",
            Self::ClockWrong => "clock-wrong",
            Self::NoRoom => "waha-full",
            Self::ProviderRefused { .. } => "waha-refused",
            Self::Unavailable(_) => "service-unavailable",
            Self::Corrupt(_) => "internal-error",
        }
    }

    /// The same of what is a part of a request, at `place` in it.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        match self {
            Self::Invalid(mut fields) => {
                for field in &mut fields {
                    field.pointer.insert_str(0, place);
                }
                Self::Invalid(fields)
            }
            other => other,
        }
    }

    /// Whether it is known that nothing was accepted.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Unavailable(_) | Self::Corrupt(_))
    }

    /// One field that is not as it must be.
    pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![InvalidField::new(pointer, "invalid-request", detail)])
    }
}

fn listed(kinds: &[PiiKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl InvalidField {
    pub(crate) fn new(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), code, detail: detail.into() }
    }
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { entity: "session place" } => {
                Self::Taken { what: "WAHA session" }
            }
            StoreError::Conflict { entity } => Self::Taken { what: entity },
            StoreError::Unavailable(source) => Self::Unavailable(source),
            corrupt @ StoreError::Corrupt { .. } => Self::Corrupt(Box::new(corrupt)),
        }
    }
}

impl From<ProviderError> for GatewayError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Unavailable => Self::ProviderUnavailable,
            ProviderError::NotFound => Self::ProviderRefused { reason: "waha-session-not-found" },
            ProviderError::AlreadyExists => Self::Taken { what: "WAHA session" },
            ProviderError::WrongState => Self::WrongSessionState,
            ProviderError::Refused { reason } => Self::ProviderRefused { reason },
        }
    }
}
