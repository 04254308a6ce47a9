//! What a tenant's settings were before somebody changed them, and are then.

use std::time::Duration;

use messaging_core::domain::audit::SettingChange;
use messaging_core::domain::retention::RetentionRules;
use messaging_core::domain::tenant::Tenant;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::error::GatewayError;

/// What is done for a tenant, at some time.
pub(crate) struct TenantSettings {
    tenant: Tenant,
    retention: RetentionRules,
}

impl TenantSettings {
    /// What is done for this tenant now.
    pub(crate) async fn of(gateway: &Gateway, tenant: &Tenant) -> Result<Self, GatewayError> {
        let retention = gateway.retention(tenant.id).await?;
        Ok(Self { tenant: tenant.clone(), retention })
    }

    /// What is otherwise in `after`.
    pub(crate) fn changes_to(&self, after: &Self) -> Vec<SettingChange> {
        let pairs = self.named().into_iter().zip(after.named());
        let changed = pairs.filter(|((_, old), (_, new))| old != new);
        changed.map(|((name, old), (_, new))| SettingChange { name, old, new }).collect()
    }

    /// Each as the command line and the API name it.
    fn named(&self) -> [(&'static str, String); 7] {
        let Self { tenant, retention } = self;
        [
            ("on-unknown", tenant.on_unknown.to_string()),
            ("pii", tenant.pii.to_string()),
            ("requests-per-minute", at_most(tenant.limits.requests_per_minute)),
            ("max-waiting", at_most(tenant.limits.max_waiting)),
            ("retention-messages", kept_for(retention.messages)),
            ("retention-webhooks", kept_for(retention.webhooks)),
            ("retention-audit", kept_for(retention.audit)),
        ]
    }
}

fn at_most(limit: Option<u32>) -> String {
    limit.map_or_else(usual, |limit| limit.to_string())
}

fn kept_for(time: Option<Duration>) -> String {
    time.map_or_else(usual, |time| humantime::format_duration(time).to_string())
}

/// As for every tenant.
fn usual() -> String {
    "default".to_owned()
}
