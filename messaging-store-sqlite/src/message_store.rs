//! Messages and bulk requests on SQLite. Each file below holds the statements of one concern.

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod chats;
mod distinct;
mod history;
mod list;
pub(crate) mod row;
mod statistics;
mod waiting;

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::batch::{Batch, BatchProgress};
use messaging_core::domain::filter::{MessageFilter, MessagePage, Portion};
use messaging_core::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use messaging_core::domain::insertion::{Distinct, Inserted, Insertion};
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageEvent, QueueItem, StatusChange,
};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::statistics::{Statistics, StatisticsRange};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use rusqlite::Connection;

use crate::column::Id;
use crate::error::Fault;
use crate::message_store::row::NewMessage;
use crate::person_store::for_good;
use crate::store::SqliteStore;

/// Writes a message, unless it repeats another.
fn insert(
    connection: &Connection,
    new: &NewMessage,
    distinct: Option<Distinct>,
) -> Result<Inserted, Fault> {
    if let Some(distinct) = distinct
        && let Some(first) = distinct::repeated(connection, new.id(), distinct)?
    {
        return Ok(Inserted::Repeats(first));
    }
    row::insert(connection, new)?;
    Ok(Inserted::Kept)
}

#[async_trait]
impl MessageStore for SqliteStore {
    async fn insert_distinct(&self, insertions: &[Insertion]) -> Result<Vec<Inserted>, StoreError> {
        // Turned into columns here, so that the one thread that writes does only that.
        let new = |each: &Insertion| Ok((NewMessage::new(each.message.clone())?, each.distinct));
        let insertions = insertions.iter().map(new).collect::<Result<Vec<_>, StoreError>>()?;
        self.write(move |connection| {
            insertions.iter().map(|(new, distinct)| insert(connection, new, *distinct)).collect()
        })
        .await
    }

    async fn insert_batch(&self, batch: &Batch, messages: &[Message]) -> Result<(), StoreError> {
        let (batch, messages) = (batch.clone(), NewMessage::all(messages)?);
        self.write(move |connection| {
            bulk::insert(connection, &batch)?;
            row::insert_all(connection, &messages)
        })
        .await
    }

    async fn change(&self, changes: &[StatusChange]) -> Result<Vec<ChangeOutcome>, StoreError> {
        let changes = changes.to_vec();
        self.write(move |connection| {
            changes.iter().map(|each| change::change(connection, each)).collect()
        })
        .await
    }

    async fn find(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.read(move |connection| row::find_owned(connection, tenant, id)).await
    }

    async fn load(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let mut ids = ids.to_vec();
        // In order, so that neighbours are read from the same pages; and each once.
        ids.sort_unstable();
        ids.dedup();
        self.read(move |connection| {
            let found = ids.iter().map(|id| row::find(connection, *id));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn known_at_provider(
        &self,
        session: SessionId,
        ids: &[ProviderMessageId],
    ) -> Result<Vec<Message>, StoreError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        self.read(move |connection| {
            let mut known = Vec::new();
            for id in &ids {
                known.extend(row::find_received(connection, session, id)?);
                known.extend(row::find_at_provider(connection, session, id)?);
            }
            Ok(known)
        })
        .await
    }

    async fn held_before(&self, batch: BatchId, message: MessageId) -> Result<u64, StoreError> {
        self.read(move |connection| {
            let held: i64 = connection
                .prepare_cached(
                    "SELECT count(*) FROM messages
                     WHERE batch = ?1 AND held_by_batch = 1 AND id < ?2",
                )?
                .query_row((batch.bytes(), message.bytes()), |row| row.get(0))?;
            Ok(u64::try_from(held).unwrap_or(0))
        })
        .await
    }

    async fn list(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        portion: Portion,
    ) -> Result<MessagePage, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| list::list(connection, tenant, &filter, portion)).await
    }

    async fn events(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>, StoreError> {
        self.read(move |connection| history::of(connection, tenant, id)).await
    }

    async fn statistics(
        &self,
        tenant: TenantId,
        range: &StatisticsRange,
    ) -> Result<Statistics, StoreError> {
        let range = *range;
        self.read(move |connection| statistics::count(connection, tenant, &range)).await
    }

    async fn find_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Option<BatchProgress>, StoreError> {
        self.read(move |connection| bulk::progress(connection, tenant, id)).await
    }

    async fn batches(
        &self,
        tenant: TenantId,
        portion: PortionBy<BatchId>,
    ) -> Result<Page<BatchProgress>, StoreError> {
        self.read(move |connection| bulk::list(connection, tenant, &portion)).await
    }

    async fn cancel_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        self.write(move |connection| bulk::cancel(connection, tenant, id, now)).await
    }

