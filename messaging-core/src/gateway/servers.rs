//! The provider's servers: those of the settings, and those that were added while the gateway runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::breaker::BreakerState;
use crate::domain::server::{
    KeptServer, MOST_SERVERS, Removal, Room, ServerKey, ServerPatch, ServerSource, check_capacity,
    check_key, check_name, check_url,
};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::{GatewayError, InvalidField};
use crate::gateway::recent::Recent;
use crate::ports::session_control::ProviderServer;

/// A server to be added.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// What sessions on it are kept under.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// What it asks for.
    pub api_key: Option<ServerKey>,
    /// How many sessions it may hold; `None` for as many as come.
    pub capacity: Option<u64>,
    /// Whether it takes no new sessions yet.
    pub draining: bool,
}

/// One of the provider's servers, wherever it is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What sessions on it are kept under.
    pub name: String,
    /// Where it is known from.
    pub source: ServerSource,
    /// Where it listens.
    pub url: String,
    /// Whether it is called with a key.
    pub has_key: bool,
    /// How many sessions it may hold; `None` for as many as come.
    pub capacity: Option<u64>,
    /// Whether it takes no new sessions.
    pub draining: bool,
    /// How many sessions are on it.
    pub sessions: u64,
    /// Whether this node calls it to send.
    pub breaker: BreakerState,
    /// When it was added; `None` of one of the settings.
    pub created_at: Option<Timestamp>,
    /// When it was changed last; `None` of one of the settings.
    pub updated_at: Option<Timestamp>,
}

/// The servers that were added, as they were a moment ago.
#[derive(Default)]
pub(crate) struct KnownServers {
    recent: Recent<(), Arc<[KeptServer]>>,
    /// What the store told last, for when it does not.
    last: Mutex<Option<Arc<[KeptServer]>>>,
}

/// A server that sessions may be put on, as far as that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Berth {
    pub(super) name: String,
    pub(super) capacity: Option<u64>,
    pub(super) draining: bool,
    /// What the store is to see to.
    pub(super) room: Room,
}

impl Berth {
    pub(super) fn configured(server: ProviderServer) -> Self {
        let ProviderServer { name, capacity, .. } = server;
        Self { name, capacity, draining: false, room: Room::Below(capacity) }
    }

    fn kept(server: KeptServer) -> Self {
        let KeptServer { name, capacity, draining, .. } = server;
        Self { name, capacity, draining, room: Room::AsKept }
    }

    /// What the store is to see to of an account that is there already.
    pub(super) fn room_of_its_own(&self) -> Room {
        match self.room {
            Room::Below(_) => Room::Below(None),
            Room::AsKept | Room::Held => Room::Held,
        }
    }
}

