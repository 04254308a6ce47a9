//! The bodies of requests: bounded, strict, and refused by naming the field.

mod reason;

use std::sync::Arc;

use poem::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use crate::api::authorized::LetIn;
use crate::api::problem::{FieldProblem, Problem, kind};
use crate::api::{ApiState, BodyLimits};

/// A body that can be asked for.
pub trait RequestJson: Type + DeserializeOwned {
    /// How many bytes of it are read at the most.
    fn limit(limits: &BodyLimits) -> usize {
        limits.json
    }
}

/// A request's body in JSON. What is unknown, missing or of a wrong type is refused.
pub struct JsonBody<T>(pub T);

impl<'a, T: RequestJson> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request(T::schema_ref()))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        check_content_type(request)?;
        let let_in = LetIn::now(request);
        let bytes = read(request, body, T::limit).await?;
        let_in.judge_again(request).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// A request's body, byte for byte, as signatures need it.
pub struct RawBody(pub Vec<u8>);

impl RawBody {
    /// Reads what a webhook brought.
    pub(super) async fn of_webhook(
        request: &Request,
        body: &mut RequestBody,
    ) -> Result<Self, Problem> {
        read(request, body, |limits| limits.webhook).await.map(Self)
    }
}

pub(super) fn json_request(schema: MetaSchemaRef) -> MetaRequest {
    let content = vec![MetaMediaType { content_type: "application/json", schema }];
    MetaRequest { description: None, content, required: true }
}

fn check_content_type(request: &Request) -> Result<(), Problem> {
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    let detail = "the header Content-Type must be application/json";
    Err(Problem::new(&kind::UNSUPPORTED_MEDIA_TYPE).with_detail(detail))
}

/// Reads the body up to its limit. One that says it is larger is not read at all.
async fn read(
    request: &Request,
    body: &mut RequestBody,
    limit: fn(&BodyLimits) -> usize,
) -> Result<Vec<u8>, Problem> {
    let Some(state) = request.data::<Arc<ApiState>>() else {
        return Err(Problem::new(&kind::INTERNAL_ERROR));
    };
    let (limit, patience) = (limit(&state.limits), state.edge.body_timeout);
    let too_large = || {
        let detail = format!("the body may have at most {limit} bytes");
        Problem::new(&kind::PAYLOAD_TOO_LARGE).with_detail(detail)
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > limit)
    {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, body.take()?.into_bytes_limit(limit)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(poem::error::ReadBodyError::PayloadTooLarge)) => Err(too_large()),
        Ok(Err(error)) => Err(error.into()),
        // What is left of it would be taken for the next request.
        Err(_) => Err(Problem::new(&kind::REQUEST_TIMEOUT).with_header(CONNECTION, "close")),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let refuse = |pointer: &str, detail: String| {
        Problem::new(&kind::INVALID_REQUEST)
            .with_errors(vec![FieldProblem::in_body(pointer, detail)])
    };
    if bytes.is_empty() {
        return Err(refuse("", "must not be empty".to_owned()));
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(refuse("", "must be UTF-8".to_owned()));
    }
    // serde would take the fields of an object from an array, in order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(refuse("", "must be an object".to_owned()));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (pointer, detail) = reason::of(&error);
        refuse(&pointer, detail)
    })?;
    json.end()
        .map_err(|_| refuse("", "must hold one JSON value and nothing behind it".to_owned()))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_core::domain::message::Priority;
    use serde::Deserialize;
    use serde_json::Value;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by the parser")]
    struct Sample {
        to: String,
        count: Option<u32>,
        recipients: Option<Vec<String>>,
        priority: Option<Priority>,
        inner: Option<Inner>,
        metadata: Option<std::collections::HashMap<String, Value>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by the parser")]
    struct Inner {
        latitude: f64,
    }

    #[track_caller]
    fn check(body: &[u8], pointer: &str, detail: &str) {
        let problem = parse::<Sample>(body).unwrap_err();
        assert_eq!(problem.code(), "invalid-request");
        let errors = problem.errors().unwrap();
        let found = (errors[0].pointer.as_deref().unwrap(), errors[0].detail.as_str());
        assert_eq!(found, (pointer, detail));
    }

    #[test]
    fn a_good_body_is_read() {
        let body = br#"{"to":"+1","priority":"HIGH","metadata":{"a":[1]},"inner":{"latitude":1}}"#;
        assert!(parse::<Sample>(body).is_ok());
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        check(b"", "#", "must not be empty");
        check(b"\xff{}", "#", "must be UTF-8");
        check(b"{\"to\":\"\xff\"}", "#", "must be UTF-8");
        check(b"{", "#", "is not valid JSON: it ends too early");
        check(b"{\"to\":\"x\"", "#", "is not valid JSON: it ends too early");
        check(b"nonsense", "#", "is not valid JSON (line 1, column 2)");
        check(b"{\"to\":\"x\"} 1", "#", "must hold one JSON value and nothing behind it");
        check(&[b'['; 1000], "#", "must be an object");
    }

    #[test]
    fn a_wrong_field_is_named_and_not_repeated() {
        check(b"[]", "#", "must be an object");
        check(b"{}", "#/to", "is required");
        check(br#"{"to":5}"#, "#/to", "must be a string");
        check(br#"{"to":null}"#, "#/to", "must be a string");
        check(br#"{"to":"a","to":"b"}"#, "#/to", "is given twice");
        check(br#"{"to":"a","tooo":"b"}"#, "#/tooo", "is not a known field");
        check(br#"{"to":"a","a/b~c":1}"#, "#/a~1b~0c", "is not a known field");
        check(br#"{"to":"a","count":"x, expected y"}"#, "#/count", "must be a whole number");
        check(
            br#"{"to":"a","count":-1}"#,
            "#/count",
            "must be a whole number that is not negative and not too large",
        );
        check(br#"{"to":"a","count":1.5}"#, "#/count", "must be a whole number");
        check(br#"{"to":"a","recipients":["b",5]}"#, "#/recipients/1", "must be a string");
        check(br#"{"to":"a","recipients":"b"}"#, "#/recipients", "must be an array");
        check(br#"{"to":"a","inner":{}}"#, "#/inner/latitude", "is required");
        check(br#"{"to":"a","inner":{"latitude":"x"}}"#, "#/inner/latitude", "must be a number");
        check(br#"{"to":"a","inner":{"latitude":1,"b":1}}"#, "#/inner/b", "is not a known field");
        check(
            br#"{"to":"a","priority":"urgent"}"#,
            "#/priority",
            "must be one of high, normal, low",
        );
        check(br#"{"to":"a","priority":1}"#, "#/priority", "must be a string");
        check(br#"{"to":"a","metadata":[]}"#, "#/metadata", "must be an object");
    }
}
