//! The one form in which this server refuses: problem details (RFC 9457) with a stable code.

pub mod kind;
mod mapping;
mod refusal;

use std::fmt;
use std::time::Duration;

use messaging_core::domain::quota::Quota;
use messaging_core::domain::tenant::Permission;
use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use poem::{IntoResponse, Response};
use poem_openapi::Object;
use poem_openapi::types::{Example, ToJSON};
use uuid::Uuid;

pub use kind::Kind;
pub use refusal::{
    BODY, CALLER, CONFLICT, CREDENTIALS, INVALID, LIMITED, NOT_FOUND, PROVIDER, REPEATED, Refusal,
    SIGNATURE, SOURCE, STORE,
};

/// The media type of every refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A request that was refused, or that failed: problem details of RFC 9457. `code` is stable and
/// for programs; `detail` is for people and may change.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Problem", rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct ProblemBody {
    /// The kind of problem, as a URI reference; it leads to a description.
    #[oai(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong with this very request, for people.
    pub detail: String,
    /// The path of the request.
    pub instance: Option<String>,
    /// The kind of problem, for programs.
    pub code: String,
    /// Each thing that is wrong with the request.
    #[oai(skip_serializing_if_is_empty)]
    pub errors: Option<Vec<FieldProblem>>,
    /// In how many seconds the same request may be accepted; as the header `Retry-After`.
    pub retry_after: Option<u64>,
    /// What the session is instead of working.
    pub session_status: Option<String>,
    /// The status that keeps the message from being cancelled or tried again.
    pub message_status: Option<String>,
    /// The message that said the same a moment ago.
    pub message_id: Option<Uuid>,
    /// Why WAHA refused, as a stable code.
    pub reason: Option<String>,
    /// Which kinds of personal data the text has in it.
    pub kinds: Option<Vec<String>>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct FieldProblem {
    /// What is wrong, for people. Repeats nothing of the value.
    pub detail: String,
    /// Where in the body, as a JSON Pointer in a URI fragment (RFC 6901, section 6).
    pub pointer: Option<String>,
    /// Which parameter of the address.
    pub parameter: Option<String>,
    /// What kind of wrong, for programs.
    pub code: Option<String>,
}

impl FieldProblem {
    /// Something wrong in the body, at a JSON Pointer.
    pub fn in_body(pointer: &str, detail: impl Into<String>) -> Self {
        let pointer = Some(fragment(pointer));
        Self { detail: detail.into(), pointer, parameter: None, code: None }
    }

    /// Something wrong with a parameter of the address.
    pub fn in_address(parameter: &str, detail: impl Into<String>) -> Self {
        let parameter = Some(parameter.to_owned());
        Self { detail: detail.into(), pointer: None, parameter, code: None }
    }
}

impl Example for ProblemBody {
    fn example() -> Self {
        let detail = "must be in international form: a plus sign, the country code and the number, \
                      such as +14155550123";
        let field = FieldProblem {
            code: Some(kind::INVALID_PHONE.code.to_owned()),
            ..FieldProblem::in_body("/to", detail)
        };
        let mut body = Problem::new(&kind::INVALID_PHONE).with_errors(vec![field]).0.body;
        body.instance = Some("/messages/send".to_owned());
        body
    }
}

/// A refusal on its way out.
#[derive(Clone)]
pub struct Problem(Box<Inner>);

#[derive(Clone)]
struct Inner {
    status: StatusCode,
    body: ProblemBody,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A refusal of this kind, with nothing to add.
    pub fn new(kind: &Kind) -> Self {
        let status = StatusCode::from_u16(kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ProblemBody {
            kind: format!("/problems/{}", kind.code),
            title: kind.title.to_owned(),
            status: kind.status,
            detail: kind.title.to_owned(),
            instance: None,
            code: kind.code.to_owned(),
            errors: None,
            retry_after: None,
            session_status: None,
            message_status: None,
            message_id: None,
            reason: None,
            kinds: None,
        };
        Self(Box::new(Inner { status, body, headers: Vec::new() }))
    }

    /// Says what is wrong with this very request.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.body.detail = detail.into();
        self
    }

