//! Messages and bulk requests on PostgreSQL. Each file below holds the statements of one concern.

mod bulk;
pub(crate) mod change;
pub(crate) mod chats;
mod history;
mod hours;
mod list;
mod reading;
pub(crate) mod row;
mod statistics;
mod waiting;

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::batch::{Batch, BatchProgress};
use messaging_core::domain::filter::{MessageFilter, MessagePage, Portion};
use messaging_core::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use messaging_core::domain::insertion::{Inserted, Insertion};
use messaging_core::domain::message::{
    ChangeOutcome, Message, MessageEvent, QueueItem, StatusChange,
};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::statistics::{Statistics, StatisticsRange};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::StoreError;
use sqlx::{Connection, PgConnection};

pub(crate) use self::reading::{Loads, Orders};
use crate::error::store_error;
use crate::message_store::change::Opened;
use crate::message_store::row::{NewMessages, query_messages};
use crate::named::Stored;
use crate::store::PostgresStore;
use crate::text;
use crate::together::{Fault, Work};

/// New messages of many callers.
pub(crate) struct Inserts;

#[async_trait]
impl Work for Inserts {
    type Request = NewMessages;
    type Answer = Vec<Inserted>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[NewMessages],
    ) -> Result<(Vec<Vec<Inserted>>, u64), Fault> {
        let mut all = NewMessages::default();
        requests.iter().for_each(|each| all.extend(each));
        all.find_firsts();
        let repeats = all.insert(connection).await?;
        Ok((requests.iter().map(|each| each.inserted(&repeats)).collect(), 1))
    }
}

/// Changes of many callers.
pub(crate) struct Changes;

#[async_trait]
impl Work for Changes {
    type Request = Vec<StatusChange>;
    type Answer = Vec<ChangeOutcome>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<StatusChange>],
    ) -> Result<(Vec<Vec<ChangeOutcome>>, u64), Fault> {
        let mut transaction = connection.begin().await?;
        let changes = requests.iter().flatten();
        let (mut opened, mut statements) = Opened::open(&mut transaction, changes).await?;
        let outcomes = requests
            .iter()
            .map(|changes| changes.iter().map(|change| opened.apply(change)).collect())
            .collect();
        statements += opened.write(&mut transaction).await?;
        transaction.commit().await?;
        Ok((outcomes, statements + 2))
    }
}

#[async_trait]
impl MessageStore for PostgresStore {
    async fn insert_distinct(&self, insertions: &[Insertion]) -> Result<Vec<Inserted>, StoreError> {
        if insertions.is_empty() {
            return Ok(Vec::new());
        }
        self.inserts().ask(NewMessages::of_insertions(insertions)?).await
    }

    async fn insert_batch(&self, batch: &Batch, messages: &[Message]) -> Result<(), StoreError> {
        bulk::insert(self.connections(), batch, &NewMessages::of(messages)?).await
    }

