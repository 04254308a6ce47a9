//! The deployment's tenants.

use crate::domain::access::{ApiKey, ApiKeyText};
use crate::domain::id::TenantId;
use crate::domain::pii::PiiPolicy;
use crate::domain::portion::{Page, PortionBy};
use crate::domain::retention::{RetentionPatch, RetentionRules};
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::domain::tenant_life::{
    HIGHEST_LIMIT, LimitsPatch, TenantFilter, TenantLimits, TenantStatus,
};
use crate::domain::text_safety::TextUse;
use crate::gateway::access::{Maker, NewApiKey};
use crate::gateway::error::{GatewayError, InvalidField};
use crate::gateway::{Gateway, query, validation};
use crate::ports::store_error::StoreError;

/// The longest name of a tenant or a session, in characters.
pub(super) const MAX_NAME_CHARS: usize = 100;

/// A tenant to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// Its name, unique in the deployment.
    pub name: String,
    /// What becomes of its messages of which nobody can tell whether they were sent.
    pub on_unknown: OnUnknown,
    /// What becomes of personal data in its texts.
    pub pii: PiiPolicy,
    /// How much it may do.
    pub limits: TenantLimits,
    /// How long its data is kept.
    pub retention: RetentionRules,
}

impl NewTenant {
    /// A tenant of this name for which everything is as for any.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            on_unknown: OnUnknown::DeadLetter,
            pii: PiiPolicy::Off,
            limits: TenantLimits::default(),
            retention: RetentionRules::default(),
        }
    }
}

/// What is to be done otherwise for a tenant; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantPatch {
    /// What becomes of its messages of which nobody can tell whether they were sent.
    pub on_unknown: Option<OnUnknown>,
    /// What becomes of personal data in its texts.
    pub pii: Option<PiiPolicy>,
    /// How much it may do.
    pub limits: LimitsPatch,
    /// How long its data is kept.
    pub retention: RetentionPatch,
}

impl Gateway {
    /// Makes a tenant for which everything is as for any.
    ///
    /// # Errors
    /// As [`make_tenant`](Self::make_tenant).
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant, GatewayError> {
        Ok(self.make_tenant(NewTenant::named(name), None).await?.0)
    }

    /// Makes a tenant and, where it is asked for, a first API key in its name, of no more rights than
    /// `maker` has. What refuses the key refuses the tenant, too.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] where the name is empty or too long, a limit or a time is out of
    /// bounds, or the key cannot be so; [`GatewayError::TooManyRights`]; [`GatewayError::Taken`] where
    /// another has the name.
    pub async fn make_tenant(
        &self,
        new: NewTenant,
        key: Option<(Maker<'_>, NewApiKey)>,
    ) -> Result<(Tenant, Option<(ApiKey, ApiKeyText)>), GatewayError> {
        let NewTenant { name, on_unknown, pii, limits, retention } = new;
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            let detail = format!("must have 1 to {MAX_NAME_CHARS} characters");
            return Err(GatewayError::invalid("/name", detail));
        }
        if let Some(wrong) = validation::text_field("/name", &name, TextUse::Name) {
            return Err(GatewayError::Invalid(vec![wrong]));
        }
        if name.parse::<TenantId>().is_ok() {
            let detail = "must not have the form of an id, for which it would be taken";
            return Err(GatewayError::invalid("/name", detail));
        }
        check_limits(limits)?;
        let tenants = &self.ports().tenants;
        let taken = GatewayError::Taken { what: "tenant name" };
        if tenants.find_named(&name).await?.is_some() {
            return Err(taken);
        }
        let (created_at, id) = self.inner.ids.draw();
        let id = TenantId(id);
        // The tenant comes last: with it all is there, and without it nobody is believed.
        if !retention.is_empty() {
            self.set_retention(id, retention).await?;
        }
        let made = match key {
            Some((maker, key)) => {
                let made = self.create_api_key(id, maker, key).await;
                made.map(Some).map_err(|error| error.within("/apiKey"))
            }
            None => Ok(None),
        };
        let (suspension, deletion) = (None, None);
        let tenant = Tenant { id, name, suspension, on_unknown, pii, limits, deletion, created_at };
        let inserted = match &made {
            Ok(_) => tenants.insert(&tenant).await,
            Err(_) => Ok(()),
        };
        match (inserted, made) {
            (Ok(()), Ok(key)) => Ok((tenant, key)),
            (Err(StoreError::Conflict { .. }), Ok(key)) => {
                if let Some((key, _)) = key {
                    self.revoke_api_key(id, key.id).await?;
                }
                self.ports().retention.set_rules(id, RetentionRules::default()).await?;
                Err(taken)
            }
            (Err(error), Ok(_)) => Err(error.into()),
            (_, Err(error)) => {
                self.ports().retention.set_rules(id, RetentionRules::default()).await?;
                Err(error)
            }
        }
    }

