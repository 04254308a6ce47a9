//! The provider's servers, on SQLite.

use async_trait::async_trait;
use messaging_core::domain::server::{KeptServer, Placing, Removal, Room, ServerKey, ServerPatch};
use messaging_core::domain::session::Session;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::column::{BadColumn, Stored, decode_all, decode_first, instant};
use crate::error::Fault;
use crate::person_store::for_good;
use crate::session_store::row;
use crate::store::SqliteStore;

/// What [`KeptServer`] is read from, in the order of [`Stored::read`].
macro_rules! server_columns {
    () => {
        "name, url, api_key, capacity, draining, created_at, updated_at"
    };
}

impl Stored for KeptServer {
    const ENTITY: &'static str = "server";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            name: row.get(0)?,
            url: row.get(1)?,
            api_key: row.get::<_, Option<String>>(2)?.map(ServerKey),
            capacity: capacity(row.get(3)?)?,
            draining: row.get(4)?,
            created_at: instant(row, 5)?,
            updated_at: instant(row, 6)?,
        })
    }
}

fn capacity(kept: Option<i64>) -> Result<Option<u64>, BadColumn> {
    kept.map(u64::try_from).transpose().map_err(|_| BadColumn("capacity"))
}

/// A capacity as its column keeps it.
fn kept(capacity: Option<u64>) -> Option<i64> {
    capacity.map(|capacity| i64::try_from(capacity).unwrap_or(i64::MAX))
}

fn find(connection: &Connection, name: &str) -> Result<Option<KeptServer>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        server_columns!(),
        " FROM servers WHERE name = ?1"
    ))?;
    decode_first(statement.query([name])?)
}

/// How many sessions are on a server.
fn placed(connection: &Connection, name: &str) -> Result<u64, Fault> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM sessions WHERE server = ?1")?
        .query_row([name], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Writes a new session where its server has room. One thread writes, so nobody comes in between.
pub(crate) fn place(
    connection: &Connection,
    session: &Session,
    room: Room,
) -> Result<Placing, Fault> {
    let server = &session.place.server;
    let held: Option<(Option<i64>, bool)> = connection
        .prepare_cached("SELECT capacity, draining FROM servers WHERE name = ?1")?
        .query_row([server], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let held = held.map(|(most, draining)| Ok((capacity(most)?, draining))).transpose();
    let held = held.map_err(|bad: BadColumn| StoreError::corrupt("server", server, bad))?;
    let placing = room.judge(held, placed(connection, server)?);
    if placing == Placing::Placed {
        row::insert(connection, session)?;
    }
    Ok(placing)
}

#[async_trait]
impl ServerStore for SqliteStore {
    async fn insert(&self, server: &KeptServer) -> Result<(), StoreError> {
        let server = server.clone();
        self.write(move |connection| {
            connection
                .prepare_cached(concat!(
                    "INSERT INTO servers (",
                    server_columns!(),
                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                ))?
                .execute((
                    &server.name,
                    &server.url,
                    server.api_key.as_ref().map(|key| &key.0),
                    kept(server.capacity),
                    server.draining,
                    server.created_at.as_micros(),
                    server.updated_at.as_micros(),
                ))?;
            Ok(())
        })
        .await
    }

    async fn find(&self, name: &str) -> Result<Option<KeptServer>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| find(connection, &name)).await
    }

    async fn list(&self) -> Result<Vec<KeptServer>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                server_columns!(),
                " FROM servers ORDER BY name"
            ))?;
            decode_all(statement.query([])?)
        })
        .await
    }

    async fn patch(
        &self,
        name: &str,
        patch: &ServerPatch,
        now: Timestamp,
    ) -> Result<Option<KeptServer>, StoreError> {
        let (name, patch) = (name.to_owned(), patch.clone());
        self.write(move |connection| {
            let Some(server) = find(connection, &name)? else { return Ok(None) };
            let server = server.patched(&patch, now);
            connection
                .prepare_cached(
                    "UPDATE servers SET url = ?2, api_key = ?3, capacity = ?4, draining = ?5,
                         updated_at = ?6
                     WHERE name = ?1",
                )?
                .execute((
                    &server.name,
                    &server.url,
                    server.api_key.as_ref().map(|key| &key.0),
                    kept(server.capacity),
                    server.draining,
                    server.updated_at.as_micros(),
                ))?;
            Ok(Some(server))
        })
        .await
    }

    async fn replace_key(
        &self,
        name: &str,
        before: &ServerKey,
        after: &ServerKey,
    ) -> Result<bool, StoreError> {
        let (name, before, after) = (name.to_owned(), before.0.clone(), after.0.clone());
        self.write(move |connection| {
            for_good(connection, || {
                let changed = connection
                    .prepare_cached(
                        "UPDATE servers SET api_key = ?3 WHERE name = ?1 AND api_key = ?2",
                    )?
                    .execute((&name, &before, &after))?;
                Ok(changed > 0)
            })
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<Removal, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            if find(connection, &name)?.is_none() {
                return Ok(Removal::NotThere);
            }
            let placed = placed(connection, &name)?;
            if placed > 0 {
                return Ok(Removal::InUse(placed));
            }
            connection.prepare_cached("DELETE FROM servers WHERE name = ?1")?.execute([&name])?;
            Ok(Removal::Removed)
        })
        .await
    }
}
