//! What the demo plays on: a simulated WAHA, a service on it, and a tenant with a token.

use std::io;
use std::time::Duration;

use messaging_core::domain::id::TenantId;
use messaging_core::domain::tenant::Role;
use messaging_core::gateway::Gateway;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waha_client::simulator::{AckStep, DEFAULT_API_KEY, Latency, Simulator, SimulatorConfig};

use crate::config::Config;
use crate::demo::DemoError;
use crate::demo::api_client::ApiClient;
use crate::wiring::{self, Service};

/// How many ports after the wanted one are tried.
const PORTS_TRIED: u16 = 20;

/// Everything that runs during the demo.
pub(super) struct Stage {
    simulator: Simulator,
    service: JoinHandle<io::Result<()>>,
    stop: CancellationToken,
    gateway: Gateway,
    tenant: TenantId,
    api: ApiClient,
    port_was_taken: bool,
    data: TempDir,
}

impl Stage {
    /// Starts everything; `stop` ends the service.
    pub(super) async fn set(port: u16, stop: CancellationToken) -> Result<Self, DemoError> {
        let data = tempfile::Builder::new().prefix("messaging-demo-").tempdir();
        let data = data.map_err(DemoError::Directory)?;
        let simulator = Simulator::start(simulator()).await.map_err(DemoError::Simulator)?;
        let config = Config::from_vars([
            ("PORT", port.to_string()),
            ("DATA_DIR", data.path().display().to_string()),
            ("WAHA_BASE_URL", simulator.base_url().to_owned()),
            ("WAHA_API_KEY", DEFAULT_API_KEY.to_owned()),
            // A story is no place to wait long.
            ("RETRY_BASE", "800ms".to_owned()),
            ("SHUTDOWN_TIMEOUT", "5s".to_owned()),
        ])?;
        let (listener, config) = listen(config).await?;
        let port_was_taken = port != 0 && config.port != port;
        let base_url = config.public_url.clone().unwrap_or_default();

        let service = Service::build(config).await?;
        let gateway = service.gateway().clone();
        let tenant = gateway.create_tenant("demo").await?.id;
        let token = SecretString::from(service.issue_token(tenant, Role::Owner, None)?);
        let service = tokio::spawn(service.run(listener, stop.clone()));
        let api = ApiClient::new(base_url, token);
        Ok(Self { simulator, service, stop, gateway, tenant, api, port_was_taken, data })
    }

    pub(super) fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(super) fn api(&self) -> &ApiClient {
        &self.api
    }

    /// Whether the wanted port was taken, so that another one is used.
    pub(super) fn port_was_taken(&self) -> bool {
        self.port_was_taken
    }

    /// Ends everything and removes the data.
    pub(super) async fn strike(self) -> Result<(), DemoError> {
        self.stop.cancel();
        let served = self.service.await.map_err(io::Error::other).and_then(|served| served);
        self.simulator.shutdown().await;
        self.data.close()?;
        served.map_err(DemoError::Service)
    }
}

/// A WAHA whose people answer within a second or so, and read everything.
fn simulator() -> SimulatorConfig {
    let millis = |min, max| Latency::range(Duration::from_millis(min), Duration::from_millis(max));
    let mut config = SimulatorConfig::default();
    config.knobs.latency = millis(80, 160);
    config.knobs.ack_script = vec![
        AckStep::new(1, Latency::millis(20)),
        AckStep::new(2, millis(200, 500)),
        AckStep::new(3, millis(300, 900)),
    ];
    config.knobs.auto_scan_ms = Some(700);
    config
}

/// Listens on the port that is wanted, else on the next that is free.
async fn listen(mut config: Config) -> Result<(TcpListener, Config), DemoError> {
    let wanted = config.port;
    loop {
        match wiring::bind(&config).await {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, config.listening_on(address)));
            }
            Err(error) if error.is_taken() && config.port - wanted < PORTS_TRIED => {
                config.port = config.port.checked_add(1).ok_or(error)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
