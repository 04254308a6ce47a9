//! What was done, by whom, for good.

use async_trait::async_trait;

use crate::domain::audit::{AuditEntry, AuditEvent, AuditFilter, Chain, ChainEnds};
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// What was done, by whom: chains of entries that are only ever added to, and go from their oldest
/// end alone. Atomic and durable, and without a clock, as
/// [`MessageStore`](crate::ports::message_store::MessageStore).
///
/// The head of each chain is kept apart from its entries, so that a tail that somebody removed is
/// missed.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Puts events at the ends of their chains, all or none, those of one chain in the order given.
    /// Gives their entries, in the order given. Of any number that append at once, on however many
    /// nodes, each finds the one before it: a chain never forks and has no gap.
    async fn append(&self, events: &[AuditEvent]) -> Result<Vec<AuditEntry>, StoreError>;

    /// Entries of a chain that the filter takes, newest first, older than the one of number `before`
    /// where that is given.
    async fn list(
        &self,
        chain: Chain,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// Entries of a chain behind the one of number `after`, oldest first, whatever somebody may have
    /// made of them.
    async fn walk(
        &self,
        chain: Chain,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// Where a chain begins and ends, as is kept apart from its entries; the default of both for one
    /// that has none.
    async fn ends(&self, chain: Chain) -> Result<ChainEnds, StoreError>;

    /// Chains that have an end or entries, whosever they are, behind this one, in the order of their ids,
    /// the platform's first.
    async fn chains(&self, after: Option<Chain>, limit: u32) -> Result<Vec<Chain>, StoreError>;

    /// Lets go of at most `limit` entries from the oldest end of a chain, up to the first that is not
    /// older than `before`. The last of them becomes the anchor. Gives how many went.
    async fn forget(&self, chain: Chain, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
