//! Webhooks received, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;

use super::sessions::Recorded;
use super::{MemoryStore, State, first};
use crate::domain::id::{InboxId, SessionId, TenantId, first_uuid_v7_at};
use crate::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxStatus, InboxVerdict, Kept};
use crate::domain::message::ChangeOutcome;
use crate::domain::timestamp::Timestamp;
use crate::ports::inbox_store::{InboxDepth, InboxStore};
use crate::ports::person_store::WebhooksSeen;
use crate::ports::store_error::StoreError;

/// What was received. Of what is applied only the key stays, since only the key is asked for.
#[derive(Default)]
pub(super) struct Inbox {
    /// Whose each is.
    keys: HashMap<(SessionId, String, String), TenantId>,
    pending: BTreeMap<InboxId, InboxEntry>,
    due: BTreeSet<(Timestamp, InboxId)>,
    set_aside: BTreeMap<InboxId, (InboxStatus, InboxEntry)>,
}

impl Inbox {
    fn keep(&mut self, entry: &InboxEntry) -> Kept {
        let key = (entry.session, entry.event.clone(), entry.key.clone());
        if self.keys.insert(key, entry.tenant).is_some() {
            return Kept::Repeat;
        }
        if entry.has_effect {
            self.put(entry.clone());
        }
        Kept::New
    }

    fn put(&mut self, entry: InboxEntry) {
        self.due.insert((entry.due_at, entry.id));
        self.pending.insert(entry.id, entry);
    }

    /// Takes out an entry that is not applied.
    fn take(&mut self, id: InboxId) -> Option<InboxEntry> {
        if let Some(entry) = self.pending.remove(&id) {
            self.due.remove(&(entry.due_at, id));
            return Some(entry);
        }
        self.set_aside.remove(&id).map(|(_, entry)| entry)
    }

    /// The session an entry that is not applied is about.
    fn session_of(&self, id: InboxId) -> Option<SessionId> {
        let set_aside = || self.set_aside.get(&id).map(|(_, entry)| entry);
        Some(self.pending.get(&id).or_else(set_aside)?.session)
    }

    fn defer(&mut self, id: InboxId, verdict: InboxVerdict) {
        let Some(mut entry) = self.take(id) else { return };
        entry.attempts += 1;
        let status = match verdict {
            InboxVerdict::RetryAt(due_at) => {
                entry.due_at = due_at;
                self.put(entry);
                return;
            }
            InboxVerdict::Unmatched => InboxStatus::Unmatched,
            InboxVerdict::Dead => InboxStatus::Dead,
        };
        self.set_aside.insert(id, (status, entry));
    }
}

impl Inbox {
    /// Of what is not applied.
    pub(super) fn seen(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
        limit: u32,
    ) -> WebhooksSeen {
        let set_aside = self.set_aside.values().map(|(_, entry)| entry);
        let all: BTreeMap<_, _> =
            self.pending.values().chain(set_aside).map(|entry| (entry.id, entry)).collect();
        let behind = all.into_values().filter(|entry| after.is_none_or(|after| entry.id > after));
        let looked_at = first(behind, limit);
        WebhooksSeen {
            reached: looked_at.last().map(|entry| entry.id),
            entries: looked_at.into_iter().filter(|it| it.tenant == tenant).cloned().collect(),
        }
    }

    /// Lets go of the oldest of a tenant's that are not to be applied any more; gives how many went.
    pub(super) fn forget(&mut self, tenant: TenantId, before: Timestamp, limit: u32) -> u64 {
        let end = InboxId(first_uuid_v7_at(before));
        let old = self.set_aside.range(..end).map(|(_, (_, entry))| entry);
        let old = first(old.filter(|entry| entry.tenant == tenant).cloned(), limit);
        for entry in &old {
            self.set_aside.remove(&entry.id);
            self.keys.remove(&(entry.session, entry.event.clone(), entry.key.clone()));
        }
        old.len() as u64
    }

