//! Files that are named by an address: fetched here, from addresses that were looked at, before
//! they are sent.
//!
//! WAHA would fetch them itself, from inside the operator's network, follow redirects to anywhere and
//! look names up anew. What it is handed instead is the file. Whoever passes addresses on all the
//! same (`MEDIA_URLS=pass`) has them looked at a moment before; what a name or a redirect leads to
//! then is WAHA's to find out.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messaging_core::domain::content::{Attachment, Content, Media, MediaSource};
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::media_url::{
    Host, HostNames, MediaUrl, MediaUrlError, MediaUrls, is_filename,
};
use messaging_core::domain::session::ProviderSession;
use messaging_core::ports::transport::{
    Envelope, Found, Later, LaterReason, Lookup, Preparation, Route, SendOutcome, Transport,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::time::Instant;

/// How long fetching one file may take: shorter than a message may be prepared.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;

/// How long a file that was fetched is kept for its message. One that is not sent by then is fetched
/// anew.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Looks up what names stand for.
#[async_trait]
pub trait HostResolver: Send + Sync + 'static {
    /// All addresses of a host.
    ///
    /// # Errors
    /// Where it cannot be looked up, or is not there.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl HostResolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// How files are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFetching {
    /// By whom.
    pub by: MediaUrls,
    /// Hosts that may be inside.
    pub exceptions: HostNames,
    /// The largest file, in bytes.
    pub max_bytes: usize,
}

/// A transport whose messages name their files by address, before one that is handed the files.
pub struct FetchingTransport {
    inner: Arc<dyn Transport>,
    how: MediaFetching,
    guard: Guard,
    client: Client,
    /// Of each session the file that goes next: it sends one message at a time.
    fetched: Mutex<HashMap<ProviderSession, Fetched>>,
}

struct Fetched {
    from: String,
    data: String,
    mimetype: Option<String>,
    at: Instant,
}

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// It never will be.
    #[error("{1}")]
    Refused(FailureCode, String),
    /// Nothing is known of later.
    #[error("the file cannot be had at present")]
    NotNow,
}

impl FetchError {
    fn not_allowed(why: MediaUrlError) -> Self {
        match why {
            MediaUrlError::NotFound => Self::NotNow,
            why => {
                Self::Refused(FailureCode::MediaUrlNotAllowed, format!("the file's address {why}"))
            }
        }
    }

    fn rejected(detail: impl Into<String>) -> Self {
        Self::Refused(FailureCode::MediaRejected, detail.into())
    }
}

impl FetchingTransport {
    /// Before `inner`, with names looked up by `resolver`.
    ///
    /// # Errors
    /// Where no client can be made: the system has no root certificates.
    pub fn new(
        inner: Arc<dyn Transport>,
        how: MediaFetching,
        resolver: Arc<dyn HostResolver>,
    ) -> reqwest::Result<Self> {
        let exceptions = Arc::new(how.exceptions.clone());
        let guard = Guard { resolver, exceptions: Arc::clone(&exceptions) };
        let redirects = Policy::custom(move |attempt| {
            if attempt.previous().len() > MOST_REDIRECTS {
                return attempt.error(FetchError::rejected("the file's address leads on and on"));
            }
            // Names are looked at when they are looked up.
            match at_sight(attempt.url(), &exceptions) {
                Ok(()) => attempt.follow(),
                Err(why) => attempt.error(FetchError::not_allowed(why)),
            }
        });
        let client = Client::builder()
            .dns_resolver(Arc::new(guard.clone()))
            .redirect(redirects)
            // A proxy of the environment would look names up itself.
            .no_proxy()
            .referer(false)
            .user_agent("messaging-gateway")
            .timeout(FETCH_TIMEOUT)
            .connect_timeout(FETCH_TIMEOUT / 2)
            // Connections that stay are addresses that were looked at long ago.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { inner, how, guard, client, fetched: Mutex::default() })
    }

