//! Opens connections, each set up for what it is used for.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::marks;
use crate::open_error::OpenError;
use crate::options::SqliteOptions;

/// How many prepared statements a connection keeps; more than there are texts of statements that
/// do not depend on a caller's filter.
const STATEMENTS: usize = 128;

/// A file of write-ahead log that grew larger than this is cut back once it was emptied.
const LOG_LIMIT_BYTES: i64 = 64 * 1024 * 1024;

/// How often to try for the write-ahead log while others have the file open.
const WAL_TRIES: u32 = 50;

/// The connection that writes, to a file that is made where there is none.
pub(crate) fn writer(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    make_private(path).map_err(|error| OpenError::cannot_open(path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || {
        let connection = open(path, flags, options)?;
        // An answer means durable: the log is on disk before a commit returns.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
        // The writer folds the log into the file by itself, between groups, when its callers have
        // their answers.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "journal_size_limit", LOG_LIMIT_BYTES)?;
        // What is replaced is overwritten where its page is written anyhow.
        connection.execute_batch("PRAGMA secure_delete = FAST")?;
        if let Some(limit) = options.max_size_bytes {
            limit_size(&connection, limit)?;
        }
        Ok(connection)
    };
    set_up().map_err(|error| OpenError::from_sqlite(path, error))
}

/// A connection that reads, beside the writer.
pub(crate) fn reader(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || {
        let connection = open(path, flags, options)?;
        connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib / 4))?;
        marks::teach(&connection)?;
        Ok(connection)
    };
    set_up().map_err(|error| OpenError::from_sqlite(path, error))
}

/// Makes the file keep a write-ahead log, so that readers and the writer do not wait for each
/// other.
pub(crate) fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        let mode =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        tries += 1;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => {
                let why = "the file system cannot share memory, which the write-ahead log needs";
                return Err(cannot_open(why));
            }
            // Two that open a new file at once can be in each other's way here, and this error
            // comes without waiting; a transaction waits until the other is done.
            Err(error) if is_busy(&error) && tries < WAL_TRIES => {
                connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn open(path: &Path, flags: OpenFlags, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    // Sorting a list must not depend on a second directory having room. No memory map: with one,
    // a disk that fails ends the process by a signal instead of the call by an error.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Messages are for their tenant alone, so the file is its owner's alone; SQLite gives the files
/// it puts beside it the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn limit_size(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let page_size: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page_size.max(1);
    // The pragma answers with the limit it has set.
    connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn cannot_open(why: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some(why.to_owned()),
    )
}
