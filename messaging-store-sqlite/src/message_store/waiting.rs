//! What waits to be sent, in the form a queue takes.

use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::{Message, Priority, QueueItem};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::BoxError;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::column::{self, Id, Stored, decode_all, decode_first, instant, named};
use crate::error::Fault;
use crate::message_store::row::message_columns;

/// What [`QueueItem`] is read from, in the order of [`Stored::read`].
macro_rules! queue_item_columns {
    () => {
        "id, tenant, session, recipient, priority, due_at"
    };
}
pub(super) use queue_item_columns;

impl Stored for QueueItem {
    const ENTITY: &'static str = "message";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let session: SessionId = column::id(row, 2)?;
        let recipient = Address::from_stored(row.get_ref(3)?.as_str()?);
        Ok(Self {
            message: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            session,
            recipient: RecipientKey::of(session, &recipient),
            priority: named(row, 4)?,
            due_at: instant(row, 5)?,
        })
    }
}

/// The same for a row that may lack a recipient, which no queue can take.
pub(super) struct Waiting(pub(super) Option<QueueItem>);

impl Stored for Waiting {
    const ENTITY: &'static str = QueueItem::ENTITY;

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        match row.get_ref(3)? {
            ValueRef::Null => Ok(Self(None)),
            _ => Ok(Self(Some(QueueItem::read(row)?))),
        }
    }
}

/// The first of the messages that must leave before this one, where there is any. Looks once for
/// each urgency: their names do not sort as they rank.
pub(super) fn behind(connection: &Connection, id: MessageId) -> Result<Option<QueueItem>, Fault> {
    let mut own = connection.prepare_cached(
        "SELECT id, session, recipient, priority FROM messages
         WHERE id = ?1 AND recipient IS NOT NULL",
    )?;
    let Some(own) = decode_first::<Place>(own.query([id.bytes()])?)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        queue_item_columns!(),
        " FROM messages INDEXED BY messages_waiting
         WHERE session = ?1 AND recipient = ?2 AND priority = ?3 AND id < ?4
             AND direction = 'outbound' AND held_by_batch = 0
             AND (status = 'queued' OR status = 'retry' OR status = 'sending')
         ORDER BY id LIMIT 1"
    ))?;
    for urgency in Priority::ALL.iter().filter(|each| **each <= own.priority) {
        let place = (own.session.bytes(), &own.recipient, urgency.as_str(), id.bytes());
        let first = decode_first(statement.query(place)?)?;
        if first.is_some() {
            return Ok(first);
        }
    }
    Ok(None)
}

/// Where a message stands among those that wait.
struct Place {
    session: SessionId,
    recipient: String,
    priority: Priority,
}

impl Stored for Place {
    const ENTITY: &'static str = QueueItem::ENTITY;

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self { session: column::id(row, 1)?, recipient: row.get(2)?, priority: named(row, 3)? })
    }
}

/// Outbound messages that a queue ought to know, in order of id.
///
/// The conditions on direction, holding and status are those of the index, word for word: only so
/// does SQLite see that the index holds them all.
pub(super) fn pending(
    connection: &Connection,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<QueueItem>, Fault> {
    let after = after.as_ref().map_or(&[][..], |id| id.bytes());
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        queue_item_columns!(),
        " FROM messages INDEXED BY messages_pending
         WHERE id > ?1 AND direction = 'outbound' AND held_by_batch = 0
             AND (status = 'queued' OR status = 'retry' OR status = 'sending')
             AND recipient IS NOT NULL
         ORDER BY id LIMIT ?2"
    ))?;
    decode_all(statement.query((after, limit))?)
}

/// What waits for one recipient, held back or not.
///
/// Each index is asked for by name and in its own words; of what a queue ought to know, what is under
/// way does not wait.
pub(super) fn to(
    connection: &Connection,
    sessions: &[SessionId],
    to: &Address,
    limit: u32,
) -> Result<Vec<Message>, Fault> {
    let mut open = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages INDEXED BY messages_waiting
         WHERE session = ?1 AND recipient = ?2 AND direction = 'outbound' AND held_by_batch = 0
             AND (status = 'queued' OR status = 'retry' OR status = 'sending')
             AND status <> 'sending'
         LIMIT ?3"
    ))?;
    let mut held = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages INDEXED BY messages_held_to
         WHERE session = ?1 AND recipient = ?2 AND held_by_batch = 1
             AND (status = 'queued' OR status = 'retry')
         LIMIT ?3"
    ))?;
    let mut found: Vec<Message> = Vec::new();
    for session in sessions {
        for statement in [&mut open, &mut held] {
            let taken = u32::try_from(found.len()).unwrap_or(u32::MAX);
            let room = limit.saturating_sub(taken);
            if room == 0 {
                return Ok(found);
            }
            found.extend(decode_all(statement.query((session.bytes(), to.as_str(), room))?)?);
        }
    }
    Ok(found)
}

/// Messages that wait, and not from now on, in order of when they expired.
pub(super) fn overdue(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM messages INDEXED BY messages_expiring
         WHERE expires_at <= ?1 AND expires_at IS NOT NULL
             AND (status = 'queued' OR status = 'retry')
         ORDER BY expires_at LIMIT ?2",
    )?;
    decode_all(statement.query((now.as_micros(), limit))?)
}
