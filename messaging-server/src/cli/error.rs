//! Why a command did not do what it was asked.

use std::io;
use std::net::SocketAddr;

use messaging_core::gateway::error::GatewayError;
use messaging_core::ports::store_error::StoreError;

use crate::auth::IssueError;
use crate::config::problem::ConfigError;
use crate::demo::DemoError;
use crate::telemetry::logs::LogError;
use crate::wiring::{BindError, BuildError};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The service cannot be put together.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The service cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The gateway refused.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// A tenant cannot have this name.
    #[error("the name {0}")]
    TenantName(String),
    /// It is not the tenant's name.
    #[error("--confirm must be the tenant's name, for nobody gets it back")]
    NotConfirmed,
    /// The token cannot be made.
    #[error(transparent)]
    Token(#[from] IssueError),
    /// Somebody changed the audit log.
    #[error("{0} of these chains are broken")]
    AuditBroken(usize),
    /// There are no keys.
    #[error("nothing is encrypted: ENCRYPTION is plain")]
    NotEncrypted,
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not said which chain has this head.
    #[error("--expect needs --tenant or --platform")]
    ExpectedOfWhich,
    /// The simulator cannot listen.
    #[error("the simulator cannot listen on {address}")]
    Simulator {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The demo did not come to its end.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Something that the service depends on is not as it must be; the report says what.
    #[error("{0} of these must be corrected")]
    Unwell(usize),
    /// Logs cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system refused something.
    #[error(transparent)]
    System(#[from] io::Error),
}
