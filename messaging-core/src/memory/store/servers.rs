//! The provider's servers, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::domain::server::{KeptServer, Removal, ServerKey, ServerPatch};
use crate::domain::timestamp::Timestamp;
use crate::ports::server_store::ServerStore;
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct Servers(BTreeMap<String, KeptServer>);

impl Servers {
    /// How many sessions a server may hold, and whether it takes no new ones; `None` where there is
    /// none of this name.
    pub(super) fn room(&self, name: &str) -> Option<(Option<u64>, bool)> {
        self.0.get(name).map(|server| (server.capacity, server.draining))
    }
}

#[async_trait]
impl ServerStore for MemoryStore {
    async fn insert(&self, server: &KeptServer) -> Result<(), StoreError> {
        let servers = &mut self.lock().servers.0;
        if servers.contains_key(&server.name) {
            return Err(StoreError::Conflict { entity: "server name" });
        }
        servers.insert(server.name.clone(), server.clone());
        Ok(())
    }

    async fn find(&self, name: &str) -> Result<Option<KeptServer>, StoreError> {
        Ok(self.lock().servers.0.get(name).cloned())
    }

    async fn list(&self) -> Result<Vec<KeptServer>, StoreError> {
        Ok(self.lock().servers.0.values().cloned().collect())
    }

    async fn patch(
        &self,
        name: &str,
        patch: &ServerPatch,
        now: Timestamp,
    ) -> Result<Option<KeptServer>, StoreError> {
        let mut state = self.lock();
        let Some(server) = state.servers.0.get_mut(name) else { return Ok(None) };
        *server = server.clone().patched(patch, now);
        Ok(Some(server.clone()))
    }

    async fn replace_key(
        &self,
        name: &str,
        before: &ServerKey,
        after: &ServerKey,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let server = state.servers.0.get_mut(name);
        let unchanged = server.filter(|server| server.api_key.as_ref() == Some(before));
        let Some(server) = unchanged else { return Ok(false) };
        server.api_key = Some(after.clone());
        Ok(true)
    }

    async fn delete(&self, name: &str) -> Result<Removal, StoreError> {
        let mut state = self.lock();
        if !state.servers.0.contains_key(name) {
            return Ok(Removal::NotThere);
        }
        match state.sessions.placed(name) {
            0 => {
                state.servers.0.remove(name);
                Ok(Removal::Removed)
            }
            placed => Ok(Removal::InUse(placed)),
        }
    }
}
