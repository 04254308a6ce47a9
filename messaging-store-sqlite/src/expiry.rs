//! What is kept for a time only goes a few rows at a time: whoever else writes waits for one step at
//! the most.

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;

use crate::store::SqliteStore;

/// How many rows go in one step.
const AT_ONCE: u32 = 500;

/// How many steps are taken of each table in one pass.
const STEPS: usize = 200;

/// What has expired of a table, and its removal. The condition has an index.
struct Table {
    has_any: &'static str,
    remove: &'static str,
}

const TABLES: [Table; 3] = [
    Table {
        has_any: "SELECT EXISTS (SELECT 1 FROM idempotency_keys WHERE expires_at <= ?1)",
        remove: "DELETE FROM idempotency_keys WHERE rowid IN (
                     SELECT rowid FROM idempotency_keys WHERE expires_at <= ?1 LIMIT ?2
                 )",
    },
    Table {
        has_any: "SELECT EXISTS (SELECT 1 FROM recent_contents WHERE until <= ?1)",
        remove: "DELETE FROM recent_contents WHERE fingerprint IN (
                     SELECT fingerprint FROM recent_contents WHERE until <= ?1 LIMIT ?2
                 )",
    },
    Table {
        has_any: "SELECT EXISTS (SELECT 1 FROM token_families WHERE expires_at <= ?1)",
        remove: "DELETE FROM token_families WHERE id IN (
                     SELECT id FROM token_families WHERE expires_at <= ?1 LIMIT ?2
                 )",
    },
];

/// Lets go of what has expired, as much as one pass may. Writes nothing where nothing has.
pub(crate) async fn expire(store: &SqliteStore, now: Timestamp) -> Result<(), StoreError> {
    for Table { has_any, remove } in TABLES {
        for _ in 0..STEPS {
            let has_any: bool = store
                .read(move |connection| {
                    let mut look = connection.prepare_cached(has_any)?;
                    Ok(look.query_row([now.as_micros()], |row| row.get(0))?)
                })
                .await?;
            if !has_any {
                break;
            }
            store
                .write(move |connection| {
                    let mut remove = connection.prepare_cached(remove)?;
                    Ok(remove.execute((now.as_micros(), AT_ONCE))?)
                })
                .await?;
        }
    }
    Ok(())
}
