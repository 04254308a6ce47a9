//! Tenants that were looked up a moment ago: every request is made in the name of one, and the store
//! need not be asked for each.

use std::sync::Arc;

use crate::domain::id::TenantId;
use crate::domain::tenant::Tenant;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::gateway::recent::Recent;

/// Tenants that were looked up, those too that are not there.
pub(crate) type KnownTenants = Recent<TenantId, Option<Arc<Tenant>>>;

impl Gateway {
    /// A tenant as the store has it, or had it a moment ago.
    pub(crate) async fn known_tenant(
        &self,
        id: TenantId,
    ) -> Result<Option<Arc<Tenant>>, GatewayError> {
        let now = self.ports().clock.now();
        let known = &self.inner.known_tenants;
        let changes = match known.get(&id, now) {
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
