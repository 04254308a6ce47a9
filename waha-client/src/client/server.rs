//! What the server says about itself.

use std::time::SystemTime;

use reqwest::Method;
use serde::de::IgnoredAny;

use super::{Call, WahaClient, parse, path, required};
use crate::error::{Purpose, WahaError};
use crate::wire::{Environment, Health, Pong, ServerStatus};

impl WahaClient {
    /// Whether the process answers at all: `GET /ping`, which needs no key.
    ///
    /// # Errors
    /// As any read.
    pub async fn ping(&self) -> Result<(), WahaError> {
        self.read::<IgnoredAny>(&["ping"], Vec::new()).await.map(drop)
    }

    /// What time it is by the server's clock, in whole seconds, where its answer to `GET /ping`
    /// tells; that call needs no key.
    ///
    /// # Errors
    /// As any read.
    pub async fn server_time(&self) -> Result<Option<SystemTime>, WahaError> {
        let call = Call {
            purpose: Purpose::Repeatable,
            timeout: self.timeouts().read,
            method: Method::GET,
            path: path::path(&["ping"])?,
            query: Vec::new(),
            body: None,
        };
        let (date, body) = self.exchange(call).await?;
        // Something else may answer there, whose clock is of no interest.
        required(parse::<Pong>(&body)?).map(|_| date)
    }

    /// Whether WAHA's disk and database are well: `GET /health`, which needs an admin key. It
    /// does not look at WhatsApp. A server that is not well is an answer ([`Health::is_ok`]),
    /// not an error.
    ///
    /// # Errors
    /// As any read.
    pub async fn health(&self) -> Result<Health, WahaError> {
        match self.read(&["health"], Vec::new()).await {
            Err(WahaError::Unavailable { status: Some(503), .. }) => {
                Ok(Health { status: "error".to_owned(), ..Health::default() })
            }
            answer => required(answer?),
        }
    }

    /// Version and engine: `GET /api/server/version`. They do not change while the process
    /// runs.
    ///
    /// # Errors
    /// As any read.
    pub async fn version(&self) -> Result<Environment, WahaError> {
        required(self.read(&["api", "server", "version"], Vec::new()).await?)
    }

    /// When the process started: `GET /api/server/status`. A new time means a restart, in which
    /// undelivered webhooks were lost.
    ///
    /// # Errors
    /// As any read.
    pub async fn server_status(&self) -> Result<ServerStatus, WahaError> {
        required(self.read(&["api", "server", "status"], Vec::new()).await?)
    }
}

impl Environment {
    /// Whether the version is at least [`crate::MINIMUM_VERSION`]; `None` where it is not
    /// `year.month.build`.
    ///
    /// ```
    /// use waha_client::wire::Environment;
    ///
    /// let environment = |version: &str| Environment { version: version.into(), ..Default::default() };
    /// assert_eq!(environment("2026.7.1").is_supported(), Some(true));
    /// assert_eq!(environment("2026.4.2").is_supported(), Some(false));
    /// assert_eq!(environment("next").is_supported(), None);
    /// ```
    #[must_use]
    pub fn is_supported(&self) -> Option<bool> {
        Some(version_parts(&self.version)? >= version_parts(crate::MINIMUM_VERSION)?)
    }
}

fn version_parts(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.splitn(3, '.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}
