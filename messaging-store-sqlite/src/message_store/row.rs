//! A message as a row, and back.

use std::fmt::Write;

use messaging_core::domain::address::PersonKey;
use messaging_core::domain::content::{Attachment, Content};
use messaging_core::domain::id::{MessageId, ProviderMessageId, SessionId, TenantId};
use messaging_core::domain::message::{Direction, Message, Redaction};
use messaging_core::domain::sealed::{Sealed, Terms};
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, Row, ToSql};

use crate::column::{
    self, BadColumn, Id, Stored, decode_all, decode_first, failure, instant, named,
    optional_address, optional_id, optional_instant, optional_named,
};
use crate::error::Fault;

/// What [`Message`] is read from, in the order of [`Stored::read`].
macro_rules! message_columns {
    () => {
        "id, tenant, session, batch, direction, sender, recipient, priority, status, attempts, \
         generation, held_by_batch, due_at, failure_code, failure_detail, provider_message_id, \
         created_at, updated_at, sent_at, delivered_at, read_at, failed_at, body, metadata, \
         attachment, expires_at, sealed_under, terms, sealed, person, redaction"
    };
}
pub(crate) use message_columns;

impl Stored for Message {
    const ENTITY: &'static str = "message";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            session: column::id(row, 2)?,
            batch: optional_id(row, 3)?,
            direction: named(row, 4)?,
            from: optional_address(row, 5)?,
            to: optional_address(row, 6)?,
            priority: named(row, 7)?,
            status: named(row, 8)?,
            attempts: row.get(9)?,
            generation: row.get(10)?,
            held: row.get(11)?,
            due_at: instant(row, 12)?,
            expires_at: optional_instant(row, 25)?,
            failure: failure(row, 13)?,
            provider_message_id: row.get::<_, Option<String>>(15)?.map(ProviderMessageId),
            created_at: instant(row, 16)?,
            updated_at: instant(row, 17)?,
            sent_at: optional_instant(row, 18)?,
            delivered_at: optional_instant(row, 19)?,
            read_at: optional_instant(row, 20)?,
            failed_at: optional_instant(row, 21)?,
            content: Content { body: row.get(22)?, attachment: json(row, 24, "attachment")? },
            metadata: json(row, 23, "metadata")?,
            alias: None,
            sealed: sealed(row, 26)?,
            redaction: optional_named(row, 30)?,
        })
    }
}

/// What is sealed, from this column and the three after it.
fn sealed(row: &Row<'_>, column: usize) -> Result<Option<Sealed>, BoxError> {
    let Some(key) = row.get::<_, Option<u32>>(column)? else { return Ok(None) };
    let terms = Terms::from_bytes(row.get(column + 1)?);
    let person = row.get::<_, Option<i64>>(column + 3)?.map(|key| PersonKey(key.cast_unsigned()));
    Ok(Some(Sealed { key, bytes: row.get(column + 2)?, terms, person }))
}

fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
    name: &'static str,
) -> Result<Option<T>, BoxError> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(|_| BadColumn(name))?;
    // The parser's own error would repeat what it stumbled over.
    Ok(text.map(serde_json::from_str).transpose().map_err(|_| BadColumn(name))?)
}

/// A message on its way to becoming a row: what has to be worked out is.
pub(crate) struct NewMessage {
    message: Message,
    kind: &'static str,
    campaign: Option<String>,
    metadata: Option<String>,
    attachment: Option<String>,
}

impl NewMessage {
    /// Prepares one message.
    pub(crate) fn new(message: Message) -> Result<Self, StoreError> {
        let unwritable = |_| {
            StoreError::corrupt(Message::ENTITY, message.id, BadColumn("metadata or attachment"))
        };
        let campaign = message.metadata.as_ref().and_then(|data| data.get("campaignId")?.as_str());
        let json = |value: &Option<Attachment>| value.as_ref().map(serde_json::to_string);
        Ok(Self {
            kind: message.content.kind().as_str(),
            campaign: campaign.map(str::to_owned),
            metadata: message.metadata.as_ref().map(ToString::to_string),
            attachment: json(&message.content.attachment).transpose().map_err(unwritable)?,
            message,
        })
    }

    /// The message's id.
    pub(crate) fn id(&self) -> MessageId {
        self.message.id
    }

    /// The message.
    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// Its attachment as its column holds it.
    pub(crate) fn attachment(&self) -> Option<&str> {
        self.attachment.as_deref()
    }

