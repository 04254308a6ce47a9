//! The commands of the binary. Each writes its result, and nothing else, to the output it is given.

mod audit;
mod config;
mod doctor;
mod encryption;
mod error;
mod serve;
mod simulator;
mod tenants;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::{Parser, Subcommand};
use messaging_core::domain::audit::Link;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::retention::RetentionPatch;
use messaging_core::domain::tenant::{OnUnknown, Role};
use messaging_core::domain::tenant_life::{HIGHEST_LIMIT, LimitsPatch};
use messaging_core::gateway::access::NewApiKey;
use messaging_core::gateway::tenants::TenantPatch;

use crate::api;
use crate::config::node_role::NodeRole;
use crate::config::{Config, environment, kind};
use crate::demo::{self, DemoArgs};
use crate::shutdown;
use crate::telemetry::logs;

pub use error::CliError;
pub use simulator::{AckArg, DialectArg, EngineArg, SimulatorArgs};

/// A messaging gateway: many tenants' WhatsApp messages through WAHA, as an HTTP service.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// What to do; without any, `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the binary can do.
#[derive(Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Run the service (also without a command).
    Serve {
        /// What this node does; ROLE where not given.
        #[arg(long, value_parser = node_role)]
        role: Option<NodeRole>,
    },
    /// Watch messages go through a service and a simulated WAHA; nothing is kept.
    Demo(DemoArgs),
    /// Bring the store to the newest schema, which `serve` does too.
    Migrate,
    /// Check everything the service depends on; changes nothing.
    Doctor,
    /// Make and list tenants.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Print an access token.
    Token {
        /// The tenant, by id or name.
        #[arg(long, value_name = "NAME|ID")]
        tenant: String,
        /// What its bearer is to the tenant.
        #[arg(long, value_parser = role)]
        role: Role,
        /// How long it is valid, such as 1h; JWT_EXPIRES_IN where not given.
        #[arg(long, value_parser = time)]
        ttl: Option<Duration>,
    },
    /// Look at what was done, by whom.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at and go on with encryption at rest.
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Make API keys.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Print the OpenAPI document.
    Openapi,
    /// Run a simulated WAHA, to develop against.
    WahaSim(SimulatorArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What can be done with tenants.
#[derive(Subcommand)]
#[non_exhaustive]
pub enum TenantCommand {
    /// Make a tenant and print its id.
    Create {
        /// Its name, unique in the deployment.
        name: String,
    },
    /// Print the ids and names of all tenants, and what they want that is not the default.
    List,
    /// Change what is done for a tenant.
    #[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(
        [
            "on_unknown", "pii", "requests", "waiting",
            "retention_messages", "retention_webhooks", "retention_audit",
        ]
    ))]
    Set {
        /// Its id or name.
        tenant: String,
        /// What becomes of messages of which nobody can tell whether they were sent: `dead-letter`
        /// (they fail, and somebody decides) or `resend` (they are sent again, and may arrive twice).
        #[arg(long, value_name = "CHOICE", value_parser = on_unknown)]
        on_unknown: Option<OnUnknown>,
        /// For how long messages are kept that are over: a time from 1d, or `default`.
        #[arg(long, value_name = "TIME", value_parser = kept_for)]
        retention_messages: Option<KeptFor>,
        /// For how long webhooks are kept that were applied.
        #[arg(long, value_name = "TIME", value_parser = kept_for)]
        retention_webhooks: Option<KeptFor>,
        /// For how long entries of the audit log are kept.
        #[arg(long, value_name = "TIME", value_parser = kept_for)]
        retention_audit: Option<KeptFor>,
        /// What becomes of personal data in its texts: `off`, `mask` (shown as what kind it is) or
        /// `refuse` (not sent; what comes in is shown masked).
        #[arg(long, value_name = "CHOICE", value_parser = pii)]
        pii: Option<PiiPolicy>,
        /// How many requests to send it may make in a minute: a number, or `default`.
        #[arg(long = "requests-per-minute", value_name = "COUNT", value_parser = at_most)]
        requests: Option<AtMost>,
        /// How many messages of each of its sessions may wait: a number, or `default`.
        #[arg(long = "max-waiting", value_name = "COUNT", value_parser = at_most)]
        waiting: Option<AtMost>,
    },
    /// Stop sending for a tenant. What was accepted waits, and nothing more is accepted.
    Suspend {
        /// Its id or name.
        tenant: String,
        /// Why, for people.
        #[arg(long)]
        reason: Option<String>,
        /// For how long, such as `2h`; by default until it is resumed.
        #[arg(long = "for", value_name = "DURATION", value_parser = time)]
        lasting: Option<Duration>,
    },
    /// Let a suspended tenant send again, within seconds.
    Resume {
        /// Its id or name.
        tenant: String,
    },
    /// Have a tenant deleted with all that is kept of it, by the service that runs on the store. Nobody
    /// gets it back.
    Delete {
        /// Its id or name.
        tenant: String,
        /// Its name once more, to show that it is meant.
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
}

