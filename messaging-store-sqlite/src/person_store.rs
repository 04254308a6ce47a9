//! What is kept of one person, on SQLite.

use async_trait::async_trait;
use messaging_core::domain::address::{Address, PersonKey, RecipientKey};
use messaging_core::domain::id::{InboxId, MessageId, SessionId, TenantId};
use messaging_core::domain::inbox::InboxEntry;
use messaging_core::domain::message::Message;
use messaging_core::ports::person_store::{PersonStore, WebhooksSeen};
use messaging_core::ports::store_error::StoreError;
use rusqlite::{Connection, params};

use crate::column::{Id, LAST, decode, decode_all};
use crate::error::Fault;
use crate::message_store::row::{NewMessage, find_owned, message_columns};
use crate::store::SqliteStore;

/// A person's key as its column holds it: SQLite's numbers have a sign.
pub(crate) fn key(tenant: TenantId, person: &Address) -> i64 {
    PersonKey::of(tenant, person).0.cast_signed()
}

/// Gives the messages of an older file the keys they would have been written with.
pub(crate) fn fill_in(connection: &Connection) -> rusqlite::Result<()> {
    let mut all = connection.prepare(
        "SELECT rowid, tenant, CASE direction WHEN 'inbound' THEN sender ELSE recipient END
         FROM messages WHERE rowid > ?1 ORDER BY rowid LIMIT 1000",
    )?;
    let mut fill = connection.prepare("UPDATE messages SET person = ?2 WHERE rowid = ?1")?;
    let mut reached = i64::MIN;
    loop {
        let rows = all.query_map([reached], |row| {
            let address: Option<String> = row.get(2)?;
            Ok((row.get::<_, i64>(0)?, TenantId::of(row.get(1)?), address))
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let Some((last, ..)) = rows.last() else { break };
        reached = *last;
        for (row, tenant, address) in &rows {
            let person = address.as_deref().map(|it| key(*tenant, &Address::from_stored(it)));
            fill.execute((row, person))?;
        }
    }
    connection.execute_batch(
        "CREATE INDEX messages_of_person ON messages (tenant, person, id)
         WHERE person IS NOT NULL",
    )
}

/// Does work after which the places that what is erased stood in are overwritten: SQLite would leave it
/// there until they are needed. (What else is changed is overwritten only where that costs no page
/// more.)
pub(crate) fn for_good<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.execute_batch("PRAGMA secure_delete = ON")?;
    let done = work();
    connection.execute_batch("PRAGMA secure_delete = FAST")?;
    done
}

/// Whether there was something to erase.
fn erase(connection: &Connection, tenant: TenantId, id: MessageId) -> Result<bool, Fault> {
    let Some(message) = find_owned(connection, tenant, id)?.filter(|it| !it.is_to_be_sent()) else {
        return Ok(false);
    };
    let erased = NewMessage::new(message.erased())?;
    let message = erased.message();
    connection
        .prepare_cached(
            "UPDATE messages SET sender = ?2, recipient = ?3, body = ?4, metadata = NULL,
                 attachment = ?5, failure_detail = NULL, person = NULL,
                 sealed_under = NULL, terms = NULL, sealed = NULL, redaction = NULL
             WHERE id = ?1",
        )?
        .execute(params![
            id.bytes(),
            message.from.as_ref().map(|from| from.as_str()),
            message.to.as_ref().map(|to| to.as_str()),
            message.content.body,
            erased.attachment(),
        ])?;
    connection
        .prepare_cached("UPDATE message_events SET failure_detail = NULL WHERE message = ?1")?
        .execute([id.bytes()])?;
    Ok(true)
}

#[async_trait]
impl PersonStore for SqliteStore {
    async fn messages_with(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let person = person.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                message_columns!(),
                " FROM messages INDEXED BY messages_of_person
                 WHERE tenant = ?1 AND person = ?2 AND id > ?3 ORDER BY id"
            ))?;
            let after = after.map(|after| after.bytes().to_vec()).unwrap_or_default();
            let mut rows = statement.query((tenant.bytes(), key(tenant, &person), after))?;
            let (mut found, limit) = (Vec::new(), usize::try_from(limit).unwrap_or(usize::MAX));
            while found.len() < limit
                && let Some(row) = rows.next()?
            {
                let message: Message = decode(row)?;
                // Two persons may have one key.
                if message.is_with(&person) {
                    found.push(message);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn erase_messages(&self, tenant: TenantId, ids: &[MessageId]) -> Result<u64, StoreError> {
        let ids = ids.to_vec();
        self.write(move |connection| {
            for_good(connection, || {
                let mut erased = 0;
                for id in &ids {
                    erased += u64::from(erase(connection, tenant, *id)?);
                }
                Ok(erased)
            })
        })
        .await
    }

    async fn webhooks(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
        limit: u32,
    ) -> Result<WebhooksSeen, StoreError> {
        self.read(move |connection| {
            let after = after.map(|after| after.bytes().to_vec()).unwrap_or_default();
            let mut last = connection.prepare_cached(
                "SELECT max(id) FROM (SELECT id FROM inbox WHERE id > ?1 ORDER BY id LIMIT ?2)",
            )?;
            let reached: Option<[u8; 16]> =
                last.query_row(params![after, limit], |row| row.get(0))?;
            let mut own = connection.prepare_cached(
                "SELECT id, tenant, session, event, key, attempts, due_at, received_at, payload
                 FROM inbox WHERE id > ?1 AND id <= ?2 AND tenant = ?3 ORDER BY id",
            )?;
            let end = reached.unwrap_or(LAST);
            let entries: Vec<InboxEntry> =
                decode_all(own.query(params![after, &end[..], tenant.bytes()])?)?;
            Ok(WebhooksSeen { entries, reached: reached.map(InboxId::of) })
        })
        .await
    }

    async fn erase_webhooks(&self, tenant: TenantId, ids: &[InboxId]) -> Result<u64, StoreError> {
        let ids = ids.to_vec();
        self.write(move |connection| {
            for_good(connection, || {
                let mut erase = connection.prepare_cached(
                    "UPDATE inbox SET payload = x''
                     WHERE id = ?1 AND tenant = ?2 AND status <> 'pending'",
                )?;
                let mut erased = 0;
                for id in &ids {
                    erased += erase.execute((id.bytes(), tenant.bytes()))? as u64;
                }
                Ok(erased)
            })
        })
        .await
    }

    async fn forget_chats(&self, chats: &[(SessionId, RecipientKey)]) -> Result<(), StoreError> {
        let chats = chats.to_vec();
        self.write(move |connection| {
            let mut forget = connection
                .prepare_cached("DELETE FROM chats WHERE session = ?1 AND recipient = ?2")?;
            for (session, recipient) in &chats {
                forget.execute((session.bytes(), recipient.0.cast_signed()))?;
            }
            Ok(())
        })
        .await
    }
}
