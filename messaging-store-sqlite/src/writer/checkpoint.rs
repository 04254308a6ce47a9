//! Keeps the write-ahead log short.
//!
//! SQLite would fold the log into the file within a commit, while callers wait for it. The writer
//! does it between two transactions instead, when all have their answers.

use rusqlite::Connection;

/// Fold the log into the file when it holds this many pages (16 MiB): often enough to keep the
/// log in memory, seldom enough that a page changed many times is written once.
const FOLD_ABOVE_PAGES: i64 = 4_000;

/// Beyond this (256 MiB) the readers are asked to let go of the log. While any reads from its
/// end, the log is folded but never begun anew, so readers in an unbroken row would let it grow
/// until the disk is full.
const RESTART_ABOVE_PAGES: i64 = 64_000;

#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The pages that were in the log, and in the file as well, after the last time.
    folded: i64,
    restart_above: i64,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { folded: 0, restart_above: RESTART_ABOVE_PAGES }
    }
}

impl Checkpoint {
    /// Folds the log into the file where it has grown enough.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        if let Err(error) = self.fold(connection) {
            // Nothing is lost: the log keeps what the file does not have, and it is tried again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the write-ahead log could not be folded into the database file"
            );
        }
    }

    fn fold(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let log = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
        if log < self.folded {
            self.folded = 0;
        }
        if log - self.folded < FOLD_ABOVE_PAGES {
            return Ok(());
        }
        self.folded = log;
        if log < self.restart_above {
            checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
            return Ok(());
        }
        // Waits for the readers, up to the busy timeout; where one holds on for longer, do not
        // make every commit wait like that.
        let is_held: bool = connection
            .prepare_cached("PRAGMA wal_checkpoint(RESTART)")?
            .query_row([], |row| row.get(0))?;
        self.restart_above = if is_held { log.saturating_mul(2) } else { RESTART_ABOVE_PAGES };
        Ok(())
    }

    /// Folds all of the log into the file, so that the file alone holds everything.
    pub(super) fn at_the_end(&self, connection: &Connection) {
        if let Err(error) = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the write-ahead log stays beside the database file"
            );
        }
    }
}

/// Runs a checkpoint and gives the number of pages in the log.
fn checkpoint(connection: &Connection, pragma: &'static str) -> rusqlite::Result<i64> {
    connection.prepare_cached(pragma)?.query_row([], |row| row.get(1))
}
