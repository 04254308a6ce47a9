//! What becomes of personal data in a tenant's texts.

use crate::domain::content::Content;
use crate::domain::id::TenantId;
use crate::domain::message::Message;
use crate::domain::pii::{self, PiiPolicy};
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::gateway::recent::Recent;
use crate::ports::observer::Observation;

/// What tenants were found to want a moment ago: every message asks for it.
pub(crate) type Policies = Recent<TenantId, PiiPolicy>;

impl Gateway {
    /// What becomes of personal data in a tenant's texts; of a tenant nobody knows, nothing.
    pub(crate) async fn pii_policy(&self, tenant: TenantId) -> Result<PiiPolicy, GatewayError> {
        let now = self.ports().clock.now();
        let changes = match self.inner.policies.get(&tenant, now) {
            Ok(policy) => return Ok(policy),
            Err(changes) => changes,
        };
        let found = self.ports().tenants.find(tenant).await?;
        let policy = found.map_or(PiiPolicy::Off, |tenant| tenant.pii);
        self.inner.policies.remember(tenant, policy, now, changes);
        Ok(policy)
    }

    /// Refuses a content with personal data in it where the tenant wants none sent. Gives what the tenant
    /// wants.
    pub(super) async fn check_pii(
        &self,
        tenant: TenantId,
        content: &Content,
    ) -> Result<PiiPolicy, GatewayError> {
        let policy = self.pii_policy(tenant).await?;
        if policy != PiiPolicy::Refuse {
            return Ok(policy);
        }
        let kinds = pii::kinds_in(content);
        if kinds.is_empty() { Ok(policy) } else { Err(GatewayError::PiiRefused { kinds }) }
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

    /// One message as the tenant wants it shown, where something was done to it that must not be
    /// answered as if it had not been: what the tenant wants is not known then, and it is masked.
    pub(super) async fn shown_done(&self, mut message: Message) -> Message {
        let tenant = message.tenant;
        if let Err(error) = self.shown(tenant, std::slice::from_mut(&mut message)).await {
            tracing::warn!(%error, message.id = %message.id, "message {} is masked", message.id);
            self.observe(Observation::Fault { what: "store" });
            pii::mask_content(&mut message.content);
        }
        message
    }
}
