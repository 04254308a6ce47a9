//! A session as a row, and back.

use messaging_core::domain::address::Address;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::new_chats::NewChats;
use messaging_core::domain::session::{ProviderSession, Session, WatchedSession};
use messaging_core::domain::webhook_secret::WebhookSecrets;
use messaging_core::ports::store_error::BoxError;
use uuid::Uuid;

use crate::named::{BadColumn, Stored, instant, named, suspension};
use crate::text;

/// A session's row, as every query that gives sessions selects it.
pub(super) struct SessionRow {
    pub(super) id: Uuid,
    pub(super) tenant: Uuid,
    pub(super) name: String,
    pub(super) server: String,
    pub(super) server_name: String,
    pub(super) adopted: bool,
    pub(super) status: String,
    pub(super) status_at: i64,
    pub(super) own_address: Option<String>,
    pub(super) on_rate_limit: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) suspended_at: Option<i64>,
    pub(super) suspended_until: Option<i64>,
    pub(super) suspension_reason: Option<String>,
    pub(super) tenant_suspended_at: Option<i64>,
    pub(super) tenant_suspended_until: Option<i64>,
    pub(super) tenant_suspension_reason: Option<String>,
    pub(super) new_chats: Option<String>,
    pub(super) health: String,
    pub(super) health_since: Option<i64>,
    pub(super) webhook_secrets: Option<String>,
}

impl Stored for SessionRow {
    type Value = Session;
    const ENTITY: &'static str = "session";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<Session, BoxError> {
        Ok(Session {
            id: SessionId(self.id),
            tenant: TenantId(self.tenant),
            name: text::given(self.name),
            place: place(self.server, self.server_name),
            adopted: self.adopted,
            status: named(&self.status)?,
            status_at: instant(self.status_at)?,
            own_address: self.own_address.map(|kept| Address::from_stored(&text::given(kept))),
            on_rate_limit: named(&self.on_rate_limit)?,
            new_chats: new_chats(self.new_chats.as_deref())?,
            created_at: instant(self.created_at)?,
            updated_at: instant(self.updated_at)?,
            suspension: suspension(
                self.suspended_at,
                self.suspended_until,
                self.suspension_reason,
            )?,
            tenant_suspension: suspension(
                self.tenant_suspended_at,
                self.tenant_suspended_until,
                self.tenant_suspension_reason,
            )?,
            health: named(&self.health)?,
            health_since: self.health_since.map(instant).transpose()?,
            webhook_secrets: webhook_secrets(self.webhook_secrets.as_deref())?,
        })
    }
}

/// A session's row as whoever catches up sees it.
pub(super) struct WatchedRow {
    pub(super) id: Uuid,
    pub(super) tenant: Uuid,
    pub(super) server: String,
    pub(super) server_name: String,
    pub(super) status: String,
    pub(super) health: String,
    pub(super) read_until: Option<i64>,
    pub(super) created_at: i64,
}

impl Stored for WatchedRow {
    type Value = WatchedSession;
    const ENTITY: &'static str = "session";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<WatchedSession, BoxError> {
        Ok(WatchedSession {
            id: SessionId(self.id),
            tenant: TenantId(self.tenant),
            place: place(self.server, self.server_name),
            status: named(&self.status)?,
            health: named(&self.health)?,
            read_until: self.read_until.map(instant).transpose()?,
            created_at: instant(self.created_at)?,
        })
    }
}

fn webhook_secrets(text: Option<&str>) -> Result<Option<WebhookSecrets>, BoxError> {
    let read = |text| WebhookSecrets::from_stored(text).ok_or(BadColumn("webhook_secrets"));
    Ok(text.map(read).transpose()?)
}

fn new_chats(text: Option<&str>) -> Result<NewChats, BoxError> {
    let read = text.map(serde_json::from_str).transpose();
    Ok(read.map_err(|_| BadColumn("new_chats"))?.unwrap_or_default())
}

/// What is kept about new chats, as JSON. Numbers and instants have a form in it.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

/// Where it lives at the provider.
pub(super) fn place(server: String, name: String) -> ProviderSession {
    ProviderSession { server: text::given(server), name: text::given(name) }
}

/// `sqlx::query_as!` of whole sessions: the columns are named once. Between `$head` and `$tail`
/// they are selected or returned.
macro_rules! query_sessions {
    ($head:literal, $tail:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            crate::session_store::row::SessionRow,
            $head + " s.id, s.tenant, s.name, s.server, s.server_name, s.adopted, s.status, \
             s.status_at, s.own_address, s.on_rate_limit, s.created_at, s.updated_at, s.suspended_at, \
             s.suspended_until, s.suspension_reason, s.tenant_suspended_at, \
             s.tenant_suspended_until, s.tenant_suspension_reason, s.new_chats::text AS new_chats, s.health, s.health_since, \
             s.webhook_secrets " + $tail
            $(, $argument)*
        )
    };
}
pub(super) use query_sessions;