    async fn change(&self, changes: &[StatusChange]) -> Result<Vec<ChangeOutcome>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.changes().ask(changes.to_vec()).await
    }

    async fn find(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let row = query_messages!(
            "FROM messages m JOIN message_contents c ON c.message = m.id \
             WHERE m.id = $1 AND c.message = $1 AND m.tenant = $2",
            id.0,
            tenant.0
        )
        .fetch_optional(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        row.map(Stored::decode).transpose()
    }

    async fn load(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        self.loads().ask(ids.to_vec()).await
    }

    async fn known_at_provider(
        &self,
        session: SessionId,
        ids: &[ProviderMessageId],
    ) -> Result<Vec<Message>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> =
            ids.iter().map(|id| text::kept(id.as_str()).into_owned()).collect();
        let named = sqlx::query_scalar!(
            "SELECT DISTINCT ON (provider_message_id, inbound) message FROM provider_ids
             WHERE session = $1 AND provider_message_id = ANY($2::text[])
             ORDER BY provider_message_id, inbound, message DESC",
            session.0,
            &names
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let ids: HashSet<&ProviderMessageId> = ids.iter().collect();
        let mut known = self.load(&named.into_iter().map(MessageId).collect::<Vec<_>>()).await?;
        // One may have had such an id, and have another since.
        known.retain(|it| it.provider_message_id.as_ref().is_some_and(|id| ids.contains(id)));
        Ok(known)
    }

    async fn held_before(&self, batch: BatchId, message: MessageId) -> Result<u64, StoreError> {
        let held = sqlx::query_scalar!(
            r#"SELECT count(*) AS "held!" FROM messages
             WHERE batch = $1 AND held_by_batch AND id < $2"#,
            batch.0,
            message.0
        )
        .fetch_one(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(u64::try_from(held).unwrap_or(0))
    }

    async fn list(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        portion: Portion,
    ) -> Result<MessagePage, StoreError> {
        list::list(&mut *self.of_tenant(tenant).await?, tenant, filter, portion).await
    }

    async fn events(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>, StoreError> {
        let Some(message) = self.find(tenant, id).await? else { return Ok(None) };
        history::of(&mut *self.of_tenant(tenant).await?, &message).await.map(Some)
    }

    async fn statistics(
        &self,
        tenant: TenantId,
        range: &StatisticsRange,
    ) -> Result<Statistics, StoreError> {
        statistics::count(&mut *self.of_tenant(tenant).await?, tenant, range).await
    }

    async fn find_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Option<BatchProgress>, StoreError> {
        bulk::progress(&mut *self.of_tenant(tenant).await?, tenant, id).await
    }

    async fn batches(
        &self,
        tenant: TenantId,
        portion: PortionBy<BatchId>,
    ) -> Result<Page<BatchProgress>, StoreError> {
        bulk::list(&mut *self.of_tenant(tenant).await?, tenant, &portion).await
    }

    async fn cancel_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        bulk::cancel(self.connections(), tenant, id, now).await
    }

    async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        bulk::find(&mut *self.of_tenant(tenant).await?, tenant, id).await
    }

    async fn suspend_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        suspension: Suspension,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        bulk::hold(self.connections(), tenant, id, &suspension).await
    }

    async fn resume_batch(&self, tenant: TenantId, id: BatchId) -> Result<bool, StoreError> {
        bulk::resume(self.connections(), tenant, id).await
    }

    async fn release_from_batch(
        &self,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<Vec<QueueItem>, StoreError> {
        bulk::release(self.connections(), batch, now).await
    }

    async fn release_scheduled(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        waiting::release_scheduled(self.connections(), now, limit).await
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        waiting::overdue(self.connections(), now, limit).await
    }

    async fn waiting_to(
        &self,
        sessions: &[SessionId],
        to: &Address,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        waiting::to(self.connections(), sessions, to, limit).await
    }

    async fn batches_holding(
        &self,
        after: Option<BatchId>,
        limit: u32,
    ) -> Result<Vec<BatchId>, StoreError> {
        bulk::holding(self.connections(), after, limit).await
    }

    async fn pending(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        waiting::pending(self.connections(), after, limit).await
    }

    async fn behind(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, QueueItem)>, StoreError> {
        self.orders().ask(ids.to_vec()).await
    }

    async fn attempts_since(
        &self,
        session: SessionId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        history::attempts(self.connections(), session, since, now).await
    }

    async fn open_chats(
        &self,
        chats: &[(SessionId, RecipientKey)],
    ) -> Result<Vec<(SessionId, RecipientKey)>, StoreError> {
        if chats.is_empty() {
            return Ok(Vec::new());
        }
        self.opens().ask(chats.to_vec()).await
    }

    async fn chats_opened(
        &self,
        session: SessionId,
        since: Timestamp,
        but: RecipientKey,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        chats::opened(self.connections(), session, since, but, now).await
    }

    async fn reseal(&self, messages: &[(Option<u32>, Message)]) -> Result<u64, StoreError> {
        let mut connection = self.connections().acquire().await?;
        let mut transaction = connection.begin().await.map_err(store_error)?;
        let changed = row::reseal(&mut transaction, messages).await?;
        transaction.commit().await.map_err(store_error)?;
        Ok(changed)
    }

    async fn redactable(&self, limit: u32) -> Result<Vec<Message>, StoreError> {
        let mut connection = self.connections().acquire().await?;
        Ok(row::redactable(&mut connection, limit).await?)
    }

    async fn redact(&self, messages: &[Message]) -> Result<u64, StoreError> {
        let mut connection = self.connections().acquire().await?;
        Ok(row::redact(&mut connection, messages).await?)
    }

    async fn sealed_under(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<Option<u32>, u64>, StoreError> {
        let counts = sqlx::query!(
            r#"SELECT sealed_under, count(*) AS "messages!" FROM message_contents
               WHERE tenant = $1 GROUP BY sealed_under"#,
            tenant.0,
        )
        .fetch_all(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        let version = |key: i32| u32::try_from(key).unwrap_or_default();
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(counts
            .into_iter()
            .map(|it| (it.sealed_under.map(version), count(it.messages)))
            .collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let written = async {
            sqlx::query!("UPDATE pulse SET beat = beat + 1")
                .execute(&mut *self.connections().acquire().await?)
                .await
                .map_err(store_error)
        };
        // Nothing can be accepted either while nothing can be asked for a tenant.
        let seen = async {
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM sessions) AS "any!""#)
                .fetch_one(&mut *self.connections_of_tenants().acquire().await?)
                .await
                .map_err(store_error)
        };
        let answer = tokio::try_join!(written, seen).map(|_| ());
        self.tell(&answer);
        answer
    }
}
