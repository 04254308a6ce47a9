//! Why the demo did not come to its end.

use std::io;

use messaging_core::gateway::error::GatewayError;

use crate::auth::IssueError;
use crate::config::problem::ConfigError;
use crate::wiring::{BindError, BuildError};

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// There is no directory for its data.
    #[error("no temporary directory can be made")]
    Directory(#[source] io::Error),
    /// The simulator cannot listen.
    #[error("the simulated WAHA cannot listen")]
    Simulator(#[source] io::Error),
    /// The service cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The demo's own configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The service cannot be put together.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The service ended by itself.
    #[error("the service ended")]
    Service(#[source] io::Error),
    /// The token cannot be made.
    #[error(transparent)]
    Token(#[from] IssueError),
    /// The gateway refused.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The API cannot be called.
    #[error("the service cannot be called")]
    Http(#[from] reqwest::Error),
    /// The API refused.
    #[error("{request} was answered {status}: {answer}")]
    Refused {
        /// The request.
        request: String,
        /// The status of the answer.
        status: u16,
        /// The answer.
        answer: String,
    },
    /// Something did not happen.
    #[error("waited too long until {0}")]
    TooLong(&'static str),
    /// Something happened that should not.
    #[error("the story went otherwise: {0}")]
    Otherwise(String),
    /// Nothing can be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}