/// What can be done with the audit log.
#[derive(Subcommand)]
#[non_exhaustive]
pub enum AuditCommand {
    /// Check that no entry was changed, removed or inserted; print where each chain ends.
    Verify {
        /// Only this tenant's entries; by its id or name.
        #[arg(long, value_name = "NAME|ID")]
        tenant: Option<String>,
        /// Only the entries that are about no tenant.
        #[arg(long, conflicts_with = "tenant")]
        platform: bool,
        /// A head that was printed earlier and kept elsewhere: it must still be part of the chain.
        #[arg(long, value_name = "SEQ:HASH")]
        expect: Option<Link>,
    },
}

/// What can be done with encryption at rest. A service may run meanwhile; what is done is done in small
/// steps, and each command can be stopped and begun anew.
#[derive(Subcommand)]
#[non_exhaustive]
pub enum EncryptionCommand {
    /// Print what is encrypted, and with which keys; looks at every message.
    Status,
    /// Encrypt what is kept with each tenant's newest key or, with ENCRYPTION=plain, decrypt it.
    Seal {
        /// Only what this tenant has; by its id or name.
        #[arg(long, value_name = "NAME|ID")]
        tenant: Option<String>,
        /// Also messages that are encrypted with the newest key: to find them by words after
        /// ENCRYPTION was `numbers`, or not to find them so any more.
        #[arg(long)]
        all: bool,
    },
    /// Give tenants new keys; running services use them within a minute.
    Rotate {
        /// Only this tenant; by its id or name.
        #[arg(long, value_name = "NAME|ID")]
        tenant: Option<String>,
    },
    /// Wrap all keys in ENCRYPTION_KEY, so that ENCRYPTION_PREVIOUS_KEYS are needed no more.
    Rewrap,
}

/// What can be done with API keys.
#[derive(Subcommand)]
#[non_exhaustive]
pub enum ApiKeyCommand {
    /// Make an API key and print it; it cannot be shown again.
    Create {
        /// The tenant, by id or name.
        #[arg(long, value_name = "NAME|ID")]
        tenant: String,
        /// What its bearer is to the tenant.
        #[arg(long, value_parser = role)]
        role: Role,
        /// What it is for.
        #[arg(long, default_value = "command line")]
        name: String,
        /// How long it is good, such as 90d; until it is revoked where not given.
        #[arg(long, value_parser = time)]
        expires_in: Option<Duration>,
    },
}

/// What can be done with the configuration.
#[derive(Clone, Copy, Subcommand)]
#[non_exhaustive]
pub enum ConfigCommand {
    /// Say whether `serve` could start with it.
    Check,
    /// Print every setting as it stands; of secrets only whether they are set.
    Print,
    /// Print the text of `.env.example`.
    Example,
}

