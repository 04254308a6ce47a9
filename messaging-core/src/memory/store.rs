//! Every store port in memory, for tests and first steps: nothing outlives the process.

mod access;
mod audit;
mod idempotency;
mod inbox;
mod keys;
mod message_index;
mod messages;
mod opt_outs;
mod persons;
mod retention;
mod servers;
mod sessions;
mod tenants;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::access::Access;
use self::audit::Audit;
use self::idempotency::Keys;
use self::inbox::Inbox;
use self::keys::WrappedKeys;
use self::messages::Messages;
use self::opt_outs::OptOuts;
use self::servers::Servers;
use self::sessions::Sessions;
use self::tenants::Tenants;
use crate::domain::id::TenantId;
use crate::domain::portion::{Page, PortionBy};
use crate::domain::retention::RetentionRules;

/// Every store port in memory: [`MessageStore`](crate::ports::message_store::MessageStore),
/// [`SessionStore`](crate::ports::session_store::SessionStore),
/// [`TenantStore`](crate::ports::tenant_store::TenantStore),
/// [`InboxStore`](crate::ports::inbox_store::InboxStore),
/// [`IdempotencyStore`](crate::ports::idempotency_store::IdempotencyStore),
/// [`OptOutStore`](crate::ports::opt_out_store::OptOutStore),
/// [`KeyStore`](crate::ports::key_store::KeyStore),
/// [`AccessStore`](crate::ports::access_store::AccessStore),
/// [`AuditLog`](crate::ports::audit_log::AuditLog),
/// [`PersonStore`](crate::ports::person_store::PersonStore),
/// [`RetentionStore`](crate::ports::retention_store::RetentionStore),
/// [`ServerStore`](crate::ports::server_store::ServerStore) and
/// [`Upkeep`](crate::ports::upkeep::Upkeep).
///
/// Behaves as any other store but for durability, and grows with all it was ever given.
#[derive(Default)]
pub struct MemoryStore {
    // One lock over everything makes every call atomic, those across ports too.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: Messages,
    servers: Servers,
    sessions: Sessions,
    tenants: Tenants,
    inbox: Inbox,
    keys: Keys,
    opt_outs: OptOuts,
    wrapped_keys: WrappedKeys,
    access: Access,
    audit: Audit,
    retention: BTreeMap<TenantId, RetentionRules>,
}

impl MemoryStore {
    /// A store that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No call leaves the state half changed, so what a panicking thread left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// At most `limit` of `items`.
fn first<T>(items: impl Iterator<Item = T>, limit: u32) -> Vec<T> {
    items.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
}

/// A portion of these, which are given newest first.
fn page_of<Id: Ord, T: Clone>(
    all: impl DoubleEndedIterator<Item = T> + Clone,
    id: impl Fn(&T) -> Id,
    portion: &PortionBy<Id>,
) -> Page<T> {
    let total = all.clone().count() as u64;
    let skipped = usize::try_from(portion.skipped()).unwrap_or(usize::MAX);
    let rest = all.filter(|each| portion.last().is_none_or(|last| id(each) < *last));
    let items = first(rest.skip(skipped), portion.limit().saturating_add(1));
    Page::of(items, total, portion.limit())
}
