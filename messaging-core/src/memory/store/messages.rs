//! Messages and bulk requests in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::{Bound, RangeBounds};

use async_trait::async_trait;

use super::message_index::MessageIndex;
use super::{MemoryStore, first, page_of};
use crate::domain::address::{Address, RecipientKey};
use crate::domain::batch::{Batch, BatchProgress};
use crate::domain::filter::{MessageFilter, MessagePage, Portion};
use crate::domain::fingerprint::Fingerprint;
use crate::domain::id::{
    BatchId, MessageId, ProviderMessageId, SessionId, TenantId, first_uuid_v7_at,
};
use crate::domain::insertion::{Distinct, Inserted, Insertion};
use crate::domain::message::applied::ChangeEffect;
use crate::domain::message::{
    ChangeOutcome, Direction, Message, MessageEvent, MessageRef, OpenChat, QueueItem, Redaction,
    StatusChange,
};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::statistics::{Percentiles, Statistics, StatisticsRange};
use crate::domain::status::{Status, StatusEvent};
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;
use crate::ports::message_store::MessageStore;
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct Messages {
    rows: HashMap<MessageId, Row>,
    batches: HashMap<BatchId, Batch>,
    index: MessageIndex,
    /// When attempts through each session ended, and how many at that instant.
    attempts: HashMap<SessionId, BTreeMap<Timestamp, usize>>,
    /// The chats that are open, since when, and whether by us.
    chats: BTreeMap<SessionId, HashMap<RecipientKey, (Timestamp, bool)>>,
    /// Who said something last, and until when nobody may say it again.
    contents: HashMap<Fingerprint, (MessageId, Timestamp)>,
}

struct Row {
    message: Message,
    history: Vec<MessageEvent>,
}

