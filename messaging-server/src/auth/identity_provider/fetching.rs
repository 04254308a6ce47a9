//! Where a provider's keys are, and how they are had from there: bounded in time and size, from
//! nowhere else.

use std::error::Error as StdError;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::keys::{Keys, UnusableKeys};

/// The largest answer, or file, that is read.
const MOST_BYTES: usize = 256 * 1024;

/// Where a provider's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysPlace {
    /// At an address.
    Url {
        /// Which.
        url: String,
        /// Whether it may be one without encryption that leads to another machine.
        plain: bool,
    },
    /// Where the provider says (OpenID Connect Discovery 1.0).
    Discovered {
        /// The provider, as tokens name it.
        issuer: String,
        /// As of an address.
        plain: bool,
    },
    /// In a file.
    File(PathBuf),
}

/// Why a provider's keys cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// No answer, or one that says no.
    #[error("{0}")]
    Unreachable(String),
    /// An answer that is not what is asked for.
    #[error("{0}")]
    Unusable(String),
    /// A set of keys with which nothing can be done.
    #[error(transparent)]
    Keys(#[from] UnusableKeys),
    /// A file that cannot be used.
    #[error("OIDC_JWKS_FILE {path} cannot be used", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<KeysError>,
    },
    /// There can be no client: the system has no root certificates.
    #[error("no keys can be fetched")]
    Client(#[source] reqwest::Error),
}

/// Fetches keys.
pub(super) struct Fetching {
    place: KeysPlace,
    allowed: Vec<Algorithm>,
    client: Option<Client>,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Fetching {
    pub(super) fn new(
        place: KeysPlace,
        allowed: Vec<Algorithm>,
        timeout: Duration,
    ) -> Result<Self, KeysError> {
        let client = match place {
            KeysPlace::File(_) => None,
            _ => Some(client(timeout).map_err(KeysError::Client)?),
        };
        Ok(Self { place, allowed, client, timeout })
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.place, KeysPlace::File(_))
    }

    /// The keys as they are now.
    pub(super) async fn fetch(&self) -> Result<Keys, KeysError> {
        let fetched = tokio::time::timeout(self.timeout, self.bytes()).await;
        let too_late = |_| KeysError::Unreachable("it took too long".to_owned());
        Ok(Keys::parse(&fetched.map_err(too_late)??, &self.allowed)?)
    }

    /// The keys of a file, for whoever may wait for it.
    pub(super) fn read_now(&self) -> Result<Option<Keys>, KeysError> {
        let KeysPlace::File(path) = &self.place else { return Ok(None) };
        let keys = read(path).and_then(|bytes| Ok(Keys::parse(&bytes, &self.allowed)?));
        let named = |source| KeysError::File { path: path.clone(), source: Box::new(source) };
        keys.map(Some).map_err(named)
    }

    async fn bytes(&self) -> Result<Vec<u8>, KeysError> {
        match &self.place {
            KeysPlace::File(path) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || read(&path)).await;
                reading.map_err(|error| KeysError::Unreachable(error.to_string()))?
            }
            KeysPlace::Url { url, plain } => self.get(url, *plain).await,
            KeysPlace::Discovered { issuer, plain } => {
                // Asked for each time: providers move their keys without notice.
                let about = self.get(&discovery_url(issuer), *plain).await?;
                let about: Discovered = serde_json::from_slice(&about).map_err(|_| {
                    KeysError::Unusable("it is no OpenID configuration with a jwks_uri".to_owned())
                })?;
                if about.issuer != *issuer {
                    let why = "its OpenID configuration is of another issuer than OIDC_ISSUER";
                    return Err(KeysError::Unusable(why.to_owned()));
                }
                self.get(&about.jwks_uri, *plain).await
            }
        }
    }

    async fn get(&self, url: &str, plain: bool) -> Result<Vec<u8>, KeysError> {
        let Some(client) = &self.client else {
            return Err(KeysError::Unusable("there is nothing to fetch".to_owned()));
        };
        if !is_fetchable(url, plain) {
            let why = "the address of its keys is not https (OIDC_ALLOW_HTTP)";
            return Err(KeysError::Unusable(why.to_owned()));
        }
        let mut answer = client.get(url).send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            let status = answer.status().as_u16();
            return Err(KeysError::Unreachable(format!("it answered {status}")));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Whether keys may be fetched from an address: encrypted, from this machine, or where `plain` says
/// that anything goes.
pub fn is_fetchable(url: &str, plain: bool) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|it| it.is_loopback());
    let is_open = url.username().is_empty() && url.password().is_none() && !host.is_empty();
    is_open && (url.scheme() == "https" || url.scheme() == "http" && (plain || is_here))
}

/// Where a provider tells of itself (OpenID Connect Discovery 1.0, section 4).
pub(super) fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

fn client(timeout: Duration) -> reqwest::Result<Client> {
    Client::builder()
        // Keys come from where the operator said, and from nowhere that an answer says.
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent("messaging-gateway")
        .timeout(timeout)
        .connect_timeout(timeout)
        .pool_max_idle_per_host(0)
        .build()
}

fn read(path: &Path) -> Result<Vec<u8>, KeysError> {
    let unreadable = |error: std::io::Error| KeysError::Unreachable(error.to_string());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MOST_BYTES { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> KeysError {
    KeysError::Unusable(format!("it has more than {MOST_BYTES} bytes"))
}

/// Why nothing came, with what led to it.
fn unreachable(error: reqwest::Error) -> KeysError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(each) = cause {
        text.push_str(": ");
        text.push_str(&each.to_string());
        cause = each.source();
    }
    KeysError::Unreachable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_encrypted_or_from_this_machine() {
        for (url, expected) in [
            ("https://id.example/keys", true),
            ("https://id.example:8443/keys?p=a", true),
            ("http://localhost:8080/keys", true),
            ("http://127.0.0.1/keys", true),
            ("http://[::1]:9/keys", true),
            ("http://id.example/keys", false),
            ("http://localhost.example/keys", false),
            ("http://127.0.0.1.example/keys", false),
            ("http://192.168.0.1/keys", false),
            ("https://me:secret@id.example/keys", false),
            ("file:///etc/passwd", false),
            ("ftp://id.example/keys", false),
            ("data:application/json,{}", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(is_fetchable(url, false), expected, "{url}");
        }
        assert!(is_fetchable("http://keycloak:8080/keys", true));
        assert!(!is_fetchable("file:///etc/passwd", true));
    }

    #[test]
    fn a_slash_at_the_issuers_end_is_none_in_between() {
        let expected = "https://id.example/a/.well-known/openid-configuration";
        assert_eq!(discovery_url("https://id.example/a"), expected);
        assert_eq!(discovery_url("https://id.example/a/"), expected);
    }
}
