//! The HTTP API: resources joined into one service with one way of refusing.

mod address_text;
pub mod admin;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod authorized;
pub mod body;
pub mod bulk;
pub mod content;
pub mod cors;
pub mod cursor;
pub mod dead_letters;
mod document;
mod exchange;
pub mod health;
pub mod idempotency;
pub mod messages;
pub mod metrics;
pub mod named;
pub mod opt_outs;
pub mod privacy;
pub mod problem;
pub mod queue;
pub mod servers;
pub mod sessions;
pub mod sight;
pub mod source;
pub mod suspension;
mod trail;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use messaging_core::domain::network::Networks;
use messaging_core::domain::tenant::Permission;
use messaging_core::gateway::Gateway;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::entropy::Entropy;
use poem::endpoint::{BoxEndpoint, make_sync};
use poem::error::NotFoundError;
use poem::web::Html;
use poem::{EndpointExt, IntoResponse, Response, Route, get};
use poem_openapi::{OpenApiService, Tags};
use secrecy::SecretString;

use self::admin::AdminApi;
use self::api_keys::ApiKeysApi;
use self::audit::AuditApi;
use self::auth::AuthApi;
use self::bulk::BulkApi;
use self::cors::Origins;
use self::dead_letters::DeadLettersApi;
use self::exchange::{Exchange, RouteInfo};
use self::health::HealthApi;
use self::messages::MessagesApi;
use self::metrics::MetricsApi;
use self::opt_outs::OptOutsApi;
use self::privacy::PrivacyApi;
use self::queue::QueueApi;
use self::servers::ServersApi;
use self::sessions::SessionsApi;
use self::source::Proxies;
use self::webhooks::WebhooksApi;
use crate::audit::AuditTrail;
use crate::auth::Authentication;

pub use self::document::openapi_document;

/// The version of the service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What gives the metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How large a request's body may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// A request without files in it.
    pub json: usize,
    /// A request to send, which may have a file in it, in base64.
    pub media: usize,
    /// A webhook.
    pub webhook: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { json: MIB, media: 16 * MIB, webhook: 5 * MIB }
    }
}

/// What stands before the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which proxies are believed as to who calls.
    pub proxies: Proxies,
    /// From where webhooks are taken; `None` from everywhere.
    pub webhook_sources: Option<Networks>,
    /// Whose pages may call from a browser.
    pub origins: Origins,
    /// Whether it is served encrypted, so that browsers may be told to ask for nothing else.
    pub is_tls: bool,
    /// How long the body of a request may take to come.
    pub body_timeout: Duration,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            webhook_sources: None,
            origins: Origins::default(),
            is_tls: false,
            body_timeout: Duration::from_secs(60),
        }
    }
}

/// What the API is made of.
#[derive(Clone)]
pub struct ApiState {
    /// The one door to everything.
    pub gateway: Gateway,
    /// What takes entries to the audit log.
    pub audit: AuditTrail,
    /// Who is believed, and what is given for API keys.
    pub auth: Authentication,
    /// The time, the same as the gateway's.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for request ids.
    pub entropy: Arc<dyn Entropy>,
    /// What `/metrics` answers.
    pub metrics: MetricsText,
    /// What a bearer must show to read `/metrics`; `None` leaves it open.
    pub metrics_token: Option<SecretString>,
    /// How large requests may be.
    pub limits: BodyLimits,
    /// What stands before it.
    pub edge: Edge,
    /// What whoever takes over a session that is in WAHA already needs to be allowed, beside
    /// [`Permission::ManageSessions`].
    pub adopting_needs: Permission,
}

