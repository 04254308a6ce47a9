//! Brings a file to the newest schema, one numbered step after another.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::connection;
use crate::open_error::OpenError;
use crate::options::SqliteOptions;
use crate::person_store;

/// In the header of every file of ours ("MsGw"), so that another program's file is told apart.
const APPLICATION_ID: i32 = 0x4D73_4777;

/// Step `n` (from 1) leads from version `n - 1` to version `n`. Never edited once released.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_tenants_and_sessions.sql"),
    include_str!("../migrations/0002_messages.sql"),
    include_str!("../migrations/0003_inbox.sql"),
    include_str!("../migrations/0004_order.sql"),
    include_str!("../migrations/0005_once.sql"),
    include_str!("../migrations/0006_time.sql"),
    include_str!("../migrations/0007_opt_out.sql"),
    include_str!("../migrations/0008_chats.sql"),
    include_str!("../migrations/0009_catch_up.sql"),
    include_str!("../migrations/0010_waits.sql"),
    include_str!("../migrations/0011_audit.sql"),
    include_str!("../migrations/0012_persons.sql"),
    include_str!("../migrations/0013_tenants_retention.sql"),
    include_str!("../migrations/0014_edge.sql"),
    include_str!("../migrations/0015_access.sql"),
    include_str!("../migrations/0016_sealed.sql"),
    include_str!("../migrations/0017_admin.sql"),
    include_str!("../migrations/0018_servers.sql"),
    include_str!("../migrations/0019_redaction.sql"),
];

/// The step after which messages are given what stands for the persons on their other side.
const PERSONS: u32 = 12;

/// The newest version of the schema that this program knows.
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// What [`migrate`] found and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version the file had; 0 for a new one.
    pub from: u32,
    /// The version it has now.
    pub to: u32,
}

/// Brings the file to [`SCHEMA_VERSION`], making it where there is none. Harmless where there is
/// nothing to do, and while others do the same. Blocks the thread.
///
/// # Errors
/// [`OpenError`]: a newer or foreign file is left as it is, and a step that fails leaves the file
/// as it was before the step.
pub fn migrate(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Migrated, OpenError> {
    let path = path.as_ref();
    let mut connection = connection::writer(path, &options)?;
    up_to(&mut connection, path, STEPS)
}

/// [`migrate`] on an open connection, so that tests can stop at an older version.
fn up_to(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<Migrated, OpenError> {
    // In one transaction: a file that somebody else is just making must not look half foreign.
    let from = {
        let sqlite = |error| OpenError::from_sqlite(path, error);
        let snapshot = connection.transaction().map_err(sqlite)?;
        version(&snapshot, path)?
    };
    let mut next = from;
    while let Some(step) = usize::try_from(next).ok().and_then(|at| steps.get(at)) {
        next = take(connection, path, next, step)?;
    }
    connection::use_wal(connection).map_err(|error| OpenError::from_sqlite(path, error))?;
    Ok(Migrated { from, to: next })
}

/// Takes the file from version `from` to the next, unless somebody else did meanwhile; gives the
/// version it has then.
fn take(connection: &mut Connection, path: &Path, from: u32, step: &str) -> Result<u32, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    // Asked again under the lock: of two programs that start at once, one comes second.
    let found = version(&transaction, path)?;
    if found != from {
        return Ok(found);
    }
    let to = from + 1;
    transaction
        .execute_batch(step)
        .and_then(|()| if to == PERSONS { person_store::fill_in(&transaction) } else { Ok(()) })
        .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
        .and_then(|()| transaction.pragma_update(None, "user_version", to))
        .and_then(|()| transaction.commit())
        .map_err(|error| OpenError::Migration {
            path: path.to_owned(),
            version: to,
            source: error.into(),
        })?;
    Ok(to)
}

/// The version of a file of ours, 0 for an empty one; refuses all others.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i32>(0))
            .map_err(|error| OpenError::from_sqlite(path, error))
    };
    let application = number("PRAGMA application_id")?;
    let found = u32::try_from(number("PRAGMA user_version")?).unwrap_or(u32::MAX);
    let is_empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    match application {
        APPLICATION_ID if found > SCHEMA_VERSION => {
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known: SCHEMA_VERSION })
        }
        APPLICATION_ID => Ok(found),
        0 if found == 0 && is_empty => Ok(0),
        _ => Err(OpenError::ForeignFile { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_version_leads_to_the_newest() {
        for older in 0..STEPS.len() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let mut connection = connection::writer(&path, &SqliteOptions::default()).unwrap();
            up_to(&mut connection, &path, &STEPS[..older]).unwrap();
            drop(connection);
            let migrated = migrate(&path, SqliteOptions::default()).unwrap();
            assert_eq!(migrated, Migrated { from: older as u32, to: SCHEMA_VERSION });
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mut connection = connection::writer(&path, &SqliteOptions::default()).unwrap();
        let steps = [STEPS[0], "CREATE TABLE half (a); CREATE TABLE half (a);"];
        let failed = up_to(&mut connection, &path, &steps).unwrap_err();
        assert!(matches!(failed, OpenError::Migration { version: 2, .. }));
        assert_eq!(version(&connection, &path).unwrap(), 1);
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(tables, 0);
    }
}
