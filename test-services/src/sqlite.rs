//! A file of SQLite, damaged as by somebody who can write to it.

use std::path::Path;

/// Runs a statement, whose one parameter is bytes, on the database in a file, and gives how many rows
/// it changed.
///
/// # Panics
/// Where the file cannot be opened or the statement be run.
pub fn damage(file: &Path, statement: &str, parameter: &[u8]) -> usize {
    let file = rusqlite::Connection::open(file).expect("a database");
    file.execute(statement, [parameter]).expect("a statement")
}
