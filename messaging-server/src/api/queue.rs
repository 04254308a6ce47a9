//! The queue over HTTP: what waits, session by session, and what for.

use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::urgency::Lane;
use messaging_core::gateway::waiting::{WaitingLane, WaitingPage, WaitingSession};
use messaging_core::gateway::{Gateway, SessionRef};
use messaging_core::ports::queue::HeldBy;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ReadMessages};
use crate::api::cursor::Cursor;
use crate::api::messages::query::default_limit;
use crate::api::named::{DateTime, Named};
use crate::api::problem::{CALLER, INVALID, NOT_FOUND, Refusal};

/// What waits in the queue.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct QueueList {
    /// The sessions of which messages wait, oldest session first.
    pub data: Vec<QueuedSession>,
    /// Where the list goes on, to be given as `cursor`; absent at its end. A portion may be empty and
    /// still go on: most sessions may have nothing waiting.
    pub next_cursor: Option<String>,
}

/// What waits of one session.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct QueuedSession {
    /// The session's id.
    pub session_id: Uuid,
    /// The tenant's name for it.
    pub name: String,
    /// How many messages wait or are being sent. Not those that are held outside of the queue:
    /// scheduled ones before their time, and those for which a bulk request has no room.
    pub waiting: u64,
    /// Whether one is being sent.
    pub sending: bool,
    /// When the first of them was accepted.
    pub oldest_at: Option<DateTime>,
    /// What of them waits in each lane; lanes in which nothing waits are left out.
    pub lanes: Vec<QueuedLane>,
}

/// What waits in one lane of a session.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct QueuedLane {
    /// Whether the chats are open.
    pub lane: Named<Lane>,
    /// How many messages stand in it. Of a new chat that is the first: once it is sent, the chat is
    /// open.
    pub waiting: u64,
    /// What holds all of it; absent where nothing does.
    pub held_by: Option<Named<HeldBy>>,
    /// Until when, where that is known.
    pub until: Option<DateTime>,
}

impl From<WaitingPage> for QueueList {
    fn from(page: WaitingPage) -> Self {
        Self {
            data: page.sessions.into_iter().map(QueuedSession::from).collect(),
            next_cursor: page.next.map(|session| Cursor(MessageId(session.0)).to_string()),
        }
    }
}

impl From<WaitingSession> for QueuedSession {
    fn from(waiting: WaitingSession) -> Self {
        Self {
            session_id: waiting.session.id.0,
            name: waiting.session.name,
            waiting: waiting.waiting,
            sending: waiting.sending,
            oldest_at: waiting.oldest_at.map(DateTime),
            lanes: waiting.lanes.into_iter().map(QueuedLane::from).collect(),
        }
    }
}

impl From<WaitingLane> for QueuedLane {
    fn from(waiting: WaitingLane) -> Self {
        Self {
            lane: Named(waiting.lane),
            waiting: waiting.waiting,
            held_by: waiting.held_by.map(Named),
            until: waiting.until.map(DateTime),
        }
    }
}

/// The queue.
pub struct QueueApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::Messages")]
impl QueueApi {
    /// Tell what waits
    ///
    /// Needs `messages:read`. The tenant's sessions of which messages wait, and what holds them. Its
    /// cost does not depend on how many messages wait; one request looks at a thousand sessions at the
    /// most, and `nextCursor` goes on behind them.
    #[oai(path = "/queue", method = "get", operation_id = "get_queue")]
    async fn queue(
        &self,
        caller: Authorized<ReadMessages>,
        /// This session alone, whether anything of it waits or not: its id or its name.
        #[oai(name = "sessionId")]
        session_id: Query<Option<String>>,
        /// How many sessions at the most: 1 to 100.
        #[oai(default = "default_limit")]
        limit: Query<u32>,
        /// The `nextCursor` of an earlier answer.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<QueueList>, Refusal<{ CALLER | INVALID | NOT_FOUND }>> {
        let named = session_id.0.as_deref().map(SessionRef::from);
        let after = cursor.0.map(|cursor| SessionId(cursor.0.0));
        let page = self.gateway.waiting(caller.tenant(), named.as_ref(), after, limit.0).await;
        page.map(|page| Json(page.into())).map_err(Refusal::in_address)
    }
}
