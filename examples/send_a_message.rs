//! The smallest program: one text, accepted and sent, without a server.
//!
//! ```sh
//! cargo run -p examples --example send_a_message
//! ```

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use messaging_core::delivery::{Delivery, DeliverySettings};
use messaging_core::domain::session::OnRateLimit;
use messaging_core::domain::status::Status;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::sessions::NewSession;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::entropy::SystemEntropy;
use messaging_core::ports::observer::NoObserver;
use secrecy::SecretString;
use waha_client::WahaClient;
use waha_client::simulator::{DEFAULT_API_KEY, SeededSession, Simulator, SimulatorConfig};
use waha_client::transport::{WahaDecoder, WahaProvider, WahaServer, WahaVerifier};
use waha_client::webhooks::SigningKeys;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is what the example shows")]
async fn main() -> anyhow::Result<()> {
    // A WAHA to talk to. With a real one, this is its address and its key.
    let phone = SeededSession::working("my-phone");
    let simulator = Simulator::start(SimulatorConfig::default().with_session(phone)).await?;
    let waha = WahaClient::new(simulator.base_url(), SecretString::from(DEFAULT_API_KEY))?;
    let waha = Arc::new(WahaProvider::new([WahaServer::new("default", waha)]));

    // The gateway is made of one adapter for each port. Here all that can be is in memory.
    let store = Arc::new(MemoryStore::new());
    let secret = SecretString::from("a secret that WAHA signs its webhooks with");
    let ports = Ports {
        messages: store.clone(),
        sessions: store.clone(),
        servers: store.clone(),
        tenants: store.clone(),
        inbox: store.clone(),
        idempotency: store.clone(),
        opt_outs: store.clone(),
        audit: store.clone(),
        persons: store.clone(),
        retention: store.clone(),
        access: store.clone(),
        upkeep: store,
        queue: Arc::new(MemoryQueue::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        duties: Arc::new(MemoryDutyRoster::default()),
        transport: waha.clone(),
        control: waha.clone(),
        history: waha,
        verifier: Arc::new(WahaVerifier::new(SigningKeys::new([secret])?)),
        decoder: Arc::new(WahaDecoder),
        observer: Arc::new(NoObserver),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let gateway = Gateway::new(ports, Settings::default());
    let delivery = Delivery::start(&gateway, &DeliverySettings::default());

    // A tenant owns sessions; this one takes over the account that WAHA has.
    let tenant = gateway.create_tenant("me").await?;
    let session = NewSession {
        name: "phone".to_owned(),
        provider_name: Some("my-phone".to_owned()),
        server: None,
        adopt: true,
        on_rate_limit: OnRateLimit::Reject,
    };
    let session = gateway.create_session(tenant.id, session).await?;

    let request = SendRequest::text(session.id, "+5511988887777", "Hello from Rust!");
    let accepted = gateway.send(tenant.id, request).await?;
    println!("accepted as {}", accepted.message.id);

    let sent = async {
        loop {
            let (message, _) = gateway.find_message(tenant.id, accepted.message.id).await?;
            if matches!(message.status, Status::Sent | Status::Failed) {
                return anyhow::Ok(message);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let message =
        tokio::time::timeout(Duration::from_secs(10), sent).await.context("not sent")??;
    println!("{} after {} attempt", message.status, message.attempts);

    delivery.stop().await;
    simulator.shutdown().await;
    Ok(())
}
