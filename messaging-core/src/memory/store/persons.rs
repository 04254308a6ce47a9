//! What is kept of one person, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::domain::address::{Address, RecipientKey};
use crate::domain::id::{InboxId, MessageId, SessionId, TenantId};
use crate::domain::message::Message;
use crate::ports::person_store::{PersonStore, WebhooksSeen};
use crate::ports::store_error::StoreError;

#[async_trait]
impl PersonStore for MemoryStore {
    async fn messages_with(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        Ok(self.lock().messages.with_person(tenant, person, after, limit))
    }

    async fn erase_messages(&self, tenant: TenantId, ids: &[MessageId]) -> Result<u64, StoreError> {
        let messages = &mut self.lock().messages;
        Ok(ids.iter().filter(|id| messages.erase(tenant, **id)).count() as u64)
    }

    async fn webhooks(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
        limit: u32,
    ) -> Result<WebhooksSeen, StoreError> {
        Ok(self.lock().inbox.seen(tenant, after, limit))
    }

    async fn erase_webhooks(&self, tenant: TenantId, ids: &[InboxId]) -> Result<u64, StoreError> {
        let inbox = &mut self.lock().inbox;
        Ok(ids.iter().filter(|id| inbox.erase(tenant, **id)).count() as u64)
    }

    async fn forget_chats(&self, chats: &[(SessionId, RecipientKey)]) -> Result<(), StoreError> {
        let messages = &mut self.lock().messages;
        chats.iter().for_each(|(session, recipient)| messages.forget_chat(*session, *recipient));
        Ok(())
    }
}
