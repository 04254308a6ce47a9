//! Sealing anew what is kept: with a tenant's new key, or for the first time; and wrapping keys anew.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use messaging_core::domain::address::Address;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{InboxId, MessageId, OptOutId, TenantId};
use messaging_core::domain::message::Message;
use messaging_core::domain::opt_out::{OptOut, OptOutRef};
use messaging_core::domain::portion::PortionBy;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::key_provider::SecretKey;
use messaging_core::ports::key_store::Wrapping;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;

use crate::blob;
use crate::inbox::place;
use crate::servers::SealedServers;
use crate::sessions::SealedSessions;
use crate::vault::{Vault, rewrap};

/// How many messages, webhooks or keys are taken at once.
const AT_ONCE: u32 = 200;

/// The stores themselves, not those that seal and open.
pub struct Stores {
    /// Messages.
    pub messages: Arc<dyn MessageStore>,
    /// Who wants none.
    pub opt_outs: Arc<dyn OptOutStore>,
    /// Webhooks.
    pub inbox: Arc<dyn InboxStore>,
    /// What finds those.
    pub persons: Arc<dyn PersonStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The provider's servers.
    pub servers: Arc<dyn ServerStore>,
}

/// Brings what stores keep to what a vault does now, in small steps, while others work with it: seals
/// it with each tenant's newest key or, where nothing is sealed any more, opens it.
pub struct Sealer {
    vault: Arc<Vault>,
    stores: Stores,
    all: bool,
    unreadable: AtomicU64,
}

/// How far sealing one tenant's messages has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many were looked at.
    pub seen: u64,
    /// How many of those were sealed anew.
    pub sealed: u64,
    /// How many there are.
    pub total: u64,
    /// From where the next step goes on; `None` once all were looked at.
    pub next: Option<MessageId>,
}

impl Sealer {
    /// Of these stores.
    pub fn new(vault: Arc<Vault>, stores: Stores) -> Self {
        Self { vault, stores, all: false, unreadable: AtomicU64::new(0) }
    }

