//! The one place where the gateway's errors, and the framework's, become refusals.

use std::error::Error as StdError;
use std::time::Duration;

use messaging_core::gateway::error::{GatewayError, InvalidField};
use poem::error::{MethodNotAllowedError, NotFoundError, ReadBodyError};
use poem_openapi::error::{ParseParamError, ParsePathError};

use super::{FieldProblem, Kind, Problem, kind};

/// How long to wait for a store or WAHA to come back, where nobody can know.
const COME_BACK_IN: Duration = Duration::from_secs(5);

/// How long to wait for a full queue to empty a little: one window of the usual quota.
const QUEUE_FULL_WAIT: Duration = Duration::from_secs(60);

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        let kind = Kind::of_code(error.code()).unwrap_or(&kind::INTERNAL_ERROR);
        let problem = Self::new(kind).with_detail(error.to_string());
        match error {
            GatewayError::Invalid(fields) => {
                problem.with_errors(fields.into_iter().map(FieldProblem::from).collect())
            }
            GatewayError::SessionNotWorking { status } => {
                problem.with_facts(|body| body.session_status = Some(status.to_string()))
            }
            GatewayError::WrongStatus { status, .. } => {
                problem.with_facts(|body| body.message_status = Some(status.to_string()))
            }
            GatewayError::DuplicateMessage { first } => {
                problem.with_facts(|body| body.message_id = Some(first.0))
            }
            GatewayError::IdempotencyInFlight { retry_after } => {
                problem.with_retry_after(retry_after)
            }
            GatewayError::RateLimited { quota, retry_after } => {
                problem.with_quota("session", quota, retry_after)
            }
            GatewayError::TenantRateLimited { quota, retry_after } => {
                problem.with_quota("tenant", quota, retry_after)
            }
            GatewayError::WebhookRateLimited { quota, retry_after } => {
                problem.with_quota("source", quota, retry_after)
            }
            GatewayError::SessionWebhooksLimited { quota, retry_after } => {
                problem.with_quota("session", quota, retry_after)
            }
            GatewayError::PiiRefused { kinds } => problem.with_facts(|body| {
                body.kinds = Some(kinds.iter().map(|kind| kind.as_str().to_owned()).collect());
            }),
            GatewayError::AuthRateLimited { quota, retry_after } => {
                problem.with_quota("source", quota, retry_after)
            }
            GatewayError::NotBelieved => problem.with_challenge("Bearer error=\"invalid_token\""),
            GatewayError::QueueFull => problem.with_retry_after(QUEUE_FULL_WAIT),
            GatewayError::Signature(_) => problem.with_challenge("HMAC"),
            GatewayError::Malformed(malformed) => problem
                .with_errors(vec![FieldProblem::in_body(&malformed.pointer, malformed.problem)]),
            GatewayError::ProviderUnavailable | GatewayError::ClockWrong | GatewayError::NoRoom => {
                problem.with_retry_after(COME_BACK_IN)
            }
            GatewayError::ServerUnavailable { retry_after } => {
                problem.with_retry_after(retry_after)
            }
            GatewayError::ProviderRefused { reason } => {
                problem.with_facts(|body| body.reason = Some(reason.to_owned()))
            }
            GatewayError::Unavailable(source) => {
                tracing::error!(error = chain(&*source), "the store cannot be used");
                problem.with_retry_after(COME_BACK_IN)
            }
            GatewayError::Corrupt(source) => {
                tracing::error!(error = chain(&*source), "something stored cannot be read");
                problem
            }
            _ => problem,
        }
    }
}

impl From<InvalidField> for FieldProblem {
    fn from(field: InvalidField) -> Self {
        let code = Some(field.code.to_owned());
        Self { code, ..Self::in_body(&field.pointer, field.detail) }
    }
}

impl Problem {
    fn with_facts(mut self, set: impl FnOnce(&mut super::ProblemBody)) -> Self {
        set(&mut self.0.body);
        self
    }

    /// What any error that leaves a handler or the framework is answered with. `parameters` are
    /// those of the route's path, in order: the framework numbers them.
    pub fn of(error: &poem::Error, parameters: &[String]) -> Self {
        if let Some(problem) = error.downcast_ref::<Self>() {
            return problem.clone();
        }
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            return Self::of_parameter(error.name, &error.reason);
        }
        if let Some(error) = error.downcast_ref::<ParsePathError>() {
            let number = error.name.strip_prefix("param").and_then(|n| n.parse::<usize>().ok());
            let name = number.and_then(|number| parameters.get(number));
            return Self::of_parameter(name.map_or(error.name, String::as_str), &error.reason);
        }
        if error.is::<NotFoundError>() {
            return Self::new(&kind::NOT_FOUND);
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::new(&kind::METHOD_NOT_ALLOWED);
        }
        let problem = Self::new(Kind::of_status(error.status().as_u16()));
        if problem.status().is_server_error() {
            tracing::error!(%error, "the request failed");
        }
        problem
    }

    /// A parameter of the address that cannot be read. Of the framework's reason only the type it
    /// names is kept: the rest may repeat the value.
    fn of_parameter(name: &str, reason: &str) -> Self {
        let detail = match reason.split_once("\": ") {
            Some((_, ours)) if ours.starts_with("must ") => {
                ours.split(" (occurred while").next().unwrap_or(ours)
            }
            _ if reason.contains("expects an input value") => "is required",
            _ if reason.contains("integer") => "must be a whole number that is not negative",
            _ if reason.contains("uuid") => "must be a UUID",
            _ if reason.contains("boolean") => "must be true or false",
            _ => "is not valid",
        };
        Self::new(&kind::INVALID_REQUEST).with_errors(vec![FieldProblem::in_address(name, detail)])
    }
}