    async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        self.read(move |connection| bulk::find_owned(connection, tenant, id)).await
    }

    async fn suspend_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        suspension: Suspension,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        self.write(move |connection| bulk::hold(connection, tenant, id, &suspension)).await
    }

    async fn resume_batch(&self, tenant: TenantId, id: BatchId) -> Result<bool, StoreError> {
        self.write(move |connection| bulk::resume(connection, tenant, id)).await
    }

    async fn release_from_batch(
        &self,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<Vec<QueueItem>, StoreError> {
        self.write(move |connection| bulk::release(connection, batch, now)).await
    }

    async fn release_scheduled(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        self.write(move |connection| bulk::release_scheduled(connection, now, limit)).await
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.read(move |connection| waiting::overdue(connection, now, limit)).await
    }

    async fn waiting_to(
        &self,
        sessions: &[SessionId],
        to: &Address,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let (sessions, to) = (sessions.to_vec(), to.clone());
        self.read(move |connection| waiting::to(connection, &sessions, &to, limit)).await
    }

    async fn batches_holding(
        &self,
        after: Option<BatchId>,
        limit: u32,
    ) -> Result<Vec<BatchId>, StoreError> {
        self.read(move |connection| bulk::holding(connection, after, limit)).await
    }

    async fn pending(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        self.read(move |connection| waiting::pending(connection, after, limit)).await
    }

    async fn behind(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, QueueItem)>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let first = |id: &MessageId| Ok(waiting::behind(connection, *id)?.map(|it| (*id, it)));
            ids.iter().filter_map(|id| first(id).transpose()).collect()
        })
        .await
    }

    async fn attempts_since(
        &self,
        session: SessionId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.read(move |connection| history::attempts(connection, session, since, now)).await
    }

    async fn open_chats(
        &self,
        chats: &[(SessionId, RecipientKey)],
    ) -> Result<Vec<(SessionId, RecipientKey)>, StoreError> {
        let chats = chats.to_vec();
        self.read(move |connection| chats::open_of(connection, &chats)).await
    }

    async fn chats_opened(
        &self,
        session: SessionId,
        since: Timestamp,
        but: RecipientKey,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.read(move |connection| chats::opened(connection, session, since, but, now)).await
    }

    async fn reseal(&self, messages: &[(Option<u32>, Message)]) -> Result<u64, StoreError> {
        let new =
            |(key, message): &(Option<u32>, Message)| Ok((*key, NewMessage::new(message.clone())?));
        let messages = messages.iter().map(new).collect::<Result<Vec<_>, StoreError>>()?;
        self.write(move |connection| {
            for_good(connection, || {
                let mut changed = 0;
                for (key, new) in &messages {
                    let Some(before) = row::find(connection, new.id())? else { continue };
                    if !row::reseal(connection, *key, new)? {
                        continue;
                    }
                    changed += 1;
                    let Some(message) = row::find(connection, new.id())? else { continue };
                    if let (Some(before), Some(after)) = (before.peer_key(), message.peer_key()) {
                        chats::rename(connection, message.session, before, after)?;
                    }
                    if let Some(chat) = message.open_chat() {
                        chats::open(connection, chat, message.created_at)?;
                    }
                }
                Ok(changed)
            })
        })
        .await
    }

    async fn redactable(&self, limit: u32) -> Result<Vec<Message>, StoreError> {
        self.read(move |connection| row::redactable(connection, limit)).await
    }

    async fn redact(&self, messages: &[Message]) -> Result<u64, StoreError> {
        let messages = NewMessage::all(messages)?;
        self.write(move |connection| {
            for_good(connection, || {
                let mut changed = 0;
                for message in &messages {
                    changed += u64::from(row::redact(connection, message)?);
                }
                Ok(changed)
            })
        })
        .await
    }

    async fn sealed_under(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<Option<u32>, u64>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT sealed_under, count(*) FROM messages WHERE tenant = ?1 GROUP BY sealed_under",
            )?;
            let counts = statement.query_map([tenant.bytes()], |row| {
                let count: i64 = row.get(1)?;
                Ok((row.get(0)?, u64::try_from(count).unwrap_or(0)))
            })?;
            Ok(counts.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.prepare_cached("UPDATE pulse SET beat = beat + 1")?.execute([])?;
            Ok(())
        })
        .await
    }
}
