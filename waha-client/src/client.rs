//! The HTTP client: one private function makes every call, and small files name the endpoints.

mod chats;
mod config;
mod contacts;
mod messages;
mod pairing;
mod path;
mod server;
mod sessions;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use chats::{ChatOverview, ChatScope, MessagePage, MessageQuery};
pub use config::{ClientConfig, Timeouts};
pub use messages::SendReceipt;

use crate::error::{BoxError, Purpose, Refusal, WahaError, classify};

/// A client of one WAHA server. Cloning is cheap, and clones share connections.
///
/// Every call is one attempt: nothing is repeated and no redirect is followed, because WAHA knows
/// no idempotency. Errors are sorted by what to do next, see [`WahaError`].
///
/// ```no_run
/// use waha_client::wire::TextRequest;
/// use waha_client::{WahaClient, WahaError};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let waha = WahaClient::new("http://localhost:3000", "the key".to_owned().into())?;
/// let text = TextRequest {
///     session: "default".to_owned(),
///     chat_id: "12132132130@c.us".to_owned(),
///     text: "Hi there!".to_owned(),
///     ..TextRequest::default()
/// };
/// match waha.send_text(&text).await {
///     Ok(receipt) => println!("sent as {:?}", receipt.raw_id()),
///     Err(WahaError::Hold { status }) => println!("wait: the session is {status}"),
///     Err(error) => println!("not sent: {}", error.reason()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WahaClient {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base: Url,
    has_key: bool,
    config: ClientConfig,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientConfigError {
    /// The base URL is not `http://…` or `https://…`, or has a query or a fragment. The URL is
    /// not repeated here, since it may hold a password.
    #[error("the base URL is not an http or https URL without query and fragment")]
    BaseUrl,
    /// The key holds characters a header cannot carry.
    #[error("the API key holds characters that a header cannot carry")]
    ApiKey,
    /// TLS cannot be set up, mostly because the system has no root certificates.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] BoxError),
}

/// One call, before it is made.
struct Call {
    purpose: Purpose,
    timeout: Duration,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

/// WAHA's limit on JSON bodies; a larger one only costs the upload before it is refused.
const MAX_BODY_BYTES: usize = 50 * 1024 * 1024;

/// WAHA runs on Node.js, which closes connections idle for 5 s. Letting go of them earlier avoids
/// writing into one that is just being closed, after which nobody knows what was received.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

impl WahaClient {
    /// A client of the server at `base_url` (scheme, host, port and perhaps a path before
    /// `/api`). An empty key sends none, for a WAHA that runs without.
    ///
    /// # Errors
    /// [`ClientConfigError`] if URL or key cannot be used.
    pub fn new(base_url: &str, api_key: SecretString) -> Result<Self, ClientConfigError> {
        Self::with_config(base_url, api_key, ClientConfig::default())
    }

    /// The same with other timeouts and limits.
    ///
    /// # Errors
    /// [`ClientConfigError`] if URL or key cannot be used.
    #[expect(clippy::needless_pass_by_value, reason = "whoever hands a key over should drop it")]
    pub fn with_config(
        base_url: &str,
        api_key: SecretString,
        config: ClientConfig,
    ) -> Result<Self, ClientConfigError> {
        let mut base = Url::parse(base_url).map_err(|_| ClientConfigError::BaseUrl)?;
        let usable = matches!(base.scheme(), "http" | "https")
            && base.has_host()
            && base.query().is_none()
            && base.fragment().is_none();
        if !usable {
            return Err(ClientConfigError::BaseUrl);
        }
        let prefix = base.path().trim_end_matches('/').to_owned();
        base.set_path(&prefix);

        let mut headers = HeaderMap::new();
        // Exactly this: with anything else in it, WAHA answers QR codes as bare pictures.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let has_key = !api_key.expose_secret().is_empty();
        if has_key {
            let mut key = HeaderValue::from_str(api_key.expose_secret())
                .map_err(|_| ClientConfigError::ApiKey)?;
            key.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-api-key"), key);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .connect_timeout(config.timeouts.connect)
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()
            .map_err(|error| ClientConfigError::Http(error.into()))?;
        Ok(Self { inner: Arc::new(Inner { http, base, has_key, config }) })
    }

    /// Where the server is, without a user or a password.
    pub(crate) fn shown_url(&self) -> String {
        let mut url = self.inner.base.clone();
        // An http URL takes both.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.as_str().trim_end_matches('/').to_owned()
    }

    pub(crate) fn has_key(&self) -> bool {
        self.inner.has_key
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.inner.config.timeouts
    }

    /// A call that only reads.
    async fn read<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: Vec<(&'static str, String)>,
    ) -> Result<Option<T>, WahaError> {
        let call = Call {
            purpose: Purpose::Repeatable,
            timeout: self.timeouts().read,
            method: Method::GET,
            path: path::path(segments)?,
            query,
            body: None,
        };
        parse(&self.call(call).await?)
    }

    /// A call that changes a session.
    async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<Vec<u8>>,
    ) -> Result<Option<T>, WahaError> {
        let call = Call {
            purpose: Purpose::Repeatable,
            timeout: self.timeouts().lifecycle,
            method,
            path: path::path(segments)?,
            query: Vec::new(),
            body,
        };
        parse(&self.call(call).await?)
    }