impl From<ReadBodyError> for Problem {
    fn from(error: ReadBodyError) -> Self {
        match error {
            ReadBodyError::PayloadTooLarge => Self::new(&kind::PAYLOAD_TOO_LARGE),
            _ => Self::new(&kind::INVALID_REQUEST).with_detail("the body cannot be read"),
        }
    }
}

/// An error with everything that led to it.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::domain::id::MessageId;
    use messaging_core::domain::session::SessionStatus;
    use messaging_core::domain::status::Status;

    #[track_caller]
    fn check(error: GatewayError, status: u16, code: &str) {
        let problem = Problem::from(error);
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
    }

    #[test]
    fn every_error_of_the_gateway_has_its_status_and_code() {
        use GatewayError as E;
        let broken = || Box::<dyn StdError + Send + Sync>::from("broken");
        check(E::Invalid(vec![]), 400, "invalid-request");
        check(E::SessionNotFound, 404, "session-not-found");
        check(E::MessageNotFound, 404, "message-not-found");
        check(E::BatchNotFound, 404, "bulk-not-found");
        check(E::TenantNotFound, 404, "tenant-not-found");
        check(E::TenantSuspended, 409, "tenant-suspended");
        check(E::Taken { what: "tenant name" }, 409, "tenant-conflict");
        check(E::OptOutNotFound, 404, "opt-out-not-found");
        check(E::ApiKeyNotFound, 404, "api-key-not-found");
        check(E::NotBelieved, 401, "invalid-token");
        let permission = messaging_core::domain::tenant::Permission::EraseData;
        check(E::TooManyRights { permission }, 403, "forbidden");
        let role = messaging_core::domain::tenant::Role::Owner;
        check(E::TooHighRole { role }, 403, "forbidden");
        check(E::OptedOut, 409, "opted-out");
        let status = SessionStatus::Stopped;
        check(E::SessionNotWorking { status }, 400, "session-not-working");
        check(E::Taken { what: "session name" }, 409, "session-conflict");
        let status = Status::Sent;
        check(E::WrongStatus { status, wanted: "cancelled" }, 409, "message-state-conflict");
        let first = MessageId(uuid::Uuid::nil());
        check(E::DuplicateMessage { first }, 409, "duplicate-message");
        let retry_after = Duration::from_secs(30);
        check(E::IdempotencyInFlight { retry_after }, 409, "idempotency-in-flight");
        check(E::IdempotencyKeyReused, 422, "idempotency-key-reused");
        check(E::SourceNotAllowed, 403, "source-not-allowed");
        check(E::PiiRefused { kinds: vec![] }, 422, "pii-refused");
        check(E::WrongSessionState, 409, "session-state-conflict");
        check(E::QueueFull, 429, "queue-full");
        check(E::ProviderUnavailable, 503, "waha-unavailable");
        check(E::ServerUnavailable { retry_after }, 503, "waha-unavailable");
        check(E::ClockWrong, 503, "clock-wrong");
        check(E::NoRoom, 503, "waha-full");
        check(E::ServerNotFound, 404, "server-not-found");
        check(E::Taken { what: "server name" }, 409, "server-conflict");
        check(E::ServerInUse { sessions: 2 }, 409, "server-in-use");
        check(E::ServerOfSettings, 409, "server-read-only");
        check(E::ServerFull, 409, "server-full");
        check(E::ServerDraining, 409, "server-draining");
        check(E::TooManyServers, 409, "too-many-servers");
        check(E::ProviderRefused { reason: "why" }, 422, "waha-refused");
        check(E::Unavailable(broken()), 503, "service-unavailable");
        check(E::Corrupt(broken()), 500, "internal-error");
    }

    #[track_caller]
    fn check_parameter(reason: &str, detail: &str) {
        let problem = Problem::of_parameter("page", reason);
        assert_eq!(problem.0.body.detail, format!("page {detail}"));
    }

    #[test]
    fn a_parameter_is_named_and_its_value_is_not_repeated() {
        check_parameter("failed to parse \"Status\": must be one of a, b", "must be one of a, b");
        check_parameter(
            "failed to parse \"integer_uint32\": bad 5x",
            "must be a whole number that is not negative",
        );
        check_parameter("failed to parse \"string_uuid\": found `x` at 1", "must be a UUID");
        check_parameter("something about 12345", "is not valid");
    }
}