    /// Prepares each message.
    pub(crate) fn all(messages: &[Message]) -> Result<Vec<Self>, StoreError> {
        messages.iter().cloned().map(Self::new).collect()
    }
}

/// Writes each message.
pub(crate) fn insert_all(connection: &Connection, messages: &[NewMessage]) -> Result<(), Fault> {
    messages.iter().try_for_each(|message| insert(connection, message))
}

/// Writes a message. The first line of its history follows with the second.
pub(crate) fn insert(connection: &Connection, new: &NewMessage) -> Result<(), Fault> {
    let message = &new.message;
    let failure = message.failure.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO messages (
                 id, tenant, session, batch, direction, sender, recipient, priority, status,
                 attempts, generation, held_by_batch, due_at, failure_code, failure_detail,
                 provider_message_id, created_at, updated_at, sent_at, delivered_at, read_at,
                 failed_at, kind, campaign, body, metadata, attachment, expires_at, waits, person,
                 sealed_under, terms, sealed, redaction
             ) VALUES (
                 ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34
             )",
        )?
        .execute(rusqlite::params![
            message.id.bytes(),
            message.tenant.bytes(),
            message.session.bytes(),
            message.batch.as_ref().map(Id::bytes),
            message.direction.as_str(),
            message.from.as_ref().map(|from| from.as_str()),
            message.to.as_ref().map(|to| to.as_str()),
            message.priority.as_str(),
            message.status.as_str(),
            message.attempts,
            message.generation,
            message.held,
            message.due_at.as_micros(),
            failure.map(|failure| failure.code.as_str()),
            failure.and_then(|failure| failure.detail.as_deref()),
            message.provider_message_id.as_ref().map(ProviderMessageId::as_str),
            message.created_at.as_micros(),
            message.updated_at.as_micros(),
            message.sent_at.map(|at| at.as_micros()),
            message.delivered_at.map(|at| at.as_micros()),
            message.read_at.map(|at| at.as_micros()),
            message.failed_at.map(|at| at.as_micros()),
            new.kind,
            new.campaign,
            message.content.body,
            new.metadata,
            new.attachment,
            message.expires_at.map(|at| at.as_micros()),
            waits(message),
            person(message),
            message.sealed.as_ref().map(|sealed| sealed.key),
            message.sealed.as_ref().map(|sealed| sealed.terms.as_bytes()),
            message.sealed.as_ref().map(|sealed| &sealed.bytes),
            message.redaction.map(Redaction::as_str),
        ])?;
    Ok(())
}

/// Writes what this message says in the place of what it said, where it is to be redacted still, and
/// that it was. Tells whether it was.
pub(crate) fn redact(connection: &Connection, new: &NewMessage) -> Result<bool, Fault> {
    let message = &new.message;
    let changed = connection
        .prepare_cached(
            "UPDATE messages SET body = ?2, metadata = ?3, attachment = ?4, sealed_under = ?5,
                 terms = ?6, sealed = ?7, redaction = 'done'
             WHERE id = ?1 AND redaction = 'due'
                 AND status IN ('sent', 'delivered', 'read', 'discarded', 'cancelled', 'expired')",
        )?
        .execute(rusqlite::params![
            message.id.bytes(),
            message.content.body,
            new.metadata,
            new.attachment,
            message.sealed.as_ref().map(|sealed| sealed.key),
            message.sealed.as_ref().map(|sealed| sealed.terms.as_bytes()),
            message.sealed.as_ref().map(|sealed| &sealed.bytes),
        ])?;
    Ok(changed > 0)
}

/// The messages to be redacted now.
pub(crate) fn redactable(connection: &Connection, limit: u32) -> Result<Vec<Message>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages INDEXED BY messages_to_redact
         WHERE redaction = 'due'
             AND status IN ('sent', 'delivered', 'read', 'discarded', 'cancelled', 'expired')
         ORDER BY id LIMIT ?1"
    ))?;
    decode_all(statement.query([limit])?)
}

/// Writes what is sealed in the place of what the message says, where it is kept under this key
/// still and was not redacted since. Tells whether it was.
pub(crate) fn reseal(
    connection: &Connection,
    key: Option<u32>,
    new: &NewMessage,
) -> Result<bool, Fault> {
    let message = &new.message;
    let changed = connection
        .prepare_cached(
            "UPDATE messages SET sender = ?2, recipient = ?3, campaign = ?4, body = ?5,
                 metadata = ?6, attachment = ?7, sealed_under = ?8, terms = ?9, sealed = ?10,
                 person = ?11
             WHERE id = ?1 AND sealed_under IS ?12 AND redaction IS ?13 AND person IS NOT NULL",
        )?
        .execute(rusqlite::params![
            message.id.bytes(),
            message.from.as_ref().map(|from| from.as_str()),
            message.to.as_ref().map(|to| to.as_str()),
            new.campaign,
            message.content.body,
            new.metadata,
            new.attachment,
            message.sealed.as_ref().map(|sealed| sealed.key),
            message.sealed.as_ref().map(|sealed| sealed.terms.as_bytes()),
            message.sealed.as_ref().map(|sealed| &sealed.bytes),
            person(message),
            key,
            message.redaction.map(Redaction::as_str),
        ])?;
    Ok(changed > 0)
}

