//! What an operation may be refused for, as part of its signature and of the OpenAPI document.

use messaging_core::gateway::error::GatewayError;
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use super::{PROBLEM_JSON, Problem, ProblemBody};

/// The caller is unknown or may not do this.
pub const CALLER: u16 = 1;
/// A parameter or a field is wrong.
pub const INVALID: u16 = 1 << 1;
/// There is a body, which may be wrong, too large or of another kind.
pub const BODY: u16 = (1 << 2) | INVALID;
/// What is named is not there, or another tenant's.
pub const NOT_FOUND: u16 = 1 << 3;
/// The state of something does not allow it.
pub const CONFLICT: u16 = 1 << 4;
/// Too many, too fast.
pub const LIMITED: u16 = 1 << 5;
/// WAHA is needed for it, and may refuse.
pub const PROVIDER: u16 = 1 << 6;
/// The caller is believed by a signature.
pub const SIGNATURE: u16 = 1 << 7;
/// It may have been asked for before.
pub const REPEATED: u16 = 1 << 8;
/// It may come from where none are taken.
pub const SOURCE: u16 = 1 << 9;
/// The caller is believed by what the body shows, unless it failed too often.
pub const CREDENTIALS: u16 = 1 << 10;
/// The store is needed for it.
pub const STORE: u16 = 0;

/// A refusal of an operation that may be refused for `KINDS`, a sum of the constants above.
/// Everything may end in 500, and everything that has a store behind it in 503.
pub struct Refusal<const KINDS: u16>(Problem);

impl<const KINDS: u16> Refusal<KINDS> {
    /// Turns places in the body into parameters of the address: for requests that have no body.
    pub fn in_address(error: impl Into<Problem>) -> Self {
        Self(error.into().in_address())
    }
}

impl<const KINDS: u16> From<GatewayError> for Refusal<KINDS> {
    fn from(error: GatewayError) -> Self {
        Self(error.into())
    }
}

impl<const KINDS: u16> From<Problem> for Refusal<KINDS> {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl<const KINDS: u16> From<Refusal<KINDS>> for poem::Error {
    fn from(refusal: Refusal<KINDS>) -> Self {
        refusal.0.into()
    }
}

impl<const KINDS: u16> ApiResponse for Refusal<KINDS> {
    fn meta() -> MetaResponses {
        let responses = STATUSES
            .iter()
            .filter(|(kinds, ..)| *kinds == 0 || KINDS & kinds != 0)
            .map(|(kinds, status, description)| response(*kinds, *status, description))
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

/// For which kinds which status is answered; 0 stands for all.
const STATUSES: &[(u16, u16, &str)] = &[
    (INVALID, 400, "A parameter or a field is wrong; `errors` names each."),
    (
        CALLER | SIGNATURE | CREDENTIALS,
        401,
        "The token, or the signature, is missing or not valid.",
    ),
    (CALLER, 403, "The token does not allow this."),
    (SOURCE, 403, "Webhooks are not taken from where it comes from."),
    (NOT_FOUND, 404, "It is not there, or it is another tenant's."),
    (BODY & !INVALID, 408, "The body took too long to come."),
    (CONFLICT, 409, "The state of what is named does not allow it, or its name is taken."),
    (
        REPEATED,
        409,
        "The same was sent a moment ago, the recipient has opted out, the tenant is suspended, or the request of this key is not done yet.",
    ),
    (BODY & !INVALID, 413, "The body is too large."),
    (BODY & !INVALID, 415, "The body is not JSON by its `Content-Type`."),
    (PROVIDER, 422, "WAHA refuses, and repeating will not change it; `reason` says why."),
    (
        REPEATED,
        422,
        "The idempotency key stands for a request that says something else, or the text has personal data in it and the tenant wants none sent.",
    ),
    (
        LIMITED | CREDENTIALS | CALLER,
        429,
        "Too many; `Retry-After` says when the same request may be accepted.",
    ),
    (0, 500, "Something went wrong here."),
    (
        0,
        503,
        "The store, or WAHA or an identity provider where it is needed, cannot be used at present.",
    ),
];

fn response(kinds: u16, status: u16, description: &'static str) -> MetaResponse {
    let content =
        vec![MetaMediaType { content_type: PROBLEM_JSON, schema: ProblemBody::schema_ref() }];
    let headers = match status {
        401 | 403 if kinds != SOURCE => vec![header::<String>(
            "WWW-Authenticate",
            "How to authenticate, or what the token lacks.",
        )],
        409 if kinds == REPEATED => vec![header::<Option<u64>>(
            "Retry-After",
            "In how many seconds the request of this key may be done by somebody else.",
        )],
        429 => vec![
            header::<u64>("Retry-After", "In how many seconds the same request may be accepted."),
            header::<Option<String>>("RateLimit-Policy", "The quota that is used up."),
            header::<Option<String>>("RateLimit", "What is left of it, and until when."),
        ],
        503 => vec![header::<u64>("Retry-After", "In how many seconds to try again.")],
        _ => vec![],
    };
    MetaResponse { description, status: Some(status), status_range: None, content, headers }
}

fn header<T: Type>(name: &str, description: &str) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: T::IS_REQUIRED,
        deprecated: false,
        schema: T::schema_ref(),
    }
}
