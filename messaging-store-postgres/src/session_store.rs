//! Sessions on PostgreSQL.

mod finding;
mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::new_chats::{NewChats, NewChatsPatch, Restriction};
use messaging_core::domain::server::{Placing, Room};
use messaging_core::domain::session::{
    Census, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus, WatchedSession,
};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::WebhookSecrets;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::{PgConnection, PgExecutor};

pub(crate) use self::finding::{Finds, OwnFinds};
use crate::error::store_error;
use crate::named::{Stored, count, decode_all, named, suspension_columns};
use crate::server_store;
use crate::session_store::finding::Called;
use crate::session_store::row::{SessionRow, WatchedRow, json, place, query_sessions};
use crate::store::PostgresStore;
use crate::text;

/// Records a session's state unless a later one is known. Gives the status before, where it was
/// recorded.
pub(crate) async fn record_status(
    connection: impl PgExecutor<'_>,
    id: SessionId,
    status: SessionStatus,
    at: Timestamp,
    own_address: Option<&Address>,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "WITH before AS (SELECT id, status FROM sessions WHERE id = $1 FOR UPDATE)
         UPDATE sessions s SET status = $2, status_at = $3,
             own_address = coalesce($4, s.own_address), updated_at = greatest(s.updated_at, $3)
         FROM before WHERE s.id = before.id AND s.status_at <= $3
         RETURNING before.status",
        id.0,
        status.as_str(),
        at.as_micros(),
        own_address.map(|address| text::kept(address.as_str()).into_owned()),
    )
    .fetch_optional(connection)
    .await
}

