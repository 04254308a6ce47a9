//! A roster in memory, for nodes of one process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::domain::id::NodeId;
use crate::domain::timestamp::Timestamp;
use crate::ports::duty_roster::{Duty, DutyRoster};
use crate::ports::store_error::StoreError;

/// A roster in memory: for one process, which is all the nodes there are.
#[derive(Debug, Default)]
pub struct MemoryDutyRoster {
    terms: Mutex<BTreeMap<Duty, (NodeId, Timestamp)>>,
}

#[async_trait]
impl DutyRoster for MemoryDutyRoster {
    async fn take(
        &self,
        duty: Duty,
        node: NodeId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        let is_anothers =
            terms.get(&duty).is_some_and(|(holder, until)| *holder != node && *until > now);
        if !is_anothers {
            terms.insert(duty, (node, until));
        }
        Ok(!is_anothers)
    }

    async fn lay_down(&self, duty: Duty, node: NodeId) -> Result<(), StoreError> {
        let mut terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        terms.retain(|each, (holder, _)| *each != duty || *holder != node);
        Ok(())
    }
}