impl Messages {
    fn refuse_known(&self, mut ids: impl Iterator<Item = MessageId>) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        let is_new = |id| !self.rows.contains_key(&id) && seen.insert(id);
        if ids.all(is_new) {
            return Ok(());
        }
        Err(StoreError::Conflict { entity: "message" })
    }

    /// Keeps a message whose id is new.
    fn keep(&mut self, message: &Message) {
        self.index.put(message);
        let history = vec![MessageEvent::first_of(message)];
        self.rows.insert(message.id, Row { message: message.clone(), history });
    }

    /// Keeps a message whose id is new, unless it repeats another.
    fn keep_distinct(&mut self, insertion: &Insertion) -> Inserted {
        let message = &insertion.message;
        if let Some(Distinct { fingerprint, at, until }) = insertion.distinct {
            if let Some((first, kept_until)) = self.contents.get(&fingerprint)
                && *kept_until > at
            {
                return Inserted::Repeats(*first);
            }
            self.contents.insert(fingerprint, (message.id, until));
        }
        self.keep(message);
        Inserted::Kept
    }

    /// Lets go of fingerprints that nothing repeats any more.
    pub(super) fn forget_contents(&mut self, now: Timestamp) {
        self.contents.retain(|_, (_, until)| *until > now);
    }

    /// Keeps a message that came in; `false` where it is known.
    pub(super) fn receive(&mut self, message: &Message) -> bool {
        let is_known = self.rows.contains_key(&message.id)
            || message.provider_message_id.as_ref().is_some_and(|id| {
                Direction::ALL.iter().any(|direction| {
                    self.index.at_provider(message.session, id, *direction).is_some()
                })
            });
        if !is_known {
            self.keep(message);
            self.open(message.open_chat(), message.created_at);
        }
        !is_known
    }

    pub(super) fn change(&mut self, change: &StatusChange) -> ChangeOutcome {
        let (id, tenant) = match &change.message {
            MessageRef::Id(id) => (Some(*id), None),
            MessageRef::Owned(tenant, id) => (Some(*id), Some(*tenant)),
            MessageRef::Provider(session, id) => {
                (self.index.at_provider(*session, id, Direction::Outbound), None)
            }
        };
        let Some(row) = id.and_then(|id| self.rows.get_mut(&id)) else {
            return ChangeOutcome::NotFound;
        };
        if tenant.is_some_and(|tenant| tenant != row.message.tenant) {
            return ChangeOutcome::NotFound;
        }
        self.index.take_out(&row.message);
        let effect = row.message.apply(change);
        self.index.put(&row.message);
        if let ChangeEffect::Moved { opens, .. } | ChangeEffect::Kept { opens, .. } = &effect {
            self.open(*opens, change.at);
        }
        let Some(row) = id.and_then(|id| self.rows.get_mut(&id)) else {
            return ChangeOutcome::NotFound;
        };
        match effect {
            ChangeEffect::Moved { from, ends_attempt, line, .. } => {
                if ends_attempt {
                    let ended = self.attempts.entry(row.message.session).or_default();
                    *ended.entry(change.at).or_default() += 1;
                }
                row.history.push(line);
                ChangeOutcome::Moved { from, message: Box::new(row.message.clone()) }
            }
            ChangeEffect::Kept { line, .. } => {
                row.history.push(line);
                ChangeOutcome::Kept
            }
            ChangeEffect::Refused(status) => ChangeOutcome::Refused(status),
        }
    }

    fn open(&mut self, chat: Option<OpenChat>, at: Timestamp) {
        let Some(OpenChat { session, recipient, by_us }) = chat else { return };
        self.chats.entry(session).or_default().entry(recipient).or_insert((at, by_us));
    }

    /// Has a chat go by another name, unless there is one of that.
    fn rename_chat(&mut self, session: SessionId, before: RecipientKey, after: RecipientKey) {
        if before == after {
            return;
        }
        if let Some(chats) = self.chats.get_mut(&session)
            && let Some(opened) = chats.remove(&before)
        {
            chats.entry(after).or_insert(opened);
        }
    }

    /// Forgets a session's chats.
    pub(super) fn forget_chats(&mut self, session: SessionId) {
        self.chats.remove(&session);
    }

    fn is_open(&self, session: SessionId, recipient: RecipientKey) -> bool {
        self.chats.get(&session).is_some_and(|chats| chats.contains_key(&recipient))
    }

    fn chats_opened(
        &self,
        session: SessionId,
        since: Timestamp,
        but: RecipientKey,
        now: Timestamp,
    ) -> Vec<Timestamp> {
        let opened = self.chats.get(&session).into_iter().flat_map(|chats| chats.values());
        let opened = opened.filter(|(at, by_us)| *by_us && *at >= since).map(|(at, _)| *at);
        let perhaps: BTreeSet<RecipientKey> = self
            .index
            .pending()
            .iter()
            .filter_map(|id| self.rows.get(id))
            .filter(|row| row.message.session == session && row.message.may_be_out())
            .filter_map(|row| Some(row.message.queue_item()?.recipient))
            .filter(|recipient| *recipient != but && !self.is_open(session, *recipient))
            .collect();
        let mut all: Vec<Timestamp> = opened.chain(perhaps.into_iter().map(|_| now)).collect();
        all.sort_unstable();
        all
    }

    pub(super) fn forget_chat(&mut self, session: SessionId, recipient: RecipientKey) {
        if let Some(chats) = self.chats.get_mut(&session) {
            chats.remove(&recipient);
        }
    }

    pub(super) fn with_person(
        &self,
        tenant: TenantId,
        person: &Address,
        after: Option<MessageId>,
        limit: u32,
    ) -> Vec<Message> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.of_tenant_within(tenant, (from, Bound::Unbounded));
        first(all.filter(|message| message.is_with(person)).cloned(), limit)
    }

    /// Whether it was there, and is not to be sent any more.
    pub(super) fn erase(&mut self, tenant: TenantId, id: MessageId) -> bool {
        let row = self.rows.get_mut(&id);
        let is_over = |row: &&mut Row| row.message.tenant == tenant && !row.message.is_to_be_sent();
        let Some(row) = row.filter(is_over) else { return false };
        self.index.take_out(&row.message);
        row.message = row.message.clone().erased();
        self.index.put(&row.message);
        for line in &mut row.history {
            if let Some(failure) = &mut line.failure {
                failure.detail = None;
            }
        }
        true
    }

    /// Lets go of the oldest of a tenant's messages that are over; gives how many went.
    pub(super) fn forget(&mut self, tenant: TenantId, before: Timestamp, limit: u32) -> u64 {
        let end = MessageId(first_uuid_v7_at(before));
        let old = self.of_tenant_within(tenant, ..end).filter(|message| !message.is_to_be_sent());
        let old = first(old.cloned(), limit);
        for message in &old {
            self.index.remove(message);
            self.rows.remove(&message.id);
        }
        old.len() as u64
    }

    fn row_of(&self, tenant: TenantId, id: MessageId) -> Option<&Row> {
        self.rows.get(&id).filter(|row| row.message.tenant == tenant)
    }

    fn of_tenant(&self, tenant: TenantId) -> impl DoubleEndedIterator<Item = &Message> {
        self.of_tenant_within(tenant, ..)
    }

    fn of_tenant_within(
        &self,
        tenant: TenantId,
        ids: impl RangeBounds<MessageId>,
    ) -> impl DoubleEndedIterator<Item = &Message> {
        let ids = self.index.of_tenant(tenant).map(|all| all.range(ids));
        ids.into_iter().flatten().filter_map(|id| self.rows.get(id)).map(|row| &row.message)
    }

    fn list(&self, tenant: TenantId, filter: &MessageFilter, portion: Portion) -> MessagePage {
        let fitting = || self.of_tenant(tenant).rev().filter(|message| filter.admits(message));
        let total = if *filter == MessageFilter::default() {
            self.index.of_tenant(tenant).map_or(0, BTreeSet::len)
        } else {
            fitting().count()
        };
        let (mut rest, limit): (Box<dyn Iterator<Item = &Message>>, u32) = match portion {
            Portion::Page { page, limit } => {
                let before = u64::from(page.saturating_sub(1)) * u64::from(limit);
                (Box::new(fitting().skip(usize::try_from(before).unwrap_or(usize::MAX))), limit)
            }
            Portion::OlderThan { message, limit } => {
                // From its place on: whoever walks through all portions passes each message once.
                let older = self.of_tenant_within(tenant, ..message).rev();
                (Box::new(older.filter(|each| filter.admits(each))), limit)
            }
        };
        let messages = first(rest.by_ref().cloned(), limit);
        let has_more = rest.next().is_some();
        MessagePage { messages, total: total as u64, has_more }
    }

    fn statistics(&self, tenant: TenantId, range: &StatisticsRange) -> Statistics {
        let mut counts = Statistics::default();
        let mut seconds_to_sent = Vec::new();
        let counted = MessageFilter {
            session: range.session,
            from: range.from,
            to: range.to,
            ..MessageFilter::default()
        };
        for message in self.of_tenant(tenant).filter(|message| counted.admits(message)) {
            counts.total += 1;
            *counts.by_status.entry(message.status).or_default() += 1;
            *counts.by_direction.entry(message.direction).or_default() += 1;
            *counts.by_kind.entry(message.content.kind()).or_default() += 1;
            *counts.by_session.entry(message.session).or_default() += 1;
            if message.direction == Direction::Outbound {
                *counts.outbound_by_status.entry(message.status).or_default() += 1;
            }
            if let Some(sent_at) = message.sent_at {
                seconds_to_sent.push(sent_at.since(message.created_at).as_secs_f64());
            }
        }
        counts.time_to_sent = Percentiles::of(&mut seconds_to_sent);
        counts
    }

    fn progress(&self, tenant: TenantId, id: BatchId) -> Option<BatchProgress> {
        let batch = self.batches.get(&id).filter(|batch| batch.tenant == tenant)?.clone();
        Some(self.progress_of(batch))
    }

    fn progress_of(&self, batch: Batch) -> BatchProgress {
        let (mut by_status, mut failures) = (BTreeMap::new(), BTreeMap::new());
        let ids = self.index.of_batch(batch.id).into_iter().flat_map(|messages| &messages.all);
        for row in ids.filter_map(|id| self.rows.get(id)) {
            let Message { status, failure, .. } = &row.message;
            *by_status.entry(*status).or_default() += 1;
            if let (Status::Failed, Some(failure)) = (status, failure) {
                *failures.entry(failure.code).or_default() += 1;
            }
        }
        BatchProgress { batch, by_status, failures }
    }

    fn waiting_to(&self, sessions: &[SessionId], to: &Address, limit: u32) -> Vec<Message> {
        let keys = sessions.iter().map(|session| RecipientKey::of(*session, to));
        let ids = keys.flat_map(|key| self.index.to_recipient(key).chain(self.index.held_to(key)));
        let found = ids.filter_map(|id| self.rows.get(id)).map(|row| &row.message);
        first(found.filter(|message| message.status.is_waiting()).cloned(), limit)
    }

    fn cancel_batch(
        &mut self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
    ) -> Option<Vec<MessageId>> {
        let batch = self.batches.get_mut(&id).filter(|batch| batch.tenant == tenant)?;
        batch.cancelled_at = batch.cancelled_at.or(Some(now));
        let unsent: Vec<MessageId> = self
            .index
            .of_batch(id)
            .map(|messages| messages.held.union(&messages.open).copied().collect())
            .unwrap_or_default();
        let mut moved = Vec::new();
        for message in unsent {
            let cancel = StatusChange::new(MessageRef::Id(message), StatusEvent::Cancel, now);
            if let ChangeOutcome::Moved { .. } = self.change(&cancel) {
                moved.push(message);
            }
        }
        Some(moved)
    }

    /// Holds back what of a bulk request waits in the queue.
    fn hold_batch(&mut self, id: BatchId) -> Vec<MessageId> {
        let open = self.index.of_batch(id).map(|messages| messages.open.clone());
        let is_waiting =
            |id: &MessageId| self.rows.get(id).is_some_and(|row| row.message.status.is_waiting());
        let waiting: Vec<MessageId> = open.into_iter().flatten().filter(is_waiting).collect();
        for id in &waiting {
            self.set_held(*id, true);
        }
        waiting
    }

    fn release_scheduled(&mut self, now: Timestamp, limit: u32) -> Vec<QueueItem> {
        let due = self.index.scheduled().iter().take_while(|(at, _)| *at <= now);
        let due = first(due.map(|(_, id)| *id), limit);
        due.into_iter().filter_map(|id| self.set_held(id, false)).collect()
    }

    fn release_from_batch(&mut self, id: BatchId, now: Timestamp) -> Vec<QueueItem> {
        let (Some(batch), Some(messages)) = (self.batches.get(&id), self.index.of_batch(id)) else {
            return Vec::new();
        };
        if !batch.lets_in(now) {
            return Vec::new();
        }
        let open = u32::try_from(messages.open.len()).unwrap_or(u32::MAX);
        let room = batch.batch_size.saturating_sub(open);
        let released = first(messages.held.iter().copied(), room);
        released.into_iter().filter_map(|id| self.set_held(id, false)).collect()
    }

    fn set_held(&mut self, id: MessageId, held: bool) -> Option<QueueItem> {
        let message = &mut self.rows.get_mut(&id)?.message;
        self.index.take_out(message);
        message.held = held;
        self.index.put(message);
        message.queue_item()
    }

    fn attempts_since(
        &self,
        session: SessionId,
        since: Timestamp,
        now: Timestamp,
    ) -> Vec<Timestamp> {
        let ended = self.attempts.get(&session).into_iter().flat_map(|ended| ended.range(since..));
        let under_way = self.index.sending_through(session);
        let mut all: Vec<Timestamp> = ended
            .chain([(&now, &under_way)])
            .flat_map(|(at, count)| std::iter::repeat_n(*at, *count))
            .collect();
        all.sort_unstable();
        all
    }
}