/// Writes a new session.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    session: &Session,
) -> Result<(), sqlx::Error> {
    let (since, until, reason) = suspension_columns(session.suspension.as_ref());
    sqlx::query!(
        "WITH owner AS (
             SELECT suspended_at, suspended_until, suspension_reason FROM tenants
             -- Whoever is stopping it comes before or after.
             WHERE id = $2 FOR SHARE
         )
         INSERT INTO sessions (
             id, tenant, name, server, server_name, adopted, status, status_at, own_address,
             on_rate_limit, created_at, updated_at, suspended_at, suspended_until,
             suspension_reason, tenant_suspended_at, tenant_suspended_until,
             tenant_suspension_reason, new_chats, webhook_secrets
         )
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
             owner.suspended_at, owner.suspended_until, owner.suspension_reason,
             $16::text::jsonb, $17
         FROM (SELECT) AS new LEFT JOIN owner ON true",
        session.id.0,
        session.tenant.0,
        &*text::kept(&session.name),
        &*text::kept(&session.place.server),
        &*text::kept(&session.place.name),
        session.adopted,
        session.status.as_str(),
        session.status_at.as_micros(),
        session.own_address.as_ref().map(|own| text::kept(own.as_str()).into_owned()),
        session.on_rate_limit.as_str(),
        session.created_at.as_micros(),
        session.updated_at.as_micros(),
        since,
        until,
        reason,
        (session.new_chats != NewChats::default()).then(|| json(&session.new_chats)),
        session.webhook_secrets.as_ref().map(WebhookSecrets::to_stored),
    )
    .execute(connection)
    .await
    .map(|_| ())
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn insert(&self, session: &Session) -> Result<(), StoreError> {
        let mut connection = self.connections().acquire().await?;
        insert(&mut connection, session).await.map_err(store_error)
    }

    async fn place(&self, session: &Session, room: Room) -> Result<Placing, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let place = async {
            let mut transaction = connection.begin().await?;
            let placing = server_store::place(&mut transaction, session, room).await?;
            if placing == Placing::Placed {
                transaction.commit().await?;
            }
            Ok(placing)
        };
        place.await.map_err(store_error)
    }

    async fn find(&self, tenant: TenantId, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.own_finds().ask((tenant, Called::Id(id))).await
    }

    async fn find_named(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Session>, StoreError> {
        self.own_finds().ask((tenant, Called::Name(name.to_owned()))).await
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Session>, StoreError> {
        let rows = query_sessions!(
            "SELECT",
            "FROM sessions s WHERE s.tenant = $1 ORDER BY s.id",
            tenant.0
        )
        .fetch_all(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn patch(
        &self,
        tenant: TenantId,
        id: SessionId,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let NewChatsPatch { per_day, spacing } = patch.new_chats;
        let own = NewChats {
            per_day: per_day.flatten(),
            spacing: spacing.flatten(),
            ..NewChats::default()
        };
        let is_gone = [("per_day", per_day == Some(None)), ("spacing", spacing == Some(None))];
        let as_for_all: Vec<String> =
            is_gone.iter().filter(|(_, gone)| *gone).map(|(key, _)| (*key).to_owned()).collect();
        let row = query_sessions!(
            "UPDATE sessions s SET name = coalesce($3, s.name), \
             on_rate_limit = coalesce($4, s.on_rate_limit), updated_at = $5, \
             new_chats = (coalesce(s.new_chats, '{}'::jsonb) - $6::text[]) || $7::text::jsonb \
             WHERE s.id = $1 AND s.tenant = $2 RETURNING",
            "",
            id.0,
            tenant.0,
            patch.name.as_deref().map(|name| text::kept(name).into_owned()),
            patch.on_rate_limit.map(|on_rate_limit| on_rate_limit.as_str()),
            now.as_micros(),
            &as_for_all,
            json(&own),
        )
        .fetch_optional(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn suspend(
        &self,
        tenant: TenantId,
        id: SessionId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Session>, StoreError> {
        let (since, until, reason) = suspension_columns(suspension.as_ref());
        let row = query_sessions!(
            "UPDATE sessions s SET suspended_at = $3, suspended_until = $4, \
             suspension_reason = $5 WHERE s.id = $1 AND s.tenant = $2 RETURNING",
            "",
            id.0,
            tenant.0,
            since,
            until,
            reason,
        )
        .fetch_optional(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn restrict(
        &self,
        id: SessionId,
        restriction: Option<Restriction>,
    ) -> Result<Option<Session>, StoreError> {
        let row = query_sessions!(
            "UPDATE sessions s SET new_chats = \
             (coalesce(s.new_chats, '{}'::jsonb) - 'restriction') || $2::text::jsonb \
             WHERE s.id = $1 RETURNING",
            "",
            id.0,
            json(&NewChats { restriction, ..NewChats::default() }),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn set_webhook_secrets(
        &self,
        tenant: TenantId,
        id: SessionId,
        secrets: &WebhookSecrets,
    ) -> Result<Option<Session>, StoreError> {
        let row = query_sessions!(
            "UPDATE sessions s SET webhook_secrets = $3 WHERE s.id = $1 AND s.tenant = $2 RETURNING",
            "",
            id.0,
            tenant.0,
            secrets.to_stored(),
        )
        .fetch_optional(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn replace_webhook_secrets(
        &self,
        id: SessionId,
        before: &WebhookSecrets,
        after: &WebhookSecrets,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query!(
            "UPDATE sessions SET webhook_secrets = $3 WHERE id = $1 AND webhook_secrets = $2",
            id.0,
            before.to_stored(),
            after.to_stored(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected() > 0)
    }

    async fn delete(&self, tenant: TenantId, id: SessionId) -> Result<bool, StoreError> {
        let deleted =
            sqlx::query!("DELETE FROM sessions WHERE id = $1 AND tenant = $2", id.0, tenant.0)
                .execute(&mut *self.of_tenant(tenant).await?)
                .await
                .map_err(store_error)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        // Nobody names the session any more; should this be cut short, its chats are in nobody's way.
        sqlx::query!("DELETE FROM chats WHERE session = $1", id.0)
            .execute(&mut *self.connections().acquire().await?)
            .await
            .map_err(store_error)?;
        Ok(true)
    }

    async fn find_any(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.finds().ask(id).await
    }

    async fn find_placed(&self, name: &str) -> Result<Vec<Session>, StoreError> {
        let rows = query_sessions!(
            "SELECT",
            "FROM sessions s WHERE s.server_name = $1 ORDER BY s.id",
            &*text::kept(name)
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn all_places(&self) -> Result<Vec<(SessionId, ProviderSession)>, StoreError> {
        let rows = sqlx::query!("SELECT id, server, server_name FROM sessions ORDER BY id")
            .fetch_all(&mut *self.connections().acquire().await?)
            .await
            .map_err(store_error)?;
        Ok(rows
            .into_iter()
            .map(|row| (SessionId(row.id), place(row.server, row.server_name)))
            .collect())
    }

    async fn census(&self) -> Result<Census, StoreError> {
        let lines = sqlx::query!(
            r#"
            SELECT server, status, count(*) AS "sessions!" FROM sessions GROUP BY server, status
            "#
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        let census: Result<Census, BoxError> = lines
            .into_iter()
            .map(|line| {
                let server = text::given(line.server);
                Ok(((server, named(&line.status)?), count(line.sessions, "sessions")?))
            })
            .collect();
        census.map_err(|source| StoreError::corrupt(SessionRow::ENTITY, "of unknown id", source))
    }

    async fn watched(&self) -> Result<Vec<WatchedSession>, StoreError> {
        let rows = sqlx::query_as!(
            WatchedRow,
            "SELECT id, tenant, server, server_name, status, health, read_until, created_at
             FROM sessions ORDER BY id"
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn record_read(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE sessions SET read_until = $2
             WHERE id = $1 AND (read_until IS NULL OR read_until < $2)",
            id.0,
            until.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn record_health(
        &self,
        id: SessionId,
        health: SessionHealth,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let since = (health != SessionHealth::Ok).then_some(since.as_micros());
        let changed = sqlx::query!(
            "UPDATE sessions SET health = $2, health_since = $3 WHERE id = $1 AND health <> $2",
            id.0,
            health.as_str(),
            since,
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected() > 0)
    }

    async fn health_census(&self) -> Result<BTreeMap<SessionHealth, u64>, StoreError> {
        let lines =
            sqlx::query!(r#"SELECT health, count(*) AS "sessions!" FROM sessions GROUP BY health"#)
                .fetch_all(&mut *self.connections().acquire().await?)
                .await
                .map_err(store_error)?;
        let census: Result<BTreeMap<SessionHealth, u64>, BoxError> = lines
            .into_iter()
            .map(|line| Ok((named(&line.health)?, count(line.sessions, "sessions")?)))
            .collect();
        census.map_err(|source| StoreError::corrupt(SessionRow::ENTITY, "of unknown id", source))
    }

    async fn record_status(
        &self,
        id: SessionId,
        status: SessionStatus,
        at: Timestamp,
        own_address: Option<Address>,
    ) -> Result<Option<Session>, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let before = record_status(&mut *connection, id, status, at, own_address.as_ref()).await;
        drop(connection);
        let before = before.map_err(store_error)?;
        match before {
            Some(before) if before != status.as_str() => self.find_any(id).await,
            _ => Ok(None),
        }
    }
}
