//! How many connections the server has for us.

use messaging_core::ports::store_error::StoreError;
use sqlx::PgConnection;

use crate::error::store_error;
use crate::store::PostgresStore;

/// How many connections there are for the user, by the settings of the server and the limits of
/// the user and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// In all, whoever has them.
    pub(crate) connections: u32,
    /// About how many of them nobody has.
    pub(crate) free: u32,
}

impl Room {
    pub(crate) async fn ask(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query!(
            r#"
            WITH server AS (
                SELECT current_setting('max_connections')::int
                    - current_setting('superuser_reserved_connections')::int
                    - coalesce(current_setting('reserved_connections', true)::int, 0) AS connections
            )
            -- The least of several leaves out those that are NULL.
            SELECT least(s.connections, nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1))
                    AS "connections!",
                least(
                    s.connections - (SELECT sum(numbackends) FROM pg_stat_database)::int,
                    nullif(r.rolconnlimit, -1) - (
                        SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid
                    )::int,
                    nullif(d.datconnlimit, -1) - pg_stat_get_db_numbackends(d.oid)
                ) AS "free!"
            FROM server s, pg_roles r, pg_database d
            WHERE r.rolname = current_user AND d.datname = current_database()
            "#
        )
        .fetch_one(connection)
        .await?;
        Ok(Self {
            connections: u32::try_from(row.connections).unwrap_or_default(),
            free: u32::try_from(row.free).unwrap_or_default(),
        })
    }
}

/// The server does not have as many connections as a store may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "PostgreSQL has {connections} connections for this user, of which about {free} are free, and \
     this node may need {wanted} more: what finds none will wait, and may be refused"
)]
pub struct Shortage {
    /// How many it has in all for the user.
    pub connections: u32,
    /// About how many of these nobody has.
    pub free: u32,
    /// How many more the store may open.
    pub wanted: u32,
}

impl PostgresStore {
    /// Whether the server has fewer connections left than this store may still open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the server does not answer.
    pub async fn shortage(&self) -> Result<Option<Shortage>, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let Room { connections, free } = Room::ask(&mut connection).await.map_err(store_error)?;
        let wanted = self.may_open();
        Ok((free < wanted).then_some(Shortage { connections, free, wanted }))
    }
}
