//! Who does what for all, on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::id::NodeId;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::duty_roster::{Duty, DutyRoster};
use messaging_core::ports::store_error::StoreError;

use crate::error::store_error;
use crate::store::PostgresStore;

#[async_trait]
impl DutyRoster for PostgresStore {
    async fn take(
        &self,
        duty: Duty,
        node: NodeId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = sqlx::query!(
            "INSERT INTO duties (duty, node, until) VALUES ($1, $2, $3)
             ON CONFLICT (duty) DO UPDATE SET node = EXCLUDED.node, until = EXCLUDED.until
             WHERE duties.node = EXCLUDED.node OR duties.until <= $4",
            duty.as_str(),
            node.0,
            until.as_micros(),
            now.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(taken.rows_affected() > 0)
    }

    async fn lay_down(&self, duty: Duty, node: NodeId) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM duties WHERE duty = $1 AND node = $2", duty.as_str(), node.0)
            .execute(&mut *self.connections().acquire().await?)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}
