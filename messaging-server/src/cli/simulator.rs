//! Running a simulated WAHA by itself.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use waha_client::Engine;
use waha_client::simulator::{
    AckStep, DEFAULT_API_KEY, DEFAULT_PORT, Latency, SeededSession, Simulator, SimulatorConfig,
    WebhookDialect,
};
use waha_client::wire::{HmacConfig, WebhookConfig};

use crate::cli::{CliError, time};
use crate::shutdown;
use crate::telemetry::logs::{self, LogFormat};

/// How to run a simulated WAHA. Everything else can be turned while it runs, at
/// `/simulator/knobs`.
#[derive(Clone, Args)]
pub struct SimulatorArgs {
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// Port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Which of WAHA's engines to be.
    #[arg(long, value_enum, default_value_t = EngineArg::Gows)]
    pub engine: EngineArg,
    /// The key to ask for; empty asks for none.
    #[arg(long, default_value = DEFAULT_API_KEY)]
    pub api_key: String,
    /// A session that is signed in from the start; may be repeated.
    #[arg(long = "session", value_name = "NAME")]
    pub sessions: Vec<String>,
    /// Where every session's events are posted.
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// What those posts are signed with.
    #[arg(long, value_name = "SECRET", requires = "webhook_url")]
    pub webhook_secret: Option<String>,
    /// How events are named, shaped and signed.
    #[arg(long, value_enum, default_value_t = DialectArg::Waha)]
    pub dialect: DialectArg,
    /// Time from the arrival of a send to its acceptance, such as 100ms or 50ms-2s.
    #[arg(long, value_parser = latency, default_value = "0", value_name = "TIME")]
    pub latency: Latency,
    /// How soon messages are delivered and read.
    #[arg(long, value_enum, default_value_t = AckArg::Prompt)]
    pub acks: AckArg,
    /// Scan QR codes by itself after this time.
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub auto_scan: Option<Duration>,
}

/// An engine by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// whatsmeow, in Go.
    Gows,
    /// Baileys, a web socket.
    Noweb,
    /// A browser.
    Webjs,
}

/// A dialect by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DialectArg {
    /// WAHA's own.
    Waha,
    /// The simple one.
    Simple,
}

/// How soon messages are delivered and read.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AckArg {
    /// Within a fraction of a second.
    Prompt,
    /// After seconds, and not always.
    Lifelike,
    /// Never.
    None,
}

impl SimulatorArgs {
    /// What the simulator starts with.
    fn config(&self) -> SimulatorConfig {
        let mut config = SimulatorConfig {
            address: SocketAddr::new(self.host, self.port),
            api_key: (!self.api_key.is_empty()).then(|| self.api_key.clone()),
            sessions: self.sessions.iter().map(SeededSession::working).collect(),
            ..SimulatorConfig::default()
        };
        config.webhooks.extend(self.webhook_url.as_ref().map(|url| WebhookConfig {
            url: url.clone(),
            events: vec!["*".to_owned()],
            hmac: Some(HmacConfig { key: self.webhook_secret.clone() }),
            ..WebhookConfig::default()
        }));
        let knobs = &mut config.knobs;
        knobs.engine = match self.engine {
            EngineArg::Gows => Engine::Gows,
            EngineArg::Noweb => Engine::Noweb,
            EngineArg::Webjs => Engine::Webjs,
        };
        knobs.webhooks.dialect = match self.dialect {
            DialectArg::Waha => WebhookDialect::Waha,
            DialectArg::Simple => WebhookDialect::Simple,
        };
        knobs.latency = self.latency;
        knobs.ack_script = match self.acks {
            AckArg::Prompt => AckStep::prompt(),
            AckArg::Lifelike => AckStep::lifelike(),
            AckArg::None => Vec::new(),
        };
        knobs.auto_scan_ms =
            self.auto_scan.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        config
    }
}

/// Runs a simulator until a signal asks it to stop. Writes its address, so that whoever asked for
/// any free port knows which it is.
pub(super) async fn run<W: Write>(args: &SimulatorArgs, out: &mut W) -> Result<(), CliError> {
    logs::start(LogFormat::Pretty, "info")?;
    let stop = shutdown::on_signal()?;
    let config = args.config();
    let address = config.address;
    let simulator =
        Simulator::start(config).await.map_err(|source| CliError::Simulator { address, source })?;
    writeln!(out, "{}", simulator.base_url())?;
    out.flush()?;
    stop.cancelled().await;
    simulator.shutdown().await;
    Ok(())
}

/// Reads `100ms` or `50ms-2s`.
fn latency(text: &str) -> Result<Latency, String> {
    if text == "0" {
        return Ok(Latency::NONE);
    }
    match text.split_once('-') {
        Some((min, max)) => Ok(Latency::range(time(min)?, time(max)?)),
        None => Ok(Latency::fixed(time(text)?)),
    }
}
