//! A session as requests and answers write it.

use messaging_core::domain::session::{
    self, OnRateLimit, SessionHealth, SessionPatch, SessionStatus,
};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::sessions::NewSession;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::body::RequestJson;
use crate::api::named::{DateTime, Named};
use crate::api::suspension::Suspension;

/// A session to be made or adopted.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSession {
    /// Your name for it, unique among your sessions: 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// Its name in WAHA: 1 to 54 letters, digits, `_` and `-`. Needed to adopt; otherwise one is
    /// chosen where it is left out.
    #[oai(validator(max_length = 54))]
    pub waha_session: Option<String>,
    /// On which WAHA server, where there are several: the one with the most room, or the one that
    /// has the session to adopt, where it is left out.
    #[oai(validator(max_length = 100))]
    pub waha_server: Option<String>,
    /// Take over a session that is in WAHA already, instead of making one; no by default.
    pub adopt: Option<bool>,
    /// What becomes of single messages over the quota: `reject` (by default) or `queue`.
    pub on_rate_limit: Option<Named<OnRateLimit>>,
}

impl RequestJson for CreateSession {}

impl From<CreateSession> for NewSession {
    fn from(request: CreateSession) -> Self {
        Self {
            name: request.name,
            provider_name: request.waha_session,
            server: request.waha_server,
            adopt: request.adopt.unwrap_or(false),
            on_rate_limit: request.on_rate_limit.map_or(OnRateLimit::Reject, |choice| choice.0),
        }
    }
}

impl Example for CreateSession {
    fn example() -> Self {
        Self {
            name: "second".to_owned(),
            waha_session: None,
            waha_server: None,
            adopt: Some(false),
            on_rate_limit: None,
        }
    }
}

/// What is to change about a session.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchSession {
    /// Another name: 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: Option<String>,
    /// What becomes of single messages over the quota: `reject` or `queue`.
    pub on_rate_limit: Option<Named<OnRateLimit>>,
}

impl RequestJson for PatchSession {}

impl From<PatchSession> for SessionPatch {
    fn from(request: PatchSession) -> Self {
        Self { name: request.name, on_rate_limit: request.on_rate_limit.map(|choice| choice.0) }
    }
}

impl Example for PatchSession {
    fn example() -> Self {
        Self { name: None, on_rate_limit: Some(Named(OnRateLimit::Queue)) }
    }
}

/// A WhatsApp account.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Session {
    /// The session's id.
    pub id: Uuid,
    /// The tenant's name for it.
    pub name: String,
    /// Its name in WAHA.
    pub waha_session: String,
    /// The WAHA server it is on.
    pub waha_server: String,
    /// Whether it was in WAHA before: deleting it here then leaves it there.
    pub adopted: bool,
    /// Whether it can send: only a `working` one can.
    pub status: Named<SessionStatus>,
    /// When the status was found or reported.
    pub status_at: DateTime,
    /// Its own number with a plus sign, or chat id, once known.
    pub address: Option<String>,
    /// What becomes of single messages over the quota.
    pub on_rate_limit: Named<OnRateLimit>,
    /// Whether it does what it should while it is `working`: `ok`; `silent`, where nothing that it
    /// sends is acknowledged; `deaf`, where its webhooks do not reach the gateway.
    pub health: Named<SessionHealth>,
    /// Since when its health is not `ok`.
    pub health_since: Option<DateTime>,
    /// Whether somebody stopped it, until when and why: what is accepted meanwhile waits.
    pub suspension: Option<Suspension>,
    /// When it was made here.
    pub created_at: DateTime,
    /// When anything about it changed last.
    pub updated_at: DateTime,
}

impl From<session::Session> for Session {
    fn from(session: session::Session) -> Self {
        Self {
            id: session.id.0,
            name: session.name,
            waha_session: session.place.name,
            waha_server: session.place.server,
            adopted: session.adopted,
            status: Named(session.status),
            status_at: DateTime(session.status_at),
            address: session.own_address.map(|address| address.as_str().to_owned()),
            on_rate_limit: Named(session.on_rate_limit),
            health: Named(session.health),
            health_since: session.health_since.map(DateTime),
            suspension: session.suspension.map(Suspension::from),
            created_at: DateTime(session.created_at),
            updated_at: DateTime(session.updated_at),
        }
    }
}

impl Example for Session {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_millis(1_767_225_600_000));
        Self {
            id: Uuid::from_u128(0x019b_7700_0000_7000_8000_0000_0000_0002),
            name: "main".to_owned(),
            waha_session: "default".to_owned(),
            waha_server: "default".to_owned(),
            adopted: true,
            status: Named(SessionStatus::Working),
            status_at: at,
            address: Some("+5511900000001".to_owned()),
            on_rate_limit: Named(OnRateLimit::Reject),
            health: Named(SessionHealth::Ok),
            health_since: None,
            suspension: None,
            created_at: at,
            updated_at: at,
        }
    }
}

/// The tenant's sessions, oldest first.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct SessionList {
    /// The sessions.
    pub data: Vec<Session>,
}

/// The answer to a request to make a session.
#[derive(ApiResponse)]
pub enum CreateSessionAnswer {
    /// The session is made, or adopted.
    #[oai(status = 201)]
    Created(
        Json<Session>,
        /// Where the session can be looked at.
        #[oai(header = "Location")]
        String,
    ),
}

impl From<session::Session> for CreateSessionAnswer {
    fn from(session: session::Session) -> Self {
        let location = format!("/sessions/{}", session.id);
        Self::Created(Json(session.into()), location)
    }
}

/// The answer to a request to delete a session.
#[derive(ApiResponse)]
pub enum DeleteSessionAnswer {
    /// The session is forgotten.
    #[oai(status = 204)]
    Deleted,
}
