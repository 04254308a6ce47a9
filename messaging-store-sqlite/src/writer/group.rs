//! Many pieces of work in one transaction, none of which can hurt another.

use std::sync::Arc;

use rusqlite::{Connection, Error};

use crate::writer::job::{Job, Ran};

/// Runs all jobs in one transaction and commits it. Where this fails, nothing of any job is kept.
///
/// A job that fails leaves nothing behind and the others as if it had not been there. That is
/// rare, and the usual way of making sure of it (a savepoint around every job) would copy every
/// page once more for each. So the jobs run bare at first. A job that fails before it has written
/// anything, as most do, needs no undoing; one that has written undoes the whole transaction,
/// which then runs again without it, and with savepoints.
pub(super) fn commit(
    connection: &mut Connection,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Arc<Error>> {
    let mut with_savepoints = false;
    let committed = loop {
        match try_commit(connection, jobs, with_savepoints) {
            Ok(Tried::Committed) => break Ok(()),
            // At least one more job has failed each time, so this comes to an end.
            Ok(Tried::MustRunAgain) => with_savepoints = true,
            Err(error) => break Err(error),
        }
    };
    let undone = if committed.is_err() { undo(connection) } else { Ok(()) };
    if let Err(error) = undone {
        // The next transaction will say the same, to somebody who can answer for it.
        tracing::warn!(error = &error as &dyn std::error::Error, "a transaction was not undone");
    }
    committed.map_err(Arc::new)
}

enum Tried {
    Committed,
    MustRunAgain,
}

fn try_commit(
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
    with_savepoints: bool,
) -> Result<Tried, Error> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for job in jobs.iter_mut().filter(|job| !job.has_failed()) {
        let written = connection.total_changes();
        if with_savepoints {
            execute(connection, "SAVEPOINT job")?;
        }
        let ran = job.run(connection);
        // A full or failing disk makes SQLite undo the whole transaction by itself.
        let is_undone = connection.is_autocommit();
        let is_clean = connection.total_changes() == written && ran != Ran::Panicked;
        match ran {
            Ran::Done if is_undone => return Err(gone()),
            Ran::Done => {}
            Ran::Failed | Ran::Panicked if is_undone => return Ok(Tried::MustRunAgain),
            Ran::Failed | Ran::Panicked if with_savepoints => {
                execute(connection, "ROLLBACK TO job")?;
            }
            Ran::Failed | Ran::Panicked if is_clean => {}
            Ran::Failed | Ran::Panicked => {
                undo(connection)?;
                return Ok(Tried::MustRunAgain);
            }
        }
        if with_savepoints {
            execute(connection, "RELEASE job")?;
        }
    }
    execute(connection, "COMMIT")?;
    Ok(Tried::Committed)
}

fn undo(connection: &Connection) -> Result<(), Error> {
    if connection.is_autocommit() { Ok(()) } else { execute(connection, "ROLLBACK") }
}

fn execute(connection: &Connection, sql: &'static str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// A job that succeeded although its transaction is gone: no answer can be given for it.
fn gone() -> Error {
    Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
        Some("the transaction was undone while it was written".into()),
    )
}
