//! A WAHA without WhatsApp, to develop and test against.
//!
//! It speaks WAHA's HTTP API in the manner of three engines (WEBJS, NOWEB, GOWS) and posts
//! webhooks like WAHA does, faithful also in what is unpleasant: one call is one attempt, answers
//! get lost, sessions flap, events come late, twice, out of order, or under another id. What the
//! real one does by accident, this one does on request, through [`Knobs`], [`FaultRule`]s and the
//! methods of [`Simulator`], or the same over HTTP under `/simulator`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use waha_client::simulator::{SeededSession, Simulator, SimulatorConfig};
//!
//! let config = SimulatorConfig::default().with_session(SeededSession::working("main"));
//! let simulator = Simulator::start(config).await?;
//! let answer = reqwest::get(format!("{}/ping", simulator.base_url())).await?;
//! assert_eq!(answer.text().await?, r#"{"message":"pong"}"#);
//! simulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Over HTTP
//!
//! No key is needed. Bodies are JSON, times are milliseconds.
//!
//! | call | does |
//! |---|---|
//! | `GET /simulator` | engine, sessions and counts |
//! | `GET`, `PUT`, `PATCH /simulator/knobs` | shows, replaces, changes the [`Knobs`] |
//! | `POST /simulator/faults` | adds a [`FaultRule`]: `{"fault":{"kind":"answerLost"},"times":1}` |
//! | `DELETE /simulator/faults` | takes all rules away |
//! | `PUT`, `DELETE /simulator/recipients/{number}` | sets or removes a [`RecipientScript`] |
//! | `GET /simulator/arrivals?after=&limit=&session=` | every send that arrived: [`Arrival`]s |
//! | `GET /simulator/deliveries?session=` | what WhatsApp has of them: [`Delivery`]s |
//! | `GET /simulator/webhooks` | the latest attempts to post: [`WebhookPost`]s |
//! | `POST /simulator/restart` | restarts the process: `{"downtimeMs":0}` |
//! | `POST /simulator/unreachable` | stops listening for a time: `{"forMs":10000}` |
//! | `POST /simulator/reset` | back to the start |
//! | `POST /simulator/sessions` | adds a [`SeededSession`]: `{"name":"main","status":"WORKING"}` |
//! | `POST /simulator/sessions/{name}/scan` | scans its QR code |
//! | `POST /simulator/sessions/{name}/status` | puts it into a status: `{"status":"FAILED"}` |
//! | `POST /simulator/sessions/{name}/flap` | fails and comes back: `{"downMs":5000}` |
//! | `POST /simulator/sessions/{name}/zombie` | `{"on":true}` |
//! | `POST /simulator/sessions/{name}/restricted` | forbids new chats (463): `{"on":true}` |
//! | `POST /simulator/sessions/{name}/timelock` | tells that it is locked: `{"ends":1786218427}` |
//! | `POST /simulator/sessions/{name}/capping` | tells its quota: `{"totalQuota":30,"usedQuota":30,"cycleEndTimestamp":1786218427}` |
//! | `POST /simulator/sessions/{name}/inbound` | an [`Inbound`]: `{"from":"12025550123","text":"Hello"}` |
//! | `POST /simulator/sessions/{name}/ack` | an ack by hand: `{"rawId":"3EB0…","ack":3}` |
//! | `POST /simulator/sessions/{name}/event` | any event: `{"event":"call.received","payload":{}}` |
//!
//! Not simulated: WhatsApp's cryptography and so any real phone, the web socket for events,
//! channels, labels, status updates, the management of groups, and the WPP engine.

mod api;
mod arrivals;
mod clock;
mod config;
mod content;
mod control;
mod deliveries;
mod dice;
mod directory;
mod door;
mod events;
mod faults;
mod following;
mod inbound;
mod keys;
mod knobs;
mod latency;
mod lifecycle;
mod lines;
mod media;
mod messages;
mod picture;
mod postman;
mod posts;
mod refusal;
mod sending;
mod session;
mod view;
mod world;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::arrivals::{Arrival, Outcome};
pub use self::config::{
    DEFAULT_API_KEY, DEFAULT_PORT, Limits, SeededSession, SimulatorConfig, Times,
};
pub use self::content::ContentKind;
pub use self::deliveries::Delivery;
pub use self::faults::{Fault, FaultRule};
pub use self::inbound::{Inbound, InboundReceipt};
pub use self::knobs::{AckStep, Knobs, RecipientScript, WebhookDialect, WebhookKnobs};
pub use self::latency::Latency;
pub use self::posts::{WebhookCounts, WebhookPost};
use self::world::World;

/// A running simulator. It ends when it is dropped.
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
    attendant: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator; it serves once this returns.
    ///
    /// # Errors
    /// If it cannot listen at the configured address.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let (door, commands) = mpsc::unbounded_channel();
        let world = World::new(config, base_url(address), door);
        world.seed();
        let attendant = tokio::spawn(door::attend(Arc::clone(&world), address, listener, commands));
        tracing::info!(%address, engine = %world.knobs().engine, "simulator listening");
        Ok(Self { world, address, attendant: Some(attendant) })
    }

    /// Where it listens, as clients write it: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.world.base_url
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits until nothing of it listens any more.
    pub async fn shutdown(mut self) {
        self.world.shutdown.cancel();
        if let Some(attendant) = self.attendant.take() {
            // It ends by itself; that it was told to is all that matters.
            let _ = attendant.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.shutdown.cancel();
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Runs a simulator until `stop` is ready; for a command such as `waha-sim`.
///
/// # Errors
/// If it cannot listen at the configured address.
pub async fn run(config: SimulatorConfig, stop: impl Future<Output = ()>) -> io::Result<()> {
    let simulator = Simulator::start(config).await?;
    stop.await;
    simulator.shutdown().await;
    Ok(())
}

/// An address one can connect to, also where it listens on all of them.
fn base_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}
