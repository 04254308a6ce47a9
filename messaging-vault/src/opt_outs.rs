//! A store of who wants no messages that cannot read who it is.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messaging_core::domain::address::{Address, Alias};
use messaging_core::domain::id::{OptOutId, TenantId};
use messaging_core::domain::opt_out::{OptOut, OptOutRef};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::store_error::StoreError;
use serde::{Deserialize, Serialize};

use crate::DoesNotOpen;
use crate::blob;
use crate::vault::{Place, Vault};

/// What of an entry is sealed. It stands where the note stood.
#[derive(Serialize, Deserialize)]
struct Who {
    address: String,
    note: Option<String>,
}

fn place(entry: &OptOut) -> Place<'_> {
    Place { field: "opt-out", tenant: entry.tenant, row: entry.id.0.as_bytes() }
}

fn bad(entry: &OptOut) -> StoreError {
    StoreError::corrupt("opt-out", entry.id, DoesNotOpen)
}

impl Vault {
    /// Stands for somebody within a tenant wherever they are sealed.
    pub(crate) fn person(&self, tenant: TenantId, address: &Address) -> Address {
        Address::Sealed(Alias::new(self.person_key(tenant, address).0, ""))
    }

    /// How somebody may be named in a store: as it is written now, then otherwise.
    pub(crate) fn names(&self, tenant: TenantId, address: &Address) -> [Address; 2] {
        let (sealed, plain) = (self.person(tenant, address), address.clone());
        if self.seals() { [sealed, plain] } else { [plain, sealed] }
    }

    /// The entry as a store is to keep it.
    pub(crate) async fn seal_opt_out(&self, entry: &OptOut) -> Result<OptOut, StoreError> {
        if !self.seals() {
            return Ok(entry.clone());
        }
        let who = Who { address: entry.address.as_str().to_owned(), note: entry.note.clone() };
        let who = serde_json::to_vec(&who).map_err(|_| bad(entry))?;
        let sealed = blob::seal(self, &place(entry), who).await?;
        let address = self.person(entry.tenant, &entry.address);
        Ok(OptOut { address, note: Some(STANDARD.encode(sealed)), ..entry.clone() })
    }

    /// The entry as it was before a store kept it.
    pub(crate) async fn open_opt_out(&self, mut entry: OptOut) -> Result<OptOut, StoreError> {
        if !matches!(entry.address, Address::Sealed(_)) {
            return Ok(entry);
        }
        let note = entry.note.take().ok_or_else(|| bad(&entry))?;
        let sealed = STANDARD.decode(note).map_err(|_| bad(&entry))?;
        let who = blob::open(self, &place(&entry), sealed).await?;
        let who: Who = serde_json::from_slice(&who).map_err(|_| bad(&entry))?;
        entry.address = Address::from_stored(&who.address);
        entry.note = who.note;
        Ok(entry)
    }
}

/// Keeps who wants no messages sealed in any store.
pub struct SealedOptOuts {
    inner: Arc<dyn OptOutStore>,
    vault: Arc<Vault>,
}

impl SealedOptOuts {
    /// Keeps them in `inner`.
    pub fn new(inner: Arc<dyn OptOutStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }

    async fn opened(&self, entry: Option<OptOut>) -> Result<Option<OptOut>, StoreError> {
        match entry {
            Some(entry) => self.open_if_it_opens(entry).await.map(Some),
            None => Ok(None),
        }
    }

    /// The entry as it was. One that does not open stays sealed, without what is sealed of it: it must
    /// keep nobody from seeing others, nor from taking it away.
    async fn open_if_it_opens(&self, entry: OptOut) -> Result<OptOut, StoreError> {
        match self.vault.open_opt_out(entry.clone()).await {
            Err(StoreError::Corrupt { .. }) => {
                tracing::error!(opt_out = %entry.id, "an opt-out cannot be opened");
                Ok(OptOut { note: None, ..entry })
            }
            opened => opened,
        }
    }

    /// How an entry may be named in the store, sealed or not.
    fn names(&self, tenant: TenantId, entry: &OptOutRef) -> Vec<OptOutRef> {
        match entry {
            OptOutRef::Id(_) => vec![entry.clone()],
            OptOutRef::Address(address) => {
                self.vault.names(tenant, address).map(OptOutRef::Address).into()
            }
        }
    }
}

#[async_trait]
impl OptOutStore for SealedOptOuts {
    async fn add(&self, opt_out: &OptOut) -> Result<(OptOut, bool), StoreError> {
        let [_, otherwise] = self.vault.names(opt_out.tenant, &opt_out.address);
        let otherwise = OptOutRef::Address(otherwise);
        if let Some(kept) = self.inner.find(opt_out.tenant, &otherwise).await? {
            return Ok((self.open_if_it_opens(kept).await?, false));
        }
        let (kept, is_new) = self.inner.add(&self.vault.seal_opt_out(opt_out).await?).await?;
        let kept = if is_new { opt_out.clone() } else { self.open_if_it_opens(kept).await? };
        Ok((kept, is_new))
    }

    async fn remove(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        let mut removed = None;
        for name in self.names(tenant, entry) {
            removed = self.inner.remove(tenant, &name).await?.or(removed);
        }
        self.opened(removed).await
    }

    async fn find(
        &self,
        tenant: TenantId,
        entry: &OptOutRef,
    ) -> Result<Option<OptOut>, StoreError> {
        for name in self.names(tenant, entry) {
            if let Some(found) = self.inner.find(tenant, &name).await? {
                return self.opened(Some(found)).await;
            }
        }
        Ok(None)
    }

    async fn opted_out(
        &self,
        tenant: TenantId,
        addresses: &[Address],
    ) -> Result<Vec<bool>, StoreError> {
        // Also those that were put there before anything was sealed.
        let sealed = addresses.iter().map(|address| self.vault.person(tenant, address));
        let asked: Vec<_> = addresses.iter().cloned().chain(sealed).collect();
        let told = self.inner.opted_out(tenant, &asked).await?;
        let (plain, sealed) = told.split_at(addresses.len().min(told.len()));
        Ok(plain.iter().zip(sealed).map(|(plain, sealed)| *plain || *sealed).collect())
    }

    async fn list(
        &self,
        tenant: TenantId,
        portion: PortionBy<OptOutId>,
    ) -> Result<Page<OptOut>, StoreError> {
        let mut page = self.inner.list(tenant, portion).await?;
        let mut opened = Vec::with_capacity(page.items.len());
        for entry in page.items {
            opened.push(self.open_if_it_opens(entry).await?);
        }
        page.items = opened;
        Ok(page)
    }

    async fn reseal(&self, opt_out: &OptOut) -> Result<bool, StoreError> {
        self.inner.reseal(opt_out).await
    }
}
