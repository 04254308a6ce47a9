//! Why the service could not be put together, or could not listen.

use std::io;
use std::path::PathBuf;

use messaging_store_redis::RedisFault;
use waha_client::client::ClientConfigError;
use waha_client::webhooks::SigningKeysError;

use crate::auth::IssueError;
use crate::auth::identity_provider::KeysError;
use crate::config::kept_secret::KeptSecretError;
use crate::config::problem::ConfigError;
use crate::listening::tls::TlsError;
pub use crate::wiring::vault::EncryptionError;

/// Why the parts could not be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret that is kept cannot be used.
    #[error(transparent)]
    Secret(#[from] KeptSecretError),
    /// No secret can be derived for refresh tokens.
    #[error(transparent)]
    Refresh(#[from] IssueError),
    /// The directory for data cannot be made.
    #[error("DATA_DIR {} cannot be used", path.display())]
    DataDir {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is encrypted cannot be read.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// The embedded store cannot be opened.
    #[error(transparent)]
    Sqlite(#[from] messaging_store_sqlite::OpenError),
    /// PostgreSQL cannot be used.
    #[error(transparent)]
    Postgres(#[from] messaging_store_postgres::OpenError),
    /// Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] RedisFault),
    /// No client of WAHA can be made.
    #[error("WAHA cannot be called")]
    Waha(#[from] ClientConfigError),
    /// The secret of webhooks signs nothing.
    #[error("webhooks cannot be verified")]
    Webhooks(#[from] SigningKeysError),
    /// The certificate that HTTPS is to be served with cannot be used.
    #[error("TLS_CERT_FILE and TLS_KEY_FILE cannot be used")]
    Tls(#[from] TlsError),
    /// The identity provider's keys cannot be used, or never fetched.
    #[error(transparent)]
    IdentityProvider(#[from] KeysError),
    /// Nothing can be fetched.
    #[error("files cannot be fetched")]
    Media(#[from] reqwest::Error),
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
    /// What the system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether somebody else listens there.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}
