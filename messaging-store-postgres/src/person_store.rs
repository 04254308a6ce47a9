//! What is kept of one person, on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::address::{Address, PersonKey, RecipientKey};
use messaging_core::domain::id::{InboxId, MessageId, SessionId, TenantId};
use messaging_core::domain::message::Message;
use messaging_core::ports::person_store::{PersonStore, WebhooksSeen};
use messaging_core::ports::store_error::StoreError;
use uuid::Uuid;

use crate::error::store_error;
use crate::inbox_store::EntryRow;
use crate::message_store::row::{MessageRow, NewMessages, key, query_messages};
use crate::named::decode_all;
use crate::store::PostgresStore;

/// A person's key as its column holds it: PostgreSQL's numbers have a sign.
fn person_key(tenant: TenantId, person: &Address) -> i64 {
    PersonKey::of(tenant, person).0.cast_signed()
}

#[async_trait]
impl PersonStore for PostgresStore {
    async fn messages_with(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let rows: Vec<MessageRow> = query_messages!(
            "FROM messages m JOIN message_contents c ON c.message = m.id \
             WHERE m.tenant = $1 AND m.person = $2 AND m.id > $3 ORDER BY m.id LIMIT $4",
            tenant.0,
            person_key(tenant, person),
            after.map_or(Uuid::nil(), |after| after.0),
            i64::from(limit),
        )
        .fetch_all(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        let found = decode_all(rows)?;
        // Two persons may have one key; in 2^64 none do, so a portion is never empty for that.
        Ok(found.into_iter().filter(|message| message.is_with(person)).collect())
    }

    async fn erase_messages(&self, tenant: TenantId, ids: &[MessageId]) -> Result<u64, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut connection = self.connections().acquire().await?;
        let mut transaction = connection.begin().await.map_err(store_error)?;
        // In order of id, as whoever changes messages does; nobody sends one meanwhile.
        let over = sqlx::query_scalar!(
            "SELECT id FROM messages
             WHERE id = ANY($1::uuid[]) AND tenant = $2
                 AND status NOT IN ('queued', 'retry', 'sending')
             ORDER BY id FOR UPDATE",
            &ids,
            tenant.0,
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
        if over.is_empty() {
            return Ok(0);
        }
        let rows: Vec<MessageRow> = query_messages!(
            "FROM messages m JOIN message_contents c ON c.message = m.id \
             WHERE m.id = ANY($1::uuid[]) AND c.message = ANY($1)",
            &over
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
        let erased: Vec<_> = decode_all(rows)?.into_iter().map(Message::erased).collect();
        let (ids, senders, recipients, attachments) = NewMessages::of(&erased)?.said();
        sqlx::query!(
            "UPDATE message_contents SET sender = erased.sender, recipient = erased.recipient,
                 body = '', metadata = NULL, attachment = erased.attachment,
                 sealed_under = NULL, terms = NULL, sealed = NULL
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
                 AS erased (id, sender, recipient, attachment)
             WHERE message = erased.id AND message = ANY($1)",
            &ids,
            &senders as &[Option<String>],
            &recipients as &[Option<String>],
            &attachments as &[Option<String>],
        )
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        sqlx::query!(
            "UPDATE messages SET person = NULL, failure_detail = NULL, recipient_key = NULL,
                 redaction = NULL
             WHERE id = ANY($1::uuid[])",
            &ids,
        )
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        sqlx::query!(
            "UPDATE message_events SET failure_detail = NULL
             WHERE message = ANY($1::uuid[]) AND failure_detail IS NOT NULL",
            &ids,
        )
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        transaction.commit().await.map_err(store_error)?;
        Ok(ids.len() as u64)
    }

    async fn webhooks(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
        limit: u32,
    ) -> Result<WebhooksSeen, StoreError> {
        let after = after.map_or(Uuid::nil(), |after| after.0);
        let mut connection = self.connections().acquire().await?;
        let last = sqlx::query_scalar!(
            "SELECT id FROM (SELECT id FROM inbox WHERE id > $1 ORDER BY id LIMIT $2) AS looked_at
             ORDER BY id DESC LIMIT 1",
            after,
            i64::from(limit),
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
        let Some(last) = last else { return Ok(WebhooksSeen::default()) };
        let rows = sqlx::query_as!(
            EntryRow,
            "SELECT id, tenant, session, event, key, attempts, due_at, received_at, payload
             FROM inbox WHERE id > $1 AND id <= $2 AND tenant = $3 ORDER BY id",
            after,
            last,
            tenant.0,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
        Ok(WebhooksSeen { entries: decode_all(rows)?, reached: Some(InboxId(last)) })
    }

    async fn erase_webhooks(&self, tenant: TenantId, ids: &[InboxId]) -> Result<u64, StoreError> {
        let erased = sqlx::query!(
            "UPDATE inbox SET payload = ''
             WHERE id IN (
                 SELECT id FROM inbox
                 WHERE id = ANY($1::uuid[]) AND tenant = $2 AND status <> 'pending'
                 ORDER BY id FOR UPDATE
             ) AND id = ANY($1)",
            &ids.iter().map(|id| id.0).collect::<Vec<_>>(),
            tenant.0,
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(erased.rows_affected())
    }

    async fn forget_chats(&self, chats: &[(SessionId, RecipientKey)]) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM chats
             WHERE (session, recipient) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))",
            &chats.iter().map(|(session, _)| session.0).collect::<Vec<_>>(),
            &chats.iter().map(|(_, recipient)| key(*recipient)).collect::<Vec<_>>(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }
}
