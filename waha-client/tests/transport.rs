//! WAHA behaves like every other transport, whatever engine it runs on.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use std::time::Duration;

use async_trait::async_trait;
use messaging_core::conformance::transport::{self, TransportFixture};
use messaging_core::domain::address::Address;
use messaging_core::domain::session::ProviderSession;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::{Clock, SystemClock};
use messaging_core::ports::transport::Transport;
use secrecy::SecretString;
use waha_client::client::{ClientConfig, Timeouts};
use waha_client::simulator::{
    DEFAULT_API_KEY, Fault, FaultRule, RecipientScript, SeededSession, Simulator, SimulatorConfig,
};
use waha_client::transport::{WahaProvider, WahaServer};
use waha_client::wire::SessionStatus;
use waha_client::{Engine, WahaClient};

const SESSION: &str = "main";
const ABSENT: &str = "5511900000000";

struct Waha {
    simulator: Simulator,
    provider: WahaProvider,
}

impl Waha {
    async fn new(engine: Engine) -> Self {
        let mut config = SimulatorConfig::default().with_session(SeededSession::working(SESSION));
        config.knobs.engine = engine;
        config.times.ready_wait = Duration::from_millis(50);
        let simulator = Simulator::start(config).await.unwrap();
        simulator.script_recipient(ABSENT, RecipientScript::missing());
        let timeouts = Timeouts { connect: Duration::from_secs(1), ..Timeouts::default() };
        let client = WahaClient::with_config(
            simulator.base_url(),
            SecretString::from(DEFAULT_API_KEY),
            ClientConfig { timeouts, ..ClientConfig::default() },
        );
        let provider = WahaProvider::new([WahaServer::new("default", client.unwrap())]);
        Self { simulator, provider }
    }
}

#[async_trait]
impl TransportFixture for Waha {
    fn transport(&self) -> &dyn Transport {
        &self.provider
    }

    fn session(&self) -> ProviderSession {
        ProviderSession { server: "default".into(), name: SESSION.into() }
    }

    fn reachable(&self) -> Address {
        Address::from_stored("+5511988887777")
    }

    fn absent(&self) -> Address {
        Address::from_stored(&format!("+{ABSENT}"))
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn delivered(&self) -> usize {
        self.simulator.deliveries().len()
    }

    async fn lose_next_answer(&self) {
        self.simulator.add_fault(FaultRule::next(1, Fault::AnswerLost));
    }

    async fn disconnect(&self) {
        self.simulator.set_status(SESSION, SessionStatus::Stopped);
    }

    async fn become_unreachable(&self) {
        self.simulator.stop_listening().await;
    }
}

macro_rules! behavior {
    ($name:ident) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_webjs() {
                transport::$name(&Waha::new(Engine::Webjs).await).await;
            }

            #[tokio::test]
            async fn on_noweb() {
                transport::$name(&Waha::new(Engine::Noweb).await).await;
            }

            #[tokio::test]
            async fn on_gows() {
                transport::$name(&Waha::new(Engine::Gows).await).await;
            }
        }
    };
}
messaging_core::for_each_transport_behavior!(behavior);
