//! Sessions in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::domain::address::Address;
use crate::domain::id::{SessionId, TenantId};
use crate::domain::new_chats::Restriction;
use crate::domain::server::{Placing, Room};
use crate::domain::session::{
    Census, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus, WatchedSession,
};
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook_secret::WebhookSecrets;
use crate::ports::session_store::SessionStore;
use crate::ports::store_error::StoreError;

#[derive(Default)]
pub(super) struct Sessions {
    rows: BTreeMap<SessionId, Session>,
    by_name: BTreeMap<(TenantId, String), SessionId>,
    by_place: BTreeMap<ProviderSession, SessionId>,
    /// Up to when each was read.
    read_until: BTreeMap<SessionId, Timestamp>,
}

/// What became of a report on a session's state.
pub(super) enum Recorded {
    /// The session has another status than before.
    Changed(Box<Session>),
    /// The status was that already.
    Same,
    /// A later state is known, or the session is gone.
    Ignored,
}

impl Sessions {
    fn insert(&mut self, session: &Session) -> Result<(), StoreError> {
        let name = (session.tenant, session.name.clone());
        let taken = if self.rows.contains_key(&session.id) {
            Some("session")
        } else if self.by_name.contains_key(&name) {
            Some("session name")
        } else if self.by_place.contains_key(&session.place) {
            Some("session place")
        } else {
            None
        };
        if let Some(entity) = taken {
            return Err(StoreError::Conflict { entity });
        }
        self.by_name.insert(name, session.id);
        self.by_place.insert(session.place.clone(), session.id);
        let well = Session { health: SessionHealth::Ok, health_since: None, ..session.clone() };
        self.rows.insert(session.id, well);
        Ok(())
    }

    /// How many are on a server.
    pub(super) fn placed(&self, server: &str) -> u64 {
        self.by_place.keys().filter(|place| place.server == server).count() as u64
    }

    fn of_tenant(&self, tenant: TenantId, id: SessionId) -> Option<&Session> {
        self.rows.get(&id).filter(|session| session.tenant == tenant)
    }

    fn patch(
        &mut self,
        tenant: TenantId,
        id: SessionId,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let Some(session) = self.rows.get_mut(&id).filter(|session| session.tenant == tenant)
        else {
            return Ok(None);
        };
        if let Some(name) = &patch.name {
            let named = (tenant, name.clone());
            if self.by_name.get(&named).is_some_and(|other| *other != id) {
                return Err(StoreError::Conflict { entity: "session name" });
            }
            let former = std::mem::replace(&mut session.name, name.clone());
            self.by_name.remove(&(tenant, former));
            self.by_name.insert(named, id);
        }
        session.on_rate_limit = patch.on_rate_limit.unwrap_or(session.on_rate_limit);
        session.new_chats.patch(&patch.new_chats);
        session.updated_at = now;
        Ok(Some(session.clone()))
    }

    fn delete(&mut self, tenant: TenantId, id: SessionId) -> bool {
        if self.of_tenant(tenant, id).is_none() {
            return false;
        }
        if let Some(session) = self.rows.remove(&id) {
            self.by_name.remove(&(tenant, session.name));
            self.by_place.remove(&session.place);
            self.read_until.remove(&id);
        }
        true
    }

    /// Forgets a tenant's; gives which.
    pub(super) fn erase_of(&mut self, tenant: TenantId) -> Vec<SessionId> {
        let own = self.rows.values().filter(|session| session.tenant == tenant);
        let own: Vec<SessionId> = own.map(|session| session.id).collect();
        for id in &own {
            self.delete(tenant, *id);
        }
        own
    }

    pub(super) fn record_status(
        &mut self,
        id: SessionId,
        status: SessionStatus,
        at: Timestamp,
        own_address: Option<Address>,
    ) -> Recorded {
        let Some(session) = self.rows.get_mut(&id).filter(|session| session.status_at <= at) else {
            return Recorded::Ignored;
        };
        let before = std::mem::replace(&mut session.status, status);
        session.status_at = at;
        session.updated_at = session.updated_at.max(at);
        if own_address.is_some() {
            session.own_address = own_address;
        }
        if before == status { Recorded::Same } else { Recorded::Changed(Box::new(session.clone())) }
    }
}

