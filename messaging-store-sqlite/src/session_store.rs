//! Sessions on SQLite.

pub(crate) mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::new_chats::Restriction;
use messaging_core::domain::server::{Placing, Room};
use messaging_core::domain::session::{
    Census, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus, WatchedSession,
};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::WebhookSecrets;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::Row;

use crate::column::{Id, Stored, decode_all, decode_first, named};
use crate::message_store::chats;
use crate::person_store::for_good;
use crate::server_store;
use crate::session_store::row::select_sessions;
use crate::store::SqliteStore;

/// A line of the census; its id is that of one of the sessions counted.
struct Line {
    server: String,
    status: SessionStatus,
    count: u64,
}

impl Stored for Line {
    const ENTITY: &'static str = Session::ENTITY;

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let count = u64::try_from(row.get::<_, i64>(3)?)?;
        Ok(Self { server: row.get(1)?, status: named(row, 2)?, count })
    }
}

/// The same of how sessions are.
struct HealthLine {
    health: SessionHealth,
    count: u64,
}

impl Stored for HealthLine {
    const ENTITY: &'static str = Session::ENTITY;

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self { health: named(row, 1)?, count: u64::try_from(row.get::<_, i64>(2)?)? })
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn insert(&self, session: &Session) -> Result<(), StoreError> {
        let session = session.clone();
        self.write(move |connection| row::insert(connection, &session)).await
    }

    async fn place(&self, session: &Session, room: Room) -> Result<Placing, StoreError> {
        let session = session.clone();
        self.write(move |connection| server_store::place(connection, &session, room)).await
    }

    async fn find(&self, tenant: TenantId, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.read(move |connection| row::find_owned(connection, tenant, id)).await
    }

    async fn find_named(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Session>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(select_sessions!("WHERE s.tenant = ?1 AND s.name = ?2"))?;
            decode_first(statement.query((tenant.bytes(), name))?)
        })
        .await
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Session>, StoreError> {
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached(select_sessions!("WHERE s.tenant = ?1 ORDER BY s.id"))?;
            decode_all(statement.query([tenant.bytes()])?)
        })
        .await
    }

    async fn patch(
        &self,
        tenant: TenantId,
        id: SessionId,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let patch = patch.clone();
        self.write(move |connection| row::patch(connection, tenant, id, &patch, now)).await
    }

    async fn suspend(
        &self,
        tenant: TenantId,
        id: SessionId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Session>, StoreError> {
        self.write(move |connection| row::suspend(connection, tenant, id, suspension.as_ref()))
            .await
    }

    async fn restrict(
        &self,
        id: SessionId,
        restriction: Option<Restriction>,
    ) -> Result<Option<Session>, StoreError> {
        self.write(move |connection| row::restrict(connection, id, restriction)).await
    }

    async fn set_webhook_secrets(
        &self,
        tenant: TenantId,
        id: SessionId,
        secrets: &WebhookSecrets,
    ) -> Result<Option<Session>, StoreError> {
        let secrets = secrets.clone();
        self.write(move |connection| row::set_webhook_secrets(connection, tenant, id, &secrets))
            .await
    }

    async fn replace_webhook_secrets(
        &self,
        id: SessionId,
        before: &WebhookSecrets,
        after: &WebhookSecrets,
    ) -> Result<bool, StoreError> {
        let (before, after) = (before.to_stored(), after.to_stored());
        self.write(move |connection| {
            for_good(connection, || {
                let changed = connection
                    .prepare_cached(
                        "UPDATE sessions SET webhook_secrets = ?3
                         WHERE id = ?1 AND webhook_secrets = ?2",
                    )?
                    .execute((id.bytes(), &before, &after))?;
                Ok(changed > 0)
            })
        })
        .await
    }

    async fn delete(&self, tenant: TenantId, id: SessionId) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let deleted = connection
                .prepare_cached("DELETE FROM sessions WHERE id = ?1 AND tenant = ?2")?
                .execute((id.bytes(), tenant.bytes()))?;
            if deleted > 0 {
                chats::forget(connection, id)?;
            }
            Ok(deleted > 0)
        })
        .await
    }

    async fn find_any(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.read(move |connection| row::find(connection, id)).await
    }

    async fn find_placed(&self, name: &str) -> Result<Vec<Session>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(select_sessions!("WHERE s.server_name = ?1 ORDER BY s.id"))?;
            decode_all(statement.query([name])?)
        })
        .await
    }

    async fn all_places(&self) -> Result<Vec<(SessionId, ProviderSession)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id, server, server_name FROM sessions ORDER BY id")?;
            decode_all(statement.query([])?)
        })
        .await
    }

    async fn census(&self) -> Result<Census, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT min(id), server, status, count(*) FROM sessions GROUP BY server, status",
            )?;
            let lines = decode_all(statement.query([])?)?;
            Ok(lines.into_iter().map(|Line { server, status, count }| ((server, status), count)))
        })
        .await
        .map(Iterator::collect)
    }

    async fn watched(&self) -> Result<Vec<WatchedSession>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, tenant, server, server_name, status, health, read_until, created_at
                 FROM sessions ORDER BY id",
            )?;
            decode_all(statement.query([])?)
        })
        .await
    }

    async fn record_read(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE sessions SET read_until = max(coalesce(read_until, ?2), ?2)
                     WHERE id = ?1",
                )?
                .execute((id.bytes(), until.as_micros()))?;
            Ok(())
        })
        .await
    }

    async fn record_health(
        &self,
        id: SessionId,
        health: SessionHealth,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let since = (health != SessionHealth::Ok).then_some(since.as_micros());
            let changed = connection
                .prepare_cached(
                    "UPDATE sessions SET health = ?2, health_since = ?3
                     WHERE id = ?1 AND health <> ?2",
                )?
                .execute((id.bytes(), health.as_str(), since))?;
            Ok(changed > 0)
        })
        .await
    }

    async fn health_census(&self) -> Result<BTreeMap<SessionHealth, u64>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT min(id), health, count(*) FROM sessions GROUP BY health")?;
            let lines = decode_all(statement.query([])?)?;
            Ok(lines.into_iter().map(|HealthLine { health, count }| (health, count)))
        })
        .await
        .map(Iterator::collect)
    }

    async fn record_status(
        &self,
        id: SessionId,
        status: SessionStatus,
        at: Timestamp,
        own_address: Option<Address>,
    ) -> Result<Option<Session>, StoreError> {
        self.write(move |connection| {
            Ok(row::record_status(connection, id, status, at, own_address.as_ref())?.changed())
        })
        .await
    }
}
