//! The whole API in process, on adapters in memory, with a clock that tests move.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod waha;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use messaging_core::conformance::build::{self, at, session_id, tenant_id};
use messaging_core::conformance::clock::FakeClock;
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::message::Message;
use messaging_core::domain::session::{ProviderSession, Session};
use messaging_core::domain::tenant::{Permission, Role};
use messaging_core::gateway::{Gateway, Ports, Settings};
use messaging_core::memory::duty_roster::MemoryDutyRoster;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::memory::store::MemoryStore;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::observer::NoObserver;
use messaging_core::ports::provider_history::MockProviderHistory;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_core::ports::transport::MockTransport;
use messaging_server::api::{ApiState, BodyLimits, Edge, openapi_document, routes};
use messaging_server::audit::AuditTrail;
use messaging_server::auth::identity_provider::IdentityProvider;
use messaging_server::auth::{Authentication, RefreshTokens, TokenIssuer, TokenVerifier};
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method, StatusCode};
use poem::{Endpoint, PathPattern, Request, Response};
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;
use waha_client::transport::{WahaDecoder, WahaVerifier};
use waha_client::webhooks::{Dialect, SigningKeys};

pub(crate) use waha::FakeWaha;

/// What tokens are signed with.
pub(crate) const SECRET: &str = "a secret that only tests know, 32 bytes at least";

/// What refresh tokens are signed with.
pub(crate) const REFRESH_SECRET: &str = "another secret that only tests know, 32 bytes too";

/// What webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "your-webhook-secret";

/// The API with what lies behind it. Tenant 1 has the session `main`, which works; tenant 2 has
/// one of the same name.
pub(crate) struct Harness {
    endpoint: BoxEndpoint<'static, Response>,
    pub(crate) gateway: Gateway,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) waha: Arc<FakeWaha>,
    /// What takes entries to the audit log.
    pub(crate) trail: AuditTrail,
}

/// What a harness can be made of in another way.
pub(crate) struct Parts {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) limits: BodyLimits,
    pub(crate) metrics_token: Option<SecretString>,
    pub(crate) edge: Edge,
    pub(crate) adopting_needs: Permission,
    pub(crate) identity_provider: Option<Arc<IdentityProvider>>,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A harness some of whose parts are others.
    pub(crate) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(FakeClock::new(at(0)));
        let waha = Arc::new(FakeWaha::default());
        let entropy = Arc::new(SeededEntropy::new(7));
        let ports = Ports {
            messages: Arc::clone(&store) as _,
            sessions: Arc::clone(&store) as _,
            servers: Arc::clone(&store) as _,
            tenants: Arc::clone(&store) as _,
            inbox: Arc::clone(&store) as _,
            idempotency: Arc::clone(&store) as _,
            opt_outs: Arc::clone(&store) as _,
            audit: Arc::clone(&store) as _,
            persons: Arc::clone(&store) as _,
            retention: Arc::clone(&store) as _,
            access: Arc::clone(&store) as _,
            upkeep: Arc::clone(&store) as _,
            queue: Arc::new(MemoryQueue::new()),
            limiter: Arc::new(MemoryRateLimiter::new()),
            duties: Arc::new(MemoryDutyRoster::default()),
            transport: Arc::new(MockTransport::new()),
            control: Arc::clone(&waha) as _,
            history: Arc::new(MockProviderHistory::new()),
            verifier: Arc::new(WahaVerifier::new(signing_keys())),
            decoder: Arc::new(WahaDecoder),
            observer: Arc::new(NoObserver),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::clone(&entropy) as _,
        };
        for tenant in [1, 2] {
            TenantStore::insert(&*store, &build::tenant(tenant)).await.unwrap();
            SessionStore::insert(&*store, &session(tenant)).await.unwrap();
        }
        let mut parts = Parts {
            ports,
            settings: Settings::default(),
            limits: BodyLimits::default(),
            metrics_token: None,
            edge: Edge::default(),
            adopting_needs: Permission::ManageSessions,
            identity_provider: None,
        };
        change(&mut parts);
        let gateway = Gateway::new(parts.ports, parts.settings);
        let trail = AuditTrail::start(gateway.clone());
        let endpoint = routes(ApiState {
            gateway: gateway.clone(),
            audit: trail.clone(),
            auth: Authentication {
                tokens: TokenVerifier::new(&SECRET.to_owned().into()),
                issuer: TokenIssuer::new(&SECRET.to_owned().into()),
                refresh: RefreshTokens::new(&REFRESH_SECRET.to_owned().into()),
                access_lasts: Duration::from_secs(3600),
                refresh_lasts: Duration::from_secs(7 * 24 * 3600),
                identity_provider: parts.identity_provider,
            },
            clock: Arc::clone(&clock) as _,
            entropy,
            metrics: Arc::new(|| "a_metric 1\n".to_owned()),
            metrics_token: parts.metrics_token,
            limits: parts.limits,
            edge: parts.edge,
            adopting_needs: parts.adopting_needs,
        });
        Self { endpoint, gateway, store, clock, waha, trail }
    }

    /// A token of this role in the name of the `tenant`th tenant.
    pub(crate) fn token(&self, tenant: u64, role: Role) -> String {
        let ttl = Duration::from_secs(3600);
        TokenIssuer::new(&SECRET.to_owned().into())
            .issue(tenant_id(tenant), role, ttl, self.clock.now(), Uuid::nil())
            .unwrap()
    }

    /// One that listens to whoever fails to authenticate, however often.
    pub(crate) async fn patient() -> Self {
        Self::with(|parts| parts.settings.auth_failures.limit = u32::MAX).await
    }

    /// Sends a request and gives the answer as it comes, not read yet.
    pub(crate) async fn begin(&self, request: Request) -> Response {
        self.endpoint.get_response(request).await
    }

    /// Sends a request and gives the answer.
    pub(crate) async fn call(&self, request: Request) -> Answer {
        let method = request.method().as_str().to_lowercase();
        let response = self.endpoint.get_response(request).await;
        let answer = Answer::of(response).await;
        answer.check_declared(&method);
        answer
    }

    /// Sends a request of the first tenant's owner.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_as(1, method, path, body).await
    }

    /// Sends a request of a tenant's owner.
    pub(crate) async fn ask_as(
        &self,
        tenant: u64,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let token = self.token(tenant, Role::Owner);
        let bytes = body.map(|body| body.to_string().into_bytes());
        self.call(request(method, path, Some(&token), bytes)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None).await
    }

    /// Sends a body as it is.
    pub(crate) async fn post_raw(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let token = self.token(1, Role::Owner);
        self.call(request("POST", path, Some(&token), Some(body.into()))).await
    }

    /// Posts a webhook that WAHA has signed.
    pub(crate) async fn webhook(&self, path: &str, body: &str) -> Answer {
        let signature = sign(body.as_bytes());
        let request = Request::builder()
            .method(Method::POST)
            .uri(path.parse().unwrap())
            .content_type("application/json")
            .header("X-Waha-Signature", signature)
            .body(body.to_owned());
        self.call(request).await
    }

    /// Keeps a message as if it had been accepted.
    pub(crate) async fn keep(&self, message: Message) -> Message {
        MessageStore::insert(&*self.store, std::slice::from_ref(&message)).await.unwrap();
        message
    }
}