/// What operations are about.
#[derive(Tags)]
enum Tag {
    /// Send messages, follow them, count them, take them back.
    Messages,
    /// Send one content to many recipients, paced.
    Bulk,
    /// Messages that failed, and can be tried again.
    #[oai(rename = "Dead letters")]
    DeadLetters,
    /// Those who want no messages.
    #[oai(rename = "Opt-outs")]
    OptOuts,
    /// WhatsApp accounts: make, adopt, pair, start, stop and end them.
    Sessions,
    /// Who did what.
    Audit,
    /// What is kept of one person.
    Privacy,
    /// Tokens for API keys: given, renewed, taken back. Needs no token.
    Access,
    /// Keys by which programs call.
    #[oai(rename = "API keys")]
    ApiKeys,
    /// Tenants and WAHA servers: make them, stop them, let them go. For whoever runs the deployment.
    Administration,
    /// What WAHA reports; no token but a signature.
    Webhooks,
    /// Whether the service works, and how well; no token.
    Health,
}

/// Everything there is, in the order of the document.
type Resources = (
    MessagesApi,
    BulkApi,
    DeadLettersApi,
    OptOutsApi,
    QueueApi,
    SessionsApi,
    AuditApi,
    PrivacyApi,
    AuthApi,
    ApiKeysApi,
    AdminApi,
    ServersApi,
    WebhooksApi,
    HealthApi,
    MetricsApi,
);

/// The whole HTTP API, for a server to serve at its root. Whatever it refuses is answered here, so
/// it never ends in an error.
pub fn routes(state: ApiState) -> BoxEndpoint<'static, Response> {
    let state = Arc::new(state);
    let gateway = || state.gateway.clone();
    let resources: Resources = (
        MessagesApi { gateway: gateway() },
        BulkApi { gateway: gateway() },
        DeadLettersApi { gateway: gateway() },
        OptOutsApi { gateway: gateway() },
        QueueApi { gateway: gateway() },
        SessionsApi { gateway: gateway(), adopting_needs: state.adopting_needs },
        AuditApi { gateway: gateway() },
        PrivacyApi { gateway: gateway() },
        AuthApi { state: Arc::clone(&state) },
        ApiKeysApi { gateway: gateway() },
        AdminApi { gateway: gateway() },
        ServersApi { gateway: gateway() },
        WebhooksApi { gateway: gateway() },
        HealthApi::new(Arc::clone(&state)),
        MetricsApi { state: Arc::clone(&state) },
    );
    let mut routes = document::routes::<Resources>();
    for page in ["/openapi.json", "/docs", "/docs/", "/problems/{code}"] {
        let route = RouteInfo::new(page.to_owned(), "GET, HEAD".to_owned());
        routes.insert(route.pattern(), route);
    }
    let (page, document) = (document::swagger_ui(), openapi_document());
    let swagger_ui = move || {
        let page = page.clone();
        get(make_sync(move |_| Html(page.clone())))
    };
    let all = Route::new()
        .at("/docs", swagger_ui())
        .at("/docs/", swagger_ui())
        .at(
            "/openapi.json",
            get(make_sync(move |_| {
                Response::builder().content_type("application/json").body(document.clone())
            })),
        )
        .at("/problems/:param0", get(make_sync(|request| problem_page(&request))))
        .nest("/", OpenApiService::new(resources, "", VERSION));
    Exchange::new(all, state, routes).boxed()
}

/// Health and metrics alone: what a node serves that only sends.
pub fn probes(state: ApiState) -> BoxEndpoint<'static, Response> {
    let state = Arc::new(state);
    let resources = (HealthApi::new(Arc::clone(&state)), MetricsApi { state: Arc::clone(&state) });
    let routes = document::routes::<(HealthApi, MetricsApi)>();
    let all = Route::new().nest("/", OpenApiService::new(resources, "", VERSION));
    Exchange::new(all, state, routes).boxed()
}

fn problem_page(request: &poem::Request) -> poem::Result<Response> {
    let code = request.raw_path_param("param0").unwrap_or_default();
    let page = document::problem_page(code).ok_or(NotFoundError)?;
    Ok(page.with_content_type("text/markdown; charset=utf-8").into_response())
}