    /// Lets go of some of a tenant's, those that are still to be applied too; gives how many went.
    pub(super) fn erase_of(&mut self, tenant: TenantId, limit: u32) -> u64 {
        let set_aside = self.set_aside.values().map(|(_, entry)| entry);
        let own = self.pending.values().chain(set_aside).filter(|entry| entry.tenant == tenant);
        let own = first(own.cloned(), limit);
        for entry in &own {
            self.take(entry.id);
            self.keys.remove(&(entry.session, entry.event.clone(), entry.key.clone()));
        }
        if own.is_empty() {
            // Of what was applied nothing else is left.
            self.keys.retain(|_, owner| *owner != tenant);
        }
        own.len() as u64
    }

    /// Whether it was there, and is not to be applied any more.
    pub(super) fn erase(&mut self, tenant: TenantId, id: InboxId) -> bool {
        match self.set_aside.get_mut(&id) {
            Some((_, entry)) if entry.tenant == tenant => {
                entry.payload = Vec::new();
                true
            }
            _ => false,
        }
    }
}

impl State {
    fn apply(&mut self, id: InboxId, effect: &InboxEffect) -> Applied {
        let Some(session) = self.inbox.session_of(id) else { return Applied::Known };
        let applied = self.give_effect(session, effect);
        if applied != Applied::Unmatched {
            self.inbox.take(id);
        }
        applied
    }

    fn give_effect(&mut self, session: SessionId, effect: &InboxEffect) -> Applied {
        match effect {
            InboxEffect::Receive(message) | InboxEffect::ReceiveWish(message, _) => {
                if !self.messages.receive(message) {
                    return Applied::Known;
                }
                if let InboxEffect::ReceiveWish(_, wish) = effect {
                    self.opt_outs.follow(wish);
                }
                Applied::Done(None)
            }
            InboxEffect::Change(change) => match self.messages.change(change) {
                ChangeOutcome::Moved { message, .. } => Applied::Done(Some(message)),
                ChangeOutcome::Kept => Applied::Done(None),
                ChangeOutcome::Refused(_) => Applied::Known,
                ChangeOutcome::NotFound => Applied::Unmatched,
            },
            InboxEffect::Session { status, at, own_address } => {
                match self.sessions.record_status(session, *status, *at, own_address.clone()) {
                    Recorded::Changed(_) | Recorded::Same => Applied::Done(None),
                    Recorded::Ignored => Applied::Known,
                }
            }
            InboxEffect::Nothing => Applied::Done(None),
        }
    }
}

#[async_trait]
impl InboxStore for MemoryStore {
    async fn keep(&self, entries: &[InboxEntry]) -> Result<Vec<Kept>, StoreError> {
        let inbox = &mut self.lock().inbox;
        Ok(entries.iter().map(|entry| inbox.keep(entry)).collect())
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxEntry>, StoreError> {
        let inbox = &self.lock().inbox;
        let due = inbox.pending.values().filter(|entry| entry.due_at <= now);
        Ok(first(due.cloned(), limit))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.lock().inbox.due.first().map(|(at, _)| *at))
    }

    async fn apply(&self, effects: &[(InboxId, InboxEffect)]) -> Result<Vec<Applied>, StoreError> {
        let state = &mut *self.lock();
        Ok(effects.iter().map(|(id, effect)| state.apply(*id, effect)).collect())
    }

    async fn defer(&self, verdicts: &[(InboxId, InboxVerdict)]) -> Result<(), StoreError> {
        let inbox = &mut self.lock().inbox;
        verdicts.iter().for_each(|(id, verdict)| inbox.defer(*id, *verdict));
        Ok(())
    }

    async fn reseal(&self, bodies: &[(InboxId, Vec<u8>)]) -> Result<u64, StoreError> {
        let inbox = &mut self.lock().inbox;
        let mut changed = 0;
        for (id, body) in bodies {
            let set_aside = inbox.set_aside.get_mut(id).map(|(_, entry)| entry);
            let entry = inbox.pending.get_mut(id).or(set_aside);
            if let Some(entry) = entry.filter(|entry| !entry.payload.is_empty()) {
                entry.payload.clone_from(body);
                changed += 1;
            }
        }
        Ok(changed)
    }

    async fn depth(&self) -> Result<InboxDepth, StoreError> {
        let inbox = &self.lock().inbox;
        let dead = inbox.set_aside.values().filter(|(status, _)| *status == InboxStatus::Dead);
        Ok(InboxDepth { pending: inbox.pending.len() as u64, dead: dead.count() as u64 })
    }
}
