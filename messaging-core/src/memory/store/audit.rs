//! What was done, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, first};
use crate::domain::audit::{AuditEntry, AuditEvent, AuditFilter, Chain, ChainEnds, linked};
use crate::domain::timestamp::Timestamp;
use crate::ports::audit_log::AuditLog;
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct Audit {
    entries: BTreeMap<(Chain, u64), AuditEntry>,
    ends: BTreeMap<Chain, ChainEnds>,
}

impl Audit {
    fn ends(&self, chain: Chain) -> ChainEnds {
        self.ends.get(&chain).copied().unwrap_or_default()
    }

    /// Forgets where a chain begins and ends; tells whether it has no entries.
    pub(super) fn forget_ends(&mut self, chain: Chain) -> bool {
        let is_empty = self.of(chain).next().is_none();
        if is_empty {
            self.ends.remove(&chain);
        }
        is_empty
    }

    fn of(&self, chain: Chain) -> impl DoubleEndedIterator<Item = &AuditEntry> {
        self.entries.range((chain, 0)..=(chain, u64::MAX)).map(|(_, entry)| entry)
    }
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn append(&self, events: &[AuditEvent]) -> Result<Vec<AuditEntry>, StoreError> {
        let audit = &mut self.lock().audit;
        let entries = linked(events.iter().cloned(), |chain| audit.ends(chain).head);
        for entry in &entries {
            let chain = entry.event.chain;
            audit.ends.entry(chain).or_default().head = entry.link();
            audit.entries.insert((chain, entry.seq), entry.clone());
        }
        Ok(entries)
    }

    async fn list(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let audit = &self.lock().audit;
        let is_older = |entry: &&AuditEntry| before.is_none_or(|before| entry.seq < before);
        let taken = audit.of(chain).rev().filter(is_older);
        Ok(first(taken.filter(|entry| filter.takes(&entry.event)).cloned(), limit))
    }

    async fn walk(
        &self,
        chain: Chain,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let audit = &self.lock().audit;
        Ok(first(audit.of(chain).filter(|entry| entry.seq > after).cloned(), limit))
    }

    async fn ends(&self, chain: Chain) -> Result<ChainEnds, StoreError> {
        Ok(self.lock().audit.ends(chain))
    }

    async fn chains(&self, after: Option<Chain>, limit: u32) -> Result<Vec<Chain>, StoreError> {
        let audit = &self.lock().audit;
        let behind = |chain: &Chain| after.is_none_or(|after| *chain > after);
        Ok(first(audit.ends.keys().copied().filter(behind), limit))
    }

    async fn forget(&self, chain: Chain, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let audit = &mut self.lock().audit;
        let old = audit.of(chain).take_while(|entry| entry.event.at < before);
        let old = first(old.map(AuditEntry::link), limit);
        for link in &old {
            audit.entries.remove(&(chain, link.seq));
            audit.ends.entry(chain).or_default().anchor = *link;
        }
        Ok(old.len() as u64)
    }
}
