//! What is kept for a time only goes a few rows at a time: whoever else writes waits for one step at
//! the most.

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;

use crate::store::SqliteStore;

/// How many rows go in one step.
const AT_ONCE: u32 = 500;

/// How many steps are taken of each table in one pass.
const STEPS: usize = 200;

/// Removes some rows whose time is over. One statement each; its conditions have an index.
const REMOVALS: [&str; 2] = [
    "DELETE FROM idempotency_keys WHERE rowid IN (
         SELECT rowid FROM idempotency_keys WHERE expires_at <= ?1 LIMIT ?2
     )",
    "DELETE FROM recent_contents WHERE fingerprint IN (
         SELECT fingerprint FROM recent_contents WHERE until <= ?1 LIMIT ?2
     )",
];

/// Lets go of what has expired, as much as one pass may.
pub(crate) async fn expire(store: &SqliteStore, now: Timestamp) -> Result<(), StoreError> {
    for removal in REMOVALS {
        for _ in 0..STEPS {
            let gone = store
                .write(move |connection| {
                    let mut remove = connection.prepare_cached(removal)?;
                    Ok(remove.execute((now.as_micros(), AT_ONCE))?)
                })
                .await?;
            if gone < AT_ONCE as usize {
                break;
            }
        }
    }
    Ok(())
}