    fn fetched(&self) -> MutexGuard<'_, HashMap<ProviderSession, Fetched>> {
        // Nothing panics while holding it, and a map is never half changed.
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does with a file's address what is to be done before its message may be sent.
    async fn make_ready(&self, session: &ProviderSession, url: &str) -> Result<(), FetchError> {
        let parsed = MediaUrl::parse(url).map_err(FetchError::not_allowed)?;
        if let Some(why) = parsed.refused_at_sight(&self.how.exceptions) {
            return Err(FetchError::not_allowed(why));
        }
        match self.how.by {
            MediaUrls::Off => {
                let detail = "files are not taken by address here";
                Err(FetchError::Refused(FailureCode::MediaUrlNotAllowed, detail.to_owned()))
            }
            MediaUrls::Pass => {
                let Host::Name(name) = &parsed.host else { return Ok(()) };
                let looking = tokio::time::timeout(FETCH_TIMEOUT, self.guard.look_up(name));
                match looking.await {
                    Ok(found) => found.map(|_| ()).map_err(FetchError::not_allowed),
                    Err(_) => Err(FetchError::NotNow),
                }
            }
            MediaUrls::Fetch => {
                // As many at a time as messages are under way: were there fewer places than that, one
                // tenant's slow servers would hold up the files of others.
                let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch(url)).await;
                let fetched = fetched.map_err(|_| FetchError::NotNow)??;
                let mut kept = self.fetched();
                kept.retain(|_, each| each.at.elapsed() < KEPT_FOR);
                kept.insert(session.clone(), fetched);
                Ok(())
            }
        }
    }

    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let mut answer = self.client.get(url).send().await.map_err(cause)?;
        let status = answer.status();
        if matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error() {
            return Err(FetchError::NotNow);
        }
        if !status.is_success() {
            let detail = format!("the file's server answered {}", status.as_u16());
            return Err(FetchError::rejected(detail));
        }
        let too_large = || {
            let detail = format!("the file has more than {} bytes", self.how.max_bytes);
            FetchError::rejected(detail)
        };
        if answer.content_length().is_some_and(|length| length > self.how.max_bytes as u64) {
            return Err(too_large());
        }
        let mimetype = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mimetype = mimetype.filter(|it| it.contains('/') && it.len() <= 255).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(cause)? {
            if bytes.len() + chunk.len() > self.how.max_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() {
            return Err(FetchError::rejected("the file is empty"));
        }
        let (from, data, at) = (url.to_owned(), STANDARD.encode(bytes), Instant::now());
        Ok(Fetched { from, data, mimetype, at })
    }

    /// The message with its file in place of the file's address.
    fn with_file(
        &self,
        session: &ProviderSession,
        content: &Content,
        url: &str,
    ) -> Option<Content> {
        let fetched = self.fetched().remove(session).filter(|fetched| fetched.from == url)?;
        let Some(Attachment::Media(media)) = &content.attachment else { return None };
        let media = Media {
            source: MediaSource::Data(fetched.data),
            mimetype: media.mimetype.clone().or(fetched.mimetype),
            // What WAHA would have named it by.
            filename: media.filename.clone().or_else(|| name_in(url)),
            ..media.clone()
        };
        let attachment = Some(Attachment::Media(media));
        Some(Content { body: content.body.clone(), attachment })
    }
}

/// The address of a message's file, where it is named by one.
fn url_of(content: &Content) -> Option<&str> {
    match &content.attachment {
        Some(Attachment::Media(Media { source: MediaSource::Url(url), .. })) => Some(url),
        _ => None,
    }
}

/// The name of a file in its address, where it has a plain one.
fn name_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?;
    let plain = last.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    (plain && last.contains('.') && is_filename(last)).then(|| last.to_owned())
}

fn at_sight(url: &Url, exceptions: &HostNames) -> Result<(), MediaUrlError> {
    MediaUrl::parse(url.as_str())?.refused_at_sight(exceptions).map_or(Ok(()), Err)
}

/// Why a request failed: our own refusal, which lies within the client's error, or anything else.
#[expect(clippy::needless_pass_by_value, reason = "used as a function of an error")]
fn cause(error: reqwest::Error) -> FetchError {
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(each) = next {
        if let Some(why) = each.downcast_ref::<MediaUrlError>() {
            return FetchError::not_allowed(*why);
        }
        if let Some(FetchError::Refused(code, detail)) = each.downcast_ref::<FetchError>() {
            return FetchError::Refused(*code, detail.clone());
        }
        next = each.source();
    }
    FetchError::NotNow
}

/// Looks names up for the client, and gives it no address that is not looked at.
#[derive(Clone)]
struct Guard {
    resolver: Arc<dyn HostResolver>,
    exceptions: Arc<HostNames>,
}

