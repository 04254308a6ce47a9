//! The one place where an error of SQLite becomes one of ours.

use messaging_core::ports::store_error::StoreError;
use rusqlite::{ErrorCode, ffi};

/// Why a piece of work on a connection did not succeed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// We say so.
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => store_error(error),
            Fault::Store(error) => error,
        }
    }
}

/// What an error of SQLite means to a store's caller. Its text names tables and columns and
/// repeats no value.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    if let rusqlite::Error::SqliteFailure(code, Some(text)) = &error
        && is_repeat(*code)
    {
        return StoreError::Conflict { entity: repeated(text) };
    }
    match &error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => StoreError::corrupt("row", "of unknown id", error),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::corrupt("database", "file", error)
            }
            // Full, locked, failing or read-only disks; and whatever else keeps the file from
            // being used. None of them left anything of the call behind.
            _ => StoreError::unavailable(error),
        },
    }
}

fn is_repeat(code: ffi::Error) -> bool {
    matches!(
        code.extended_code,
        ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID
    )
}

/// What is there already, from the columns that SQLite names
/// (`UNIQUE constraint failed: sessions.tenant, sessions.name`).
fn repeated(text: &str) -> &'static str {
    const BY_COLUMNS: [(&str, &str); 11] = [
        ("messages.id", "message"),
        ("messages.session, messages.provider_message_id", "received message"),
        ("batches.id", "bulk request"),
        ("opt_outs.tenant, opt_outs.address", "opt-out"),
        ("inbox.id", "inbox entry"),
        ("tenants.id", "tenant"),
        ("tenants.name", "tenant name"),
        ("servers.name", "server name"),
        ("sessions.id", "session"),
        ("sessions.tenant, sessions.name", "session name"),
        ("sessions.server_name, sessions.server", "session place"),
    ];
    let columns = text.rsplit(": ").next().unwrap_or_default();
    BY_COLUMNS.iter().find(|(named, _)| *named == columns).map_or("row", |(_, entity)| *entity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: i32, expected: fn(&StoreError) -> bool) {
        let error = store_error(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(expected(&error), "{code}: {error:?}");
    }

    #[test]
    fn a_file_that_cannot_be_used_may_be_used_later() {
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_NOMEM,
        ] {
            check(code, |error| matches!(error, StoreError::Unavailable(_)));
        }
    }

    #[test]
    fn a_damaged_file_is_for_somebody_to_look_at() {
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CORRUPT_INDEX] {
            check(code, |error| matches!(error, StoreError::Corrupt { .. }));
        }
    }

    #[test]
    fn a_repeat_is_named_by_what_repeats() {
        for (text, expected) in [
            ("UNIQUE constraint failed: messages.id", "message"),
            ("UNIQUE constraint failed: sessions.tenant, sessions.name", "session name"),
            ("UNIQUE constraint failed: sessions.server_name, sessions.server", "session place"),
        ] {
            let error = store_error(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_CONSTRAINT_UNIQUE),
                Some(text.to_owned()),
            ));
            assert!(matches!(error, StoreError::Conflict { entity } if entity == expected));
        }
    }
}
