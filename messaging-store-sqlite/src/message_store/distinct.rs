//! Who said something last, so that nobody says it again at once.

use messaging_core::domain::id::MessageId;
use messaging_core::domain::insertion::Distinct;
use rusqlite::{Connection, OptionalExtension};

use crate::column::Id;
use crate::error::Fault;

/// The other message that this one repeats; none, and from now on it is the one that is repeated.
pub(super) fn repeated(
    connection: &Connection,
    message: MessageId,
    distinct: Distinct,
) -> Result<Option<MessageId>, Fault> {
    let first = connection
        .prepare_cached(
            "SELECT message FROM recent_contents WHERE fingerprint = ?1 AND until > ?2",
        )?
        .query_row((distinct.fingerprint.0, distinct.at.as_micros()), |row| row.get(0))
        .optional()?
        .map(MessageId::of);
    if first.is_some_and(|first| first != message) {
        return Ok(first);
    }
    connection
        .prepare_cached(
            "REPLACE INTO recent_contents (fingerprint, message, until) VALUES (?1, ?2, ?3)",
        )?
        .execute((distinct.fingerprint.0, message.bytes(), distinct.until.as_micros()))?;
    Ok(None)
}
