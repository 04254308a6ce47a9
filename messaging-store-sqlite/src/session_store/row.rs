//! A session as a row, and back.

use messaging_core::domain::address::Address;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::new_chats::{NewChats, Restriction};
use messaging_core::domain::session::{
    ProviderSession, Session, SessionPatch, SessionStatus, WatchedSession,
};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::WebhookSecrets;
use messaging_core::ports::store_error::BoxError;
use rusqlite::{Connection, Row};

use crate::column::{
    self, BadColumn, Id, Stored, decode_first, instant, named, optional_address, optional_instant,
    suspension, suspension_columns,
};
use crate::error::Fault;

/// What [`Session`] is read from, in the order of [`Stored::read`].
macro_rules! session_columns {
    () => {
        "id, tenant, name, server, server_name, adopted, status, status_at, own_address, \
         on_rate_limit, created_at, updated_at, webhook_secrets"
    };
}

/// The same and what stops it, from `sessions` and its tenant.
macro_rules! select_sessions {
    ($tail:literal) => {
        concat!(
            "SELECT s.id, s.tenant, s.name, s.server, s.server_name, s.adopted, s.status, \
             s.status_at, s.own_address, s.on_rate_limit, s.created_at, s.updated_at, \
             s.suspended_at, s.suspended_until, s.suspension_reason, \
             t.suspended_at, t.suspended_until, t.suspension_reason, s.new_chats, s.health, s.health_since, \
             s.webhook_secrets \
             FROM sessions s LEFT JOIN tenants t ON t.id = s.tenant ",
            $tail
        )
    };
}
pub(super) use select_sessions;

impl Stored for Session {
    const ENTITY: &'static str = "session";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            name: row.get(2)?,
            place: ProviderSession { server: row.get(3)?, name: row.get(4)? },
            adopted: row.get(5)?,
            status: named(row, 6)?,
            status_at: instant(row, 7)?,
            own_address: optional_address(row, 8)?,
            on_rate_limit: named(row, 9)?,
            created_at: instant(row, 10)?,
            updated_at: instant(row, 11)?,
            suspension: suspension(row, 12)?,
            tenant_suspension: suspension(row, 15)?,
            new_chats: new_chats(row, 18)?,
            health: named(row, 19)?,
            health_since: optional_instant(row, 20)?,
            webhook_secrets: webhook_secrets(row, 21)?,
        })
    }
}

impl Stored for (SessionId, ProviderSession) {
    const ENTITY: &'static str = "session";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok((column::id(row, 0)?, ProviderSession { server: row.get(1)?, name: row.get(2)? }))
    }
}

impl Stored for WatchedSession {
    const ENTITY: &'static str = "session";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            place: ProviderSession { server: row.get(2)?, name: row.get(3)? },
            status: named(row, 4)?,
            health: named(row, 5)?,
            read_until: optional_instant(row, 6)?,
            created_at: instant(row, 7)?,
        })
    }
}

/// Writes a new session.
pub(crate) fn insert(connection: &Connection, session: &Session) -> Result<(), Fault> {
    connection
        .prepare_cached(concat!(
            "INSERT INTO sessions (",
            session_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        ))?
        .execute((
            session.id.bytes(),
            session.tenant.bytes(),
            &session.name,
            &session.place.server,
            &session.place.name,
            session.adopted,
            session.status.as_str(),
            session.status_at.as_micros(),
            session.own_address.as_ref().map(Address::as_str),
            session.on_rate_limit.as_str(),
            session.created_at.as_micros(),
            session.updated_at.as_micros(),
            session.webhook_secrets.as_ref().map(WebhookSecrets::to_stored),
        ))?;
    if session.suspension.is_some() || session.new_chats != NewChats::default() {
        update(connection, session)?;
    }
    Ok(())
}

/// Writes back what can change of a session.
fn update(connection: &Connection, session: &Session) -> Result<(), Fault> {
    let (since, until, reason) = suspension_columns(session.suspension.as_ref());
    connection
        .prepare_cached(
            "UPDATE sessions SET name = ?2, status = ?3, status_at = ?4, own_address = ?5,
                 on_rate_limit = ?6, updated_at = ?7, suspended_at = ?8, suspended_until = ?9,
                 suspension_reason = ?10, new_chats = ?11
             WHERE id = ?1",
        )?
        .execute((
            session.id.bytes(),
            &session.name,
            session.status.as_str(),
            session.status_at.as_micros(),
            session.own_address.as_ref().map(Address::as_str),
            session.on_rate_limit.as_str(),
            session.updated_at.as_micros(),
            since,
            until,
            reason,
            new_chats_column(&session.new_chats),
        ))?;
    Ok(())
}

