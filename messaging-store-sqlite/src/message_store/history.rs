//! The history of messages, and of the attempts made through a session.
//!
//! The first line of a history says nothing that its message does not say until something happens
//! to it. So it is written down with the second, and accepting a message, which many callers wait
//! for, writes one row.

use messaging_core::domain::id::{MessageId, SessionId, TenantId};
use messaging_core::domain::message::MessageEvent;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::BoxError;
use rusqlite::{Connection, Row};

use crate::column::{Id, Stored, decode_all, failure, instant, named, optional_named};
use crate::error::Fault;
use crate::message_store::row;

/// Reads a line; the message's id stands first, for errors.
impl Stored for MessageEvent {
    const ENTITY: &'static str = "history of message";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            at: instant(row, 1)?,
            event: optional_named(row, 2)?,
            status: named(row, 3)?,
            attempts: row.get(4)?,
            failure: failure(row, 5)?,
        })
    }
}

/// Adds a line to a message's history; `attempt_of` is the session, where it ended an attempt that
/// counts. `first` is the line the history began with, as the message still said it before this
/// change: it is written down now if this is the first.
pub(super) fn add(
    connection: &Connection,
    message: MessageId,
    first: &MessageEvent,
    line: &MessageEvent,
    attempt_of: Option<SessionId>,
) -> Result<(), Fault> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(number) FROM message_events WHERE message = ?1")?
        .query_row([message.bytes()], |row| row.get(0))?;
    let last = match last {
        Some(last) => last,
        None => {
            write(connection, message, 1, first, None)?;
            1
        }
    };
    write(connection, message, last + 1, line, attempt_of)
}

fn write(
    connection: &Connection,
    message: MessageId,
    number: i64,
    line: &MessageEvent,
    attempt_of: Option<SessionId>,
) -> Result<(), Fault> {
    let failure = line.failure.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO message_events (
                 message, number, at, event, status, attempts, failure_code, failure_detail,
                 attempt_of
             ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            message.bytes(),
            number,
            line.at.as_micros(),
            line.event.map(|event| event.as_str()),
            line.status.as_str(),
            line.attempts,
            failure.map(|failure| failure.code.as_str()),
            failure.and_then(|failure| failure.detail.as_deref()),
            attempt_of.as_ref().map(Id::bytes),
        ))?;
    Ok(())
}

/// The history of one tenant's message, oldest first.
pub(super) fn of(
    connection: &Connection,
    tenant: TenantId,
    id: MessageId,
) -> Result<Option<Vec<MessageEvent>>, Fault> {
    let Some(message) = row::find_owned(connection, tenant, id)? else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT message, at, event, status, attempts, failure_code, failure_detail
         FROM message_events WHERE message = ?1 ORDER BY number",
    )?;
    let mut lines = decode_all(statement.query([id.bytes()])?)?;
    if lines.is_empty() {
        lines.push(MessageEvent::first_of(&message));
    }
    Ok(Some(lines))
}

/// When attempts through this session ended since then; those under way end now.
pub(super) fn attempts(
    connection: &Connection,
    session: SessionId,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Timestamp>, Fault> {
    let mut ended = connection.prepare_cached(
        "SELECT at FROM message_events INDEXED BY message_events_attempts
         WHERE at >= ?2 AND attempt_of = ?1 AND attempt_of IS NOT NULL",
    )?;
    let mut under_way = connection
        .prepare_cached("SELECT ?2 FROM messages WHERE session = ?1 AND status = 'sending'")?;
    let micros = |row: &Row<'_>| row.get(0).map(Timestamp::from_micros);
    let mut all = ended
        .query_map((session.bytes(), since.as_micros()), micros)?
        .chain(under_way.query_map((session.bytes(), now.as_micros()), micros)?)
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable();
    Ok(all)
}
