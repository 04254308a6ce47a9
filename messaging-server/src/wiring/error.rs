//! Why the service could not be put together, or could not listen.

use std::io;
use std::path::PathBuf;

use messaging_store_sqlite::OpenError;
use waha_client::client::ClientConfigError;
use waha_client::webhooks::SigningKeysError;

use crate::config::kept_secret::KeptSecretError;
use crate::config::problem::ConfigError;

/// Why the parts could not be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// This version has no adapter for what is configured.
    #[error("{0} is configured, and this version has the embedded store only")]
    NoAdapter(&'static str),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret that is kept cannot be used.
    #[error(transparent)]
    Secret(#[from] KeptSecretError),
    /// The directory for data cannot be made.
    #[error("DATA_DIR {} cannot be used", path.display())]
    DataDir {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// No client of WAHA can be made.
    #[error("WAHA cannot be called")]
    Waha(#[from] ClientConfigError),
    /// The secret of webhooks signs nothing.
    #[error("webhooks cannot be verified")]
    Webhooks(#[from] SigningKeysError),
    /// The metrics cannot be set up.
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
}

/// The service could not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host}:{port}; HOST and PORT say where")]
pub struct BindError {
    pub(super) host: String,
    pub(super) port: u16,
    #[source]
    pub(super) source: io::Error,
}

impl BindError {
    /// Whether somebody else listens there.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}
