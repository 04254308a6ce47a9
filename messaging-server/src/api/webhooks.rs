//! Webhooks over HTTP: what WAHA reports, believed by its signature alone.

use std::sync::Arc;

use messaging_core::domain::id::SessionId;
use messaging_core::domain::inbox::Kept;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::receive_webhook::{Admitted, Webhook};
use messaging_core::ports::webhook_verifier::Headers;
use poem::http::HeaderMap;
use poem::{Request, RequestBody};
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::{Example, Type};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::body::{RawBody, json_request};
use crate::api::messages::message::Metadata;
use crate::api::problem::{BODY, LIMITED, NOT_FOUND, Problem, Refusal, SIGNATURE, SOURCE, kind};
use crate::api::source::ClientAddress;
use crate::api::{ApiState, Tag};

/// The door for webhooks.
pub struct WebhooksApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

type WebhookRefusal = Refusal<{ SIGNATURE | SOURCE | BODY | NOT_FOUND | LIMITED }>;

#[OpenApi(tag = "Tag::Webhooks")]
impl WebhooksApi {
    /// Receive a webhook
    ///
    /// For WAHA; needs no token but a signature over the body. The session is the one whose name
    /// in WAHA is `session`, which must be unique over all WAHA servers. A webhook that is answered
    /// with 200 is kept and takes effect once, however often it is repeated.
    #[oai(
        path = "/webhooks/waha",
        method = "post",
        operation_id = "receive_webhook",
        request_header(
            name = "X-Waha-Signature",
            ty = "Option<String>",
            description = "`sha256=` and the HMAC-SHA256 of the body in hexadecimal."
        ),
        request_header(
            name = "X-Webhook-Hmac",
            ty = "Option<String>",
            description = "WAHA's own: the HMAC-SHA512 of the body in hexadecimal."
        )
    )]
    async fn receive(&self, webhook: Incoming<'_>) -> Result<WebhookAnswer, WebhookRefusal> {
        self.take_in(None, webhook).await
    }

    /// Receive a webhook of one session
    ///
    /// As `POST /webhooks/waha`, for the session of this id: what sessions created here report to.
    #[oai(
        path = "/webhooks/waha/:sessionId",
        method = "post",
        operation_id = "receive_session_webhook",
        request_header(
            name = "X-Waha-Signature",
            ty = "Option<String>",
            description = "`sha256=` and the HMAC-SHA256 of the body in hexadecimal."
        ),
        request_header(
            name = "X-Webhook-Hmac",
            ty = "Option<String>",
            description = "WAHA's own: the HMAC-SHA512 of the body in hexadecimal."
        )
    )]
    async fn receive_for_session(
        &self,
        /// The session's id.
        #[oai(name = "sessionId")]
        session_id: Path<Uuid>,
        webhook: Incoming<'_>,
    ) -> Result<WebhookAnswer, WebhookRefusal> {
        self.take_in(Some(SessionId(session_id.0)), webhook).await
    }

    /// Tell whether webhooks are taken in
    ///
    /// Needs no token.
    #[oai(path = "/webhooks/health", method = "get", operation_id = "get_webhook_health")]
    async fn health(&self) -> Result<Json<WebhookHealth>, Refusal<0>> {
        let depth = self.gateway.inbox_depth().await?;
        Ok(Json(WebhookHealth {
            status: "pass".to_owned(),
            pending: depth.pending,
            dead: depth.dead,
        }))
    }
}

impl WebhooksApi {
    async fn take_in(
        &self,
        session: Option<SessionId>,
        incoming: Incoming<'_>,
    ) -> Result<WebhookAnswer, WebhookRefusal> {
        let webhook = Webhook {
            admitted: incoming.admitted,
            session,
            headers: &RequestHeaders(incoming.request.headers()),
            body: &incoming.body.0,
        };
        let kept = self.gateway.receive_webhook(webhook).await?;
        Ok(WebhookAnswer::Kept(Json(WebhookKept {
            status: "accepted".to_owned(),
            repeat: kept == Kept::Repeat,
        })))
    }
}

struct RequestHeaders<'a>(&'a HeaderMap);

impl Headers for RequestHeaders<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|value| value.as_bytes())
    }
}

/// A webhook's request: its body byte for byte, and what came with it.
pub struct Incoming<'a> {
    admitted: Admitted,
    request: &'a Request,
    body: RawBody,
}

/// Refuses a request from where none, or no more, are taken. An address that is not known is in no
/// network.
async fn admit(request: &Request) -> Result<Admitted, Problem> {
    let Some(state) = request.data::<Arc<ApiState>>() else {
        return Err(Problem::new(&kind::INTERNAL_ERROR));
    };
    let client = ClientAddress::of(request);
    if let Some(networks) = &state.edge.webhook_sources
        && !client.0.is_some_and(|client| networks.contain(client))
    {
        return Err(state.gateway.refuse_webhook_source().into());
    }
    Ok(state.gateway.admit_webhook(client.number()).await?)
}

impl<'a> ApiExtractor<'a> for Incoming<'a> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        WebhookEvent::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request(WebhookEvent::schema_ref()))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let admitted = admit(request).await?;
        Ok(Self { admitted, request, body: RawBody::of_webhook(request, body).await? })
    }
}

/// What WAHA reports. Members that are not listed are allowed; events of unknown names are kept.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct WebhookEvent {
    /// The event's id, where WAHA gives one.
    pub id: Option<String>,
    /// What happened, such as `message.any`, `message.ack` or `session.status`.
    pub event: String,
    /// The session's name in WAHA.
    pub session: String,
    /// What there is to say about it.
    pub payload: Metadata,
}

impl Example for WebhookEvent {
    fn example() -> Self {
        let payload = json!({
            "id": "waha_msg_123456",
            "from": "+5511988887777",
            "to": "+5511900000001",
            "body": "Hello, this is a test message",
            "timestamp": 1_767_225_600_000_u64,
            "type": "text",
        });
        let payload = match payload {
            Value::Object(fields) => fields.into_iter().collect(),
            _ => Metadata::new(),
        };
        let (event, session) = ("message.text".to_owned(), "default".to_owned());
        Self { id: None, event, session, payload }
    }
}

/// A webhook that was kept.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct WebhookKept {
    /// `accepted`.
    pub status: String,
    /// Whether it was kept before: then it changes nothing.
    pub repeat: bool,
}

/// The answer to a webhook.
#[derive(ApiResponse)]
pub enum WebhookAnswer {
    /// The webhook is kept and will take effect once.
    #[oai(status = 200)]
    Kept(Json<WebhookKept>),
}

/// Whether webhooks are taken in.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase")]
pub struct WebhookHealth {
    /// `pass`.
    pub status: String,
    /// How many webhooks wait to be applied.
    pub pending: u64,
    /// How many could not be applied: somebody must look.
    pub dead: u64,
}
