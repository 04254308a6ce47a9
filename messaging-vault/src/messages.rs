//! A store of messages that cannot read what it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use messaging_core::domain::address::{Address, Alias, PersonKey, RecipientKey};
use messaging_core::domain::batch::{Batch, BatchProgress};
use messaging_core::domain::content::{Attachment, Content};
use messaging_core::domain::filter::{MessageFilter, MessagePage, Portion};
use messaging_core::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use messaging_core::domain::insertion::{Inserted, Insertion};
use messaging_core::domain::message::{
    ChangeOutcome, Direction, Message, MessageEvent, QueueItem, StatusChange,
};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::sealed::{Sealed, Terms};
use messaging_core::domain::statistics::{Statistics, StatisticsRange};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::vault::{Mode, Place, TenantKeys, Vault};
use crate::words;

/// What of a message is sealed.
#[derive(Serialize, Deserialize)]
struct Spoken<Text, Data, Attached> {
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    from: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    to: Option<Text>,
    body: Text,
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    metadata: Option<Data>,
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    attachment: Option<Attached>,
}

fn none<T>() -> Option<T> {
    None
}

fn place(message: &Message) -> Place<'_> {
    Place { field: "message", tenant: message.tenant, row: message.id.0.as_bytes() }
}

fn bad(message: &Message, error: impl Into<BoxError>) -> StoreError {
    StoreError::corrupt("message", message.id, error)
}

impl Vault {
    /// The message as a store is to keep it.
    pub(crate) async fn seal_message(&self, message: &Message) -> Result<Message, StoreError> {
        if !self.seals() {
            return Ok(message.clone());
        }
        let keys = self.keys(message.tenant).await?;
        self.sealed(&keys, message)
    }

    fn sealed(&self, keys: &TenantKeys, message: &Message) -> Result<Message, StoreError> {
        let spoken = Spoken {
            from: message.from.as_ref().map(Address::as_str),
            to: message.to.as_ref().map(Address::as_str),
            body: message.content.body.as_str(),
            metadata: message.metadata.as_ref(),
            attachment: message.content.attachment.as_ref(),
        };
        let spoken = serde_json::to_vec(&spoken).map_err(|error| bad(message, error))?;
        let sealed = self.seal(keys, &place(message), &spoken);
        let (key, bytes) = sealed.map_err(|error| bad(message, error))?;
        let alias = |key: RecipientKey| Address::Sealed(Alias::new(key.0, ""));
        let peer = message.peer_key().map(alias);
        let (from, to) = match message.direction {
            Direction::Inbound => (peer, None),
            Direction::Outbound => (None, peer),
        };
        let person = message.person().map(|person| self.person_key(message.tenant, person));
        let campaign = message.metadata.as_ref().and_then(|data| data.get("campaignId")?.as_str());
        let attachment = message.content.attachment.as_ref().map(Attachment::erased);
        Ok(Message {
            from,
            to,
            content: Content { body: String::new(), attachment },
            metadata: campaign.map(|name| json!({ "campaignId": keys.campaign(name) })),
            sealed: Some(Sealed { key, bytes, terms: self.terms(keys, message), person }),
            failure: message.failure.clone(),
            provider_message_id: message.provider_message_id.clone(),
            ..*message
        })
    }

    /// Stands for somebody within a tenant.
    pub(crate) fn person_key(&self, tenant: TenantId, person: &Address) -> PersonKey {
        let keyed = self.keyed().person(tenant, person);
        keyed.map_or_else(|| PersonKey::of(tenant, person), PersonKey)
    }

    fn terms(&self, keys: &TenantKeys, message: &Message) -> Terms {
        let digits = message.person().map(words::digits).unwrap_or_default();
        let said = match self.mode() {
            Mode::Words => words::of_content(&message.content),
            Mode::Plain | Mode::Numbers => BTreeSet::new(),
        };
        let found = words::endings(&digits).chain(said.iter().map(String::as_str));
        Terms::of(message.id, found.map(|word| keys.trapdoor(word)))
    }

    /// The message as it was before a store kept it.
    pub(crate) async fn open_message(&self, mut message: Message) -> Result<Message, StoreError> {
        self.open_in_place(&mut message).await?;
        Ok(message)
    }

