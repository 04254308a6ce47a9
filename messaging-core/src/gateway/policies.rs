//! What becomes of personal data in a tenant's texts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::content::Content;
use crate::domain::id::TenantId;
use crate::domain::message::Message;
use crate::domain::pii::{self, PiiPolicy};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;

/// How long what another node has changed may go unseen. What this node changes is seen at once.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Of how many tenants it is remembered; then it begins anew.
const CAPACITY: usize = 10_000;

/// What tenants were found to want a moment ago: every message asks for it.
#[derive(Default)]
pub(crate) struct Policies {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    policies: HashMap<TenantId, (PiiPolicy, Timestamp)>,
    /// How often something was forgotten.
    changes: u64,
}

impl Policies {
    fn get(&self, tenant: TenantId, now: Timestamp) -> Result<PiiPolicy, u64> {
        let known = self.lock();
        match known.policies.get(&tenant) {
            // A clock that was set back makes nothing young again.
            Some((policy, at)) if *at <= now && now.since(*at) < BELIEVED_FOR => Ok(*policy),
            _ => Err(known.changes),
        }
    }

    fn remember(&self, tenant: TenantId, policy: PiiPolicy, now: Timestamp, changes: u64) {
        let mut known = self.lock();
        if known.changes != changes {
            return;
        }
        if known.policies.len() >= CAPACITY {
            known.policies.clear();
        }
        known.policies.insert(tenant, (policy, now));
    }

    /// A tenant wants something else.
    pub(crate) fn forget(&self, tenant: TenantId) {
        let mut known = self.lock();
        known.changes += 1;
        known.policies.remove(&tenant);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while holding it, and a map is never half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// What becomes of personal data in a tenant's texts; of a tenant nobody knows, nothing.
    pub(super) async fn pii_policy(&self, tenant: TenantId) -> Result<PiiPolicy, GatewayError> {
        let now = self.ports().clock.now();
        let changes = match self.inner.policies.get(tenant, now) {
            Ok(policy) => return Ok(policy),
            Err(changes) => changes,
        };
        let found = self.ports().tenants.find(tenant).await?;
        let policy = found.map_or(PiiPolicy::Off, |tenant| tenant.pii);
        self.inner.policies.remember(tenant, policy, now, changes);
        Ok(policy)
    }

    /// Refuses a content with personal data in it where the tenant wants none sent.
    pub(super) async fn check_pii(
        &self,
        tenant: TenantId,
        content: &Content,
    ) -> Result<(), GatewayError> {
        if self.pii_policy(tenant).await? != PiiPolicy::Refuse {
            return Ok(());
        }
        let kinds = pii::kinds_in(content);
        if kinds.is_empty() { Ok(()) } else { Err(GatewayError::PiiRefused { kinds }) }
    }

    /// Messages as the tenant wants them shown.
    pub(super) async fn shown(
        &self,
        tenant: TenantId,
        messages: &mut [Message],
    ) -> Result<(), GatewayError> {
        if messages.is_empty() || self.pii_policy(tenant).await? == PiiPolicy::Off {
            return Ok(());
        }
        for message in messages {
            pii::mask_content(&mut message.content);
        }
        Ok(())
    }

    /// One message as the tenant wants it shown.
    pub(super) async fn shown_one(&self, mut message: Message) -> Result<Message, GatewayError> {
        let tenant = message.tenant;
        self.shown(tenant, std::slice::from_mut(&mut message)).await?;
        Ok(message)
    }
}
