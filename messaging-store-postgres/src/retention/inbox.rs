//! Months of webhooks, and of the instants at which attempts ended.

use messaging_core::ports::store_error::StoreError;
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::connections::{Connections, Lent};
use crate::error::store_error;
use crate::retention::month::{self, Month};
use crate::retention::{have_alone, run, take_its_time, tell};

const DAY_MICROS: i64 = 86_400_000_000;

/// Lets go of the oldest month of either.
pub(super) async fn let_go(
    connections: &Connections,
    kept_from: i64,
    until: Instant,
) -> Result<(), StoreError> {
    let mut connection = connections.acquire().await?;
    for parent in ["attempts", "inbox"] {
        for month in month::before(&mut connection, &[parent], kept_from).await? {
            let is_inbox = parent == "inbox";
            if is_inbox && !is_over(&mut connection, &month).await? {
                continue;
            }
            // Before the month: as long as it is there, they are looked for again.
            if is_inbox && !forget_keys(&mut connection, &month, until).await? {
                return Ok(());
            }
            let mut transaction = connection.begin().await.map_err(store_error)?;
            if have_alone(&mut transaction, &[parent], &month).await.map_err(store_error)?
                && (!is_inbox || is_over(&mut transaction, &month).await?)
            {
                for table in &month.tables {
                    let drop = format!("DROP TABLE {table}");
                    run(&mut transaction, drop).await.map_err(store_error)?;
                }
                transaction.commit().await.map_err(store_error)?;
                tell(parent, &month);
            } else {
                transaction.rollback().await.map_err(store_error)?;
            }
            break;
        }
    }
    Ok(())
}

/// Whether nothing of it is to be applied any more.
async fn is_over(connection: &mut PgConnection, month: &Month) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        r#"
        SELECT NOT EXISTS (
            SELECT FROM inbox
            WHERE status = 'pending' AND id >= first_id_at($1) AND id < first_id_at($2)
        ) AS "is_over!"
        "#,
        month.begins_at,
        month.ends_at,
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)
}

/// Forgets what was received in a month, day by day. Tells whether that is all done.
async fn forget_keys(
    connection: &mut Lent,
    month: &Month,
    until: Instant,
) -> Result<bool, StoreError> {
    let mut day = month.begins_at;
    while day < month.ends_at {
        if Instant::now() >= until {
            return Ok(false);
        }
        let forget = async {
            let mut transaction = connection.begin().await?;
            take_its_time(&mut transaction).await?;
            sqlx::query!(
                "DELETE FROM inbox_keys WHERE received_at >= $1 AND received_at < $2",
                day,
                day + DAY_MICROS,
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        forget.await.map_err(store_error)?;
        day += DAY_MICROS;
    }
    Ok(true)
}
