//! Bodies of WAHA's error answers.
//!
//! The client reads errors loosely ([`crate::error`]); these types are what the simulator
//! answers and what the fixtures are checked with.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sessions::SessionStatus;
use crate::redaction::debug_shows;

/// An error answer in one of its four shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorBody {
    /// Anything WAHA did not expect.
    Server(Box<ServerError>),
    /// A medium that is not there.
    File(FileError),
    /// A session that is not there or not in the right status.
    Session(SessionError),
    /// Everything else.
    Http(HttpError),
}

/// A refusal: `{"message":…,"error":"Bad Request","statusCode":400}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpError {
    /// What is wrong.
    pub message: ErrorText,
    /// The name of the status code; missing with 401 and 403.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The status code.
    #[serde(rename = "statusCode")]
    pub status_code: u16,
}

debug_shows!(HttpError { error, status_code });

/// One sentence, or one for each field that is wrong.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorText {
    /// One sentence.
    One(String),
    /// One sentence for each field.
    Many(Vec<String>),
}

debug_shows!(ErrorText {});

/// 422 of calls that need a session: `status` is there if the session is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionError {
    /// What is wrong.
    pub error: String,
    /// The session asked for.
    pub session: String,
    /// Its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SessionStatus>,
    /// The statuses the call can be made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<SessionStatus>>,
}

debug_shows!(SessionError { session, status, expected });

/// 404 of media: `{"error":{"code":404,"key":"FILE_NOT_FOUND",…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileError {
    /// What is wrong.
    pub error: FileErrorDetail,
}

/// What is wrong with a medium.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileErrorDetail {
    /// The status code.
    pub code: u16,
    /// `FILE_NOT_FOUND`.
    pub key: String,
    /// What is wrong, for people.
    pub message: String,
    /// The path asked for.
    #[serde(default)]
    pub details: String,
}

debug_shows!(FileErrorDetail { code, key });

/// 500: it repeats the whole request, message text included.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerError {
    /// 500.
    #[serde(rename = "statusCode")]
    pub status_code: u16,
    /// When, in RFC 3339.
    #[serde(default)]
    pub timestamp: String,
    /// What was thrown.
    pub exception: Exception,
    /// The request that did it.
    #[serde(default)]
    pub request: RequestEcho,
    /// The server's version, as `GET /api/server/version` answers it.
    #[serde(default)]
    pub version: Value,
}

debug_shows!(ServerError { status_code, timestamp });

/// What was thrown in WAHA.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exception {
    /// What went wrong; may quote what came from WhatsApp.
    #[serde(default)]
    pub message: String,
    /// The class of the error, `Error`.
    #[serde(default)]
    pub name: String,
    /// Where in WAHA's code.
    #[serde(default)]
    pub stack: String,
    /// `entity.too.large` for a body over 50 MB.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

debug_shows!(Exception { name, kind });

/// The request as a 500 repeats it.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RequestEcho {
    /// The path, which may hold a chat id.
    #[serde(default)]
    pub path: String,
    /// The method.
    #[serde(default)]
    pub method: String,
    /// The body, with message text and phone number.
    #[serde(default)]
    pub body: Value,
    /// The query.
    #[serde(default)]
    pub query: Value,
}

debug_shows!(RequestEcho { method });

impl ErrorBody {
    fn http(status_code: u16, error: Option<&str>, message: String) -> Self {
        let message = ErrorText::One(message);
        Self::Http(HttpError { message, error: error.map(str::to_owned), status_code })
    }

    /// 401: no key, or a wrong one.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::http(401, None, "Unauthorized".to_owned())
    }

    /// 403: a key without the right.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::http(403, None, "Forbidden".to_owned())
    }

    /// 400: `session` is blank or missing.
    #[must_use]
    pub fn session_name_required() -> Self {
        Self::http(400, Some("Bad Request"), "Session name is required".to_owned())
    }

    /// 400: one sentence for each wrong field.
    #[must_use]
    pub fn invalid(sentences: Vec<String>) -> Self {
        Self::Http(HttpError {
            message: ErrorText::Many(sentences),
            error: Some("Bad Request".to_owned()),
            status_code: 400,
        })
    }

    /// 404 of the `/api/sessions/{session}` endpoints.
    #[must_use]
    pub fn session_not_found() -> Self {
        Self::http(404, Some("Not Found"), "Session not found".to_owned())
    }

    /// 422 of sends and of the `/api/{session}` endpoints, where the session does not exist.
    #[must_use]
    pub fn session_does_not_exist(session: &str) -> Self {
        Self::Session(SessionError {
            error: format!("Session \"{session}\" does not exist"),
            session: session.to_owned(),
            status: None,
            expected: None,
        })
    }

    /// 422 where the session is in another status than the call needs.
    #[must_use]
    pub fn session_status(
        session: &str,
        status: SessionStatus,
        expected: Vec<SessionStatus>,
    ) -> Self {
        Self::Session(SessionError {
            error: "Session status is not as expected. Try again later or restart the session"
                .to_owned(),
            session: session.to_owned(),
            status: Some(status),
            expected: Some(expected),
        })
    }

    /// 422 of creating a session whose name is taken.
    #[must_use]
    pub fn session_exists(session: &str) -> Self {
        Self::http(
            422,
            Some("Unprocessable Entity"),
            format!("Session '{session}' already exists. Use PUT to update it."),
        )
    }

    /// 404 of reading a message.
    #[must_use]
    pub fn message_not_found() -> Self {
        Self::http(404, Some("Not Found"), "Message not found".to_owned())
    }

    /// 501: the engine cannot do it.
    #[must_use]
    pub fn not_implemented(engine: crate::engine::Engine) -> Self {
        Self::http(
            501,
            Some("Not Implemented"),
            format!("The method is not implemented by '{engine}' engine."),
        )
    }

    /// 404 of a medium that is not there (any more).
    #[must_use]
    pub fn file_not_found(path: &str) -> Self {
        Self::File(FileError {
            error: FileErrorDetail {
                code: 404,
                key: "FILE_NOT_FOUND".to_owned(),
                message: "File not found".to_owned(),
                details: path.to_owned(),
            },
        })
    }

    /// 500: something was thrown. `timestamp` is RFC 3339.
    #[must_use]
    pub fn thrown(message: &str, timestamp: &str, request: RequestEcho) -> Self {
        Self::Server(Box::new(ServerError {
            status_code: 500,
            timestamp: timestamp.to_owned(),
            exception: Exception {
                message: message.to_owned(),
                name: "Error".to_owned(),
                stack: format!("Error: {message}\n    at WhatsappSession (/app/dist/session.js)"),
                kind: None,
            },
            request,
            version: json!({}),
        }))
    }

    /// The status code the body is sent with.
    #[must_use]
    pub const fn status_code(&self) -> u16 {
        match self {
            Self::Http(error) => error.status_code,
            Self::Session(_) => 422,
            Self::File(error) => error.error.code,
            Self::Server(error) => error.status_code,
        }
    }
}