/// Writes back what a change has changed, and nothing else: to name an indexed column has its index
/// written anew.
pub(crate) fn update(
    connection: &Connection,
    before: &Message,
    after: &Message,
) -> Result<(), Fault> {
    let mut sql = String::from("UPDATE messages SET updated_at = ?1");
    let mut values: Vec<&dyn ToSql> = Vec::with_capacity(16);
    let updated_at = after.updated_at.as_micros();
    values.push(&updated_at);
    macro_rules! set {
        ($($column:literal: $of:expr),* $(,)?) => {
            $(
                let value = ($of)(after);
                if value != ($of)(before) {
                    values.push(&value);
                    // Writing to a text does not fail.
                    let _ = write!(sql, concat!(", ", $column, " = ?{}"), values.len());
                }
            )*
        };
    }
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
    set! {
        "status": |it: &Message| it.status.as_str(),
        "waits": waits,
        "attempts": |it: &Message| it.attempts,
        "generation": |it: &Message| it.generation,
        "held_by_batch": |it: &Message| it.held,
        "due_at": |it: &Message| it.due_at.as_micros(),
        "failure_code": |it: &Message| it.failure.as_ref().map(|failure| failure.code.as_str()),
        "failure_detail": failure_detail,
        "provider_message_id": provider_message_id,
        "sent_at": |it: &Message| micros(it.sent_at),
        "delivered_at": |it: &Message| micros(it.delivered_at),
        "read_at": |it: &Message| micros(it.read_at),
        "failed_at": |it: &Message| micros(it.failed_at),
    }
    let id = after.id.bytes();
    values.push(&id);
    let _ = write!(sql, " WHERE id = ?{}", values.len());
    connection.prepare_cached(&sql)?.execute(values.as_slice())?;
    Ok(())
}

/// Whether a queue ought to know of it, as the indexes of what waits have it.
fn waits(message: &Message) -> bool {
    let may_leave = matches!(message.status, Status::Queued | Status::Retry | Status::Sending);
    message.direction == Direction::Outbound && !message.held && may_leave
}

/// Who is on the other side, as the column holds it: SQLite's numbers have a sign.
fn person(message: &Message) -> Option<i64> {
    message.person_key().map(|key| key.0.cast_signed())
}

fn failure_detail(message: &Message) -> Option<&str> {
    message.failure.as_ref()?.detail.as_deref()
}

fn provider_message_id(message: &Message) -> Option<&str> {
    message.provider_message_id.as_ref().map(ProviderMessageId::as_str)
}

/// The message of this id, whosever it is.
pub(crate) fn find(connection: &Connection, id: MessageId) -> Result<Option<Message>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE id = ?1"
    ))?;
    decode_first(statement.query([id.bytes()])?)
}

/// The message of this id, where it is this tenant's.
pub(crate) fn find_owned(
    connection: &Connection,
    tenant: TenantId,
    id: MessageId,
) -> Result<Option<Message>, Fault> {
    Ok(find(connection, id)?.filter(|message| message.tenant == tenant))
}

/// The message that came in under this id at the provider.
pub(crate) fn find_received(
    connection: &Connection,
    session: SessionId,
    id: &ProviderMessageId,
) -> Result<Option<Message>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages
         WHERE session = ?1 AND provider_message_id = ?2 AND direction = 'inbound'"
    ))?;
    decode_first(statement.query((session.bytes(), id.as_str()))?)
}

/// The outbound message of this id at the provider. Should the provider have given one id twice,
/// the newer message.
pub(crate) fn find_at_provider(
    connection: &Connection,
    session: SessionId,
    id: &ProviderMessageId,
) -> Result<Option<Message>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages
         WHERE session = ?1 AND provider_message_id = ?2 AND direction = 'outbound'
         ORDER BY id DESC LIMIT 1"
    ))?;
    decode_first(statement.query((session.bytes(), id.as_str()))?)
}
