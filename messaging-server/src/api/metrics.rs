//! Metrics over HTTP, for Prometheus.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody};
use poem_openapi::payload::PlainText;
use poem_openapi::{ApiResponse, OpenApi};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::api::authorized::bearer;
use crate::api::problem::{Problem, Refusal, SIGNATURE, kind};
use crate::api::{ApiState, Tag};

/// Metrics.
pub struct MetricsApi {
    /// What the API is made of.
    pub state: Arc<ApiState>,
}

#[OpenApi(tag = "Tag::Health")]
impl MetricsApi {
    /// Read the metrics
    ///
    /// In Prometheus' text format. Open, unless the server was given a `METRICS_TOKEN`: then that is
    /// the bearer token needed, and no other.
    #[oai(path = "/metrics", method = "get", operation_id = "get_metrics")]
    async fn metrics(&self, _reader: MetricsReader) -> Result<MetricsAnswer, Refusal<SIGNATURE>> {
        Ok(MetricsAnswer::Text(PlainText((self.state.metrics)())))
    }
}

/// Somebody who may read the metrics.
struct MetricsReader;

impl<'a> FromRequest<'a> for MetricsReader {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let state = request.data::<Arc<ApiState>>();
        let Some(wanted) = state.and_then(|state| state.metrics_token.as_ref()) else {
            return Ok(Self);
        };
        let Some(given) = bearer(request) else {
            return Err(Problem::new(&kind::UNAUTHENTICATED).with_challenge("Bearer").into());
        };
        if bool::from(given.as_bytes().ct_eq(wanted.expose_secret().as_bytes())) {
            return Ok(Self);
        }
        let challenge = "Bearer error=\"invalid_token\"";
        Err(Problem::new(&kind::INVALID_TOKEN).with_challenge(challenge).into())
    }
}

/// The answer to a request for metrics.
#[derive(ApiResponse)]
pub enum MetricsAnswer {
    /// The metrics.
    #[oai(status = 200, content_type = "text/plain; version=0.0.4; charset=utf-8")]
    Text(PlainText<String>),
}
