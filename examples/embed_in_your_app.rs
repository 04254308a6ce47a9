//! The gateway inside a service of your own: your runtime, your HTTP framework, your metrics. Messages
//! are on disk, webhooks come in through a function that any framework can call.
//!
//! ```sh
//! cargo run -p examples --example embed_in_your_app
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use messaging_core::delivery::{Delivery, DeliverySettings};
use messaging_core::domain::session::OnRateLimit;
use messaging_core::domain::status::StatusEvent;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::receive_webhook::Webhook;
use messaging_core::gateway::send::SendRequest;
use messaging_core::gateway::sessions::NewSession;
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::entropy::SystemEntropy;
use messaging_core::ports::observer::{Observation, Observer};
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use secrecy::SecretString;
use waha_client::WahaClient;
use waha_client::simulator::{DEFAULT_API_KEY, SeededSession, Simulator, SimulatorConfig};
use waha_client::transport::{WahaDecoder, WahaProvider, WahaServer, WahaVerifier};
use waha_client::webhooks::{Dialect, SigningKeys};

const WEBHOOK_SECRET: &str = "a secret that WAHA signs its webhooks with";

/// Your metrics: told of everything that happens, never of a text or a number.
#[derive(Default)]
struct Deliveries(AtomicU64);

impl Observer for Deliveries {
    fn observe(&self, observation: &Observation) {
        if matches!(observation, Observation::Receipt { event: StatusEvent::Deliver, .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What your HTTP framework calls for `POST /your/webhook`: headers and body in, status out.
async fn on_webhook(gateway: &Gateway, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    // Before the body is read, where you can: what it comes from is counted.
    let kept = match gateway.admit_webhook(0).await {
        Ok(admitted) => {
            let webhook = Webhook { admitted, session: None, headers: &headers, body };
            gateway.receive_webhook(webhook).await
        }
        Err(refused) => Err(refused),
    };
    match kept {
        Ok(_) => 200,
        Err(GatewayError::Signature(_)) => 401,
        Err(GatewayError::Malformed(_)) => 400,
        Err(GatewayError::SessionNotFound) => 404,
        Err(GatewayError::WebhookRateLimited { .. }) => 429,
        // WAHA will repeat it.
        Err(_) => 503,
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is what the example shows")]
async fn main() -> anyhow::Result<()> {
    let phone = SeededSession::working("shop");
    let simulator = Simulator::start(SimulatorConfig::default().with_session(phone)).await?;
    let client = WahaClient::new(simulator.base_url(), SecretString::from(DEFAULT_API_KEY))?;
    let waha = Arc::new(WahaProvider::new([WahaServer::new("default", client)]));

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("messages.db");
    let store = Arc::new(SqliteStore::open(path, SqliteOptions::default())?);
    let deliveries = Arc::new(Deliveries::default());
    let keys = || SigningKeys::new([SecretString::from(WEBHOOK_SECRET)]);
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
        upkeep: store.clone(),
        queue: Arc::new(MemoryQueue::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        duties: Arc::new(MemoryDutyRoster::default()),
        transport: waha.clone(),
        control: waha.clone(),
        history: waha,
        verifier: Arc::new(WahaVerifier::new(keys()?)),
        decoder: Arc::new(WahaDecoder),
        observer: deliveries.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let gateway = Gateway::new(ports, Settings::default());
    let delivery = Delivery::start(&gateway, &DeliverySettings::default());

    let tenant = gateway.create_tenant("shop").await?;
    let session = NewSession {
        name: "shop".to_owned(),
        provider_name: Some("shop".to_owned()),
        server: None,
        adopt: true,
        on_rate_limit: OnRateLimit::Queue,
    };
    let session = gateway.create_session(tenant.id, session).await?;
    let request = SendRequest::text(session.id, "+5511988887777", "Your parcel is on its way");
    let id = gateway.send(tenant.id, request).await?.message.id;

    let provider_id = async {
        loop {
            let (message, _) = gateway.find_message(tenant.id, id).await?;
            if let (Some(id), Some(_)) = (message.provider_message_id, message.sent_at) {
                return anyhow::Ok(id);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let provider_id =
        tokio::time::timeout(Duration::from_secs(10), provider_id).await.context("not sent")??;

    // WAHA reports that it was delivered; a forged report is not believed.
    let body = format!(
        r#"{{"id":"evt_1","event":"message.ack","session":"shop","payload":{{"id":"true_5511988887777@c.us_{provider_id}","ack":2}}}}"#
    );
    let signature = keys()?.sign(Dialect::Waha, body.as_bytes());
    let signed = on_webhook(&gateway, &[("x-webhook-hmac", &signature)], body.as_bytes()).await;
    let forged = on_webhook(&gateway, &[], body.as_bytes()).await;
    println!("signed: {signed}, forged: {forged}");

    let delivered = async {
        while deliveries.0.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), delivered).await.context("not delivered")?;
    let (message, _) = gateway.find_message(tenant.id, id).await?;
    println!("{}", message.status);

    delivery.stop().await;
    store.close().await;
    simulator.shutdown().await;
    Ok(())
}