    /// Makes a call and reads the whole answer, which is empty where WAHA means null.
    async fn call(&self, call: Call) -> Result<Vec<u8>, WahaError> {
        Ok(self.exchange(call).await?.1)
    }

    /// The same, with the time by which the server answered, where it told.
    async fn exchange(&self, call: Call) -> Result<(Option<SystemTime>, Vec<u8>), WahaError> {
        let purpose = call.purpose;
        let mut url = self.inner.base.clone();
        url.set_path(&format!("{}{}", self.inner.base.path().trim_end_matches('/'), call.path));
        let mut request = self.inner.http.request(call.method, url).timeout(call.timeout);
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = call.body {
            if body.len() > MAX_BODY_BYTES {
                let reason = "too-large";
                return Err(WahaError::Permanent { reason, status: None, detail: None });
            }
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }

        let response = request.send().await.map_err(|error| lost(purpose, error))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let date = date(response.headers());
        let body = self.body_of(response).await;
        if status.is_success() {
            return match body {
                // The message is sent whatever becomes of the answer, so this is no unknown
                // outcome: only its id is not known yet.
                Err(_) if purpose == Purpose::Send => Ok((date, Vec::new())),
                body => Ok((date, body?)),
            };
        }
        // The status says enough where the body cannot be read.
        let body = body.unwrap_or_default();
        Err(classify(purpose, Refusal { status: status.as_u16(), body: &body, retry_after }))
    }

    /// Reads a body up to the limit.
    async fn body_of(&self, mut response: Response) -> Result<Vec<u8>, WahaError> {
        let limit = self.inner.config.max_answer_bytes;
        let status = Some(response.status().as_u16());
        let too_large =
            || WahaError::Permanent { reason: "answer-too-large", status, detail: None };
        let announced = response.content_length().and_then(|it| usize::try_from(it).ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced.unwrap_or(0));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => return Err(lost(Purpose::Repeatable, error)),
            }
        }
    }
}

impl fmt::Debug for WahaClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the whole URL: it may hold a password.
        formatter
            .debug_struct("WahaClient")
            .field("host", &self.inner.base.host_str())
            .field("port", &self.inner.base.port_or_known_default())
            .finish_non_exhaustive()
    }
}

/// Sorts a call that got no (whole) answer.
fn lost(purpose: Purpose, error: reqwest::Error) -> WahaError {
    // The URL holds chat ids and phone numbers.
    let error = error.without_url();
    let timed_out = error.is_timeout();
    if error.is_builder() {
        return WahaError::invalid("the request cannot be written");
    }
    if error.is_connect() {
        let reason = if timed_out { "connect-timeout" } else { "connect-failed" };
        return WahaError::SafeRetry { reason, source: Some(error.into()) };
    }
    let reason = if timed_out { "timeout" } else { "connection-lost" };
    let source: Option<BoxError> = Some(error.into());
    let (status, detail) = (None, None);
    match purpose {
        Purpose::Send => WahaError::UnknownOutcome { reason, status, detail, source },
        Purpose::Repeatable => WahaError::Unavailable { reason, status, detail, source },
    }
}

/// `Retry-After` in seconds; its other form, a date, would need a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// When the answer was written, by the server's clock.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// Writes a request's body.
fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, WahaError> {
    serde_json::to_vec(body).map_err(|_| WahaError::invalid("the request cannot be written"))
}

/// Reads an answer; an empty body and `null` are both nothing.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, WahaError> {
    if body.is_empty() {
        return Ok(None);
    }
    // The parser's own error is dropped: it quotes what it did not expect.
    crate::json::read(body).map_err(|_| unusable("answer-unreadable"))
}

/// An answer that must be there.
fn required<T>(answer: Option<T>) -> Result<T, WahaError> {
    answer.ok_or_else(|| unusable("answer-empty"))
}

fn unusable(reason: &'static str) -> WahaError {
    WahaError::Unavailable { reason, status: None, detail: None, source: None }
}

/// A thing that is not there is an answer, not an error.
fn found<T>(result: Result<Option<T>, WahaError>, absent: &str) -> Result<Option<T>, WahaError> {
    match result {
        Err(WahaError::Permanent { reason, .. }) if reason == absent => Ok(None),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One cut text must not hide all that an answer lists.
    #[test]
    fn half_a_character_costs_no_answer() {
        let answer = br#"[{"body":"before"},{"body":"x \ud83d"},{"body":"after"}]"#;
        let read: Option<Vec<serde_json::Value>> = parse(answer).unwrap();
        let bodies: Vec<_> = read.unwrap().into_iter().map(|it| it["body"].clone()).collect();
        assert_eq!(bodies, ["before", "x \u{FFFD}", "after"]);
    }
}