/// All that stand behind `after` in order.
fn behind<T>(after: Option<T>) -> (Bound<T>, Bound<T>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn insert_distinct(&self, insertions: &[Insertion]) -> Result<Vec<Inserted>, StoreError> {
        let known = &mut self.lock().messages;
        known.refuse_known(insertions.iter().map(|insertion| insertion.message.id))?;
        Ok(insertions.iter().map(|insertion| known.keep_distinct(insertion)).collect())
    }

    async fn insert_batch(&self, batch: &Batch, messages: &[Message]) -> Result<(), StoreError> {
        let known = &mut self.lock().messages;
        if known.batches.contains_key(&batch.id) {
            return Err(StoreError::Conflict { entity: "bulk request" });
        }
        known.refuse_known(messages.iter().map(|message| message.id))?;
        known.batches.insert(batch.id, batch.clone());
        messages.iter().for_each(|message| known.keep(message));
        Ok(())
    }

    async fn change(&self, changes: &[StatusChange]) -> Result<Vec<ChangeOutcome>, StoreError> {
        let known = &mut self.lock().messages;
        Ok(changes.iter().map(|change| known.change(change)).collect())
    }

    async fn find(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.lock().messages.row_of(tenant, id).map(|row| row.message.clone()))
    }

    async fn load(&self, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let rows = &self.lock().messages.rows;
        // Naming one twice does not make it two.
        let ids: BTreeSet<&MessageId> = ids.iter().collect();
        Ok(ids.into_iter().filter_map(|id| rows.get(id)).map(|row| row.message.clone()).collect())
    }

    async fn list(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        portion: Portion,
    ) -> Result<MessagePage, StoreError> {
        Ok(self.lock().messages.list(tenant, filter, portion))
    }

    async fn events(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>, StoreError> {
        Ok(self.lock().messages.row_of(tenant, id).map(|row| row.history.clone()))
    }

    async fn statistics(
        &self,
        tenant: TenantId,
        range: &StatisticsRange,
    ) -> Result<Statistics, StoreError> {
        Ok(self.lock().messages.statistics(tenant, range))
    }

    async fn find_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<Option<BatchProgress>, StoreError> {
        Ok(self.lock().messages.progress(tenant, id))
    }

    async fn cancel_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        now: Timestamp,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        Ok(self.lock().messages.cancel_batch(tenant, id, now))
    }

    async fn batch(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>, StoreError> {
        let batches = &self.lock().messages.batches;
        Ok(batches.get(&id).filter(|batch| batch.tenant == tenant).cloned())
    }

    async fn suspend_batch(
        &self,
        tenant: TenantId,
        id: BatchId,
        suspension: Suspension,
    ) -> Result<Option<Vec<MessageId>>, StoreError> {
        let known = &mut self.lock().messages;
        let Some(batch) = known.batches.get_mut(&id).filter(|batch| batch.tenant == tenant) else {
            return Ok(None);
        };
        batch.suspension = Some(suspension);
        Ok(Some(known.hold_batch(id)))
    }

    async fn resume_batch(&self, tenant: TenantId, id: BatchId) -> Result<bool, StoreError> {
        let batches = &mut self.lock().messages.batches;
        let batch = batches.get_mut(&id).filter(|batch| batch.tenant == tenant);
        Ok(batch.map(|batch| batch.suspension = None).is_some())
    }

    async fn release_from_batch(
        &self,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<Vec<QueueItem>, StoreError> {
        Ok(self.lock().messages.release_from_batch(batch, now))
    }

    async fn release_scheduled(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        Ok(self.lock().messages.release_scheduled(now, limit))
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        let expiring = &self.lock().messages;
        let expiring = expiring.index.expiring().iter().take_while(|(at, _)| *at <= now);
        Ok(first(expiring.map(|(_, id)| *id), limit))
    }

    async fn held_before(&self, batch: BatchId, message: MessageId) -> Result<u64, StoreError> {
        let messages = &self.lock().messages;
        let held = messages.index.of_batch(batch).map(|of| of.held.range(..message).count());
        Ok(held.unwrap_or(0) as u64)
    }

    async fn batches(
        &self,
        tenant: TenantId,
        portion: PortionBy<BatchId>,
    ) -> Result<Page<BatchProgress>, StoreError> {
        let known = &self.lock().messages;
        let mut own: Vec<_> = known.batches.values().filter(|it| it.tenant == tenant).collect();
        own.sort_unstable_by_key(|batch| std::cmp::Reverse(batch.id));
        let Page { items, total, has_more } = page_of(own.into_iter(), |it| it.id, &portion);
        let items = items.into_iter().map(|batch| known.progress_of(batch.clone())).collect();
        Ok(Page { items, total, has_more })
    }

    async fn waiting_to(
        &self,
        sessions: &[SessionId],
        to: &Address,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        Ok(self.lock().messages.waiting_to(sessions, to, limit))
    }

    async fn batches_holding(
        &self,
        after: Option<BatchId>,
        limit: u32,
    ) -> Result<Vec<BatchId>, StoreError> {
        let known = &self.lock().messages;
        Ok(first(known.index.holding().range(behind(after)).copied(), limit))
    }

    async fn pending(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<QueueItem>, StoreError> {
        let known = &self.lock().messages;
        let ids = known.index.pending().range(behind(after));
        let rows = ids.filter_map(|id| known.rows.get(id));
        Ok(first(rows.filter_map(|row| row.message.queue_item()), limit))
    }

    async fn behind(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, QueueItem)>, StoreError> {
        let messages = &self.lock().messages;
        let first_before = |id: &MessageId| {
            let own = messages.rows.get(id)?.message.queue_item()?;
            let waiting = messages.index.to_recipient(own.recipient);
            let first = waiting
                .filter_map(|other| messages.rows.get(other)?.message.queue_item())
                .filter(|other| other.message < own.message && other.priority <= own.priority)
                .min_by_key(|other| (other.priority, other.message))?;
            Some((*id, first))
        };
        Ok(ids.iter().filter_map(first_before).collect())
    }

    async fn attempts_since(
        &self,
        session: SessionId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        Ok(self.lock().messages.attempts_since(session, since, now))
    }

    async fn open_chats(
        &self,
        chats: &[(SessionId, RecipientKey)],
    ) -> Result<Vec<(SessionId, RecipientKey)>, StoreError> {
        let messages = &self.lock().messages;
        let open = chats.iter().filter(|(session, to)| messages.is_open(*session, *to));
        Ok(open.copied().collect())
    }

    async fn chats_opened(
        &self,
        session: SessionId,
        since: Timestamp,
        but: RecipientKey,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        Ok(self.lock().messages.chats_opened(session, since, but, now))
    }

    async fn known_at_provider(
        &self,
        session: SessionId,
        ids: &[ProviderMessageId],
    ) -> Result<Vec<Message>, StoreError> {
        let messages = &self.lock().messages;
        let each = ids.iter().flat_map(|id| Direction::ALL.iter().map(move |way| (id, *way)));
        let known = each.filter_map(|(id, way)| messages.index.at_provider(session, id, way));
        let known: BTreeSet<MessageId> = known.collect();
        Ok(known.iter().filter_map(|id| Some(messages.rows.get(id)?.message.clone())).collect())
    }

    async fn sealed_under(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<Option<u32>, u64>, StoreError> {
        let state = &self.lock().messages;
        let mut counts = BTreeMap::new();
        for message in state.of_tenant(tenant) {
            *counts.entry(message.sealed.as_ref().map(|sealed| sealed.key)).or_default() += 1;
        }
        Ok(counts)
    }

    async fn reseal(&self, messages: &[(Option<u32>, Message)]) -> Result<u64, StoreError> {
        let state = &mut self.lock().messages;
        let mut changed = 0;
        for (key, given) in messages {
            let Some(row) = state.rows.get_mut(&given.id) else { continue };
            let kept = row.message.sealed.as_ref().map(|sealed| sealed.key);
            let is_as_read = kept == *key && row.message.redaction == given.redaction;
            if !is_as_read || row.message.person_key().is_none() {
                continue;
            }
            state.index.take_out(&row.message);
            let before = row.message.peer_key();
            let Message { from, to, alias, sealed, content, metadata, .. } = given.clone();
            let kept = row.message.clone();
            row.message = Message { from, to, alias, sealed, content, metadata, ..kept };
            state.index.put(&row.message);
            let (chat, at) = (row.message.open_chat(), row.message.created_at);
            if let (Some(before), Some(after)) = (before, row.message.peer_key()) {
                state.rename_chat(given.session, before, after);
            }
            state.open(chat, at);
            changed += 1;
        }
        Ok(changed)
    }

    async fn redactable(&self, limit: u32) -> Result<Vec<Message>, StoreError> {
        let messages = &self.lock().messages;
        let redactable = messages.index.redactable().iter().take(limit as usize);
        Ok(redactable.filter_map(|id| Some(messages.rows.get(id)?.message.clone())).collect())
    }

    async fn redact(&self, messages: &[Message]) -> Result<u64, StoreError> {
        let state = &mut self.lock().messages;
        let mut changed = 0;
        for given in messages {
            let Some(row) = state.rows.get_mut(&given.id) else { continue };
            if !row.message.is_redactable() {
                continue;
            }
            state.index.take_out(&row.message);
            row.message.content.clone_from(&given.content);
            row.message.metadata.clone_from(&given.metadata);
            row.message.sealed.clone_from(&given.sealed);
            row.message.redaction = Some(Redaction::Done);
            state.index.put(&row.message);
            changed += 1;
        }
        Ok(changed)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