impl Guard {
    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, MediaUrlError> {
        let found = self.resolver.resolve(name).await.unwrap_or_default();
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let url = MediaUrl { is_tls: true, host: Host::Name(name), port: 443 };
        url.check(&found, &self.exceptions)?;
        Ok(found)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.look_up(name.as_str()).await?;
            // Of port 0 the client makes the one that is asked for.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

#[async_trait]
impl Transport for FetchingTransport {
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation {
        let prepared = self.inner.prepare(envelope).await;
        let (Preparation::Ready(_), Some(url)) = (&prepared, url_of(envelope.content)) else {
            return prepared;
        };
        match self.make_ready(envelope.session, url).await {
            Ok(()) => prepared,
            Err(FetchError::Refused(code, detail)) => {
                Preparation::Rejected(Failure::with_detail(code, detail))
            }
            Err(FetchError::NotNow) => Preparation::TryLater(unavailable()),
        }
    }

    async fn send<'a>(
        &self,
        envelope: Envelope<'a>,
        route: &Route,
        id: Option<&'a ProviderMessageId>,
    ) -> SendOutcome {
        let Some(url) = url_of(envelope.content).filter(|_| self.how.by != MediaUrls::Pass) else {
            return self.inner.send(envelope, route, id).await;
        };
        match self.with_file(envelope.session, envelope.content, url) {
            Some(content) => {
                self.inner.send(Envelope { content: &content, ..envelope }, route, id).await
            }
            None => SendOutcome::TryLater(unavailable()),
        }
    }

    async fn find_sent<'a>(&self, lookup: Lookup<'a>) -> Found {
        self.inner.find_sent(lookup).await
    }

    fn longest_attempt(&self) -> Duration {
        self.inner.longest_attempt()
    }
}

