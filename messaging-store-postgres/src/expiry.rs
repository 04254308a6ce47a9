//! What is kept for a time only goes a few rows at a time.

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;

use crate::connections::Connections;
use crate::error::store_error;

/// How many rows go in one transaction.
const AT_ONCE: u64 = 1000;

/// How many transactions are made for each table in one pass.
const STEPS: usize = 1000;

/// Lets go of what has expired, as much as one pass may.
pub(crate) async fn expire(connections: &Connections, now: Timestamp) -> Result<(), StoreError> {
    for _ in 0..STEPS {
        if remove_keys(connections, now).await? < AT_ONCE {
            break;
        }
    }
    for _ in 0..STEPS {
        if remove_contents(connections, now).await? < AT_ONCE {
            break;
        }
    }
    for _ in 0..STEPS {
        if remove_families(connections, now).await? < AT_ONCE {
            break;
        }
    }
    Ok(())
}

// Whoever is just writing a row has better use for it: it is left for the next pass.

async fn remove_keys(connections: &Connections, now: Timestamp) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE (tenant, digest) IN (
             SELECT tenant, digest FROM idempotency_keys WHERE expires_at <= $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        now.as_micros(),
        AT_ONCE.cast_signed(),
    )
    .execute(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(removed.rows_affected())
}

async fn remove_contents(connections: &Connections, now: Timestamp) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "DELETE FROM recent_contents WHERE fingerprint IN (
             SELECT fingerprint FROM recent_contents WHERE until <= $1
             ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        now.as_micros(),
        AT_ONCE.cast_signed(),
    )
    .execute(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(removed.rows_affected())
}

async fn remove_families(connections: &Connections, now: Timestamp) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "DELETE FROM token_families WHERE id IN (
             SELECT id FROM token_families WHERE expires_at <= $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        now.as_micros(),
        AT_ONCE.cast_signed(),
    )
    .execute(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(removed.rows_affected())
}
