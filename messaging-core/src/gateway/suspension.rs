//! Stopping a tenant, a session or a bulk request for a time, and letting it go on.

use crate::domain::batch::BatchProgress;
use crate::domain::id::{BatchId, TenantId};
use crate::domain::session::Session;
use crate::domain::suspension::Suspension;
use crate::domain::tenant::Tenant;
use crate::domain::text_safety::TextUse;
use crate::domain::timestamp::Timestamp;
use crate::gateway::error::GatewayError;
use crate::gateway::{Gateway, SessionRef, validation};
use crate::ports::queue::PauseScope;

/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;

/// For how long something is to be stopped, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stop {
    /// Until when; `None` for until it is resumed.
    pub until: Option<Timestamp>,
    /// Why, for people; at most 500 characters.
    pub reason: Option<String>,
}

impl Gateway {
    /// Stops sending through one session. What is under way goes on to its end; what is accepted
    /// meanwhile waits.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`], also for another tenant's; [`GatewayError::Invalid`].
    pub async fn suspend_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
        stop: Stop,
    ) -> Result<Session, GatewayError> {
        let suspension = self.suspension(stop)?;
        self.set_session_suspension(tenant, session, Some(suspension)).await
    }

    /// Lets one session go on.
    ///
    /// # Errors
    /// [`GatewayError::SessionNotFound`], also for another tenant's.
    pub async fn resume_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<Session, GatewayError> {
        let session = self.set_session_suspension(tenant, session, None).await?;
        self.queued(self.ports().queue.resume(session.id, PauseScope::Session).await);
        Ok(session)
    }

    async fn set_session_suspension(
        &self,
        tenant: TenantId,
        session: &SessionRef,
        suspension: Option<Suspension>,
    ) -> Result<Session, GatewayError> {
        let id = self.session(tenant, session).await?.id;
        let changed = self.ports().sessions.suspend(tenant, id, suspension).await?;
        self.inner.directory.forget(|known| known.id == id);
        changed.ok_or(GatewayError::SessionNotFound)
    }

    /// Stops sending for one tenant, through all its sessions. What waits goes on waiting, and nothing
    /// more is accepted; all that is kept can be read, and what comes in is kept still.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`]; [`GatewayError::Invalid`].
    pub async fn suspend_tenant(&self, id: TenantId, stop: Stop) -> Result<Tenant, GatewayError> {
        let suspension = self.suspension(stop)?;
        self.set_tenant_suspension(id, Some(suspension)).await
    }

    /// Lets one tenant go on.
    ///
    /// # Errors
    /// [`GatewayError::TenantNotFound`].
    pub async fn resume_tenant(&self, id: TenantId) -> Result<Tenant, GatewayError> {
        let tenant = self.set_tenant_suspension(id, None).await?;
        for session in self.ports().sessions.list(id).await? {
            self.queued(self.ports().queue.resume(session.id, PauseScope::Session).await);
        }
        Ok(tenant)
    }

    async fn set_tenant_suspension(
        &self,
        id: TenantId,
        suspension: Option<Suspension>,
    ) -> Result<Tenant, GatewayError> {
        let changed = self.ports().tenants.suspend(id, suspension).await?;
        self.inner.directory.forget(|known| known.tenant == id);
        self.inner.known_tenants.forget(&id);
        changed.ok_or(GatewayError::TenantNotFound)
    }

    /// Stops one bulk request: what of it waits is taken from the queue. What is under way goes on
    /// to its end.
    ///
    /// # Errors
    /// [`GatewayError::BatchNotFound`], also for another tenant's; [`GatewayError::Invalid`].
    pub async fn suspend_bulk(
        &self,
        tenant: TenantId,
        id: BatchId,
        stop: Stop,
    ) -> Result<BatchProgress, GatewayError> {
        let suspension = self.suspension(stop)?;
        let held = self.ports().messages.suspend_batch(tenant, id, suspension).await?;
        let held = held.ok_or(GatewayError::BatchNotFound)?;
        let progress = self.find_bulk(tenant, id).await?;
        // A worker would find each held back, too; this only spares it the look.
        self.queued(self.ports().queue.forget(progress.batch.session, &held).await);
        Ok(progress)
    }

    /// Lets one bulk request go on.
    ///
    /// # Errors
    /// [`GatewayError::BatchNotFound`], also for another tenant's.
    pub async fn resume_bulk(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<BatchProgress, GatewayError> {
        if !self.ports().messages.resume_batch(tenant, id).await? {
            return Err(GatewayError::BatchNotFound);
        }
        self.refill_bulk(id).await?;
        self.find_bulk(tenant, id).await
    }

    fn suspension(&self, stop: Stop) -> Result<Suspension, GatewayError> {
        let since = self.ports().clock.now();
        if stop.until.is_some_and(|until| until <= since) {
            return Err(GatewayError::invalid("/until", "must lie in the future"));
        }
        if stop.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
            let detail = format!("may have at most {MAX_REASON_CHARS} characters");
            return Err(GatewayError::invalid("/reason", detail));
        }
        if let Some(reason) = &stop.reason
            && let Some(wrong) = validation::text_field("/reason", reason, TextUse::Prose)
        {
            return Err(GatewayError::Invalid(vec![wrong]));
        }
        Ok(Suspension { since, until: stop.until, reason: stop.reason })
    }
}
