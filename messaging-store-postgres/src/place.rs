//! A node's place on a schema: alone, because its queue and its limits are in its own memory, or
//! among others. Two of the first kind, or one of each, would both send, each by its own count.
//!
//! Both kinds hold one lock of PostgreSQL, the first for itself and the others together. It is a
//! connection's, and ends with it, so somebody must watch over that.

use std::sync::Arc;
use std::time::Duration;

use messaging_core::ports::store_error::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};

use crate::error::store_error;
use crate::store::PostgresStore;

/// What nodes lock, together with the schema.
const PLACE: i32 = 0x6f6e_6c79;

/// How often the connection is asked whether it is there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long it may take to answer, and another one to be opened.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a node stands to others on its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It keeps its queue or its limits to itself, and no other may work beside it.
    Alone,
    /// It shares both with all others.
    Among,
}

/// A node's place on a schema, until this is dropped.
#[derive(Debug)]
pub struct Place {
    standing: Standing,
    connect: Arc<PgConnectOptions>,
    held: Held,
}

/// The connection that the lock is held by, and what the server knows it by.
#[derive(Debug)]
struct Held {
    connection: PgConnection,
    process: i32,
    since: i64,
}

impl PostgresStore {
    /// Takes a place on the schema; `None` where another node is in the way.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the server does not answer.
    pub async fn take_place(&self, standing: Standing) -> Result<Option<Place>, StoreError> {
        let connect = self.connections().options().as_ref().clone().options([
            // Whoever is gone without a word holds its place for half a minute at the most.
            ("tcp_keepalives_idle", "15"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("idle_session_timeout", "0"),
        ]);
        let held = Held::take(&connect, standing, None).await.map_err(store_error)?;
        Ok(held.map(|held| Place { standing, connect: Arc::new(connect), held }))
    }
}

impl Place {
    /// Watches over the place, and takes it again when the connection to the server is lost. Comes
    /// to an end only when another node is in the way by then: this one must stop.
    pub async fn watch(&mut self) {
        loop {
            sleep(LOOK_AGAIN).await;
            let asked = timeout(PATIENCE, self.held.connection.ping()).await;
            if matches!(asked, Ok(Ok(()))) {
                continue;
            }
            tracing::warn!("the connection that held this node's place in PostgreSQL was lost");
            if !self.take_again().await {
                return;
            }
            tracing::info!("this node has its place in PostgreSQL again");
        }
    }

    /// Whether it could be taken; waits for a server that does not answer.
    async fn take_again(&mut self) -> bool {
        let before = (self.held.process, self.held.since);
        loop {
            let taking = Held::take(&self.connect, self.standing, Some(before));
            match timeout(PATIENCE, taking).await {
                Ok(Ok(Some(held))) => {
                    self.held = held;
                    return true;
                }
                Ok(Ok(None)) => return false,
                Ok(Err(_)) | Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }
}

impl Held {
    /// Takes the lock, where nobody has it that may not have it at the same time. What held it
    /// `before` for us is ended: the server may not have noticed that we cannot reach it any more.
    async fn take(
        connect: &PgConnectOptions,
        standing: Standing,
        before: Option<(i32, i64)>,
    ) -> Result<Option<Self>, sqlx::Error> {
        let mut connection = PgConnection::connect_with(connect).await?;
        if let Some((process, since)) = before {
            sqlx::query_scalar!(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
                 WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2",
                process,
                since,
            )
            .fetch_optional(&mut connection)
            .await?;
        }
        let is_ours = sqlx::query_scalar!(
            r#"
            SELECT CASE
                WHEN $2 THEN pg_try_advisory_lock($1, hashtext(current_schema()))
                ELSE pg_try_advisory_lock_shared($1, hashtext(current_schema()))
            END AS "is_ours!"
            "#,
            PLACE,
            standing == Standing::Alone,
        )
        .fetch_one(&mut connection)
        .await?;
        if !is_ours {
            connection.close().await?;
            return Ok(None);
        }
        let us = sqlx::query!(
            r#"
            SELECT pid AS "process!",
                (extract(epoch FROM backend_start) * 1000000)::bigint AS "since!"
            FROM pg_stat_activity
            WHERE pid = pg_backend_pid()
            "#
        )
        .fetch_one(&mut connection)
        .await?;
        Ok(Some(Self { connection, process: us.process, since: us.since }))
    }
}