    /// Leaves a message that cannot be opened as it is.
    async fn open_in_place(&self, message: &mut Message) -> Result<(), StoreError> {
        let Some(sealed) = &message.sealed else { return Ok(()) };
        let keys = self.known_keys(message.tenant, Some(sealed.key)).await?;
        let opened = match keys {
            Some(keys) => Self::open_with(&keys, &place(message), sealed.key, &sealed.bytes),
            None => Err(crate::DoesNotOpen),
        };
        let opened = opened.map_err(|error| bad(message, error))?;
        // The parser's own error would repeat what it stumbled over.
        let spoken: Spoken<String, Value, Attachment> =
            serde_json::from_slice(&opened).map_err(|_| bad(message, crate::DoesNotOpen))?;
        message.sealed = None;
        let alias = message.peer_key();
        message.from = spoken.from.as_deref().map(Address::from_stored);
        message.to = spoken.to.as_deref().map(Address::from_stored);
        message.content = Content { body: spoken.body, attachment: spoken.attachment };
        message.metadata = spoken.metadata;
        // Where everybody works it out alike there is nothing to remember.
        message.alias = None;
        message.alias = alias.filter(|_| message.peer_key() != alias);
        Ok(())
    }

    /// Where it cannot be opened, for whatever reason, it stays as it is kept: sealed.
    pub(crate) async fn open_if_it_opens(&self, message: &mut Message) {
        if let Err(error) = self.open_in_place(message).await {
            tracing::error!(%error, message = %message.id, "a message cannot be opened");
        }
    }

    /// The messages as they were. One that does not open stays sealed: it must not keep others from
    /// being seen.
    pub(crate) async fn open_messages(
        &self,
        mut messages: Vec<Message>,
    ) -> Result<Vec<Message>, StoreError> {
        for message in &mut messages {
            match self.open_in_place(message).await {
                Err(StoreError::Corrupt { .. }) => {
                    tracing::error!(message = %message.id, "a message cannot be opened");
                }
                opened => opened?,
            }
        }
        Ok(messages)
    }

    async fn seal_messages(&self, messages: &[Message]) -> Result<Vec<Message>, StoreError> {
        let mut sealed = Vec::with_capacity(messages.len());
        for message in messages {
            sealed.push(self.seal_message(message).await?);
        }
        Ok(sealed)
    }

    /// The filter as a store that cannot read takes it. What is not sealed is still found by the text
    /// itself, but by no campaign.
    async fn blind(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
    ) -> Result<MessageFilter, StoreError> {
        let mut filter = filter.clone();
        if filter.search.is_none() && filter.campaign.is_none() {
            return Ok(filter);
        }
        let Some(keys) = self.known_keys(tenant, None).await? else { return Ok(filter) };
        if let Some(search) = &filter.search {
            let words: BTreeSet<_> = words::of_search(search);
            filter.words = words.iter().map(|word| keys.trapdoor(word)).collect();
        }
        if self.seals() {
            filter.campaign = filter.campaign.map(|name| keys.campaign(&name));
        }
        Ok(filter)
    }
}

/// Keeps messages sealed in any store.
pub struct SealedMessages {
    inner: Arc<dyn MessageStore>,
    vault: Arc<Vault>,
}

impl SealedMessages {
    /// Keeps them in `inner`.
    pub fn new(inner: Arc<dyn MessageStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }

    /// Whosever they are: what one tenant's keys lack must not keep others from anything.
    async fn open_those_that_open(&self, mut messages: Vec<Message>) -> Vec<Message> {
        for message in &mut messages {
            self.vault.open_if_it_opens(message).await;
        }
        messages
    }
}

#[async_trait]
impl MessageStore for SealedMessages {
    async fn insert_distinct(&self, insertions: &[Insertion]) -> Result<Vec<Inserted>, StoreError> {
        let mut sealed = Vec::with_capacity(insertions.len());
        for Insertion { message, distinct } in insertions {
            let message = self.vault.seal_message(message).await?;
            sealed.push(Insertion { message, distinct: *distinct });
        }
        self.inner.insert_distinct(&sealed).await
    }

    async fn insert_batch(&self, batch: &Batch, messages: &[Message]) -> Result<(), StoreError> {
        let sealed = self.vault.seal_messages(messages).await?;
        self.inner.insert_batch(batch, &sealed).await
    }

    async fn change(&self, changes: &[StatusChange]) -> Result<Vec<ChangeOutcome>, StoreError> {
        let mut outcomes = self.inner.change(changes).await?;
        for outcome in &mut outcomes {
            if let ChangeOutcome::Moved { message, .. } = outcome {
                // It is changed, whether or not it opens.
                self.vault.open_if_it_opens(message).await;
            }
        }
        Ok(outcomes)
    }

    async fn find(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let found = self.inner.find(tenant, id).await?;
        Ok(self.vault.open_messages(found.into_iter().collect()).await?.pop())
    }

    async fn load(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        Ok(self.open_those_that_open(self.inner.load(ids).await?).await)
    }

