//! Chats in which something was said.

use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::id::SessionId;
use messaging_core::domain::message::OpenChat;
use messaging_core::domain::timestamp::Timestamp;
use rusqlite::{Connection, Row};

use crate::column::Id;
use crate::error::Fault;

fn key(recipient: RecipientKey) -> i64 {
    recipient.0.cast_signed()
}

/// Records that a chat is open, unless it was before.
pub(crate) fn open(connection: &Connection, chat: OpenChat, at: Timestamp) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO chats (session, recipient, opened_at, by_us) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute((chat.session.bytes(), key(chat.recipient), at.as_micros(), chat.by_us))?;
    Ok(())
}

/// Has a chat go by another name, unless there is one of that.
pub(crate) fn rename(
    connection: &Connection,
    session: SessionId,
    before: RecipientKey,
    after: RecipientKey,
) -> Result<(), Fault> {
    if before == after {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE OR IGNORE chats SET recipient = ?3 WHERE session = ?1 AND recipient = ?2",
        )?
        .execute((session.bytes(), key(before), key(after)))?;
    connection
        .prepare_cached("DELETE FROM chats WHERE session = ?1 AND recipient = ?2")?
        .execute((session.bytes(), key(before)))?;
    Ok(())
}

fn is_open(
    connection: &Connection,
    session: SessionId,
    recipient: RecipientKey,
) -> Result<bool, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM chats WHERE session = ?1 AND recipient = ?2")?;
    Ok(statement.exists((session.bytes(), key(recipient)))?)
}

/// Those of these chats that are open.
pub(super) fn open_of(
    connection: &Connection,
    chats: &[(SessionId, RecipientKey)],
) -> Result<Vec<(SessionId, RecipientKey)>, Fault> {
    let mut found = Vec::new();
    for (session, recipient) in chats {
        if is_open(connection, *session, *recipient)? {
            found.push((*session, *recipient));
        }
    }
    Ok(found)
}

/// When a session opened chats since then; what perhaps does, now.
pub(super) fn opened(
    connection: &Connection,
    session: SessionId,
    since: Timestamp,
    but: RecipientKey,
    now: Timestamp,
) -> Result<Vec<Timestamp>, Fault> {
    let mut opened = connection.prepare_cached(
        "SELECT opened_at FROM chats INDEXED BY chats_opened
         WHERE session = ?1 AND opened_at >= ?2 AND by_us = 1 ORDER BY opened_at",
    )?;
    let mut all = opened
        .query_map((session.bytes(), since.as_micros()), |row: &Row<'_>| {
            row.get(0).map(Timestamp::from_micros)
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut perhaps = connection.prepare_cached(
        "SELECT recipient FROM messages WHERE session = ?1 AND status = 'sending'
         UNION
         SELECT recipient FROM messages INDEXED BY messages_unknown
         WHERE session = ?1 AND status = 'retry' AND failure_code = 'outcome-unknown'",
    )?;
    let recipients = perhaps
        .query_map([session.bytes()], |row| row.get::<_, Option<String>>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for recipient in recipients.into_iter().flatten() {
        let recipient = RecipientKey::of(session, &Address::from_stored(&recipient));
        if recipient != but && !is_open(connection, session, recipient)? {
            all.push(now);
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// Forgets a session's chats.
pub(crate) fn forget(connection: &Connection, session: SessionId) -> Result<(), Fault> {
    connection
        .prepare_cached("DELETE FROM chats WHERE session = ?1")?
        .execute([session.bytes()])?;
    Ok(())
}
