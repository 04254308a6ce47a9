//! The truth about messages and bulk requests.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::address::{Address, RecipientKey};
use crate::domain::batch::{Batch, BatchProgress};
use crate::domain::filter::{MessageFilter, MessagePage, Portion};
use crate::domain::id::{BatchId, MessageId, ProviderMessageId, SessionId, TenantId};
use crate::domain::insertion::{Inserted, Insertion};
use crate::domain::message::{ChangeOutcome, Message, MessageEvent, QueueItem, StatusChange};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::statistics::{Statistics, StatisticsRange};
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// The truth about messages and bulk requests.
///
/// A store reads no clock and draws no id: both arrive with the call, so the same calls always
/// leave the same rows behind. Every method is atomic, and what it has kept when it returns is on
/// durable storage. A message's id is of version 7 (RFC 9562) and holds the millisecond of its
/// `created_at`, so a store may find by the one what is asked for by the other. Calls that take a
/// [`TenantId`] see nothing of any other tenant; the others are the worker's.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// Keeps new messages, each with the first line of its history, but for those that repeat
    /// another: one whose fingerprint was that of an insertion that was kept, and that is said
    /// before the other's `until`. Says of each which it was, in the order given; of two that say
    /// the same in one call, or in two at once, the second repeats the first. What became of the
    /// first since does not matter. No message repeats itself: see the errors.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where an id is kept already, or given twice; then none is kept.
    async fn insert_distinct(&self, insertions: &[Insertion]) -> Result<Vec<Inserted>, StoreError>;

    /// Keeps new messages whatever they say, as [`insert_distinct`](Self::insert_distinct) those
    /// that need not be distinct.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where an id is kept already, or given twice; then none is kept.
    async fn insert(&self, messages: &[Message]) -> Result<(), StoreError> {
        let insertions: Vec<_> = messages.iter().cloned().map(Insertion::from).collect();
        self.insert_distinct(&insertions).await.map(|_| ())
    }

    /// Keeps a bulk request and its messages, all or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where an id is kept already, or given twice.
    async fn insert_batch(&self, batch: &Batch, messages: &[Message]) -> Result<(), StoreError>;

    /// Applies each change where [`transition`](crate::domain::status::transition) allows it, and
    /// adds a line to the message's history for each that moved it or was worth recording. Gives
    /// one outcome for each change, in the order given; changes to one message take effect in
    /// that order. Of two callers that change the same message, one comes after the other.
    ///
    /// Besides the status: `Begin` adds one to `generation` and to `attempts`; `Hold` takes one
    /// from `attempts`; `Accept`, `Deliver` and `Read` take the failure and `failed_at` away; `Replay` sets
    /// `attempts` to 0 and takes `failed_at`, `sent_at` and the failure away, but leaves one of
    /// unknown outcome, which is to be looked for first, and the id at the provider, by which a
    /// late ack still finds the message. A status' instant (`sent_at`, …)
    /// is set when it is reached, and those it implies with it where they are empty (what is read
    /// was delivered and sent); `updated_at` never goes back; nothing that moved is held by its
    /// bulk request; `due_at`, `failure` and `provider_message_id` are as [`StatusChange`] says.
    /// An event that is kept still fills `provider_message_id` where that is empty, and so does
    /// one that proves the sending (a late acceptance or ack) with `sent_at`.
    ///
    /// All of this is [`Message::apply`]; a store finds the message, applies, and writes back.
    async fn change(&self, changes: &[StatusChange]) -> Result<Vec<ChangeOutcome>, StoreError>;

    /// Looks up one tenant's message; `None` when that tenant has none of that id.
    async fn find(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError>;

    /// The messages of these ids, in no promised order; those that are not there are left out.
    async fn load(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError>;

    /// One tenant's messages that the filter lets through, newest (by id) first. The total is of
    /// all that it lets through, wherever the portion begins.
    async fn list(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        portion: Portion,
    ) -> Result<MessagePage, StoreError>;

    /// The history of one tenant's message, in the order it was recorded, whatever the instants of
    /// its lines; `None` when that tenant has no such message.
    async fn events(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>, StoreError>;

    /// Counts over one tenant's messages.
    async fn statistics(
        &self,
        tenant: TenantId,
        range: &StatisticsRange,
    ) -> Result<Statistics, StoreError>;

    /// Looks up one tenant's bulk request and how far it has come.
    async fn find_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Option<BatchProgress>, StoreError>;

    /// One tenant's bulk requests, newest (by id) first, and how far each has come. The total is of
    /// all of them, wherever the portion begins.
    async fn batches(
        &self,
        tenant: TenantId,
        portion: PortionBy<BatchId>,
    ) -> Result<Page<BatchProgress>, StoreError>;

    /// Cancels what of a bulk request still waits and marks it cancelled. Gives the ids that moved;
    /// `None` when the tenant has no such request. The request stays marked with the first time;
    /// a second call moves only what was `sending` then and waits again.
    async fn cancel_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
    ) -> Result<Option<Vec<MessageId>>, StoreError>;

    /// One tenant's bulk request alone, without counting its messages.
    async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError>;

    /// Stops one tenant's bulk request: what of it waits in the queue is held back again. Gives the
    /// ids of those; `None` when the tenant has no such request. What is `sending` goes on, to its
    /// end. A second call replaces the first.
    async fn suspend_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        suspension: Suspension,
    ) -> Result<Option<Vec<MessageId>>, StoreError>;

    /// Ends the suspension of one tenant's bulk request. Tells whether there is such a request.
    async fn resume_batch(&self, tenant: TenantId, id: BatchId) -> Result<bool, StoreError>;

    /// Lets as many held messages of a bulk request into the queue as its size leaves room for
    /// (those let in and not yet past `sending` take room), in order of id, and gives them. Lets
    /// nothing in where there is no such request, or it does not [let in](Batch::lets_in) at `now`.
    async fn release_from_batch(
        &self,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<Vec<QueueItem>, StoreError>;

    /// Lets into the queue at most `limit` of the held messages that belong to no bulk request and
    /// are due at `now`, those due first before others, and gives them.
    async fn release_scheduled(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError>;

    /// At most `limit` outbound messages that wait, held or not, and are expired at `now`, in order
    /// of that.
    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError>;

    /// How many messages of a bulk request are held back whose ids are below this one.
    async fn held_before(&self, batch: BatchId, message: MessageId) -> Result<u64, StoreError>;

    /// At most `limit` messages to this recipient through any of these sessions that wait (`queued` or
    /// `retry`), held or not, in no promised order.
    async fn waiting_to(
        &self,
        sessions: &[SessionId],
        to: &Address,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError>;

    /// Bulk requests that hold messages back, with ids above `after`, in order of id.
    async fn batches_holding(
        &self,
        after: Option<BatchId>,
        limit: u32,
    ) -> Result<Vec<BatchId>, StoreError>;

    /// Outbound messages that a queue ought to know (`queued`, `retry` or `sending`, not held by
    /// their bulk request), with ids above `after`, in order of id.
    async fn pending(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError>;

    /// Of these messages, those that another must leave before, each with the first that must: of
    /// the outbound messages to the same recipient through the same session, those accepted
    /// before it, as urgent or more so, that a queue ought to know (as [`pending`](Self::pending)
    /// says); the most urgent of them, and of equals the one accepted first. A queue that lacks
    /// one of them would hand messages out of order.
    async fn behind(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, QueueItem)>, StoreError>;

    /// When, at or after `since`, attempts through this session ended, for whatever reason, oldest
    /// first: what a limiter that lost its state counts from. An attempt ends with what takes its
    /// message out of `sending`, or with the `Begin` that takes it up again; one that reached
    /// nobody ([`Hold`](crate::domain::status::StatusEvent::Hold)) does not count. An attempt that
    /// is still `sending` counts at `now`.
    async fn attempts_since(
        &self,
        session: SessionId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError>;

    /// Which of these chats are open: something was said in it by either side, as
    /// [`Message::open_chat`] says. Gives those, in no promised order. A chat is open as soon as the
    /// message that opens it is kept.
    async fn open_chats(
        &self,
        chats: &[(SessionId, RecipientKey)],
    ) -> Result<Vec<(SessionId, RecipientKey)>, StoreError>;

    /// When, at or after `since`, this session opened chats, oldest first. One that a message of
    /// unknown outcome would open (it is `sending`, or waits for another attempt since nobody knows
    /// the end of one) counts at `now`, but for that with `but`.
    async fn chats_opened(
        &self,
        session: SessionId,
        since: Timestamp,
        but: RecipientKey,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError>;

    /// The messages of a session, whichever way they go, that are known under these ids at the
    /// provider, in whatever order; ids that nobody knows are left out. Of several that go the same
    /// way under one id, the one accepted last.
    async fn known_at_provider(
        &self,
        session: SessionId,
        ids: &[ProviderMessageId],
    ) -> Result<Vec<Message>, StoreError>;

    /// Puts what a vault made of messages in the place of what the store has of them: addresses (so
    /// their chats go by other names),
    /// content, metadata and what is sealed, and nothing else. Passes over those that are not there,
    /// that nobody is on the other side of any more ([`Message::erased`]), that were redacted since, or that are not kept under the key given with them any more (`None` for what is not sealed). Gives how
    /// many it changed.
    async fn reseal(&self, messages: &[(Option<u32>, Message)]) -> Result<u64, StoreError>;

    /// At most `limit` messages, whosever they are, of whose texts personal data is to be taken now
    /// ([`Message::is_redactable`]).
    async fn redactable(&self, limit: u32) -> Result<Vec<Message>, StoreError>;

    /// Puts what these messages say in the place of what the store has of them: content, metadata and what
    /// is sealed, and nothing else, and records that they are redacted. Passes over those that are not
    /// [redactable](Message::is_redactable) any more. Gives how many it changed.
    async fn redact(&self, messages: &[Message]) -> Result<u64, StoreError>;

    /// How many of a tenant's messages are sealed under which of its keys, `None` for those that are
    /// not; of which there are none is left out. Looks at every one.
    async fn sealed_under(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<Option<u32>, u64>, StoreError>;

    /// Whether the store can be written at present.
    async fn ping(&self) -> Result<(), StoreError>;
}
