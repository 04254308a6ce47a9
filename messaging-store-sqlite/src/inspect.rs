//! Looks at a file without changing anything, for a command that tells what is wrong.

use std::fmt::Write;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use messaging_core::domain::session::ProviderSession;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::migrate::version;
use crate::open_error::OpenError;

/// How long a lock that another process holds is waited for.
const BUSY: Duration = Duration::from_secs(1);

/// What [`inspect`] found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The version of its schema; 0 for an empty file.
    pub version: u32,
    /// Whether it is whole.
    pub integrity: Integrity,
    /// Where its sessions live, in order.
    pub places: Vec<ProviderSession>,
    /// The names of the provider's servers that it keeps, in order.
    pub servers: Vec<String>,
}

/// What SQLite's own check of a file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// Nothing is wrong.
    Whole,
    /// The first thing that is wrong, in SQLite's words: tables and pages, no contents.
    Damaged(String),
    /// The file is too large to be checked in the time there was; up to there nothing was wrong.
    Unfinished,
}

/// Looks at a file, whether a service runs on it or not, and changes nothing: not even the files
/// that SQLite puts beside it come into being. `None` where there is no file. The check of its
/// integrity may take as long as `patience`. Blocks the thread.
///
/// # Errors
/// As [`SqliteStore::open`](crate::SqliteStore::open).
pub fn inspect(
    path: impl AsRef<Path>,
    patience: Duration,
) -> Result<Option<Inspection>, OpenError> {
    let path = std::path::absolute(path.as_ref())
        .map_err(|error| OpenError::cannot_open(path.as_ref(), error))?;
    if !path.try_exists().map_err(|error| OpenError::cannot_open(&path, error))? {
        return Ok(None);
    }
    // To read a file beside its log SQLite shares memory with those who write, which is a file too.
    // Without a log nobody writes, and it is read as one that does not change.
    if !has_log(&path) {
        let alone = look(&path, true, patience);
        if !has_log(&path) {
            return alone.map(Some);
        }
        // Somebody has begun to write meanwhile, which may look like damage.
    }
    look(&path, false, patience).map(Some)
}

fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // Where nobody can tell, the careful way is right.
    Path::new(&log).try_exists().unwrap_or(true)
}

fn look(path: &Path, never_changes: bool, patience: Duration) -> Result<Inspection, OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, error);
    let connection = open(path, never_changes).map_err(sqlite)?;
    let version = version(&connection, path)?;
    let places = if version == 0 { Vec::new() } else { places(&connection).map_err(sqlite)? };
    let servers = servers(&connection).map_err(sqlite)?;
    let integrity = check(&connection, patience).map_err(sqlite)?;
    Ok(Inspection { version, integrity, places, servers })
}

fn open(path: &Path, never_changes: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path, never_changes), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// The path as a URI, the only form that can say that a file never changes.
fn uri(path: &Path, never_changes: bool) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            // Writing to a string does not fail.
            other => _ = write!(uri, "%{other:02X}"),
        }
    }
    if never_changes {
        uri.push_str("?immutable=1");
    }
    uri
}

fn places(connection: &Connection) -> rusqlite::Result<Vec<ProviderSession>> {
    let mut statement =
        connection.prepare("SELECT server, server_name FROM sessions ORDER BY 1, 2")?;
    let places = statement
        .query_map([], |row| Ok(ProviderSession { server: row.get(0)?, name: row.get(1)? }));
    places?.collect()
}

fn servers(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    // An older file has no table of them.
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'servers')";
    if !connection.query_row(is_there, [], |row| row.get(0))? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT name FROM servers ORDER BY 1")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Has SQLite check the file, for so long.
fn check(connection: &Connection, patience: Duration) -> rusqlite::Result<Integrity> {
    let interrupt = connection.get_interrupt_handle();
    let (done, is_done) = mpsc::channel::<()>();
    let checked = thread::scope(|scope| {
        let watch = move || {
            if is_done.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        };
        // On a system that has no thread to spare, the check takes as long as it takes.
        let _ = thread::Builder::new().spawn_scoped(scope, watch);
        let checked =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        drop(done);
        checked
    });
    match checked {
        Ok(found) if found == "ok" => Ok(Integrity::Whole),
        Ok(found) => Ok(Integrity::Damaged(found)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(Integrity::Unfinished),
            Some(ErrorCode::DatabaseCorrupt) => Ok(Integrity::Damaged(error.to_string())),
            _ => Err(error),
        },
    }
}
