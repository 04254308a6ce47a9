//! Teaches SQLite to tell which sealed messages have a word.

use messaging_core::domain::sealed::{Trapdoor, has};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Adds `is_marked(terms, id, trapdoor)`: whether the message of this id, of these marks, has the
/// word. Nothing has a word where there are no marks.
pub(crate) fn teach(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("is_marked", 3, flags, |arguments| {
        let Some(terms) = arguments.get_raw(0).as_blob_or_null()? else { return Ok(false) };
        let (id, word) = (arguments.get_raw(1).as_blob()?, arguments.get::<[u8; 32]>(2)?);
        Ok(has(terms, &Trapdoor(word).mark_of(id)))
    })
}
