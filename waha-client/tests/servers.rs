//! Servers that a store keeps are called as it says at the time.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::conformance::build::{at, server};
use messaging_core::domain::server::{KeptServer, Removal, ServerKey, ServerPatch};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::provider_history::ProviderHistory;
use messaging_core::ports::server_store::ServerStore;
use messaging_core::ports::session_control::{ProviderError, SessionControl};
use messaging_core::ports::store_error::StoreError;
use waha_client::WahaClient;
use waha_client::simulator::{DEFAULT_API_KEY, Simulator, SimulatorConfig};
use waha_client::transport::{WahaProvider, WahaServer};

/// A store that goes away and comes back.
#[derive(Default)]
struct Fickle {
    store: MemoryStore,
    is_away: AtomicBool,
}

#[async_trait]
impl ServerStore for Fickle {
    async fn insert(&self, server: &KeptServer) -> Result<(), StoreError> {
        ServerStore::insert(&self.store, server).await
    }

    async fn find(&self, name: &str) -> Result<Option<KeptServer>, StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("away"));
        }
        ServerStore::find(&self.store, name).await
    }

    async fn list(&self) -> Result<Vec<KeptServer>, StoreError> {
        ServerStore::list(&self.store).await
    }

    async fn patch(
        &self,
        name: &str,
        patch: &ServerPatch,
        now: Timestamp,
    ) -> Result<Option<KeptServer>, StoreError> {
        ServerStore::patch(&self.store, name, patch, now).await
    }

    async fn replace_key(
        &self,
        name: &str,
        before: &ServerKey,
        after: &ServerKey,
    ) -> Result<bool, StoreError> {
        ServerStore::replace_key(&self.store, name, before, after).await
    }

    async fn delete(&self, name: &str) -> Result<Removal, StoreError> {
        ServerStore::delete(&self.store, name).await
    }
}

async fn waha() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

fn kept(waha: &Simulator) -> KeptServer {
    let api_key = Some(ServerKey(DEFAULT_API_KEY.to_owned()));
    KeptServer { name: "added".into(), url: waha.base_url().to_owned(), api_key, ..server(1) }
}

/// Waits until a server answers, or does so no more: not much longer than what was told is believed.
async fn eventually(provider: &WahaProvider, expected: Result<(), ProviderError>) {
    let waiting = async {
        while provider.ping("added").await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.is_ok(), "{expected:?}");
}

#[tokio::test]
async fn a_server_is_called_where_and_with_what_the_store_says() {
    let (one, other) = (waha().await, waha().await);
    let store = Arc::new(Fickle::default());
    let provider = WahaProvider::new([]).with_kept_servers(store.clone());
    assert_eq!(provider.servers(), []);
    assert_eq!(provider.ping("added").await, Err(ProviderError::Unavailable));
    store.insert(&kept(&one)).await.unwrap();
    eventually(&provider, Ok(())).await;
    let started = provider.started_at("added").await.unwrap();

    let patch = async |patch| store.patch("added", &patch, at(9)).await.unwrap().unwrap();
    patch(ServerPatch { api_key: Some(None), ..ServerPatch::default() }).await;
    eventually(&provider, Err(ProviderError::Unavailable)).await;
    let key = Some(Some(ServerKey(DEFAULT_API_KEY.to_owned())));
    patch(ServerPatch { api_key: key, ..ServerPatch::default() }).await;
    eventually(&provider, Ok(())).await;

    other.restart(Duration::from_millis(5)).await;
    let url = Some(other.base_url().to_owned());
    patch(ServerPatch { url, ..ServerPatch::default() }).await;
    one.stop_listening().await;
    eventually(&provider, Ok(())).await;
    assert_ne!(provider.started_at("added").await.unwrap(), started);

    store.delete("added").await.unwrap();
    eventually(&provider, Err(ProviderError::Unavailable)).await;
}

#[tokio::test]
async fn while_the_store_is_away_a_server_is_called_as_it_said_last() {
    let waha = waha().await;
    let store = Arc::new(Fickle::default());
    let provider = WahaProvider::new([]).with_kept_servers(store.clone());
    store.insert(&kept(&waha)).await.unwrap();
    provider.ping("added").await.unwrap();
    store.is_away.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    provider.ping("added").await.unwrap();
    let other = WahaProvider::new([]).with_kept_servers(store.clone());
    assert_eq!(other.ping("added").await, Err(ProviderError::Unavailable));
    store.is_away.store(false, Ordering::SeqCst);
    other.ping("added").await.unwrap();
}

#[tokio::test]
async fn one_that_was_given_is_the_one_of_its_name() {
    let (given, other) = (waha().await, waha().await);
    let client = WahaClient::new(given.base_url(), DEFAULT_API_KEY.to_owned().into()).unwrap();
    let store = Arc::new(Fickle::default());
    store.insert(&kept(&other)).await.unwrap();
    let provider = WahaProvider::new([WahaServer::new("added", client)]);
    let provider = provider.with_kept_servers(store);
    other.stop_listening().await;
    provider.ping("added").await.unwrap();
    let shown = provider.servers();
    assert_eq!((shown[0].url.as_str(), shown[0].has_key), (given.base_url(), true));
}
