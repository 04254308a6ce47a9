//! Deleting a tenant: from the word on nobody can call in its name and nothing is sent; then what
//! belongs to it goes, in small steps that anybody can go on with.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::audit::Chain;
use crate::domain::id::TenantId;
use crate::domain::session::Session;
use crate::domain::tenant::Tenant;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::session_control::ProviderError;

/// How many rows go in one step.
const AT_ONCE: u32 = 500;

/// How many steps one pass takes at the most.
const STEPS: u32 = 40;

/// How many sessions are ended at the provider at a time.
const FAREWELLS: usize = 8;

/// Tenants whose sessions this node has ended at the provider. One that goes on with what another began
/// ends them again, which does no harm.
#[derive(Default)]
pub(crate) struct Farewells(Mutex<BTreeSet<TenantId>>);

impl Farewells {
    fn are_said(&self, tenant: TenantId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant)
    }

    fn note(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
    }

    fn forget(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }
}

impl Gateway {
    /// Begins to delete a tenant; `confirmation` is its name, for nobody gets it back. At once nothing
    /// is sent and nobody is believed in its name, on other nodes within a second or two; then its keys
    /// are shredded, and [`go_on_deleting`](Self::go_on_deleting) erases what is left. Asked for again
    /// meanwhile, it changes nothing.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`], of one that is gone too; [`GatewayError::Invalid`] of
    /// `/confirm`. Where the keys cannot be shredded at present it is begun all the same, and they are
    /// later.
    pub async fn delete_tenant(
        &self,
        id: TenantId,
        confirmation: &str,
    ) -> Result<Tenant, GatewayError> {
        let tenants = &self.ports().tenants;
        let tenant = tenants.find(id).await?.ok_or(GatewayError::TenantNotFound)?;
        if tenant.name != confirmation {
            return Err(GatewayError::invalid("/confirm", "must be the tenant's name"));
        }
        let begun = tenants.begin_deletion(id, self.ports().clock.now()).await;
        // Whether or not it is known that it is begun.
        self.forget_tenant(id);
        let begun = begun?.ok_or(GatewayError::TenantNotFound)?;
        tracing::info!(tenant.id = %id, "tenant {id} is being deleted");
        tenants.shred(id).await?;
        Ok(begun)
    }

    /// Goes on with deleting tenants, as much as one pass may. Tells whether there is more to be done
    /// at once.
    ///
    /// # Errors
    /// Where the store cannot be used; what is gone by then stays so, and the next pass goes on.
    pub async fn go_on_deleting(&self) -> Result<bool, GatewayError> {
        let (tenants, now) = (&self.ports().tenants, self.ports().clock.now());
        let mut steps = STEPS;
        for tenant in tenants.deleting().await? {
            let Some(deletion) = tenant.deletion else { continue };
            tenants.shred(tenant.id).await?;
            self.say_farewell(tenant.id).await?;
            let mut is_clean = true;
            while self.erase_some(tenant.id).await? > 0 {
                is_clean = false;
                steps -= 1;
                if steps == 0 {
                    return Ok(true);
                }
            }
            // In a pass that found nothing: what came in while its sessions were known is gone too.
            if is_clean && now.since(deletion.since) >= self.settings().deletion_grace {
                tenants.shred(tenant.id).await?;
                if tenants.let_go(tenant.id).await? {
                    self.inner.farewells.forget(tenant.id);
                    self.forget_tenant(tenant.id);
                    tracing::info!(tenant.id = %tenant.id, "tenant {} is deleted", tenant.id);
                }
            }
        }
        Ok(false)
    }

    /// What is remembered of a tenant is not so any more.
    fn forget_tenant(&self, id: TenantId) {
        self.inner.known_tenants.forget(&id);
        self.inner.recent_access.forget_tenant(id);
        self.inner.directory.forget(|known| known.tenant == id);
    }

    async fn erase_some(&self, id: TenantId) -> Result<u64, GatewayError> {
        match self.ports().tenants.erase(id, AT_ONCE).await? {
            0 => self.forget_audit(Chain::Tenant(id), Timestamp::MAX, AT_ONCE).await,
            gone => Ok(gone),
        }
    }

    /// Ends a tenant's sessions at the provider, once, as well as that can be done: a provider that is
    /// away does not keep what is the tenant's.
    async fn say_farewell(&self, tenant: TenantId) -> Result<(), GatewayError> {
        if self.inner.farewells.are_said(tenant) {
            return Ok(());
        }
        let sessions = self.ports().sessions.list(tenant).await?;
        for some in sessions.chunks(FAREWELLS) {
            futures::future::join_all(some.iter().map(|session| self.end_at_provider(session)))
                .await;
        }
        self.inner.farewells.note(tenant);
        Ok(())
    }

    /// Unpairs an account; one that was made here is removed at the provider too.
    async fn end_at_provider(&self, session: &Session) {
        let control = &self.ports().control;
        let mut ended = control.logout(&session.place).await.map(|_| ());
        if !session.adopted {
            // Which unpairs it as well, should it have been in no state for it.
            ended = control.delete(&session.place).await;
        }
        match ended {
            // There was nothing to unpair.
            Ok(()) | Err(ProviderError::NotFound | ProviderError::WrongState) => {}
            Err(error) => tracing::warn!(
                session.id = %session.id,
                %error,
                "session {} of a tenant that is deleted may still be paired: end it in WAHA",
                session.id
            ),
        }
    }
}
