//! A session as requests and answers write it.

use messaging_core::domain::new_chats::{self, NewChatsPatch, NewChatsState, Restriction, Spacing};
use messaging_core::domain::session::{
    self, OnRateLimit, SessionHealth, SessionPatch, SessionStatus,
};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::error::{GatewayError, InvalidField};
use messaging_core::gateway::sessions::NewSession;
use poem_openapi::payload::Json;
use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{ApiResponse, Object};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::body::RequestJson;
use crate::api::named::{DateTime, Named};
use crate::api::sight::Sight;
use crate::api::suspension::Suspension;
use crate::config::kind;

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
    /// How many chats it may open in any 24 hours, at most 1000000; 0 for as many as come, `null` for
    /// what the service is set to.
    #[serde(default)]
    pub new_chats_per_day: MaybeUndefined<u32>,
    /// How far apart it opens chats, drawn each time between two times with a dash, such as `30s-60s`;
    /// `0` for no matter, `null` for what the service is set to. A day at most.
    #[serde(default)]
    pub new_chat_spacing: MaybeUndefined<String>,
}

impl RequestJson for PatchSession {}

impl TryFrom<PatchSession> for SessionPatch {
    type Error = GatewayError;

    fn try_from(request: PatchSession) -> Result<Self, GatewayError> {
        let per_day = match request.new_chats_per_day {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(limit) => Some(Some(limit)),
        };
        let spacing = match request.new_chat_spacing {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(kind::spacing(&text).ok_or_else(|| {
                GatewayError::Invalid(vec![InvalidField {
                    pointer: "/newChatSpacing".to_owned(),
                    code: "invalid-request",
                    detail: format!("must be {}", kind::SPACING.expected),
                }])
            })?)),
        };
        Ok(Self {
            name: request.name,
            on_rate_limit: request.on_rate_limit.map(|choice| choice.0),
            new_chats: NewChatsPatch { per_day, spacing },
        })
    }
}

impl Example for PatchSession {
    fn example() -> Self {
        Self {
            name: None,
            on_rate_limit: Some(Named(OnRateLimit::Queue)),
            new_chats_per_day: MaybeUndefined::Value(50),
            new_chat_spacing: MaybeUndefined::Value("30s-60s".to_owned()),
        }
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
    /// Whether it may write to people with whom it has no chat yet.
    pub new_chats: NewChats,
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

/// Whether a session may write to people with whom it has no chat yet, and how often.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct NewChats {
    /// `open`, or `restricted` where WhatsApp refused a new chat or says that it does: existing chats
    /// go on.
    pub state: Named<NewChatsState>,
    /// Since when it is restricted.
    pub since: Option<DateTime>,
    /// Until when nothing new is tried.
    pub until: Option<DateTime>,
    /// How many it may open in any 24 hours, where it has a number of its own; 0 for as many as come.
    pub per_day: Option<u32>,
    /// How far apart it opens them, where it has a distance of its own.
    pub spacing: Option<String>,
}

impl NewChats {
    fn of(kept: &new_chats::NewChats, restriction: Option<Restriction>) -> Self {
        let in_words = |spacing: Spacing| {
            let word = |time| humantime::format_duration(time).to_string().replace(' ', "");
            match spacing.least == spacing.most {
                true => word(spacing.least),
                false => format!("{}-{}", word(spacing.least), word(spacing.most)),
            }
        };
        Self {
            state: Named(match restriction {
                Some(_) => NewChatsState::Restricted,
                None => NewChatsState::Open,
            }),
            since: restriction.map(|restriction| DateTime(restriction.since)),
            until: restriction.map(|restriction| DateTime(restriction.until)),
            per_day: kept.per_day,
            spacing: kept.spacing.map(in_words),
        }
    }
}

impl Session {
    /// A session, and what WhatsApp restricts its new chats to at present.
    pub fn seen(session: session::Session, restriction: Option<Restriction>, sight: Sight) -> Self {
        Self {
            id: session.id.0,
            name: session.name,
            waha_session: session.place.name,
            waha_server: session.place.server,
            adopted: session.adopted,
            status: Named(session.status),
            status_at: DateTime(session.status_at),
            address: session.own_address.map(|address| sight.address(&address)),
            on_rate_limit: Named(session.on_rate_limit),
            new_chats: NewChats::of(&session.new_chats, restriction),
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
            new_chats: NewChats::of(&new_chats::NewChats::default(), None),
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

impl CreateSessionAnswer {
    /// A session that was just made, as far as the caller sees it.
    pub fn seen(session: session::Session, sight: Sight) -> Self {
        let location = format!("/sessions/{}", session.id);
        // Nothing was sent through it yet.
        Self::Created(Json(Session::seen(session, None, sight)), location)
    }
}

/// The answer to a request to delete a session.
#[derive(ApiResponse)]
pub enum DeleteSessionAnswer {
    /// The session is forgotten.
    #[oai(status = 204)]
    Deleted,
}