impl State {
    /// A session with what is kept with its tenant.
    fn whole(&self, session: &Session) -> Session {
        Session { tenant_suspension: self.tenants.suspension(session.tenant), ..session.clone() }
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn insert(&self, session: &Session) -> Result<(), StoreError> {
        self.lock().sessions.insert(session)
    }

    async fn place(&self, session: &Session, room: Room) -> Result<Placing, StoreError> {
        let mut state = self.lock();
        let server = &session.place.server;
        let placing = room.judge(state.servers.room(server), state.sessions.placed(server));
        if placing == Placing::Placed {
            state.sessions.insert(session)?;
        }
        Ok(placing)
    }

    async fn find(&self, tenant: TenantId, id: SessionId) -> Result<Option<Session>, StoreError> {
        let state = self.lock();
        Ok(state.sessions.of_tenant(tenant, id).map(|session| state.whole(session)))
    }

    async fn find_named(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Session>, StoreError> {
        let state = self.lock();
        let id = state.sessions.by_name.get(&(tenant, name.to_owned()));
        Ok(id.and_then(|id| state.sessions.rows.get(id)).map(|session| state.whole(session)))
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Session>, StoreError> {
        let state = self.lock();
        let own = state.sessions.rows.values().filter(|session| session.tenant == tenant);
        Ok(own.map(|session| state.whole(session)).collect())
    }

    async fn patch(
        &self,
        tenant: TenantId,
        id: SessionId,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let mut state = self.lock();
        let patched = state.sessions.patch(tenant, id, patch, now)?;
        Ok(patched.map(|session| state.whole(&session)))
    }

    async fn suspend(
        &self,
        tenant: TenantId,
        id: SessionId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Session>, StoreError> {
        let mut state = self.lock();
        let own = state.sessions.rows.get_mut(&id).filter(|session| session.tenant == tenant);
        let Some(session) = own else { return Ok(None) };
        session.suspension = suspension;
        let session = session.clone();
        Ok(Some(state.whole(&session)))
    }

    async fn restrict(
        &self,
        id: SessionId,
        restriction: Option<Restriction>,
    ) -> Result<Option<Session>, StoreError> {
        let mut state = self.lock();
        let Some(session) = state.sessions.rows.get_mut(&id) else { return Ok(None) };
        session.new_chats.restriction = restriction;
        let session = session.clone();
        Ok(Some(state.whole(&session)))
    }

    async fn set_webhook_secrets(
        &self,
        tenant: TenantId,
        id: SessionId,
        secrets: &WebhookSecrets,
    ) -> Result<Option<Session>, StoreError> {
        let mut state = self.lock();
        let own = state.sessions.rows.get_mut(&id).filter(|session| session.tenant == tenant);
        let Some(session) = own else { return Ok(None) };
        session.webhook_secrets = Some(secrets.clone());
        let session = session.clone();
        Ok(Some(state.whole(&session)))
    }

    async fn replace_webhook_secrets(
        &self,
        id: SessionId,
        before: &WebhookSecrets,
        after: &WebhookSecrets,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let session = state.sessions.rows.get_mut(&id);
        let unchanged = session.filter(|session| session.webhook_secrets.as_ref() == Some(before));
        let Some(session) = unchanged else { return Ok(false) };
        session.webhook_secrets = Some(after.clone());
        Ok(true)
    }

    async fn delete(&self, tenant: TenantId, id: SessionId) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let is_gone = state.sessions.delete(tenant, id);
        if is_gone {
            state.messages.forget_chats(id);
        }
        Ok(is_gone)
    }

    async fn find_any(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let state = self.lock();
        Ok(state.sessions.rows.get(&id).map(|session| state.whole(session)))
    }

    async fn find_placed(&self, name: &str) -> Result<Vec<Session>, StoreError> {
        let state = self.lock();
        let placed = state.sessions.rows.values().filter(|session| session.place.name == name);
        Ok(placed.map(|session| state.whole(session)).collect())
    }

    async fn all_places(&self) -> Result<Vec<(SessionId, ProviderSession)>, StoreError> {
        let rows = &self.lock().sessions.rows;
        Ok(rows.values().map(|session| (session.id, session.place.clone())).collect())
    }

    async fn census(&self) -> Result<Census, StoreError> {
        let mut census = Census::new();
        for session in self.lock().sessions.rows.values() {
            *census.entry((session.place.server.clone(), session.status)).or_default() += 1;
        }
        Ok(census)
    }

    async fn watched(&self) -> Result<Vec<WatchedSession>, StoreError> {
        let sessions = &self.lock().sessions;
        let watched = |session: &Session| WatchedSession {
            id: session.id,
            tenant: session.tenant,
            place: session.place.clone(),
            status: session.status,
            health: session.health,
            read_until: sessions.read_until.get(&session.id).copied(),
            created_at: session.created_at,
        };
        Ok(sessions.rows.values().map(watched).collect())
    }

    async fn record_read(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        let sessions = &mut self.lock().sessions;
        if sessions.rows.contains_key(&id) {
            let known = sessions.read_until.entry(id).or_insert(until);
            *known = until.max(*known);
        }
        Ok(())
    }

    async fn record_health(
        &self,
        id: SessionId,
        health: SessionHealth,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let sessions = &mut self.lock().sessions;
        let Some(session) = sessions.rows.get_mut(&id).filter(|it| it.health != health) else {
            return Ok(false);
        };
        session.health = health;
        session.health_since = (health != SessionHealth::Ok).then_some(since);
        Ok(true)
    }

    async fn health_census(&self) -> Result<BTreeMap<SessionHealth, u64>, StoreError> {
        let mut census = BTreeMap::new();
        for session in self.lock().sessions.rows.values() {
            *census.entry(session.health).or_default() += 1;
        }
        Ok(census)
    }

    async fn record_status(
        &self,
        id: SessionId,
        status: SessionStatus,
        at: Timestamp,
        own_address: Option<Address>,
    ) -> Result<Option<Session>, StoreError> {
        let mut state = self.lock();
        match state.sessions.record_status(id, status, at, own_address) {
            Recorded::Changed(session) => Ok(Some(state.whole(&session))),
            Recorded::Same | Recorded::Ignored => Ok(None),
        }
    }
}