/// The session of this id, whosever it is.
pub(super) fn find(connection: &Connection, id: SessionId) -> Result<Option<Session>, Fault> {
    let mut statement = connection.prepare_cached(select_sessions!("WHERE s.id = ?1"))?;
    decode_first(statement.query([id.bytes()])?)
}

/// Stops one tenant's session, or ends that.
pub(super) fn suspend(
    connection: &Connection,
    tenant: TenantId,
    id: SessionId,
    suspension: Option<&Suspension>,
) -> Result<Option<Session>, Fault> {
    let Some(mut session) = find_owned(connection, tenant, id)? else {
        return Ok(None);
    };
    session.suspension = suspension.cloned();
    update(connection, &session)?;
    Ok(Some(session))
}

/// Records what WhatsApp restricts a session's new chats to.
pub(super) fn restrict(
    connection: &Connection,
    id: SessionId,
    restriction: Option<Restriction>,
) -> Result<Option<Session>, Fault> {
    let Some(mut session) = find(connection, id)? else {
        return Ok(None);
    };
    session.new_chats.restriction = restriction;
    update(connection, &session)?;
    Ok(Some(session))
}

/// Sets what the webhooks of one tenant's session are signed with.
pub(super) fn set_webhook_secrets(
    connection: &Connection,
    tenant: TenantId,
    id: SessionId,
    secrets: &WebhookSecrets,
) -> Result<Option<Session>, Fault> {
    let Some(mut session) = find_owned(connection, tenant, id)? else {
        return Ok(None);
    };
    connection
        .prepare_cached("UPDATE sessions SET webhook_secrets = ?2 WHERE id = ?1")?
        .execute((id.bytes(), secrets.to_stored()))?;
    session.webhook_secrets = Some(secrets.clone());
    Ok(Some(session))
}

fn webhook_secrets(row: &Row<'_>, column: usize) -> Result<Option<WebhookSecrets>, BoxError> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(|_| BadColumn("webhook_secrets"))?;
    let read = |text| WebhookSecrets::from_stored(text).ok_or(BadColumn("webhook_secrets"));
    Ok(text.map(read).transpose()?)
}

fn new_chats(row: &Row<'_>, column: usize) -> Result<NewChats, BoxError> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(|_| BadColumn("new_chats"))?;
    let read = text.map(serde_json::from_str).transpose();
    Ok(read.map_err(|_| BadColumn("new_chats"))?.unwrap_or_default())
}

fn new_chats_column(new_chats: &NewChats) -> Option<String> {
    // Numbers and instants have a form in JSON.
    (*new_chats != NewChats::default()).then(|| serde_json::to_string(new_chats).ok()).flatten()
}

/// The session of this id, where it is this tenant's.
pub(super) fn find_owned(
    connection: &Connection,
    tenant: TenantId,
    id: SessionId,
) -> Result<Option<Session>, Fault> {
    Ok(find(connection, id)?.filter(|session| session.tenant == tenant))
}

/// Changes one tenant's session.
pub(super) fn patch(
    connection: &Connection,
    tenant: TenantId,
    id: SessionId,
    patch: &SessionPatch,
    now: Timestamp,
) -> Result<Option<Session>, Fault> {
    let Some(mut session) = find_owned(connection, tenant, id)? else {
        return Ok(None);
    };
    if let Some(name) = &patch.name {
        session.name.clone_from(name);
    }
    if let Some(on_rate_limit) = patch.on_rate_limit {
        session.on_rate_limit = on_rate_limit;
    }
    session.new_chats.patch(&patch.new_chats);
    session.updated_at = now;
    update(connection, &session)?;
    Ok(Some(session))
}

/// What became of a session's state that was told.
pub(crate) enum Recorded {
    /// Another one than before.
    Changed(Box<Session>),
    /// The same as before, now known to be true later.
    Same,
    /// A later one is known.
    Outdated,
    /// No such session.
    NotFound,
}

impl Recorded {
    /// The session, where its status changed.
    pub(super) fn changed(self) -> Option<Session> {
        match self {
            Self::Changed(session) => Some(*session),
            _ => None,
        }
    }
}

/// Records a session's state unless a later one is known.
pub(crate) fn record_status(
    connection: &Connection,
    id: SessionId,
    status: SessionStatus,
    at: Timestamp,
    own_address: Option<&Address>,
) -> Result<Recorded, Fault> {
    let Some(mut session) = find(connection, id)? else {
        return Ok(Recorded::NotFound);
    };
    if at < session.status_at {
        return Ok(Recorded::Outdated);
    }
    let has_changed = session.status != status;
    session.status = status;
    session.status_at = at;
    if own_address.is_some() {
        session.own_address = own_address.cloned();
    }
    session.updated_at = session.updated_at.max(at);
    update(connection, &session)?;
    Ok(if has_changed { Recorded::Changed(Box::new(session)) } else { Recorded::Same })
}
