//! What a database needs to be done now and then, by one node.

use async_trait::async_trait;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::upkeep::Upkeep;

use crate::connections::Connections;
use crate::error::{is_locked, store_error};
use crate::store::PostgresStore;
use crate::{expiry, retention};

/// For how many months to come there are partitions.
pub(crate) const MONTHS_AHEAD: i32 = 2;

/// How many changes of counts are added up in one transaction.
const CHANGES_AT_ONCE: i64 = 20_000;

#[async_trait]
impl Upkeep for PostgresStore {
    async fn upkeep(&self, now: Timestamp) -> Result<(), StoreError> {
        make_partitions(self.connections(), now).await?;
        add_up_all(self.connections()).await?;
        expiry::expire(self.connections(), now).await?;
        match self.retention() {
            Some(retention) => {
                retention::keep_since(self.connections(), now.minus(retention)).await
            }
            None => Ok(()),
        }
    }
}

/// Waits no longer than others may wait behind it: there is time until the months come.
async fn make_partitions(connections: &Connections, now: Timestamp) -> Result<(), StoreError> {
    let mut connection = connections.acquire().await?;
    let make = async {
        let mut transaction = connection.begin().await?;
        retention::wait_briefly(&mut transaction).await?;
        sqlx::query!("CALL make_partitions($1, $2)", now.as_micros(), MONTHS_AHEAD)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    };
    match make.await {
        Err(error) if is_locked(&error) => {
            tracing::warn!("months to come are made at a later upkeep: tables are in use");
            Ok(())
        }
        made => made.map_err(store_error),
    }
}

/// Brings the counts up to date.
pub(crate) async fn add_up_all(connections: &Connections) -> Result<(), StoreError> {
    while add_up(connections).await? == CHANGES_AT_ONCE {}
    Ok(())
}

/// Brings the counts up to date with the oldest changes. Gives how many there were.
async fn add_up(connections: &Connections) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"
        WITH taken AS (
            DELETE FROM message_count_changes
            WHERE id IN (SELECT id FROM message_count_changes ORDER BY id LIMIT $1)
            RETURNING tenant, hour, session, direction, kind, status, messages
        ), added AS (
            INSERT INTO message_counts AS kept
            SELECT tenant, hour, session, direction, kind, status, sum(messages) FROM taken
            GROUP BY tenant, hour, session, direction, kind, status
            ORDER BY tenant, hour, session, direction, kind, status
            ON CONFLICT (tenant, hour, session, direction, kind, status)
            DO UPDATE SET messages = kept.messages + EXCLUDED.messages
        )
        SELECT count(*) AS "taken!" FROM taken
        "#,
        CHANGES_AT_ONCE,
    )
    .fetch_one(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)
}
