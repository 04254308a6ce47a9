//! How long a tenant's data is kept, and letting go of it.

use crate::domain::audit::Chain;
use crate::domain::id::TenantId;
use crate::domain::retention::{RetentionRules, kept_since};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;

/// How many of something go in one step.
const AT_ONCE: u32 = 500;

/// How many steps one pass takes at the most.
const STEPS: u32 = 40;

/// How many tenants are looked at together.
const TENANTS: u32 = 500;

impl Gateway {
    /// Says how long a tenant's data is kept, where that is shorter than the deployment keeps it.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] for a time shorter than a day.
    pub async fn set_retention(
        &self,
        tenant: TenantId,
        rules: RetentionRules,
    ) -> Result<(), GatewayError> {
        if !rules.is_valid() {
            return Err(GatewayError::invalid("/retention", "must be a day or more"));
        }
        Ok(self.ports().retention.set_rules(tenant, rules).await?)
    }

    /// How long a tenant's data is kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn retention(&self, tenant: TenantId) -> Result<RetentionRules, GatewayError> {
        Ok(self.ports().retention.rules(tenant).await?)
    }

    /// Lets go of what tenants want to be kept no longer, as much as one pass may. Tells whether there
    /// is more.
    ///
    /// # Errors
    /// Where the store cannot be used; what is gone by then stays so, and the next pass goes on.
    pub async fn enforce_retention(&self) -> Result<bool, GatewayError> {
        let now = self.ports().clock.now();
        let mut steps = STEPS;
        let mut after = None;
        loop {
            let tenants = self.ports().retention.ruled(after, TENANTS).await?;
            let Some((last, _)) = tenants.last() else { return Ok(false) };
            after = Some(*last);
            for (tenant, rules) in tenants {
                for (what, time) in [
                    (What::Messages, rules.messages),
                    (What::Webhooks, rules.webhooks),
                    (What::Audit, rules.audit),
                ] {
                    let Some(time) = time else { continue };
                    while self.forget_some(tenant, what, kept_since(now, time)).await? {
                        steps = steps.saturating_sub(1);
                        if steps == 0 {
                            return Ok(true);
                        }
                    }
                }
            }
        }
    }

    /// Whether there may be more.
    async fn forget_some(
        &self,
        tenant: TenantId,
        what: What,
        before: Timestamp,
    ) -> Result<bool, GatewayError> {
        let store = &self.ports().retention;
        let gone = match what {
            What::Messages => store.forget_messages(tenant, before, AT_ONCE).await?,
            What::Webhooks => store.forget_webhooks(tenant, before, AT_ONCE).await?,
            What::Audit => self.forget_audit(Chain::Tenant(tenant), before, AT_ONCE).await?,
        };
        Ok(gone >= u64::from(AT_ONCE))
    }
}

#[derive(Clone, Copy)]
enum What {
    Messages,
    Webhooks,
    Audit,
}
