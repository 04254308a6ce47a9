//! Sessions on SQLite.

pub(crate) mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::session::{ProviderSession, Session, SessionPatch, SessionStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;

use crate::column::{Id, decode_all, decode_first};
use crate::session_store::row::session_columns;
use crate::store::SqliteStore;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn insert(&self, session: &Session) -> Result<(), StoreError> {
        let session = session.clone();
        self.write(move |connection| row::insert(connection, &session)).await
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
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions WHERE tenant = ?1 AND name = ?2"
            ))?;
            decode_first(statement.query((tenant.bytes(), name))?)
        })
        .await
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Session>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions WHERE tenant = ?1 ORDER BY id"
            ))?;
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

    async fn delete(&self, tenant: TenantId, id: SessionId) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let deleted = connection
                .prepare_cached("DELETE FROM sessions WHERE id = ?1 AND tenant = ?2")?
                .execute((id.bytes(), tenant.bytes()))?;
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
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions WHERE server_name = ?1 ORDER BY id"
            ))?;
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

    async fn count_per_server(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT server, count(*) FROM sessions GROUP BY server")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut counts = BTreeMap::new();
            for row in rows {
                let (server, count): (String, i64) = row?;
                counts.insert(server, u64::try_from(count).unwrap_or(0));
            }
            Ok(counts)
        })
        .await
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
