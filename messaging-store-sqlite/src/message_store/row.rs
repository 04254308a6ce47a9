//! A message as a row, and back.

use messaging_core::domain::content::{Attachment, Content};
use messaging_core::domain::id::{MessageId, ProviderMessageId, SessionId, TenantId};
use messaging_core::domain::message::Message;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, Row, named_params};

use crate::column::{
    self, BadColumn, Id, Stored, decode_first, failure, instant, named, optional_address,
    optional_id, optional_instant,
};
use crate::error::Fault;

/// What [`Message`] is read from, in the order of [`Stored::read`].
macro_rules! message_columns {
    () => {
        "id, tenant, session, batch, direction, sender, recipient, priority, status, attempts, \
         generation, held_by_batch, due_at, failure_code, failure_detail, provider_message_id, \
         created_at, updated_at, sent_at, delivered_at, read_at, failed_at, body, metadata, \
         attachment, expires_at"
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
        })
    }
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
                 failed_at, kind, campaign, body, metadata, attachment, expires_at
             ) VALUES (
                 ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28
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
        ])?;
    Ok(())
}

/// Writes back what a change can change.
pub(crate) fn update(
    connection: &Connection,
    message: &Message,
    knows_new_provider_id: bool,
) -> Result<(), Fault> {
    let failure = message.failure.as_ref();
    connection
        .prepare_cached(
            "UPDATE messages SET
                 status = :status, attempts = :attempts, generation = :generation,
                 held_by_batch = :held_by_batch, due_at = :due_at, failure_code = :failure_code,
                 failure_detail = :failure_detail, updated_at = :updated_at, sent_at = :sent_at,
                 delivered_at = :delivered_at, read_at = :read_at, failed_at = :failed_at
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":status": message.status.as_str(),
            ":attempts": message.attempts,
            ":generation": message.generation,
            ":held_by_batch": message.held,
            ":due_at": message.due_at.as_micros(),
            ":failure_code": failure.map(|failure| failure.code.as_str()),
            ":failure_detail": failure.and_then(|failure| failure.detail.as_deref()),
            ":updated_at": message.updated_at.as_micros(),
            ":sent_at": message.sent_at.map(|at| at.as_micros()),
            ":delivered_at": message.delivered_at.map(|at| at.as_micros()),
            ":read_at": message.read_at.map(|at| at.as_micros()),
            ":failed_at": message.failed_at.map(|at| at.as_micros()),
            ":id": message.id.bytes(),
        })?;
    // Apart, because naming an indexed column has its index written anew, and most changes bring
    // no id.
    if knows_new_provider_id {
        let provider_id = message.provider_message_id.as_ref().map(ProviderMessageId::as_str);
        connection
            .prepare_cached("UPDATE messages SET provider_message_id = ?1 WHERE id = ?2")?
            .execute((provider_id, message.id.bytes()))?;
    }
    Ok(())
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