/// The OpenAPI document.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&openapi_document()).unwrap())
}

/// A request with JSON, or what is said to be.
pub(crate) fn request(
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Vec<u8>>,
) -> Request {
    let mut request = Request::builder().method(method.parse().unwrap()).uri(path.parse().unwrap());
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    match body {
        Some(body) => request.content_type("application/json").body(body),
        None => request.finish(),
    }
}

fn signing_keys() -> SigningKeys {
    SigningKeys::new([WEBHOOK_SECRET.to_owned().into()]).unwrap()
}

/// The signature of a webhook's body, as the header `X-Waha-Signature` has it.
pub(crate) fn sign(body: &[u8]) -> String {
    signing_keys().sign(Dialect::Simple, body)
}

/// The session `main` of the `tenant`th tenant, working.
pub(crate) fn session(tenant: u64) -> Session {
    Session {
        tenant: tenant_id(tenant),
        name: "main".to_owned(),
        place: ProviderSession { server: "waha".into(), name: format!("waha-{tenant}") },
        ..build::session(tenant)
    }
}

/// The id of the session `main` of the `tenant`th tenant.
pub(crate) fn main_session(tenant: u64) -> String {
    session_id(tenant).to_string()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The route it came from, as the OpenAPI document has it.
    pub(crate) route: Option<String>,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let route = response.data::<PathPattern>().map(|pattern| pattern.0.to_string());
        let (parts, body) = response.into_parts();
        let body = body.into_vec().await.unwrap();
        Self { status: parts.status, headers: parts.headers, body, route }
    }

    /// Whatever an operation answers, the OpenAPI document declares: status, kind of body, headers.
    #[track_caller]
    fn check_declared(&self, method: &str) {
        let Some(route) = &self.route else { return };
        let operation = &document()["paths"][route][method];
        if operation.is_null() {
            return; // A page, a HEAD, or a method that is not taken.
        }
        let declared = &operation["responses"][self.status.as_str()];
        assert!(declared.is_object(), "{method} {route} answers {} undeclared", self.status);
        if let Some(kind) = self.header("content-type") {
            let kind = kind.trim_end_matches("; charset=utf-8");
            let kinds = declared["content"].as_object().unwrap();
            let found = kinds.keys().any(|each| each.trim_end_matches("; charset=utf-8") == kind);
            assert!(found, "{method} {route} answers {} with {kind} undeclared", self.status);
        }
        for name in [
            "location",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "www-authenticate",
            "idempotency-replayed",
        ] {
            let headers = declared["headers"].as_object();
            let is_declared = headers
                .is_some_and(|headers| headers.keys().any(|each| each.eq_ignore_ascii_case(name)));
            let is_there = self.headers.contains_key(name);
            assert!(is_declared || !is_there, "{method} {route} sends {name} undeclared");
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The body of a refusal with this status and code, in the one form all have.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("/problems/{code}"));
        for text in ["title", "detail", "instance"] {
            assert!(!body[text].as_str().unwrap().is_empty(), "{body}");
        }
        if status == 429 || status == 503 {
            let seconds: u64 = self.header("retry-after").unwrap().parse().unwrap();
            assert!(seconds >= 1);
            assert_eq!(body["retryAfter"], seconds);
        }
        body
    }

    /// As [`refused`](Self::refused), of a request one field of whose body is wrong.
    #[track_caller]
    pub(crate) fn refused_field(&self, code: &str, pointer: &str) -> Value {
        let body = self.refused(400, code);
        assert_eq!(body["errors"][0]["pointer"], pointer, "{body}");
        assert!(!body["errors"][0]["detail"].as_str().unwrap().is_empty());
        body
    }

    /// As [`refused`](Self::refused), of a request one parameter of whose address is wrong.
    #[track_caller]
    pub(crate) fn refused_parameter(&self, parameter: &str) -> Value {
        let body = self.refused(400, "invalid-request");
        assert_eq!(body["errors"][0]["parameter"], parameter, "{body}");
        assert!(body["errors"][0].get("pointer").is_none());
        body
    }
}