fn unavailable() -> Later {
    Later { reason: LaterReason::MediaUnavailable, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::conformance::build::address;
    use messaging_core::domain::content::MediaKind;
    use messaging_core::ports::transport::MockTransport;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Names as a test has them.
    struct Names(HashMap<&'static str, Vec<IpAddr>>);

    #[async_trait]
    impl HostResolver for Names {
        async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            self.0.get(host).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn names() -> Arc<Names> {
        Arc::new(Names(HashMap::from([
            ("files.test", vec![ip("127.0.0.1")]),
            ("inside.test", vec![ip("10.0.0.7")]),
            ("both.test", vec![ip("93.184.215.14"), ip("127.0.0.1")]),
            ("public.test", vec![ip("93.184.215.14")]),
        ])))
    }

    /// A server that gives each request the answer that its path names.
    async fn server() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let read = stream.read(&mut buffer).await.unwrap();
                    let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default();
                    let to = |url: &str| {
                        format!("302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n")
                    };
                    let answer = match path {
                        "/a.png" => {
                            "200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\nhello"
                                .to_owned()
                        }
                        "/gone" => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                        "/busy" => "503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
                        "/large" => {
                            format!("200 OK\r\nContent-Length: 1001\r\n\r\n{}", "x".repeat(1001))
                        }
                        "/endless" => format!("200 OK\r\n\r\n{}", "x".repeat(5000)),
                        "/empty" => "200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
                        "/to-metadata" => to("http://169.254.169.254/latest/meta-data"),
                        "/to-loopback" => to(&format!("http://127.0.0.1:{port}/a.png")),
                        "/to-odd" => to(&format!("http://0x7f.1:{port}/a.png")),
                        "/to-inside" => to("http://inside.test/a.png"),
                        "/to-file" => to("file:///etc/passwd"),
                        "/to-good" => to("/a.png"),
                        _ => to(path),
                    };
                    let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
                });
            }
        });
        port
    }

    fn picture(url: &str) -> Content {
        let source = MediaSource::Url(url.to_owned());
        let media = Media { kind: MediaKind::Image, source, mimetype: None, filename: None };
        Content { body: "caption".to_owned(), attachment: Some(Attachment::Media(media)) }
    }

    fn route() -> Route {
        Route { chat: "chat".to_owned(), takes_id: false }
    }

    /// What becomes of a message with this file; `Ok` with what the provider was handed.
    async fn sent(by: MediaUrls, exceptions: &str, url: &str) -> Result<Content, FailureCode> {
        let handed = Arc::new(Mutex::new(None));
        let mut inner = MockTransport::new();
        inner.expect_prepare().returning(|_| Preparation::Ready(route()));
        let seen = Arc::clone(&handed);
        inner.expect_send().returning(move |envelope, _, _| {
            *seen.lock().unwrap() = Some(envelope.content.clone());
            SendOutcome::Accepted { id: None }
        });
        let exceptions = HostNames::parse(exceptions).unwrap();
        let how = MediaFetching { by, exceptions, max_bytes: 1000 };
        let transport = FetchingTransport::new(Arc::new(inner), how, names()).unwrap();
        let session = ProviderSession { server: "waha".into(), name: "main".into() };
        let (to, content) = (address(1), picture(url));
        let envelope = Envelope { session: &session, to: &to, content: &content };
        match transport.prepare(envelope).await {
            Preparation::Ready(route) => {
                let outcome = transport.send(envelope, &route, None).await;
                assert_eq!(outcome, SendOutcome::Accepted { id: None });
                assert!(transport.fetched().is_empty(), "a file is kept for nobody");
                Ok(handed.lock().unwrap().take().unwrap())
            }
            Preparation::Rejected(failure) => Err(failure.code),
            Preparation::TryLater(later) => {
                assert_eq!(later.reason, LaterReason::MediaUnavailable);
                Err(FailureCode::MediaUnavailable)
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_fetched_and_handed_over() {
        let port = server().await;
        for path in ["a.png", "to-good"] {
            let url = format!("http://files.test:{port}/{path}");
            let content = sent(MediaUrls::Fetch, "files.test", &url).await.unwrap();
            let Some(Attachment::Media(media)) = content.attachment else { panic!("no file") };
            assert!(media.source == MediaSource::Data("aGVsbG8=".to_owned()));
            assert_eq!(media.mimetype.as_deref(), Some("image/png"));
            let name = (path == "a.png").then_some("a.png");
            assert_eq!(media.filename.as_deref(), name);
            assert_eq!(content.body, "caption");
        }
    }

    #[tokio::test]
    async fn what_leads_inside_is_refused_before_anything_is_asked() {
        let port = server().await;
        for url in [
            format!("http://127.0.0.1:{port}/a.png"),
            format!("http://files.test:{port}/a.png"),
            "http://inside.test/a.png".to_owned(),
            // One public address among them helps nobody.
            format!("http://both.test:{port}/a.png"),
        ] {
            for by in [MediaUrls::Fetch, MediaUrls::Pass] {
                let refused = sent(by, "other.test", &url).await;
                assert_eq!(refused, Err(FailureCode::MediaUrlNotAllowed), "{url}");
            }
        }
    }

    #[tokio::test]
    async fn redirects_lead_nowhere_else() {
        let port = server().await;
        for path in ["to-metadata", "to-loopback", "to-odd", "to-inside"] {
            let url = format!("http://files.test:{port}/{path}");
            let refused = sent(MediaUrls::Fetch, "files.test", &url).await;
            assert_eq!(refused, Err(FailureCode::MediaUrlNotAllowed), "{path}");
        }
        // Another scheme is not followed at all.
        for path in ["to-file", "round-and-round"] {
            let url = format!("http://files.test:{port}/{path}");
            let refused = sent(MediaUrls::Fetch, "files.test", &url).await;
            assert_eq!(refused, Err(FailureCode::MediaRejected), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_gone_or_too_large_fails_and_what_is_away_is_tried_again() {
        let port = server().await;
        for (path, code) in [
            ("gone", FailureCode::MediaRejected),
            ("large", FailureCode::MediaRejected),
            ("endless", FailureCode::MediaRejected),
            ("empty", FailureCode::MediaRejected),
            ("busy", FailureCode::MediaUnavailable),
        ] {
            let url = format!("http://files.test:{port}/{path}");
            assert_eq!(sent(MediaUrls::Fetch, "files.test", &url).await, Err(code), "{path}");
        }
        let unknown = sent(MediaUrls::Fetch, "files.test", "http://nowhere.test/a").await;
        assert_eq!(unknown, Err(FailureCode::MediaUnavailable));
    }

    #[tokio::test]
    async fn addresses_are_passed_on_or_refused_where_an_operator_says_so() {
        let url = "https://public.test/a.png";
        let passed = sent(MediaUrls::Pass, "x.test", url).await.unwrap();
        assert!(passed == picture(url));
        let refused = sent(MediaUrls::Off, "x.test", url).await;
        assert_eq!(refused, Err(FailureCode::MediaUrlNotAllowed));
    }
}
