//! What a call is answered with.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::call::Call;
use crate::simulator::clock;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::wire::{ErrorBody, RequestEcho};

/// An answer to a call that succeeded.
pub(super) enum Answer {
    /// JSON. Null is an empty body without a content type, as in WAHA.
    Json(StatusCode, Value),
    /// Bytes of another type.
    Bytes(String, Vec<u8>),
}

impl Answer {
    /// 200 with JSON.
    pub(super) fn ok(body: impl Serialize) -> Self {
        Self::Json(StatusCode::OK, json!(body))
    }

    /// 201 with JSON.
    pub(super) fn created(body: impl Serialize) -> Self {
        Self::Json(StatusCode::CREATED, json!(body))
    }

    pub(super) fn into_response(self) -> Response {
        match self {
            Self::Json(status, Value::Null) => Response::builder().status(status).finish(),
            Self::Json(status, body) => json_response(status, &body),
            Self::Bytes(kind, bytes) => Response::builder().content_type(&kind).body(bytes),
        }
    }
}

/// The answer to a call that failed.
pub(super) fn refused(world: &World, call: &Call, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Body(body) => error_response(&body),
        Refusal::Thrown { message, kind } => {
            let request = RequestEcho {
                path: call.raw_path.clone(),
                method: call.method.clone(),
                body: if call.body.is_null() { json!({}) } else { call.body.clone() },
                query: call.query_object(),
            };
            let now = clock::rfc3339(world.clock.now_ms());
            let mut body = ErrorBody::thrown(&message, &now, request);
            if let ErrorBody::Server(error) = &mut body {
                error.exception.kind = kind.map(str::to_owned);
                error.version = json!(world.environment(world.knobs().engine));
            }
            error_response(&body)
        }
        Refusal::BadGateway => Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .content_type("text/html")
            .body("<html><body><h1>502 Bad Gateway</h1></body></html>"),
        Refusal::Dropped => {
            world.lines.cut(&call.caller);
            Response::builder().finish()
        }
    }
}

fn error_response(body: &ErrorBody) -> Response {
    let status = StatusCode::from_u16(body.status_code());
    json_response(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
}

fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json; charset=utf-8")
        .body(serde_json::to_vec(body).unwrap_or_default())
}
