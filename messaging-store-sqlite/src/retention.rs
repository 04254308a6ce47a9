//! What is kept no longer goes, month by month, a few rows at a time: whoever else writes waits for
//! one step at the most.
//!
//! A month begins to go when all of it lies before the time that is kept, and nothing in it waits.

use messaging_core::domain::id::first_uuid_v7_at;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Fault;
use crate::store::SqliteStore;

/// How many messages, webhooks or bulk requests go in one step.
const AT_ONCE: u32 = 500;

/// How many steps are taken in one pass.
const STEPS: usize = 20;

const SECOND_MICROS: i64 = 1_000_000;

/// The bytes of an id.
type IdBytes = [u8; 16];

/// Something whose rows are drawn in the order of time.
struct Table {
    name: &'static str,
    /// The first id from one on.
    first: &'static str,
    /// Whether something between two ids waits.
    waits: &'static str,
    /// Removes some that are over between two ids; tells how many.
    remove: fn(&Connection, Month) -> Result<usize, Fault>,
}

const TABLES: [Table; 2] = [
    Table {
        name: "inbox",
        first: "SELECT id FROM inbox WHERE id >= ?1 ORDER BY id LIMIT 1",
        waits: "SELECT EXISTS (
                    SELECT 1 FROM inbox INDEXED BY inbox_pending
                    WHERE status = 'pending' AND id >= ?1 AND id < ?2
                )",
        remove: remove_webhooks,
    },
    Table {
        name: "messages",
        first: "SELECT id FROM messages WHERE id >= ?1 ORDER BY id LIMIT 1",
        waits: "SELECT EXISTS (
                    SELECT 1 FROM messages INDEXED BY messages_pending
                    WHERE waits = 1 AND id >= ?1 AND id < ?2
                ) OR EXISTS (
                    SELECT 1 FROM messages INDEXED BY messages_held
                    WHERE held_by_batch = 1 AND id >= ?1 AND id < ?2
                )",
        remove: remove_messages,
    },
];

/// A month, in seconds since the epoch: its first, and the first after it.
#[derive(Clone, Copy)]
struct Month {
    begins_at: i64,
    ends_at: i64,
}

impl Month {
    fn of(connection: &Connection, seconds: i64) -> Result<Self, Fault> {
        let (begins_at, ends_at) = connection
            .prepare_cached(
                "SELECT unixepoch(?1, 'unixepoch', 'start of month'),
                     unixepoch(?1, 'unixepoch', 'start of month', '+1 month')",
            )?
            .query_row([seconds], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { begins_at, ends_at })
    }

    /// The first id that can be drawn in it, and the first after it.
    fn ids(self) -> (IdBytes, IdBytes) {
        (first_id_at(self.begins_at), first_id_at(self.ends_at))
    }
}

/// The first id that can be drawn in a second.
fn first_id_at(seconds: i64) -> IdBytes {
    first_uuid_v7_at(Timestamp::from_micros(seconds.saturating_mul(SECOND_MICROS))).into_bytes()
}

/// The second in which an id was drawn.
fn drawn_at(id: IdBytes) -> i64 {
    let millis = u128::from_be_bytes(id) >> 80;
    i64::try_from(millis / 1000).unwrap_or(i64::MAX)
}

/// Lets go of what is older than what is kept, as much as one pass may.
pub(crate) async fn keep_since(
    store: &SqliteStore,
    kept_since: Timestamp,
) -> Result<(), StoreError> {
    let seconds = kept_since.as_micros() / SECOND_MICROS;
    let kept = store.read(move |connection| Month::of(connection, seconds)).await?;
    let mut steps = STEPS;
    for table in &TABLES {
        while let Some(month) =
            store.read(move |connection| oldest(connection, table, kept)).await?
        {
            loop {
                if steps == 0 {
                    return Ok(());
                }
                steps -= 1;
                let gone = store.write(move |connection| (table.remove)(connection, month)).await?;
                if gone < AT_ONCE as usize {
                    break;
                }
            }
            let since = Timestamp::from_micros(month.begins_at * SECOND_MICROS);
            tracing::info!(table = table.name, %since, "a month is kept no longer");
        }
    }
    // Looked for beside the writer: usually there are none.
    while steps > 0 && store.read(move |connection| has_empty_request(connection, kept)).await? {
        steps -= 1;
        store.write(move |connection| remove_empty_requests(connection, kept)).await?;
    }
    Ok(())
}