    /// Does otherwise for a tenant what is asked for. Gives it as it is then.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`], also of one that is being deleted; [`GatewayError::Invalid`]
    /// where a limit or a time is out of bounds, and then nothing is changed.
    pub async fn patch_tenant(
        &self,
        id: TenantId,
        patch: TenantPatch,
    ) -> Result<Tenant, GatewayError> {
        let TenantPatch { on_unknown, pii, limits, retention } = patch;
        let mut tenant = self.standing_tenant(id).await?;
        let before = tenant.limits;
        let limits = limits.applied(before);
        check_limits(limits)?;
        let kept = self.retention(id).await?;
        let retention = retention.applied(kept);
        if retention != kept {
            self.set_retention(id, retention).await?;
        }
        if let Some(on_unknown) = on_unknown {
            tenant = self.set_on_unknown(id, on_unknown).await?;
        }
        if let Some(pii) = pii {
            tenant = self.set_pii(id, pii).await?;
        }
        if limits != before {
            let changed = self.ports().tenants.set_limits(id, limits).await?;
            self.inner.known_tenants.forget(&id);
            tenant = changed.ok_or(GatewayError::TenantNotFound)?;
        }
        Ok(tenant)
    }

    /// A tenant by its id, also one that is being deleted.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn tenant(&self, id: TenantId) -> Result<Tenant, GatewayError> {
        self.ports().tenants.find(id).await?.ok_or(GatewayError::TenantNotFound)
    }

    /// A tenant that is not being deleted.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn standing_tenant(&self, id: TenantId) -> Result<Tenant, GatewayError> {
        let tenant = self.tenant(id).await?;
        if tenant.deletion.is_some() { Err(GatewayError::TenantNotFound) } else { Ok(tenant) }
    }

    /// A portion of the deployment's tenants, newest first.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`], whose pointers are the names of the query's parameters.
    pub async fn page_of_tenants(
        &self,
        filter: &TenantFilter,
        portion: PortionBy<TenantId>,
    ) -> Result<Page<Tenant>, GatewayError> {
        query::check_portion(portion.page(), portion.limit())?;
        let now = self.ports().clock.now();
        Ok(self.ports().tenants.page(filter, now, portion).await?)
    }

    /// How a tenant stands now.
    pub fn tenant_status(&self, tenant: &Tenant) -> TenantStatus {
        tenant.status(self.ports().clock.now())
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
        self.inner.known_tenants.forget(&id);
        changed.ok_or(GatewayError::TenantNotFound)
    }

    /// Looks a tenant up by id or, where the text is none, by name: an id never comes to mean another.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn find_tenant(&self, id_or_name: &str) -> Result<Tenant, GatewayError> {
        let tenants = &self.ports().tenants;
        let found = match id_or_name.parse() {
            Ok(id) => tenants.find(id).await?,
            Err(_) => tenants.find_named(id_or_name).await?,
        };
        found.ok_or(GatewayError::TenantNotFound)
    }
}

fn check_limits(limits: TenantLimits) -> Result<(), GatewayError> {
    let TenantLimits { requests_per_minute, max_waiting } = limits;
    let all = [("requestsPerMinute", requests_per_minute), ("maxWaiting", max_waiting)];
    let is_wrong = |limit: u32| !(1..=HIGHEST_LIMIT).contains(&limit);
    let wrong = all.into_iter().filter(|(_, limit)| limit.is_some_and(is_wrong));
    let wrong: Vec<_> = wrong
        .map(|(name, _)| {
            let detail = format!("must lie within 1 and {HIGHEST_LIMIT}");
            InvalidField::new(&format!("/limits/{name}"), "invalid-request", detail)
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(GatewayError::Invalid(wrong)) }
}
