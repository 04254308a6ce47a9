//! Tenants that were looked up a moment ago: every request is made in the name of one, and the store
//! need not be asked for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::id::TenantId;
use crate::domain::tenant::Tenant;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;

/// How long what another node has changed may go unseen. What this node changes is seen at once.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// How many are remembered; then it begins anew.
const CAPACITY: usize = 10_000;

/// Tenants that were looked up, those too that are not there.
#[derive(Default)]
pub(crate) struct KnownTenants {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    tenants: HashMap<TenantId, (Option<Arc<Tenant>>, Timestamp)>,
    /// How often something was forgotten.
    changes: u64,
}

impl KnownTenants {
    /// What is known of a tenant, or how many changes there have been before it is looked up.
    fn get(&self, id: TenantId, now: Timestamp) -> Result<Option<Arc<Tenant>>, u64> {
        let known = self.lock();
        match known.tenants.get(&id) {
            // A clock that was set back makes nothing young again.
            Some((tenant, at)) if *at <= now && now.since(*at) < BELIEVED_FOR => Ok(tenant.clone()),
            _ => Err(known.changes),
        }
    }

    fn remember(&self, id: TenantId, tenant: Option<Arc<Tenant>>, now: Timestamp, changes: u64) {
        let mut known = self.lock();
        if known.changes != changes {
            return;
        }
        if known.tenants.len() >= CAPACITY {
            known.tenants.clear();
        }
        known.tenants.insert(id, (tenant, now));
    }

    /// A tenant is not, or may not be, what it was.
    pub(crate) fn forget(&self, id: TenantId) {
        let mut known = self.lock();
        known.changes += 1;
        known.tenants.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while holding it, and a map is never half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// A tenant as the store has it, or had it a moment ago.
    pub(crate) async fn known_tenant(
        &self,
        id: TenantId,
    ) -> Result<Option<Arc<Tenant>>, GatewayError> {
        let now = self.ports().clock.now();
        let known = &self.inner.known_tenants;
        let changes = match known.get(id, now) {
            Ok(tenant) => return Ok(tenant),
            Err(changes) => changes,
        };
        let found = self.ports().tenants.find(id).await?.map(Arc::new);
        known.remember(id, found.clone(), now, changes);
        Ok(found)
    }

    /// Whether anybody may call in a tenant's name: not where there is none (any more), or it is being
    /// deleted. Seen at once on the node that deletes it, and within a second on others.
    ///
    /// # Errors
    /// [`GatewayError::NotBelieved`] where nobody may.
    pub async fn check_tenant(&self, id: TenantId) -> Result<(), GatewayError> {
        match self.known_tenant(id).await? {
            Some(tenant) if tenant.deletion.is_none() => Ok(()),
            _ => Err(GatewayError::NotBelieved),
        }
    }
}