/// The oldest month before those that are kept which has something in it, and nothing that waits.
fn oldest(connection: &Connection, table: &Table, kept: Month) -> Result<Option<Month>, Fault> {
    let (end, _) = kept.ids();
    let mut from = first_id_at(0);
    loop {
        let first: Option<IdBytes> = connection
            .prepare_cached(table.first)?
            .query_row([&from[..]], |row| row.get(0))
            .optional()?;
        let Some(first) = first.filter(|first| *first < end) else { return Ok(None) };
        let month = Month::of(connection, drawn_at(first))?;
        let (low, high) = month.ids();
        let waits: bool = connection
            .prepare_cached(table.waits)?
            .query_row((&low[..], &high[..]), |row| row.get(0))?;
        if !waits {
            return Ok(Some(month));
        }
        from = high;
    }
}

/// Their histories go with them.
fn remove_messages(connection: &Connection, month: Month) -> Result<usize, Fault> {
    let (low, high) = month.ids();
    let gone = connection
        .prepare_cached(
            "DELETE FROM messages WHERE id IN (
                 SELECT id FROM messages
                 WHERE id >= ?1 AND id < ?2 AND held_by_batch = 0
                     AND status NOT IN ('queued', 'retry', 'sending')
                 ORDER BY id LIMIT ?3
             )",
        )?
        .execute((&low[..], &high[..], AT_ONCE))?;
    Ok(gone)
}

/// What tells their repeats goes with them.
fn remove_webhooks(connection: &Connection, month: Month) -> Result<usize, Fault> {
    let (low, high) = month.ids();
    let mut remove = connection.prepare_cached(
        "DELETE FROM inbox WHERE id IN (
             SELECT id FROM inbox
             WHERE id >= ?1 AND id < ?2 AND status <> 'pending' ORDER BY id LIMIT ?3
         )
         RETURNING session, event, key",
    )?;
    let gone: Vec<(IdBytes, String, String)> = remove
        .query_map((&low[..], &high[..], AT_ONCE), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut forget = connection.prepare_cached(
        "DELETE FROM inbox_keys
         WHERE session = ?1 AND event = ?2 AND key = ?3 AND received_at < ?4",
    )?;
    for (session, event, key) in &gone {
        forget.execute((&session[..], event, key, month.ends_at * SECOND_MICROS))?;
    }
    Ok(gone.len())
}

/// Bulk requests older than what is kept, of which no message is left.
macro_rules! empty_requests {
    () => {
        "SELECT id FROM batches
         WHERE id < ?1 AND created_at < ?2 AND NOT EXISTS (
             SELECT 1 FROM messages INDEXED BY messages_of_batch
             WHERE messages.batch = batches.id AND messages.batch IS NOT NULL
         )
         LIMIT ?3"
    };
}

fn has_empty_request(connection: &Connection, kept: Month) -> Result<bool, Fault> {
    let (end, _) = kept.ids();
    let mut statement = connection.prepare_cached(empty_requests!())?;
    Ok(statement.exists((&end[..], kept.begins_at * SECOND_MICROS, 1))?)
}

fn remove_empty_requests(connection: &Connection, kept: Month) -> Result<(), Fault> {
    let (end, _) = kept.ids();
    connection
        .prepare_cached(concat!("DELETE FROM batches WHERE id IN (", empty_requests!(), ")"))?
        .execute((&end[..], kept.begins_at * SECOND_MICROS, AT_ONCE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use messaging_core::domain::id::uuid_v7;

    use super::*;

    #[test]
    fn an_id_lies_in_the_month_it_was_drawn_in() {
        let connection = Connection::open_in_memory().unwrap();
        for (at, first, end) in [
            ("2028-02-29T23:59:59.999999Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            ("2028-12-01T00:00:00Z", "2028-12-01T00:00:00Z", "2029-01-01T00:00:00Z"),
        ] {
            let id = *uuid_v7(Timestamp::parse(at).unwrap(), 0).as_bytes();
            let month = Month::of(&connection, drawn_at(id)).unwrap();
            let drawn = |at| *uuid_v7(Timestamp::parse(at).unwrap(), 0).as_bytes();
            let (low, high) = month.ids();
            assert!(low <= id && id < high, "{at}");
            assert!(low <= drawn(first) && high <= drawn(end), "{at}");
            assert_eq!(drawn_at(low), drawn_at(drawn(first)), "{at}");
            assert_eq!(drawn_at(high), drawn_at(drawn(end)), "{at}");
        }
    }
}
