//! A store of webhooks that cannot read what it keeps.

use std::sync::Arc;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::id::{InboxId, TenantId};
use messaging_core::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use messaging_core::domain::opt_out::{OptOutRef, Wish};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::inbox_store::{InboxDepth, InboxStore};
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::store_error::StoreError;

use crate::blob;
use crate::vault::{Place, Vault};

/// Keeps webhooks, and what they turn out to mean, sealed in any store.
pub struct SealedInbox {
    inner: Arc<dyn InboxStore>,
    /// Also the store itself, not one that opens what it gives.
    opt_outs: Arc<dyn OptOutStore>,
    vault: Arc<Vault>,
}

pub(crate) fn place(entry: &InboxEntry) -> Place<'_> {
    Place { field: "webhook", tenant: entry.tenant, row: entry.id.0.as_bytes() }
}

impl SealedInbox {
    /// Keeps them in `inner`. `opt_outs` is what that changes where somebody wants no more messages.
    pub fn new(
        inner: Arc<dyn InboxStore>,
        opt_outs: Arc<dyn OptOutStore>,
        vault: Arc<Vault>,
    ) -> Self {
        Self { inner, opt_outs, vault }
    }

    /// Under which name somebody is on the list, other than the one that is written now.
    async fn otherwise(
        &self,
        tenant: TenantId,
        address: &Address,
    ) -> Result<Option<Address>, StoreError> {
        let [_, otherwise] = self.vault.names(tenant, address);
        let kept = self.opt_outs.find(tenant, &OptOutRef::Address(otherwise.clone())).await?;
        Ok(kept.map(|_| otherwise))
    }

    async fn seal(&self, effect: &InboxEffect) -> Result<InboxEffect, StoreError> {
        let vault = &self.vault;
        Ok(match effect {
            InboxEffect::Receive(message) => {
                InboxEffect::Receive(Box::new(vault.seal_message(message).await?))
            }
            InboxEffect::ReceiveWish(message, wish) => {
                let message = Box::new(vault.seal_message(message).await?);
                match wish {
                    // Who is on the list under the other name stays there as they are.
                    Wish::Leave(out)
                        if self.otherwise(out.tenant, &out.address).await?.is_some() =>
                    {
                        InboxEffect::Receive(message)
                    }
                    Wish::Leave(out) => {
                        let out = Box::new(vault.seal_opt_out(out).await?);
                        InboxEffect::ReceiveWish(message, Wish::Leave(out))
                    }
                    Wish::Return(back) => {
                        let mut back = back.clone();
                        let [name, _] = vault.names(back.tenant, &back.address);
                        let otherwise = self.otherwise(back.tenant, &back.address).await?;
                        back.address = otherwise.unwrap_or(name);
                        InboxEffect::ReceiveWish(message, Wish::Return(back))
                    }
                }
            }
            InboxEffect::Session { status, at, own_address } => InboxEffect::Session {
                status: *status,
                at: *at,
                own_address: vault.seal_own_address(own_address.as_ref())?,
            },
            InboxEffect::Change(_) | InboxEffect::Nothing => effect.clone(),
        })
    }
}

#[async_trait]
impl InboxStore for SealedInbox {
    async fn keep(&self, entries: &[InboxEntry]) -> Result<Vec<Kept>, StoreError> {
        if !self.vault.seals() {
            return self.inner.keep(entries).await;
        }
        let mut sealed = Vec::with_capacity(entries.len());
        for entry in entries {
            let payload = blob::seal(&self.vault, &place(entry), entry.payload.clone()).await?;
            let (event, key) = (entry.event.clone(), entry.key.clone());
            sealed.push(InboxEntry { payload, event, key, ..*entry });
        }
        self.inner.keep(&sealed).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxEntry>, StoreError> {
        let mut entries = self.inner.due(now, limit).await?;
        for entry in &mut entries {
            match blob::open(&self.vault, &place(entry), entry.payload.clone()).await {
                Ok(opened) => entry.payload = opened,
                // It stays sealed, and waits: it must not keep others from being applied.
                Err(error) => {
                    tracing::error!(%error, webhook = %entry.id, "a webhook cannot be opened");
                }
            }
        }
        Ok(entries)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_due().await
    }

    async fn apply(&self, effects: &[(InboxId, InboxEffect)]) -> Result<Vec<Applied>, StoreError> {
        let mut sealed = Vec::with_capacity(effects.len());
        for (id, effect) in effects {
            sealed.push((*id, self.seal(effect).await?));
        }
        let mut applied = self.inner.apply(&sealed).await?;
        for each in &mut applied {
            if let Applied::Done(Some(message)) = each {
                // It took effect, whether or not the message opens.
                self.vault.open_if_it_opens(message).await;
            }
        }
        Ok(applied)
    }

    async fn defer(&self, verdicts: &[(InboxId, InboxVerdict)]) -> Result<(), StoreError> {
        self.inner.defer(verdicts).await
    }

    async fn reseal(&self, bodies: &[(InboxId, Vec<u8>)]) -> Result<u64, StoreError> {
        self.inner.reseal(bodies).await
    }

    async fn depth(&self) -> Result<InboxDepth, StoreError> {
        self.inner.depth().await
    }
}

impl Vault {
    /// An account's own address as a store is to keep it.
    pub(crate) fn seal_own_address(
        &self,
        address: Option<&Address>,
    ) -> Result<Option<Address>, StoreError> {
        let Some(address) = address.filter(|_| self.seals()) else { return Ok(address.cloned()) };
        crate::sessions::seal(self, address).map(Some)
    }
}
