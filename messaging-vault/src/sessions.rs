//! A store of sessions that cannot read whose numbers they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messaging_core::domain::address::{Address, Alias};
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::new_chats::Restriction;
use messaging_core::domain::server::{Placing, Room};
use messaging_core::domain::session::{
    Census, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus, WatchedSession,
};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::webhook_secret::{WebhookSecret, WebhookSecrets};
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;

use crate::DoesNotOpen;
use crate::vault::Vault;

/// Whichever session it is of: a webhook that tells it names no tenant.
const OWN_ADDRESS: &str = "own address";

/// What sealed secrets begin with, which none of ours does.
const SEALED: &str = "sealed:";

fn secrets_of(session: SessionId) -> String {
    format!("webhook secrets {session}")
}

fn bad_secrets(session: SessionId, error: DoesNotOpen) -> StoreError {
    StoreError::corrupt("webhook secrets", session, error)
}

fn bad(error: DoesNotOpen) -> StoreError {
    StoreError::corrupt("session", OWN_ADDRESS, error)
}

/// An account's own address as a store is to keep it. Nobody compares it, so it has no key.
pub(crate) fn seal(vault: &Vault, address: &Address) -> Result<Address, StoreError> {
    let sealed = vault.seal_own(OWN_ADDRESS, address.as_str()).map_err(bad)?;
    Ok(Address::Sealed(Alias::new(0, &STANDARD.encode(sealed))))
}

/// Keeps the accounts' own addresses sealed in any store.
pub struct SealedSessions {
    inner: Arc<dyn SessionStore>,
    vault: Arc<Vault>,
}

impl SealedSessions {
    /// Keeps them in `inner`.
    pub fn new(inner: Arc<dyn SessionStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }

    fn opened(&self, mut session: Session) -> Result<Session, StoreError> {
        session.webhook_secrets =
            session.webhook_secrets.map(|kept| self.open_secrets(session.id, kept)).transpose()?;
        if let Some(Address::Sealed(alias)) = &session.own_address {
            let sealed = STANDARD.decode(alias.sealed()).ok();
            let address = sealed.and_then(|it| self.vault.open_own(OWN_ADDRESS, &it).ok());
            if address.is_none() {
                // It is only shown, and WAHA tells it again when the session connects.
                tracing::error!(session.id = %session.id, "an account's own number cannot be opened");
            }
            session.own_address = address.as_deref().map(Address::from_stored);
        }
        Ok(session)
    }

    fn sealed(&self, session: &Session) -> Result<Session, StoreError> {
        let own_address = self.vault.seal_own_address(session.own_address.as_ref())?;
        let secrets = session.webhook_secrets.as_ref();
        let webhook_secrets =
            secrets.map(|secrets| self.seal_secrets(session.id, secrets)).transpose()?;
        Ok(Session { own_address, webhook_secrets, ..session.clone() })
    }

    /// In the place of the current one stands what all of them were sealed to.
    pub(crate) fn seal_secrets(
        &self,
        session: SessionId,
        secrets: &WebhookSecrets,
    ) -> Result<WebhookSecrets, StoreError> {
        if !self.vault.seals() {
            return Ok(secrets.clone());
        }
        let sealed = self.vault.seal_own(&secrets_of(session), &secrets.to_stored());
        let sealed = sealed.map_err(|error| bad_secrets(session, error))?;
        Ok(WebhookSecrets::new(WebhookSecret(format!("{SEALED}{}", STANDARD.encode(sealed)))))
    }

    /// Whether secrets that a store gave are sealed.
    pub(crate) fn are_sealed(kept: &WebhookSecrets) -> bool {
        kept.current.0.starts_with(SEALED)
    }

    pub(crate) fn open_secrets(
        &self,
        session: SessionId,
        kept: WebhookSecrets,
    ) -> Result<WebhookSecrets, StoreError> {
        let Some(sealed) = kept.current.0.strip_prefix(SEALED) else { return Ok(kept) };
        let bad = |error| bad_secrets(session, error);
        let sealed = STANDARD.decode(sealed).map_err(|_| bad(DoesNotOpen))?;
        let opened = self.vault.open_own(&secrets_of(session), &sealed).map_err(bad)?;
        WebhookSecrets::from_stored(&opened).ok_or_else(|| bad(DoesNotOpen))
    }