    async fn list(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        portion: Portion,
    ) -> Result<MessagePage, StoreError> {
        let filter = self.vault.blind(tenant, filter).await?;
        let page = self.inner.list(tenant, &filter, portion).await?;
        Ok(MessagePage { messages: self.vault.open_messages(page.messages).await?, ..page })
    }

    async fn events(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>, StoreError> {
        self.inner.events(tenant, id).await
    }

    async fn statistics(
        &self,
        tenant: TenantId,
        range: &StatisticsRange,
    ) -> Result<Statistics, StoreError> {
        self.inner.statistics(tenant, range).await
    }

    async fn find_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Option<BatchProgress>, StoreError> {
        self.inner.find_batch(tenant, id).await
    }

    async fn batches(
        &self,
        tenant: TenantId,
        portion: PortionBy<BatchId>,
    ) -> Result<Page<BatchProgress>, StoreError> {
        self.inner.batches(tenant, portion).await
    }

    async fn cancel_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        self.inner.cancel_batch(tenant, id, now).await
    }

    async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        self.inner.batch(tenant, id).await
    }

    async fn suspend_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        suspension: Suspension,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        self.inner.suspend_batch(tenant, id, suspension).await
    }

    async fn resume_batch(&self, tenant: TenantId, id: BatchId) -> Result<bool, StoreError> {
        self.inner.resume_batch(tenant, id).await
    }

    async fn release_from_batch(
        &self,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<Vec<QueueItem>, StoreError> {
        self.inner.release_from_batch(batch, now).await
    }

    async fn release_scheduled(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        self.inner.release_scheduled(now, limit).await
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.inner.overdue(now, limit).await
    }

    async fn held_before(&self, batch: BatchId, message: MessageId) -> Result<u64, StoreError> {
        self.inner.held_before(batch, message).await
    }

    async fn waiting_to(
        &self,
        sessions: &[SessionId],
        to: &Address,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        // What is not sealed, and what was sealed with or without a key for its alias.
        let mut found = self.inner.waiting_to(sessions, to, limit).await?;
        for session in sessions {
            let plain = RecipientKey::of(*session, to);
            let keyed = self.vault.keyed().recipient(*session, to);
            for key in [Some(plain), keyed].into_iter().flatten() {
                let taken = u32::try_from(found.len()).unwrap_or(u32::MAX);
                if taken >= limit {
                    break;
                }
                let alias = Address::Sealed(Alias::new(key.0, ""));
                found.extend(self.inner.waiting_to(&[*session], &alias, limit - taken).await?);
            }
        }
        // A store that goes by keys alone finds what is sealed under the plain one both ways.
        let mut seen = BTreeSet::new();
        found.retain(|message| seen.insert(message.id));
        let opened = self.vault.open_messages(found).await?;
        Ok(opened.into_iter().filter(|message| message.to.as_ref() == Some(to)).collect())
    }

    async fn batches_holding(
        &self,
        after: Option<BatchId>,
        limit: u32,
    ) -> Result<Vec<BatchId>, StoreError> {
        self.inner.batches_holding(after, limit).await
    }

    async fn pending(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        self.inner.pending(after, limit).await
    }

    async fn behind(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, QueueItem)>, StoreError> {
        self.inner.behind(ids).await
    }

    async fn attempts_since(
        &self,
        session: SessionId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.inner.attempts_since(session, since, now).await
    }

    async fn open_chats(
        &self,
        chats: &[(SessionId, RecipientKey)],
    ) -> Result<Vec<(SessionId, RecipientKey)>, StoreError> {
        self.inner.open_chats(chats).await
    }

    async fn chats_opened(
        &self,
        session: SessionId,
        since: Timestamp,
        but: RecipientKey,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.inner.chats_opened(session, since, but, now).await
    }

    async fn known_at_provider(
        &self,
        session: SessionId,
        ids: &[ProviderMessageId],
    ) -> Result<Vec<Message>, StoreError> {
        self.vault.open_messages(self.inner.known_at_provider(session, ids).await?).await
    }

    async fn redactable(&self, limit: u32) -> Result<Vec<Message>, StoreError> {
        Ok(self.open_those_that_open(self.inner.redactable(limit).await?).await)
    }

    async fn redact(&self, messages: &[Message]) -> Result<u64, StoreError> {
        self.inner.redact(&self.vault.seal_messages(messages).await?).await
    }

    async fn sealed_under(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<Option<u32>, u64>, StoreError> {
        self.inner.sealed_under(tenant).await
    }

    async fn reseal(&self, messages: &[(Option<u32>, Message)]) -> Result<u64, StoreError> {
        self.inner.reseal(messages).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}
