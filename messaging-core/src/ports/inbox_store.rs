//! The truth about webhooks received.

use async_trait::async_trait;

use crate::domain::id::InboxId;
use crate::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// How many kept webhooks stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxDepth {
    /// To be applied.
    pub pending: u64,
    /// Left for somebody to look at.
    pub dead: u64,
}

/// The truth about webhooks received. Atomic, durable and without a clock, as
/// [`MessageStore`](super::message_store::MessageStore).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait InboxStore: Send + Sync + 'static {
    /// Keeps each webhook unless one of the same (session, event, key) was kept before, and says
    /// for each which it was, in the order given. Of two in one call, the first is new.
    async fn keep(&self, entries: &[InboxEntry]) -> Result<Vec<Kept>, StoreError>;

    /// Entries to be applied that are due at `now`, in order of id.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxEntry>, StoreError>;

    /// When the next entry to be applied is due; `None` when there is none.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Gives each entry its effect, in one transaction with the record that it has it. An entry
    /// that is applied already, or was never kept, changes nothing and is [`Applied::Known`]. Gives
    /// one outcome for each, in the order given, in which they take effect.
    async fn apply(&self, effects: &[(InboxId, InboxEffect)]) -> Result<Vec<Applied>, StoreError>;

    /// Says what is to become of entries that could not be applied; counts the attempt. Leaves
    /// alone what is applied or was never kept.
    async fn defer(&self, verdicts: &[(InboxId, InboxVerdict)]) -> Result<(), StoreError>;

    /// Keeps other bodies in the place of those of these webhooks, wherever they stand, but for those
    /// whose body was taken away. Nothing else about them changes. Gives how many there were.
    async fn reseal(&self, bodies: &[(InboxId, Vec<u8>)]) -> Result<u64, StoreError>;

    /// How many entries stand where.
    async fn depth(&self) -> Result<InboxDepth, StoreError>;
}