    /// Lists what is wrong with the request. The first of it becomes the detail.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        if let Some(first) = errors.first() {
            let place = match (&first.parameter, &first.pointer) {
                (Some(parameter), _) => parameter,
                (None, Some(pointer)) if pointer != "#" => pointer.trim_start_matches("#/"),
                _ => "the body",
            };
            self.0.body.detail = format!("{place} {}", first.detail);
        }
        self.0.body.errors = Some(errors);
        self
    }

    /// Says when the same request may be accepted: in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        self.0.body.retry_after = Some(seconds);
        self.with_header(RETRY_AFTER, &seconds.to_string())
    }

    /// Says which quota is used up.
    #[must_use]
    pub fn with_quota(self, name: &str, quota: Quota, wait: Duration) -> Self {
        self.with_header(RATE_LIMIT_POLICY, &rate_limit_policy(name, quota))
            .with_header(RATE_LIMIT, &rate_limit(name, 0, wait))
            .with_retry_after(wait)
    }

    /// Says how to authenticate.
    #[must_use]
    pub fn with_challenge(self, challenge: &str) -> Self {
        self.with_header(WWW_AUTHENTICATE, challenge)
    }

    /// Says which permission a caller lacks; `what` comes before its name.
    pub fn lacking(permission: Permission, what: &str) -> Self {
        Self::new(&kind::FORBIDDEN)
            .with_detail(format!("{what} {permission}"))
            .with_challenge(&format!("Bearer error=\"insufficient_scope\", scope=\"{permission}\""))
    }

    /// Adds a header, unless its value cannot be one.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.push((name, value));
        }
        self
    }

    /// Turns places in the body into parameters of the address: for requests that have no body.
    #[must_use]
    pub fn in_address(mut self) -> Self {
        if let Some(errors) = self.0.body.errors.take() {
            let errors = errors.into_iter().map(|each| FieldProblem {
                parameter: each.pointer.map(|at| at.trim_start_matches("#/").to_owned()),
                pointer: None,
                ..each
            });
            return self.with_errors(errors.collect());
        }
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.body.code
    }

    /// What is wrong with the request, where anything is.
    pub fn errors(&self) -> Option<&[FieldProblem]> {
        self.0.body.errors.as_deref()
    }

    /// The answer to a request for this path. Of a number in it, what is answered shows none.
    pub fn into_response_to(mut self, path: &str) -> Response {
        self.0.body.instance = Some(without_numbers(path));
        self.into_response()
    }
}

/// The path with `{number}` in the place of each part that may be a telephone number.
fn without_numbers(path: &str) -> String {
    let shown = |part: &str| {
        let number = part.replace("%2B", "+").replace("%2b", "+").replace("%20", "");
        let is_number = number.chars().all(|c| c.is_ascii_digit() || "+-.() @".contains(c));
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let is_chat = number.split_once('@').is_some_and(|(name, _)| {
            name.len() >= SHORTEST_NUMBER && name.bytes().all(|byte| byte.is_ascii_digit())
        });
        let hides = (is_number && digits >= SHORTEST_NUMBER) || is_chat;
        if hides { "{number}".to_owned() } else { part.to_owned() }
    };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}

/// How many digits a part of a path has at least that may be a telephone number.
const SHORTEST_NUMBER: usize = 5;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.0.body.to_json_string();
        let mut response =
            Response::builder().status(self.0.status).content_type(PROBLEM_JSON).body(body);
        response.headers_mut().extend(self.0.headers);
        response
    }
}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.0.status
    }

    fn as_response(&self) -> Response {
        self.clone().into_response()
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Problem").field(&self.0.body.code).finish()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.body.code)
    }
}

impl std::error::Error for Problem {}

/// The quotas that apply to a route (draft-ietf-httpapi-ratelimit-headers).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is left of a quota (draft-ietf-httpapi-ratelimit-headers).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The value of [`RATE_LIMIT_POLICY`].
pub fn rate_limit_policy(name: &str, quota: Quota) -> String {
    format!("\"{name}\";q={};w={}", quota.limit, whole_seconds(quota.window))
}

/// The value of [`RATE_LIMIT`].
pub fn rate_limit(name: &str, remaining: u32, reset_after: Duration) -> String {
    format!("\"{name}\";r={remaining};t={}", whole_seconds(reset_after))
}

/// Rounded up, and at least one: whoever comes back then does not come too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// A JSON Pointer as a URI fragment (RFC 6901, section 6).
fn fragment(pointer: &str) -> String {
    let mut fragment = String::from("#");
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$'()*+,;:@".contains(&byte) {
            fragment.push(char::from(byte));
        } else {
            fragment.push_str(&format!("%{byte:02X}"));
        }
    }
    fragment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_told_without_numbers() {
        for (path, told) in [
            ("/messages/send", "/messages/send"),
            ("/opt-outs/+4915112345678", "/opt-outs/{number}"),
            ("/opt-outs/%2B49%20151%2012345678", "/opt-outs/{number}"),
            ("/opt-outs/4915112345678@c.us/x", "/opt-outs/{number}/x"),
            (
                "/messages/01a22262-91e0-788b-856b-58db4a04de91",
                "/messages/01a22262-91e0-788b-856b-58db4a04de91",
            ),
            ("/sessions/shop-4711", "/sessions/shop-4711"),
        ] {
            assert_eq!(without_numbers(path), told);
        }
    }

    #[test]
    fn waits_are_rounded_up_to_at_least_a_second() {
        for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(wait)), seconds);
        }
    }

    #[test]
    fn a_pointer_is_written_as_a_fragment() {
        assert_eq!(fragment(""), "#");
        assert_eq!(fragment("/recipients/3"), "#/recipients/3");
        assert_eq!(fragment("/ä b"), "#/%C3%A4%20b");
    }
}
