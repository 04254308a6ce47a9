//! Which WAHA processes there are: those that were given, and those that a store keeps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use messaging_core::domain::server::KeptServer;
use messaging_core::ports::server_store::ServerStore;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::WahaServer;
use crate::{Engine, WahaClient, WahaError};

/// For how long what a store told of a server is believed: so long a changed key may go unseen.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Of how many names it is remembered at the most.
const NAMES_KNOWN: usize = 10_000;

/// One WAHA process.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) client: WahaClient,
    pub(super) capacity: Option<u64>,
    /// Learnt once: a process keeps its engine for as long as it runs.
    pub(super) engine: OnceCell<Engine>,
}

/// What a store told of a server, and when it was asked.
struct Known {
    told: Option<KeptServer>,
    server: Option<Arc<Server>>,
    asked_at: Instant,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.asked_at.elapsed() < BELIEVED_FOR
    }
}

/// All servers by their names.
pub(super) struct Servers {
    given: Vec<Arc<Server>>,
    store: Option<Arc<dyn ServerStore>>,
    known: Mutex<BTreeMap<String, Known>>,
}

impl Servers {
    pub(super) fn new(given: impl IntoIterator<Item = WahaServer>) -> Self {
        let of = |WahaServer { name, client, capacity }| {
            Arc::new(Server { name, client, capacity, engine: OnceCell::new() })
        };
        Self { given: given.into_iter().map(of).collect(), store: None, known: Mutex::default() }
    }

    pub(super) fn keep_in(&mut self, store: Arc<dyn ServerStore>) {
        self.store = Some(store);
    }

    /// Those that were given.
    pub(super) fn given(&self) -> impl Iterator<Item = &Server> {
        self.given.iter().map(|server| &**server)
    }

    /// The server of this name, called as the store said a moment ago. Sessions on a server that is
    /// none (any more) cannot be reached, which is what the caller is told.
    pub(super) async fn get(&self, name: &str) -> Result<Arc<Server>, WahaError> {
        let none = || WahaError::SafeRetry { reason: "server-not-configured", source: None };
        if let Some(server) = self.given.iter().find(|server| server.name == name) {
            return Ok(Arc::clone(server));
        }
        let Some(store) = &self.store else { return Err(none()) };
        {
            let mut known = self.lock();
            if let Some(known) = known.get_mut(name) {
                if known.is_fresh() {
                    return known.server.clone().ok_or_else(none);
                }
                // Whoever comes meanwhile goes by what was told before, and does not ask as well.
                known.asked_at = Instant::now();
            }
        }
        let asked_at = Instant::now();
        let told = match store.find(name).await {
            Ok(told) => told,
            Err(error) => {
                tracing::debug!(%error, "what a server is called with is not known anew");
                let known = self.lock().get(name).and_then(|known| known.server.clone());
                return known
                    .ok_or(WahaError::SafeRetry { reason: "server-not-known", source: None });
            }
        };
        self.learn(name, told, asked_at).ok_or_else(none)
    }

    /// Takes up what the store told. A client goes on, with its connections, unless it is to call
    /// another address or with another key.
    fn learn(
        &self,
        name: &str,
        told: Option<KeptServer>,
        asked_at: Instant,
    ) -> Option<Arc<Server>> {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(name)
            && is_called_alike(known.told.as_ref(), told.as_ref())
        {
            known.asked_at = asked_at;
            return known.server.clone();
        }
        let server = told.as_ref().and_then(open).map(Arc::new);
        if all.len() >= NAMES_KNOWN {
            all.retain(|_, known| known.is_fresh());
        }
        if all.len() >= NAMES_KNOWN {
            all.clear();
        }
        all.insert(name.to_owned(), Known { told, server: server.clone(), asked_at });
        server
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        // Nothing panics while holding it, and a map is never half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_called_alike(before: Option<&KeptServer>, now: Option<&KeptServer>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.url == now.url && before.api_key == now.api_key,
        (None, None) => true,
        _ => false,
    }
}

fn open(kept: &KeptServer) -> Option<Server> {
    let key = kept.api_key.as_ref().map(|key| key.0.clone()).unwrap_or_default();
    match WahaClient::new(&kept.url, key.into()) {
        Ok(client) => Some(Server {
            name: kept.name.clone(),
            client,
            capacity: kept.capacity,
            engine: OnceCell::new(),
        }),
        Err(error) => {
            tracing::error!(server = kept.name, %error, "a WAHA server cannot be called");
            None
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Servers(hidden)")
    }
}
