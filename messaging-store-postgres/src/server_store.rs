//! The provider's servers, on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::server::{KeptServer, Placing, Removal, Room, ServerKey, ServerPatch};
use messaging_core::domain::session::Session;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;

use crate::error::store_error;
use crate::named::{count, instant};
use crate::session_store;
use crate::store::PostgresStore;
use crate::text;

struct ServerRow {
    name: String,
    url: String,
    api_key: Option<String>,
    capacity: Option<i64>,
    draining: bool,
    created_at: i64,
    updated_at: i64,
}

impl ServerRow {
    fn decode(self) -> Result<KeptServer, StoreError> {
        let name = text::given(self.name.clone());
        self.read().map_err(|source| StoreError::corrupt("server", name, source))
    }

    fn read(self) -> Result<KeptServer, BoxError> {
        Ok(KeptServer {
            name: text::given(self.name),
            url: text::given(self.url),
            api_key: self.api_key.map(|key| ServerKey(text::given(key))),
            capacity: self.capacity.map(|most| count(most, "capacity")).transpose()?,
            draining: self.draining,
            created_at: instant(self.created_at)?,
            updated_at: instant(self.updated_at)?,
        })
    }
}

/// A capacity as its column keeps it.
fn kept(capacity: Option<u64>) -> Option<i64> {
    capacity.map(|capacity| i64::try_from(capacity).unwrap_or(i64::MAX))
}

fn kept_key(key: Option<&ServerKey>) -> Option<String> {
    key.map(|key| text::kept(&key.0).into_owned())
}

/// Has whoever puts sessions on a server, or forgets it, do so one after the other, until the
/// transaction ends. A lock of its own, for there is no row of a server that the store does not keep.
async fn take_turns(connection: &mut PgConnection, server: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(
             hashtext('sessions on ' || $1::text), hashtext(current_schema())
         )::text AS locked",
        &*text::kept(server),
    )
    .fetch_one(connection)
    .await
    .map(|_| ())
}

/// How many sessions are on a server.
async fn placed(connection: &mut PgConnection, server: &str) -> Result<u64, sqlx::Error> {
    let placed = sqlx::query_scalar!(
        r#"SELECT count(*) AS "sessions!" FROM sessions WHERE server = $1"#,
        &*text::kept(server),
    )
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(placed).unwrap_or_default())
}

/// Writes a new session where its server has room.
pub(crate) async fn place(
    connection: &mut PgConnection,
    session: &Session,
    room: Room,
) -> Result<Placing, sqlx::Error> {
    let server = &session.place.server;
    take_turns(connection, server).await?;
    // Each statement sees what was committed before it; and whoever changes the server waits.
    let held = sqlx::query!(
        "SELECT capacity, draining FROM servers WHERE name = $1 FOR SHARE",
        &*text::kept(server),
    )
    .fetch_optional(&mut *connection)
    .await?;
    let most = |capacity: i64| u64::try_from(capacity).unwrap_or_default();
    let held = held.map(|held| (held.capacity.map(most), held.draining));
    let placing = room.judge(held, placed(connection, server).await?);
    if placing == Placing::Placed {
        session_store::insert(connection, session).await?;
    }
    Ok(placing)
}

#[async_trait]
impl ServerStore for PostgresStore {
    async fn insert(&self, server: &KeptServer) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO servers (name, url, api_key, capacity, draining, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &*text::kept(&server.name),
            &*text::kept(&server.url),
            kept_key(server.api_key.as_ref()),
            kept(server.capacity),
            server.draining,
            server.created_at.as_micros(),
            server.updated_at.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn find(&self, name: &str) -> Result<Option<KeptServer>, StoreError> {
        let row = sqlx::query_as!(
            ServerRow,
            "SELECT name, url, api_key, capacity, draining, created_at, updated_at
             FROM servers WHERE name = $1",
            &*text::kept(name),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(ServerRow::decode).transpose()
    }

    async fn list(&self) -> Result<Vec<KeptServer>, StoreError> {
        let rows = sqlx::query_as!(
            ServerRow,
            "SELECT name, url, api_key, capacity, draining, created_at, updated_at
             FROM servers ORDER BY name",
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(ServerRow::decode).collect()
    }

    async fn patch(
        &self,
        name: &str,
        patch: &ServerPatch,
        now: Timestamp,
    ) -> Result<Option<KeptServer>, StoreError> {
        let row = sqlx::query_as!(
            ServerRow,
            "UPDATE servers SET url = coalesce($2, url),
                 api_key = CASE WHEN $3 THEN $4 ELSE api_key END,
                 capacity = CASE WHEN $5 THEN $6 ELSE capacity END,
                 draining = coalesce($7, draining), updated_at = $8
             WHERE name = $1
             RETURNING name, url, api_key, capacity, draining, created_at, updated_at",
            &*text::kept(name),
            patch.url.as_deref().map(|url| text::kept(url).into_owned()),
            patch.api_key.is_some(),
            kept_key(patch.api_key.as_ref().and_then(Option::as_ref)),
            patch.capacity.is_some(),
            kept(patch.capacity.flatten()),
            patch.draining,
            now.as_micros(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        row.map(ServerRow::decode).transpose()
    }

    async fn replace_key(
        &self,
        name: &str,
        before: &ServerKey,
        after: &ServerKey,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query!(
            "UPDATE servers SET api_key = $3 WHERE name = $1 AND api_key = $2",
            &*text::kept(name),
            kept_key(Some(before)),
            kept_key(Some(after)),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected() > 0)
    }

    async fn delete(&self, name: &str) -> Result<Removal, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let delete = async {
            let mut transaction = connection.begin().await?;
            take_turns(&mut transaction, name).await?;
            let is_there = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM servers WHERE name = $1) AS "is_there!""#,
                &*text::kept(name),
            )
            .fetch_one(&mut *transaction)
            .await?;
            if !is_there {
                return Ok(Removal::NotThere);
            }
            let placed = placed(&mut transaction, name).await?;
            if placed > 0 {
                return Ok(Removal::InUse(placed));
            }
            sqlx::query!("DELETE FROM servers WHERE name = $1", &*text::kept(name))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(Removal::Removed)
        };
        delete.await.map_err(store_error)
    }
}
