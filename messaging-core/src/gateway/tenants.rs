//! The deployment's tenants.

use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::domain::text_safety::TextUse;
use crate::gateway::error::GatewayError;
use crate::gateway::{Gateway, validation};
use crate::ports::store_error::StoreError;

/// The longest name of a tenant or a session, in characters.
pub(super) const MAX_NAME_CHARS: usize = 100;

impl Gateway {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] where the name is empty or too long; [`GatewayError::Taken`] where
    /// another has it.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant, GatewayError> {
        if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS {
            let detail = format!("must have 1 to {MAX_NAME_CHARS} characters");
            return Err(GatewayError::invalid("/name", detail));
        }
        if let Some(wrong) = validation::text_field("/name", name, TextUse::Name) {
            return Err(GatewayError::Invalid(vec![wrong]));
        }
        let (created_at, id) = self.inner.ids.draw();
        let name = name.to_owned();
        let on_unknown = OnUnknown::DeadLetter;
        let id = TenantId(id);
        let pii = PiiPolicy::Off;
        let tenant = Tenant { id, name, suspension: None, on_unknown, pii, created_at };
        match self.ports().tenants.insert(&tenant).await {
            Ok(()) => Ok(tenant),
            Err(StoreError::Conflict { .. }) => Err(GatewayError::Taken { what: "tenant name" }),
            Err(error) => Err(error.into()),
        }
    }

    /// Says what becomes of a tenant's messages of which nobody can tell whether they were sent.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn set_on_unknown(
        &self,
        id: TenantId,
        on_unknown: OnUnknown,
    ) -> Result<Tenant, GatewayError> {
        let changed = self.ports().tenants.set_on_unknown(id, on_unknown).await?;
        changed.ok_or(GatewayError::TenantNotFound)
    }

    /// Says what becomes of personal data in a tenant's texts.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn set_pii(&self, id: TenantId, pii: PiiPolicy) -> Result<Tenant, GatewayError> {
        let changed = self.ports().tenants.set_pii(id, pii).await?;
        self.inner.policies.forget(&id);
        changed.ok_or(GatewayError::TenantNotFound)
    }

    /// Looks a tenant up by id or, where the text is none, by name.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn find_tenant(&self, id_or_name: &str) -> Result<Tenant, GatewayError> {
        let tenants = &self.ports().tenants;
        if let Ok(id) = id_or_name.parse::<TenantId>()
            && let Some(tenant) = tenants.find(id).await?
        {
            return Ok(tenant);
        }
        tenants.find_named(id_or_name).await?.ok_or(GatewayError::TenantNotFound)
    }
}