    /// How many of all that was looked at do not open, and stay as they are.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// What was opened; `None` where it does not open, which must not keep others from being sealed.
    fn readable<T>(
        &self,
        what: &dyn fmt::Display,
        opened: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match opened {
            Err(StoreError::Corrupt { entity, .. }) => {
                tracing::error!("{entity} {what} cannot be opened, and stays as it is");
                self.unreadable.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    /// Messages that are sealed with the newest key are sealed anew as well: so they are found by what
    /// they are to be found by now.
    #[must_use]
    pub fn sealing_all(mut self) -> Self {
        self.all = true;
        self
    }

    /// The version of the tenant's key that all is to be sealed with; `None` where nothing is to be.
    async fn target(&self, tenant: TenantId) -> Result<Option<u32>, StoreError> {
        if self.vault.seals() {
            Ok(Some(self.vault.newest_keys(tenant).await?.current()))
        } else {
            Ok(None)
        }
    }

    /// The next step through a tenant's messages, from the newest to the oldest. Begin with `None`.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done, and the step can be repeated.
    pub async fn step(
        &self,
        tenant: TenantId,
        so_far: Option<Progress>,
    ) -> Result<Progress, StoreError> {
        let so_far = so_far.unwrap_or_default();
        let portion = match so_far.next {
            None => Portion::Page { page: 1, limit: AT_ONCE },
            Some(message) => Portion::OlderThan { message, limit: AT_ONCE },
        };
        let filter = MessageFilter::default();
        let page = self.stores.messages.list(tenant, &filter, portion).await?;
        let target = self.target(tenant).await?;
        let mut anew: Vec<(Option<u32>, Message)> = Vec::new();
        for kept in &page.messages {
            let key = kept.sealed.as_ref().map(|sealed| sealed.key);
            if key == target && (key.is_none() || !self.all) {
                continue;
            }
            // What was erased says nothing, and nobody seals it.
            if key.is_none() && kept.person().is_none() {
                continue;
            }
            let opened = self.vault.open_message(kept.clone()).await;
            let Some(mut open) = self.readable(&kept.id, opened)? else { continue };
            // As the gateway names whom it is exchanged with from now on.
            let person = open.person();
            open.alias =
                person.and_then(|person| self.vault.pseudonyms().recipient(open.session, person));
            anew.push((key, self.vault.seal_message(&open).await?));
        }
        // In order of id, as whoever changes messages locks them.
        anew.sort_unstable_by_key(|(_, message)| message.id);
        let sealed = if anew.is_empty() { 0 } else { self.stores.messages.reseal(&anew).await? };
        let seen = so_far.seen + page.messages.len() as u64;
        let last = page.messages.last().map(|message| message.id);
        Ok(Progress {
            seen,
            sealed: so_far.sealed + sealed,
            total: page.total,
            next: last.filter(|_| page.has_more),
        })
    }

    /// Seals all of a tenant's list of who wants no messages. Gives how many entries there are.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done.
    pub async fn seal_opt_outs(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let mut count = 0;
        let mut last: Option<OptOutId> = None;
        loop {
            let portion = match last {
                None => PortionBy::Page { page: 1, limit: AT_ONCE },
                Some(last) => PortionBy::OlderThan { last, limit: AT_ONCE },
            };
            let page = self.stores.opt_outs.list(tenant, portion).await?;
            for kept in &page.items {
                count += 1;
                let opened = self.vault.open_opt_out(kept.clone()).await;
                let Some(open) = self.readable(&kept.id, opened)? else { continue };
                let sealed = self.vault.seal_opt_out(&open).await?;
                match self.stores.opt_outs.reseal(&sealed).await {
                    Err(StoreError::Conflict { .. }) => self.keep_first(&sealed).await?,
                    resealed => resealed.map(|_| ())?,
                }
            }
            last = page.items.last().map(|entry| entry.id);
            if !page.has_more {
                return Ok(count);
            }
        }
    }

    /// Somebody stands on the list twice, under either name, since they opted out again once something
    /// was sealed: one entry is enough, the one of whom it is true for longer. They are never off the list.
    async fn keep_first(&self, entry: &OptOut) -> Result<(), StoreError> {
        let list = &self.stores.opt_outs;
        let by_name = OptOutRef::Address(entry.address.clone());
        match list.find(entry.tenant, &by_name).await? {
            Some(other) if other.since <= entry.since => {
                list.remove(entry.tenant, &OptOutRef::Id(entry.id)).await?;
            }
            other => {
                if let Some(other) = other {
                    list.remove(entry.tenant, &OptOutRef::Id(other.id)).await?;
                }
                match list.reseal(entry).await {
                    // Again meanwhile: what is left over the next call sees to.
                    Ok(_) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// The next step through the webhooks that are kept, whosever they are, in order of id: the tenant's
    /// are sealed. Gives the last that was looked at, `None` at the end, and how many were sealed.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done, and the step can be repeated.
    pub async fn seal_webhooks(
        &self,
        tenant: TenantId,
        after: Option<InboxId>,
    ) -> Result<(Option<InboxId>, u64), StoreError> {
        let seen = self.stores.persons.webhooks(tenant, after, AT_ONCE).await?;
        let target = self.target(tenant).await?;
        let mut anew = Vec::new();
        for entry in &seen.entries {
            if entry.payload.is_empty() || blob::version(&entry.payload) == target {
                continue;
            }
            let place = place(entry);
            let opened = blob::open(&self.vault, &place, entry.payload.clone()).await;
            let Some(open) = self.readable(&entry.id, opened)? else { continue };
            let body = match target {
                Some(_) => blob::seal(&self.vault, &place, open).await?,
                None => open,
            };
            anew.push((entry.id, body));
        }
        let sealed = if anew.is_empty() { 0 } else { self.stores.inbox.reseal(&anew).await? };
        Ok((seen.reached, sealed))
    }

    /// Seals what of a tenant's sessions is not: their own numbers, and what their webhooks are signed
    /// with. Gives how many there are.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done.
    pub async fn seal_sessions(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let kept = self.stores.sessions.list(tenant).await?;
        let stores = SealedSessions::new(Arc::clone(&self.stores.sessions), self.vault.clone());
        let is_due = |is_sealed: bool| is_sealed != self.vault.seals();
        for session in &kept {
            let own = session.own_address.as_ref();
            let secrets = session.webhook_secrets.as_ref();
            if own.is_some_and(|own| is_due(matches!(own, Address::Sealed(_)))) {
                let found = stores.find(tenant, session.id).await;
                if let Some(open) = self.readable(&session.id, found)?.flatten() {
                    // What is told of it meanwhile is younger, and seals by itself.
                    stores
                        .record_status(open.id, open.status, open.status_at, open.own_address)
                        .await?;
                }
            }
            if let Some(kept) = secrets.filter(|kept| is_due(SealedSessions::are_sealed(kept))) {
                let opened = stores.open_secrets(session.id, kept.clone());
                let Some(open) = self.readable(&session.id, opened)? else { continue };
                let anew = stores.seal_secrets(session.id, &open)?;
                // Secrets that were replaced meanwhile were sealed by whoever did so.
                self.stores.sessions.replace_webhook_secrets(session.id, kept, &anew).await?;
            }
        }
        Ok(kept.len() as u64)
    }

    /// Seals what the provider's servers are called with, where it is not; they are no tenant's. Gives
    /// how many servers there are.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done.
    pub async fn seal_servers(&self) -> Result<u64, StoreError> {
        let kept = self.stores.servers.list().await?;
        let stores = SealedServers::new(Arc::clone(&self.stores.servers), self.vault.clone());
        for server in &kept {
            let Some(kept) = &server.api_key else { continue };
            if SealedServers::is_sealed(kept) == self.vault.seals() {
                continue;
            }
            let opened = self.readable(&server.name, stores.opened(server.clone()))?;
            let Some(open) = opened.and_then(|server| server.api_key) else { continue };
            let anew = stores.seal(&server.name, &open)?;
            self.stores.servers.replace_key(&server.name, kept, &anew).await?;
        }
        Ok(kept.len() as u64)
    }

    /// Wraps some of the keys that are wrapped in an earlier key of the provider's in its current one.
    /// Gives how many are wrapped in that, of how many: repeat it until it is all.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done.
    pub async fn rewrap_keys(&self) -> Result<Wrapping, StoreError> {
        let parts = self.vault.parts();
        let current = parts.provider.current();
        for kept in parts.keys.keys_wrapped_otherwise(current, AT_ONCE).await? {
            let wrapped = rewrap(parts, &kept).await?;
            parts.keys.rewrap_key(&wrapped, &kept.wrapped.by).await?;
        }
        parts.keys.wrapping(current).await
    }
}

/// Reads a key of 256 bits: 64 hexadecimal digits, or base64 with padding.
pub fn parse_key(text: &str) -> Option<SecretKey> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let text = text.trim();
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = if is_hex {
        let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        (0..64).step_by(2).map(digits).collect::<Option<Vec<u8>>>()?
    } else {
        STANDARD.decode(text).ok()?
    };
    Some(SecretKey::new(Box::new(bytes.try_into().ok()?)))
}