    fn perhaps(&self, session: Option<Session>) -> Result<Option<Session>, StoreError> {
        session.map(|session| self.opened(session)).transpose()
    }

    fn all(&self, sessions: Vec<Session>) -> Result<Vec<Session>, StoreError> {
        sessions.into_iter().map(|session| self.opened(session)).collect()
    }
}

#[async_trait]
impl SessionStore for SealedSessions {
    async fn insert(&self, session: &Session) -> Result<(), StoreError> {
        self.inner.insert(&self.sealed(session)?).await
    }

    async fn place(&self, session: &Session, room: Room) -> Result<Placing, StoreError> {
        self.inner.place(&self.sealed(session)?, room).await
    }

    async fn find(&self, tenant: TenantId, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.perhaps(self.inner.find(tenant, id).await?)
    }

    async fn find_named(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Session>, StoreError> {
        self.perhaps(self.inner.find_named(tenant, name).await?)
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Session>, StoreError> {
        self.all(self.inner.list(tenant).await?)
    }

    async fn patch(
        &self,
        tenant: TenantId,
        id: SessionId,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.perhaps(self.inner.patch(tenant, id, patch, now).await?)
    }

    async fn suspend(
        &self,
        tenant: TenantId,
        id: SessionId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Session>, StoreError> {
        self.perhaps(self.inner.suspend(tenant, id, suspension).await?)
    }

    async fn restrict(
        &self,
        id: SessionId,
        restriction: Option<Restriction>,
    ) -> Result<Option<Session>, StoreError> {
        self.perhaps(self.inner.restrict(id, restriction).await?)
    }

    async fn set_webhook_secrets(
        &self,
        tenant: TenantId,
        id: SessionId,
        secrets: &WebhookSecrets,
    ) -> Result<Option<Session>, StoreError> {
        let sealed = self.seal_secrets(id, secrets)?;
        self.perhaps(self.inner.set_webhook_secrets(tenant, id, &sealed).await?)
    }

    async fn replace_webhook_secrets(
        &self,
        id: SessionId,
        before: &WebhookSecrets,
        after: &WebhookSecrets,
    ) -> Result<bool, StoreError> {
        let kept = self.inner.find_any(id).await?.and_then(|session| session.webhook_secrets);
        let Some(kept) = kept else { return Ok(false) };
        if self.open_secrets(id, kept.clone())? != *before {
            return Ok(false);
        }
        self.inner.replace_webhook_secrets(id, &kept, &self.seal_secrets(id, after)?).await
    }

    async fn delete(&self, tenant: TenantId, id: SessionId) -> Result<bool, StoreError> {
        self.inner.delete(tenant, id).await
    }

    async fn find_any(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.perhaps(self.inner.find_any(id).await?)
    }

    async fn find_placed(&self, name: &str) -> Result<Vec<Session>, StoreError> {
        self.all(self.inner.find_placed(name).await?)
    }

    async fn all_places(&self) -> Result<Vec<(SessionId, ProviderSession)>, StoreError> {
        self.inner.all_places().await
    }

    async fn census(&self) -> Result<Census, StoreError> {
        self.inner.census().await
    }

    async fn watched(&self) -> Result<Vec<WatchedSession>, StoreError> {
        self.inner.watched().await
    }

    async fn record_read(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        self.inner.record_read(id, until).await
    }

    async fn record_health(
        &self,
        id: SessionId,
        health: SessionHealth,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        self.inner.record_health(id, health, since).await
    }

    async fn health_census(&self) -> Result<BTreeMap<SessionHealth, u64>, StoreError> {
        self.inner.health_census().await
    }

    async fn record_status(
        &self,
        id: SessionId,
        status: SessionStatus,
        at: Timestamp,
        own_address: Option<Address>,
    ) -> Result<Option<Session>, StoreError> {
        let own_address = self.vault.seal_own_address(own_address.as_ref())?;
        self.perhaps(self.inner.record_status(id, status, at, own_address).await?)
    }
}
