//! A bulk request and how far it has come.

use std::collections::BTreeMap;

use crate::domain::failure::FailureCode;
use crate::domain::id::{BatchId, SessionId, TenantId};
use crate::domain::status::Status;
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;

/// The most recipients one bulk request may name.
pub const MAX_RECIPIENTS: usize = 10_000;

/// The most messages of one bulk request that may be let into the queue at a time.
pub const MAX_BATCH_SIZE: u32 = 100;

/// One bulk request. Its messages name it in [`Message::batch`](super::message::Message::batch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Sorts by acceptance.
    pub id: BatchId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The account its messages go through.
    pub session: SessionId,
    /// How many of its messages are in the queue at a time.
    pub batch_size: u32,
    /// How many messages it was accepted with.
    pub accepted: u32,
    /// How many of its recipients were refused.
    pub rejected: u32,
    /// Nothing of it is let into the queue before.
    pub send_at: Option<Timestamp>,
    /// Whether somebody stopped it.
    pub suspension: Option<Suspension>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the tenant took it back.
    pub cancelled_at: Option<Timestamp>,
}

impl Batch {
    /// Whether its messages may be let into the queue at `now`.
    pub fn lets_in(&self, now: Timestamp) -> bool {
        self.send_at.is_none_or(|at| at <= now)
            && self.suspension.as_ref().is_none_or(|suspension| !suspension.holds(now))
    }
}

/// A batch and where its messages stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchProgress {
    /// The batch.
    pub batch: Batch,
    /// How many messages stand in each status; statuses without any are left out.
    pub by_status: BTreeMap<Status, u64>,
    /// How many of those that are `failed` have failed for which reason. They add up to all of them,
    /// but for any without a reason.
    pub failures: BTreeMap<FailureCode, u64>,
}
