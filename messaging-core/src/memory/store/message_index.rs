//! Where messages are found without looking at all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::address::RecipientKey;
use crate::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use crate::domain::message::{Direction, Message};
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use uuid::Uuid;

/// Where messages are found without looking at all of them. Kept true by taking a message out
/// before it is changed and putting it back afterwards.
#[derive(Default)]
pub(super) struct MessageIndex {
    by_tenant: BTreeMap<TenantId, BTreeSet<MessageId>>,
    by_provider: HashMap<ProviderKey, MessageId>,
    by_batch: BTreeMap<BatchId, BatchMessages>,
    /// Bulk requests that hold messages back.
    holding: BTreeSet<BatchId>,
    /// What a queue ought to know.
    pending: BTreeSet<MessageId>,
    sending: BTreeMap<SessionId, BTreeSet<MessageId>>,
    /// The same as `pending`, recipient by recipient.
    by_recipient: BTreeSet<(RecipientKey, MessageId)>,
    /// What is held back, recipient by recipient.
    held_by_recipient: BTreeSet<(RecipientKey, MessageId)>,
    /// Held messages that belong to no bulk request, by when they are due.
    scheduled: BTreeSet<(Timestamp, MessageId)>,
    /// What waits and will expire, by when.
    expiring: BTreeSet<(Timestamp, MessageId)>,
    /// What personal data is to be taken from now.
    redactable: BTreeSet<MessageId>,
}

type ProviderKey = (SessionId, ProviderMessageId, Direction);

/// The messages of one bulk request.
#[derive(Default)]
pub(super) struct BatchMessages {
    /// All of them.
    pub(super) all: BTreeSet<MessageId>,
    /// Those that wait to be let into the queue.
    pub(super) held: BTreeSet<MessageId>,
    /// Those let in and not yet past `sending`.
    pub(super) open: BTreeSet<MessageId>,
}

impl MessageIndex {
    pub(super) fn put(&mut self, message: &Message) {
        let id = message.id;
        self.by_tenant.entry(message.tenant).or_default().insert(id);
        if let Some(key) = provider_key(message) {
            self.by_provider.insert(key, id);
        }
        let is_open = is_to_be_sent(message) && !message.held;
        if is_open {
            self.pending.insert(id);
            let item = message.queue_item();
            self.by_recipient.extend(item.map(|item| (item.recipient, id)));
        }
        if message.held {
            let item = message.queue_item();
            self.held_by_recipient.extend(item.map(|item| (item.recipient, id)));
        }
        if message.held && message.batch.is_none() {
            self.scheduled.insert((message.due_at, id));
        }
        if let Some(at) = message.expires_at.filter(|_| message.status.is_waiting()) {
            self.expiring.insert((at, id));
        }
        if message.is_redactable() {
            self.redactable.insert(id);
        }
        if message.status == Status::Sending {
            self.sending.entry(message.session).or_default().insert(id);
        }
        if let Some(batch) = message.batch {
            let messages = self.by_batch.entry(batch).or_default();
            messages.all.insert(id);
            if is_open {
                messages.open.insert(id);
            } else if message.held {
                messages.held.insert(id);
                self.holding.insert(batch);
            }
        }
    }

    /// What a queue ought to know of the messages to one recipient, in order of acceptance.
    pub(super) fn to_recipient(&self, recipient: RecipientKey) -> impl Iterator<Item = &MessageId> {
        of_recipient(&self.by_recipient, recipient)
    }

    /// What is held back of the messages to one recipient, in order of acceptance.
    pub(super) fn held_to(&self, recipient: RecipientKey) -> impl Iterator<Item = &MessageId> {
        of_recipient(&self.held_by_recipient, recipient)
    }

    pub(super) fn take_out(&mut self, message: &Message) {
        let id = message.id;
        if let Some(key) = provider_key(message)
            && self.by_provider.get(&key) == Some(&id)
        {
            self.by_provider.remove(&key);
        }
        self.pending.remove(&id);
        self.redactable.remove(&id);
        self.scheduled.remove(&(message.due_at, id));
        if let Some(at) = message.expires_at {
            self.expiring.remove(&(at, id));
        }
        if let Some(item) = message.queue_item() {
            self.by_recipient.remove(&(item.recipient, id));
            self.held_by_recipient.remove(&(item.recipient, id));
        }
        if let Some(sending) = self.sending.get_mut(&message.session) {
            sending.remove(&id);
        }
        if let Some(batch) = message.batch
            && let Some(messages) = self.by_batch.get_mut(&batch)
        {
            messages.open.remove(&id);
            messages.held.remove(&id);
            if messages.held.is_empty() {
                self.holding.remove(&batch);
            }
        }
    }

    /// Takes a message out for good.
    pub(super) fn remove(&mut self, message: &Message) {
        self.take_out(message);
        if let Some(all) = self.by_tenant.get_mut(&message.tenant) {
            all.remove(&message.id);
        }
        if let Some(messages) = message.batch.and_then(|batch| self.by_batch.get_mut(&batch)) {
            messages.all.remove(&message.id);
        }
    }

    pub(super) fn of_tenant(&self, tenant: TenantId) -> Option<&BTreeSet<MessageId>> {
        self.by_tenant.get(&tenant)
    }

    pub(super) fn of_batch(&self, batch: BatchId) -> Option<&BatchMessages> {
        self.by_batch.get(&batch)
    }

    pub(super) fn holding(&self) -> &BTreeSet<BatchId> {
        &self.holding
    }

    pub(super) fn pending(&self) -> &BTreeSet<MessageId> {
        &self.pending
    }

    pub(super) fn scheduled(&self) -> &BTreeSet<(Timestamp, MessageId)> {
        &self.scheduled
    }

    pub(super) fn expiring(&self) -> &BTreeSet<(Timestamp, MessageId)> {
        &self.expiring
    }

    pub(super) fn redactable(&self) -> &BTreeSet<MessageId> {
        &self.redactable
    }

    pub(super) fn sending_through(&self, session: SessionId) -> usize {
        self.sending.get(&session).map_or(0, BTreeSet::len)
    }

    /// The message of this id at the provider that goes this way.
    pub(super) fn at_provider(
        &self,
        session: SessionId,
        id: &ProviderMessageId,
        direction: Direction,
    ) -> Option<MessageId> {
        self.by_provider.get(&(session, id.clone(), direction)).copied()
    }
}

fn of_recipient(
    all: &BTreeSet<(RecipientKey, MessageId)>,
    recipient: RecipientKey,
) -> impl Iterator<Item = &MessageId> {
    let lowest = (recipient, MessageId(Uuid::nil()));
    let highest = (recipient, MessageId(Uuid::max()));
    all.range(lowest..=highest).map(|(_, id)| id)
}

fn provider_key(message: &Message) -> Option<ProviderKey> {
    Some((message.session, message.provider_message_id.clone()?, message.direction))
}

fn is_to_be_sent(message: &Message) -> bool {
    message.direction == Direction::Outbound
        && matches!(message.status, Status::Queued | Status::Retry | Status::Sending)
}
