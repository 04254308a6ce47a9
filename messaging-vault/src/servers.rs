//! A store of the provider's servers that cannot read what they are called with.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messaging_core::domain::server::{KeptServer, Removal, ServerKey, ServerPatch};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::store_error::StoreError;

use crate::DoesNotOpen;
use crate::vault::Vault;

/// What sealed keys begin with. One of somebody's that begins so is sealed whatever the mode.
const SEALED: &str = "sealed:";

fn key_of(server: &str) -> String {
    format!("server key {server}")
}

fn bad(server: &str, error: DoesNotOpen) -> StoreError {
    StoreError::corrupt("server key", server, error)
}

/// Keeps what servers are called with sealed in any store.
pub struct SealedServers {
    inner: Arc<dyn ServerStore>,
    vault: Arc<Vault>,
}

impl SealedServers {
    /// Keeps them in `inner`.
    pub fn new(inner: Arc<dyn ServerStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }

    /// Whether a key that a store gave is sealed.
    pub(crate) fn is_sealed(kept: &ServerKey) -> bool {
        kept.0.starts_with(SEALED)
    }

    pub(crate) fn seal(&self, server: &str, key: &ServerKey) -> Result<ServerKey, StoreError> {
        if !self.vault.seals() && !Self::is_sealed(key) {
            return Ok(key.clone());
        }
        let sealed = self.vault.seal_own(&key_of(server), &key.0);
        let sealed = sealed.map_err(|error| bad(server, error))?;
        Ok(ServerKey(format!("{SEALED}{}", STANDARD.encode(sealed))))
    }

    pub(crate) fn opened(&self, mut server: KeptServer) -> Result<KeptServer, StoreError> {
        let sealed = server.api_key.as_ref().and_then(|key| key.0.strip_prefix(SEALED));
        if let Some(sealed) = sealed {
            let bad = |error| bad(&server.name, error);
            let sealed = STANDARD.decode(sealed).map_err(|_| bad(DoesNotOpen))?;
            let opened = self.vault.open_own(&key_of(&server.name), &sealed).map_err(bad)?;
            server.api_key = Some(ServerKey(opened));
        }
        Ok(server)
    }
}

#[async_trait]
impl ServerStore for SealedServers {
    async fn insert(&self, server: &KeptServer) -> Result<(), StoreError> {
        let key = server.api_key.as_ref();
        let api_key = key.map(|key| self.seal(&server.name, key)).transpose()?;
        self.inner.insert(&KeptServer { api_key, ..server.clone() }).await
    }

    async fn find(&self, name: &str) -> Result<Option<KeptServer>, StoreError> {
        self.inner.find(name).await?.map(|server| self.opened(server)).transpose()
    }

    async fn list(&self) -> Result<Vec<KeptServer>, StoreError> {
        self.inner.list().await?.into_iter().map(|server| self.opened(server)).collect()
    }

    async fn patch(
        &self,
        name: &str,
        patch: &ServerPatch,
        now: Timestamp,
    ) -> Result<Option<KeptServer>, StoreError> {
        let api_key = match &patch.api_key {
            Some(Some(key)) => Some(Some(self.seal(name, key)?)),
            other => other.clone(),
        };
        let patch = ServerPatch { api_key, ..patch.clone() };
        let patched = self.inner.patch(name, &patch, now).await?;
        patched.map(|server| self.opened(server)).transpose()
    }

    async fn replace_key(
        &self,
        name: &str,
        before: &ServerKey,
        after: &ServerKey,
    ) -> Result<bool, StoreError> {
        let Some(kept) = self.inner.find(name).await? else { return Ok(false) };
        if self.opened(kept.clone())?.api_key.as_ref() != Some(before) {
            return Ok(false);
        }
        let Some(kept) = kept.api_key else { return Ok(false) };
        self.inner.replace_key(name, &kept, &self.seal(name, after)?).await
    }

    async fn delete(&self, name: &str) -> Result<Removal, StoreError> {
        self.inner.delete(name).await
    }
}
