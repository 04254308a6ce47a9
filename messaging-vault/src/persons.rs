//! What is kept of one person, found without being readable.

use std::sync::Arc;

use async_trait::async_trait;
use messaging_core::domain::address::{Address, RecipientKey};
use messaging_core::domain::id::{InboxId, MessageId, SessionId, TenantId};
use messaging_core::domain::message::Message;
use messaging_core::ports::person_store::{PersonStore, WebhooksSeen};
use messaging_core::ports::store_error::StoreError;

use crate::blob;
use crate::inbox::place;
use crate::vault::Vault;

/// Finds and erases what is kept of one person sealed in any store.
pub struct SealedPersons {
    inner: Arc<dyn PersonStore>,
    vault: Arc<Vault>,
}

impl SealedPersons {
    /// What is kept in `inner`.
    pub fn new(inner: Arc<dyn PersonStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }
}

#[async_trait]
impl PersonStore for SealedPersons {
    async fn messages_with(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        // What is not sealed, and what is; each gives the first that it has.
        let mut found = self.inner.messages_with(tenant, person, after, limit).await?;
        let sealed = self.vault.person(tenant, person);
        found.extend(self.inner.messages_with(tenant, &sealed, after, limit).await?);
        found.sort_unstable_by_key(|message| message.id);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        // Two persons may have one key; in 2^64 none do, so a portion is never empty for that.
        let opened = self.vault.open_messages(found).await?;
        // What does not open is kept under the person's key, and goes with the others.
        let is_theirs = |message: &Message| message.is_sealed() || message.person() == Some(person);
        Ok(opened.into_iter().filter(is_theirs).collect())
    }

    async fn erase_messages(&self, tenant: TenantId, ids: &[MessageId]) -> Result<u64, StoreError> {
        self.inner.erase_messages(tenant, ids).await
    }

    async fn webhooks(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
        limit: u32,
    ) -> Result<WebhooksSeen, StoreError> {
        let mut seen = self.inner.webhooks(tenant, after, limit).await?;
        for entry in &mut seen.entries {
            match blob::open(&self.vault, &place(entry), entry.payload.clone()).await {
                // Nobody can tell whom it names; it stays sealed, and others are found.
                Err(StoreError::Corrupt { .. }) => {
                    tracing::error!(webhook = %entry.id, "a webhook cannot be opened");
                }
                opened => entry.payload = opened?,
            }
        }
        Ok(seen)
    }

    async fn erase_webhooks(&self, tenant: TenantId, ids: &[InboxId]) -> Result<u64, StoreError> {
        self.inner.erase_webhooks(tenant, ids).await
    }

    async fn forget_chats(&self, chats: &[(SessionId, RecipientKey)]) -> Result<(), StoreError> {
        self.inner.forget_chats(chats).await
    }
}