impl Gateway {
    /// The names of all servers, as they were a moment ago; as they were last where the store cannot
    /// tell. A server of the settings hides one of its name that was added.
    pub(crate) async fn server_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.ports().control.servers().into_iter().map(|server| server.name).collect();
        let configured = names.len();
        for server in self.kept_servers().await.iter() {
            if !names[..configured].contains(&server.name) {
                names.push(server.name.clone());
            }
        }
        names
    }

    async fn kept_servers(&self) -> Arc<[KeptServer]> {
        let (known, now) = (&self.inner.servers, self.ports().clock.now());
        let changes = match known.recent.get(&(), now) {
            Ok(servers) => return servers,
            Err(changes) => changes,
        };
        let last = || known.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.ports().servers.list().await {
            Ok(servers) => {
                let servers: Arc<[KeptServer]> = servers.into();
                known.recent.remember((), Arc::clone(&servers), now, changes);
                let before = last().replace(Arc::clone(&servers)).unwrap_or_default();
                let is_gone = |name| servers.iter().all(|server| server.name != name);
                for server in before.iter().filter(|server| is_gone(server.name.as_str())) {
                    if !self.is_configured(&server.name) {
                        self.forget_breaker(&server.name);
                    }
                }
                servers
            }
            Err(error) => {
                tracing::debug!(%error, "the servers are not known anew");
                last().clone().unwrap_or_default()
            }
        }
    }

    /// The servers as the store has them now: those of the settings first, then by name.
    pub(super) async fn berths(&self) -> Result<Vec<Berth>, GatewayError> {
        let configured = self.ports().control.servers();
        let mut berths: Vec<Berth> = configured.into_iter().map(Berth::configured).collect();
        let of_settings = berths.len();
        for server in self.ports().servers.list().await? {
            if berths[..of_settings].iter().all(|berth| berth.name != server.name) {
                berths.push(Berth::kept(server));
            }
        }
        Ok(berths)
    }

    /// How many sessions are on each server, by its name.
    pub(super) async fn placed(&self) -> Result<BTreeMap<String, u64>, GatewayError> {
        let mut placed: BTreeMap<String, u64> = BTreeMap::new();
        for ((server, _), count) in self.ports().sessions.census().await? {
            *placed.entry(server).or_default() += count;
        }
        Ok(placed)
    }

    /// All servers: those of the settings first, then those that were added, by name.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`].
    pub async fn servers(&self) -> Result<Vec<Server>, GatewayError> {
        let placed = self.placed().await?;
        let configured = self.ports().control.servers();
        let hidden = |kept: &KeptServer| configured.iter().any(|server| server.name == kept.name);
        let kept = self.ports().servers.list().await?;
        let kept =
            kept.iter().filter(|kept| !hidden(kept)).map(|kept| self.shown_kept(kept, &placed));
        let of_settings = configured.iter().map(|server| self.shown_configured(server, &placed));
        Ok(of_settings.chain(kept).collect())
    }

    /// One server.
    ///
    /// # Errors
    /// [`GatewayError::ServerNotFound`].
    pub async fn server(&self, name: &str) -> Result<Server, GatewayError> {
        let servers = self.servers().await?;
        servers.into_iter().find(|it| it.name == name).ok_or(GatewayError::ServerNotFound)
    }

    /// Whether a server answers us now, with the key that it is called with.
    pub async fn server_answers(&self, name: &str) -> bool {
        self.ports().control.ping(name).await.is_ok()
    }

    /// Adds a server. It need not answer yet.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] of `/name`, `/url`, `/apiKey` or `/capacity`;
    /// [`GatewayError::Taken`] where there is one of this name, in the settings too;
    /// [`GatewayError::TooManyServers`].
    pub async fn add_server(&self, new: NewServer) -> Result<Server, GatewayError> {
        let NewServer { name, url, api_key, capacity, draining } = new;
        let mut wrong = Wrong::default();
        wrong.note("/name", check_name(&name));
        let url = wrong.note("/url", check_url(&url)).unwrap_or_default();
        wrong.note("/apiKey", api_key.as_ref().map_or(Ok(()), check_key));
        wrong.note("/capacity", capacity.map_or(Ok(()), check_capacity));
        wrong.into_result()?;
        if self.is_configured(&name) {
            return Err(GatewayError::Taken { what: "server name" });
        }
        // Two that come at once may be one too many, which harms nobody.
        if self.ports().servers.list().await?.len() >= MOST_SERVERS {
            return Err(GatewayError::TooManyServers);
        }
        let now = self.ports().clock.now();
        let (created_at, updated_at) = (now, now);
        let server = KeptServer { name, url, api_key, capacity, draining, created_at, updated_at };
        self.ports().servers.insert(&server).await?;
        self.inner.servers.recent.forget(&());
        // Sessions may be on it: one that was in the settings has become one that is kept.
        Ok(self.shown_kept(&server, &self.placed().await?))
    }

    /// Changes a server. All nodes go by it within a second or two.
    ///
    /// # Errors
    /// [`GatewayError::ServerNotFound`]; [`GatewayError::ServerOfSettings`];
    /// [`GatewayError::Invalid`] of `/url`, `/apiKey` or `/capacity`.
    pub async fn patch_server(
        &self,
        name: &str,
        mut patch: ServerPatch,
    ) -> Result<Server, GatewayError> {
        self.check_changeable(name)?;
        let mut wrong = Wrong::default();
        if let Some(url) = &mut patch.url {
            *url = wrong.note("/url", check_url(url)).unwrap_or_default();
        }
        wrong.note("/apiKey", patch.api_key.iter().flatten().try_for_each(check_key));
        let mut capacity = patch.capacity.iter().flatten();
        wrong.note("/capacity", capacity.try_for_each(|most| check_capacity(*most)));
        wrong.into_result()?;
        let now = self.ports().clock.now();
        let patched = self.ports().servers.patch(name, &patch, now).await?;
        self.inner.servers.recent.forget(&());
        let server = patched.ok_or(GatewayError::ServerNotFound)?;
        Ok(self.shown_kept(&server, &self.placed().await?))
    }

    /// Forgets a server that has no sessions.
    ///
    /// # Errors
    /// [`GatewayError::ServerNotFound`]; [`GatewayError::ServerOfSettings`];
    /// [`GatewayError::ServerInUse`].
    pub async fn delete_server(&self, name: &str) -> Result<(), GatewayError> {
        self.check_changeable(name)?;
        let removal = self.ports().servers.delete(name).await?;
        self.inner.servers.recent.forget(&());
        match removal {
            Removal::Removed => Ok(()),
            Removal::InUse(sessions) => Err(GatewayError::ServerInUse { sessions }),
            Removal::NotThere => Err(GatewayError::ServerNotFound),
        }
    }

    fn is_configured(&self, name: &str) -> bool {
        self.ports().control.servers().iter().any(|server| server.name == name)
    }

    fn check_changeable(&self, name: &str) -> Result<(), GatewayError> {
        if self.is_configured(name) { Err(GatewayError::ServerOfSettings) } else { Ok(()) }
    }

    fn shown_configured(&self, server: &ProviderServer, placed: &BTreeMap<String, u64>) -> Server {
        Server {
            name: server.name.clone(),
            source: ServerSource::Settings,
            url: server.url.clone(),
            has_key: server.has_key,
            capacity: server.capacity,
            draining: false,
            sessions: placed.get(&server.name).copied().unwrap_or(0),
            breaker: self.breaker_state(&server.name),
            created_at: None,
            updated_at: None,
        }
    }

    fn shown_kept(&self, server: &KeptServer, placed: &BTreeMap<String, u64>) -> Server {
        Server {
            name: server.name.clone(),
            source: ServerSource::Api,
            url: server.url.clone(),
            has_key: server.api_key.is_some(),
            capacity: server.capacity,
            draining: server.draining,
            sessions: placed.get(&server.name).copied().unwrap_or(0),
            breaker: self.breaker_state(&server.name),
            created_at: Some(server.created_at),
            updated_at: Some(server.updated_at),
        }
    }
}

/// Everything that is wrong with a request.
#[derive(Default)]
struct Wrong(Vec<InvalidField>);

impl Wrong {
    fn note<T>(&mut self, pointer: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|why| self.0.push(InvalidField::new(pointer, "invalid-request", why))).ok()
    }

    fn into_result(self) -> Result<(), GatewayError> {
        if self.0.is_empty() { Ok(()) } else { Err(GatewayError::Invalid(self.0)) }
    }
}