impl Cli {
    /// Does what was asked, with `.env` looked for in `dir`, and writes the result to `out`.
    ///
    /// # Errors
    /// [`CliError`] says what is in the way.
    pub async fn run<W: Write + Send>(self, dir: &Path, out: &mut W) -> Result<(), CliError> {
        match self.command.unwrap_or(Command::Serve { role: None }) {
            Command::Serve { role } => serve::serve(dir, role).await,
            Command::Demo(args) => Ok(demo::run(&args, out, shutdown::on_signal()?).await?),
            Command::Migrate => serve::migrate(dir, out).await,
            Command::Doctor => doctor::run(dir, out).await,
            Command::Tenant(TenantCommand::Create { name }) => {
                tenants::create(dir, &name, out).await
            }
            Command::Tenant(TenantCommand::List) => tenants::list(dir, out).await,
            Command::Tenant(TenantCommand::Set {
                tenant,
                on_unknown,
                pii,
                requests,
                waiting,
                retention_messages,
                retention_webhooks,
                retention_audit,
            }) => {
                let limits = LimitsPatch {
                    requests_per_minute: requests.map(|AtMost(limit)| limit),
                    max_waiting: waiting.map(|AtMost(limit)| limit),
                };
                let retention = RetentionPatch {
                    messages: retention_messages.map(|KeptFor(time)| time),
                    webhooks: retention_webhooks.map(|KeptFor(time)| time),
                    audit: retention_audit.map(|KeptFor(time)| time),
                };
                let patch = TenantPatch { on_unknown, pii, limits, retention };
                tenants::set(dir, &tenant, patch).await
            }
            Command::Tenant(TenantCommand::Suspend { tenant, reason, lasting }) => {
                tenants::suspend(dir, &tenant, reason, lasting).await
            }
            Command::Tenant(TenantCommand::Resume { tenant }) => {
                tenants::resume(dir, &tenant).await
            }
            Command::Tenant(TenantCommand::Delete { tenant, confirm }) => {
                tenants::delete(dir, &tenant, &confirm).await
            }
            Command::Token { tenant, role, ttl } => {
                tenants::token(dir, &tenant, role, ttl, out).await
            }
            Command::Audit(AuditCommand::Verify {
                expect: Some(_),
                tenant: None,
                platform: false,
            }) => Err(CliError::ExpectedOfWhich),
            Command::Audit(AuditCommand::Verify { tenant, platform, expect }) => {
                audit::verify(dir, tenant.as_deref(), platform, expect, out).await
            }
            Command::Encryption(EncryptionCommand::Status) => encryption::status(dir, out).await,
            Command::Encryption(EncryptionCommand::Seal { tenant, all }) => {
                encryption::seal(dir, tenant.as_deref(), all, out).await
            }
            Command::Encryption(EncryptionCommand::Rotate { tenant }) => {
                encryption::rotate(dir, tenant.as_deref(), out).await
            }
            Command::Encryption(EncryptionCommand::Rewrap) => encryption::rewrap(dir, out).await,
            Command::ApiKey(ApiKeyCommand::Create { tenant, role, name, expires_in }) => {
                tenants::api_key(
                    dir,
                    &tenant,
                    NewApiKey { name, role, scope: None, expires_in },
                    out,
                )
                .await
            }
            Command::Openapi => Ok(writeln!(out, "{}", api::openapi_document().trim_end())?),
            Command::WahaSim(args) => simulator::run(&args, out).await,
            Command::Config(command) => config::run(command, dir, out),
        }
    }
}

/// The configuration of the environment and of `.env` in `dir`; logs are written from here on.
fn configure(dir: &Path) -> Result<Config, CliError> {
    let config = Config::from_vars(environment::variables(dir)?)?;
    logs::start(config.log_format, &config.log_filter)?;
    Ok(config)
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn on_unknown(text: &str) -> Result<OnUnknown, String> {
    OnUnknown::from_name(text).ok_or_else(|| {
        let names: Vec<_> = OnUnknown::ALL.iter().map(|choice| choice.as_str()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// For how long something is kept; `None` as long as the deployment keeps it.
#[derive(Debug, Clone, Copy)]
pub struct KeptFor(pub Option<Duration>);

fn kept_for(text: &str) -> Result<KeptFor, String> {
    if text == "default" {
        return Ok(KeptFor(None));
    }
    let time = kind::TENANT_RETENTION;
    (time.read)(text)
        .map(|time| KeptFor(Some(time)))
        .ok_or_else(|| format!("expected default, or {}", time.expected))
}

/// How much something may be at the most; `None` for as much as the deployment lets it.
#[derive(Debug, Clone, Copy)]
pub struct AtMost(pub Option<u32>);

fn at_most(text: &str) -> Result<AtMost, String> {
    match text {
        "default" => Ok(AtMost(None)),
        _ => text
            .parse()
            .ok()
            .filter(|limit| (1..=HIGHEST_LIMIT).contains(limit))
            .map(|limit| AtMost(Some(limit)))
            .ok_or_else(|| format!("expected default, or a number from 1 to {HIGHEST_LIMIT}")),
    }
}

fn pii(text: &str) -> Result<PiiPolicy, String> {
    PiiPolicy::from_name(text).ok_or_else(|| {
        let names: Vec<_> = PiiPolicy::ALL.iter().map(|choice| choice.as_str()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn node_role(text: &str) -> Result<NodeRole, String> {
    NodeRole::from_name(text).ok_or_else(|| format!("expected {}", kind::NODE_ROLE.expected))
}

fn time(text: &str) -> Result<Duration, String> {
    kind::duration(text).ok_or_else(|| format!("expected {}", kind::DURATION.expected))
}
